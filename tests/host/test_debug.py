# SPDX-License-Identifier: MIT
"""`hognose debug`: its figures against numbers worked out here, and on every rung."""

import json
import math
from dataclasses import replace

import hypothesis
import numpy as np
import pytest

from hognose_tools.analysis import debug
from hognose_tools.compiler import compile_graph, compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.compiler.floating import dequantized, to_float
from hognose_tools.compiler.reader import read_tflite
from hognose_tools.data import samples
from hognose_tools.errors import UserError
from hognose_tools.runners import unix
from operators import OPERATORS, cases
from test_cli import fails, hognose
from tflite_builder import Builder

SCALES = [0.02, 0.05, 0.002, 0.2]  # of the values between layers; the second dense layer's is far too small
WEIGHTS = [np.random.default_rng(i).integers(-127, 128, (12, 12), np.int8) for i in range(3)]
WEIGHT_SCALE = 0.01
BIAS = np.arange(12, dtype=np.int32) * 100


def dense(kind: str) -> bytes:
    """Three dense layers, the first two with RELU; int8, or float32 with the same weights."""
    b = Builder()
    quantized = kind == "int8"

    def tensor(i: int):
        return b.tensor((1, 12), kind, name=f"layer{i}", **({"scale": SCALES[i]} if quantized else {}))

    tensors = [tensor(i) for i in range(4)]
    for i, weights in enumerate(WEIGHTS):
        if quantized:
            w = b.const(weights, scale=WEIGHT_SCALE)
            bias = b.const(BIAS, scale=SCALES[i] * WEIGHT_SCALE)
        else:
            w = b.const((weights * WEIGHT_SCALE).astype(np.float32))
            bias = b.const((BIAS * SCALES[i] * WEIGHT_SCALE).astype(np.float32))
        activation = "RELU" if i < 2 else "NONE"
        b.op("FULLY_CONNECTED", [tensors[i], w, bias], tensors[i + 1], activation=activation)
    return b.build([tensors[0]], [tensors[3]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("debug")
    (path / "m.tflite").write_bytes(dense("int8"))
    (path / "float.tflite").write_bytes(dense("float32"))
    numbers = np.random.default_rng(9).normal(0, 1, (20, 1, 12)).astype(np.float32)
    np.savez(path / "in.npz", **{"0": numbers})
    return path


def expected(numbers: np.ndarray) -> list[np.ndarray]:
    """The float network's values, input first; numbers: [samples, 12]."""
    values = [numbers.astype(np.float64)]
    for i, weights in enumerate(WEIGHTS):
        y = values[-1] @ (weights * WEIGHT_SCALE).T + BIAS * SCALES[i] * WEIGHT_SCALE
        values.append(np.maximum(y, 0) if i < 2 else y)
    return values


@pytest.mark.parametrize("floats", [[], ["--float", "float.tflite"]])
def test_figures(folder, monkeypatch, floats) -> None:
    monkeypatch.chdir(folder)
    result = hognose("debug", "m.tflite", "--input", "in.npz", "--json", *floats)
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)["rows"]
    assert [r["operator"] for r in rows] == ["input", *["FULLY_CONNECTED"] * 3]
    assert [r["differing"] for r in rows] == [None, 0, 0, 0]
    numbers = np.load("in.npz")["0"].reshape(-1, 12)
    exact = expected(numbers)
    q = np.clip(np.trunc(numbers / SCALES[0] + np.copysign(0.5, numbers)), -128, 127)
    assert rows[0]["sqnr"] == pytest.approx(ratio(exact[0], q * SCALES[0]), abs=0.01)
    assert rows[0]["at_low"] == pytest.approx(np.mean(q == -128)) and rows[0]["alone"] is None
    # What the first layer makes of the quantized input, quantized again.
    y = expected(q * SCALES[0])[1]
    z = np.clip(np.floor(y / SCALES[1] + 0.5), -128, 127) * SCALES[1]
    assert rows[1]["alone"] == pytest.approx(ratio(y, z), abs=0.1)
    assert rows[1]["sqnr"] == pytest.approx(ratio(exact[1], z), abs=0.1)
    assert rows[1]["low"] == 0 and rows[1]["high"] == pytest.approx(z.max())
    # The layer with the wrong scale saturates, and it is the one that is to blame.
    assert rows[2]["at_high"] > 0.3 and rows[2]["alone"] < 10 < min(rows[1]["alone"], rows[3]["alone"])
    said = hognose("debug", "m.tflite", "--input", "in.npz", *floats).stdout
    blamed = next(line for line in said.splitlines() if "lost most" in line)
    assert blamed.startswith("  1 FULLY_CONNECTED")


def ratio(x: np.ndarray, q: np.ndarray) -> float:
    return 10 * math.log10((x**2).sum() / ((x - q) ** 2).sum())


def test_sqnr_ends() -> None:
    x = np.array([1.0, -2.0, np.nan])
    assert debug.sqnr(x, x) == math.inf
    assert debug.sqnr(np.zeros(2), np.ones(2)) == -math.inf
    assert debug.sqnr(x, np.array([1.5, -2.0, 0.0])) == pytest.approx(10 * math.log10(5 / 0.25))


def rung(on: str, engine: str) -> None:
    try:
        if on == "unix":
            unix.micropython(engine)
    except UserError as e:
        pytest.skip(str(e))


@pytest.mark.parametrize(
    ("on", "engine"),
    [("cpython", "reference"), ("unix", "native"), ("unix", "reference"), ("unix", "tflm")],
)
def test_rungs_agree(folder, on: str, engine: str) -> None:
    rung(on, engine)
    options = ["--input", folder / "in.npz", "--samples", 3, "--json"]
    here = json.loads(hognose("debug", folder / "m.tflite", *options).stdout)
    result = hognose("debug", folder / "m.tflite", *options, "--on", on, "--engine", engine)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["rows"] == here["rows"]


def test_every_network_is_tflms() -> None:
    """Branches, views and layers of several records: what is captured is TFLM's, and the rest is named."""
    b = Builder()
    x = b.tensor((1, 4, 4, 6), "int8", scale=0.05, zero_point=3)
    left, right = (b.tensor((1, 4, 4, 3), "int8", scale=0.05, zero_point=3) for _ in "ab")
    b.op("SPLIT", [b.const(np.array(3, np.int32)), x], [left, right], num_splits=2)
    pooled = b.tensor((1, 4, 4, 3), "int8", scale=0.05, zero_point=3)
    b.op(
        "MAX_POOL_2D", [left], pooled, padding="SAME", stride_h=1, stride_w=1, filter_height=3, filter_width=3
    )
    total = b.tensor((1, 4, 4, 3), "int8", scale=0.08, zero_point=-9)
    b.op("ADD", [pooled, right], total)
    flat = b.tensor((1, 48), "int8", scale=0.08, zero_point=-9)
    b.op("RESHAPE", [total], flat, new_shape=np.array([1, 48], np.int32))
    soft = b.tensor((1, 48), "int8", scale=1 / 256, zero_point=-128)
    b.op("SOFTMAX", [flat], soft, beta=1.0)
    real = b.tensor((1, 48), "float32")
    b.op("DEQUANTIZE", [soft], real)
    tflite = b.build([x], [real])
    compiled = compile_tflite(tflite)
    inputs = samples.random(disassemble(compiled.hog).inputs, 5)
    table = debug.debug(tflite, compiled, inputs, inputs, "native", "cpython")
    kinds = ["input", "SPLIT", "SPLIT", "MAX_POOL_2D", "ADD", "RESHAPE", "SOFTMAX", "DEQUANTIZE"]
    assert [r.operator for r in table.rows] == kinds
    for row in table.rows[1:]:
        assert row.differing == 0 or row.note, row
    assert table.rows[4].differing == 0 and table.rows[4].alone > 30
    assert table.rows[5].low == table.rows[4].low  # a view
    assert table.rows[6].differing == table.rows[7].differing == 0
    assert table.rows[6].alone > 30 and table.worst is not None


@pytest.mark.parametrize(("name", "dtype"), tuple(OPERATORS))
def test_operator(name: str, dtype: str) -> None:
    """No layer of any operator's cases is said to differ, whatever records and subgraphs it takes."""

    @hypothesis.settings(max_examples=3)
    @hypothesis.given(cases(name, dtype))
    def run(case):
        compiled = compile_graph(read_tflite(case.tflite), whole=True)
        inputs = [np.asarray(a)[None] for a in case.inputs]
        table = debug.debug(case.tflite, compiled, inputs, inputs, "native", "cpython")
        for row in table.rows:
            assert not row.differing or row.type == "float32", row

    run()


def test_another_models_layers_differ(folder, capsys) -> None:
    """A changed layer is found: its values are not TFLM's."""
    tflite = (folder / "m.tflite").read_bytes()
    weights = WEIGHTS[1].tobytes()
    other = tflite.replace(weights, bytes(reversed(weights)))
    inputs = samples.random(disassemble(compile_tflite(tflite).hog).inputs, 2)
    table = debug.debug(tflite, compile_tflite(other), inputs, inputs, "native", "cpython")
    assert [row.differing == 0 for row in table.rows[1:3]] == [True, False]


def test_page(folder, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    result = hognose("debug", "m.tflite", "--input", "in.npz", "--html", "out.html")
    assert result.returncode == 0, result.stderr
    page = (folder / "out.html").read_text()
    assert page.count("<rect") == 7  # two bars a layer, one for the input
    assert page.count("<tr") == 5 and "class=worst" in page
    assert "http" not in page and "src=" not in page


def test_float_models_have_no_ratio(folder) -> None:
    result = hognose("debug", folder / "float.tflite", "--samples", 2)
    assert result.returncode == 0 and "not quantized" in result.stdout
    assert "dB" in result.stdout.splitlines()[1] and "lost most" not in result.stdout


def test_to_float() -> None:
    """Per-channel weights and a bias without scales of its own."""
    b = Builder()
    x, y = b.tensor((1, 3), "int8", scale=0.5), b.tensor((1, 2), "int8", scale=0.1)
    w = b.const(np.array([[1, 2, 3], [4, 5, 6]], np.int8), scale=[0.25, 0.125])
    b.op("FULLY_CONNECTED", [x, w, b.const(np.array([8, 8], np.int32))], y)
    graph = read_tflite(b.build([x], [y]))
    op = to_float(graph).operators[0]
    assert [t.dtype for t in (*op.inputs, *op.outputs)] == ["float32"] * 4
    assert op.inputs[1].data.tolist() == [[0.25, 0.5, 0.75], [0.5, 0.625, 0.75]]
    assert op.inputs[2].data.tolist() == [1.0, 0.5]
    shifted = replace(graph.tensors[x.index], zero_points=np.array([-3]))
    assert dequantized(np.array([[-3, -2, 127]], np.int8), shifted).tolist() == [[0.0, 0.5, 65.0]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.tflite"], "cannot read absent.tflite"),
        (["in.npz"], "TFL3"),
        (["m.tflite", "--input", "m.tflite"], "no .npz"),
        (["m.tflite", "--input", "none.npz"], "no samples"),
        (["m.tflite", "--samples", "0"], "at least 1"),
        (["m.tflite", "--float", "in.npz"], "TFL3"),
        (["m.tflite", "--float", "m.tflite"], "is quantized"),
        (["m.tflite", "--float", "other.tflite"], "its inputs are not"),
        (["m.tflite", "--on", "moon"], "moon"),
        (["m.tflite", "--engine", "tflm"], "--on unix"),
        (["m.tflite", "--html", "absent/out.html"], "cannot write"),
    ],
)
def test_errors_are_one_line(folder, monkeypatch, arguments, words) -> None:
    monkeypatch.chdir(folder)
    np.savez("none.npz", **{"0": np.zeros((0, 1, 12), np.float32)})
    b = Builder()
    x, y = b.tensor((1, 5)), b.tensor((1, 5))
    b.op("RELU", [x], y)
    (folder / "other.tflite").write_bytes(b.build([x], [y]))
    fails("debug", *arguments, words=words)
