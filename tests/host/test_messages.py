# SPDX-License-Identifier: MIT
"""Refusals: short, grouped by cause, without going in circles; names out of a file as text."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import hognose as hognose_library
from engines import check
from hognose_tools import text
from hognose_tools.compiler import compile_tflite
from hognose_tools.errors import UserError
from operators import Case
from test_cli import fails, hognose
from tflite_builder import Builder, Tensor


def refusal(tflite: bytes) -> str:
    with pytest.raises(UserError) as e:
        compile_tflite(tflite)
    message = str(e.value)
    assert len(message) < 600 and message.isprintable()
    return message


def chain(layers: int, layer: Callable[[Builder, Tensor, int], Tensor], dtype: str = "float32") -> bytes:
    b = Builder()
    numbers = {"scale": 0.1} if dtype == "int8" else {}
    first = x = b.tensor((1, 4), dtype, name="x", **numbers)
    for i in range(layers):
        x = layer(b, x, i)
    return b.build([first], [x])


# --- Grouped -----------------------------------------------------------------------------------------------


def test_one_cause_of_many_operators() -> None:
    def channels(b: Builder, x: Tensor, i: int) -> Tensor:
        y = b.tensor((1, 4), "int8", scale=0.1, name=f"a/rather/long/name/of/a/layer/number_{i}")
        w = b.const(np.ones((4, 4), np.int8), scale=[0.1, 0.2, 0.3, 0.4], axis=1)
        b.op("BATCH_MATMUL", [x, w], y)
        return y

    message = refusal(chain(120, channels, "int8"))
    assert message.count("a scale for each channel") == 1 and "and 117 more: " in message
    assert "operator 0 BATCH_MATMUL (a/rather/long/name/of/a/layer/number_0)" in message


def test_many_causes() -> None:
    def unknown(b: Builder, x: Tensor, i: int) -> Tensor:
        y = b.tensor((1, 4 + i), name="n" * 500)
        b.op("RELU", [x], y)
        return y

    message = refusal(chain(50, unknown))
    assert "differ in size" in message and "more problems" in message


# --- One sentence ------------------------------------------------------------------------------------------


def test_dynamic_range_is_one_sentence() -> None:
    """Of whatever layers, and whatever else is wrong with the model."""

    def hybrid(b: Builder, x: Tensor, i: int) -> Tensor:
        y, z = b.tensor((1, 4)), b.tensor((1, 4))
        if i % 2:
            b.op("FULLY_CONNECTED", [x, b.const(np.ones((4, 4), np.int8), scale=0.1), None], y)
        else:
            b.op("BATCH_MATMUL", [x, b.const(np.ones((4, 4), np.int8), scale=0.1)], y)
        b.op("CUSTOM", [y], z, custom="Mystery")
        return z

    message = refusal(chain(7, hybrid))
    assert message == (
        "dynamic-range quantization (float32 values, int8 weights: 7 layers) is in neither TFLM nor hognose: "
        "convert the model to full int8 with `hognose quantize`, or as float32"
    )


@pytest.mark.parametrize(
    ("custom", "words"),
    [
        ("ethos-u", "compiled for an Arm Ethos-U (by Vela): take the original .tflite"),
        ("edgetpu-custom-op", "compiled for an Edge TPU: take the original .tflite"),
        ("FlexErf", "FlexErf: TensorFlow's own operators, which no microcontroller has"),
    ],
)
def test_models_for_other_processors(custom: str, words: str) -> None:
    def layer(b: Builder, x: Tensor, i: int) -> Tensor:
        y = b.tensor((1, 4), "int8", scale=0.1)
        b.op("CUSTOM", [x], y, custom=custom)
        return y

    assert words in refusal(chain(3, layer, "int8"))


def softplus(b: Builder, x: Tensor, i: int) -> Tensor:
    """As the converter leaves it in a quantized model."""
    y, z = (b.tensor((1, 4), "int8", scale=0.1) for _ in range(2))
    b.op("EXP", [x], y)
    b.op("LOG", [y], z)
    return z


def test_a_quantized_model_is_not_sent_back_to_the_converter() -> None:
    message = refusal(chain(1, softplus, "int8"))
    assert "full int8" not in message and "quantized already" in message and "--type float32" in message
    assert message.count("int8 is not supported here") == 1  # of both operators

    def wide(b: Builder, x: Tensor, i: int) -> Tensor:
        y = b.tensor((1, 4), "float64")
        b.op("CAST", [x], y)
        return y

    assert "`hognose quantize` (full int8)" in refusal(chain(1, wide))


def test_each_verb_names_the_one_that_the_file_is_for(tmp_path: Path) -> None:
    """Keras's two kinds of file; TensorFlow has no part in it."""
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as keras:
        keras.writestr("metadata.json", "{}")
        keras.writestr("config.json", "{}")
    (tmp_path / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for name in ("m.keras", "m.h5"):
        fails("pack", tmp_path / name, "-o", tmp_path / "m.hog", words="with `hognose quantize`")
        fails("verify", tmp_path / name, words="with `hognose quantize`")
    for name in ("m.tflite", "renamed.keras"):
        (tmp_path / name).write_bytes(softmax(1 / 65536))
        fails("quantize", tmp_path / name, "-o", tmp_path / "x.tflite", words="`hognose pack` makes a .hog")
    (tmp_path / "m.hog").write_bytes(compile_tflite(softmax(1 / 65536)).hog)
    fails("quantize", tmp_path / "m.hog", "-o", tmp_path / "x.tflite", words="give the Keras model")
    fails("pack", tmp_path / "m.hog", "-o", tmp_path / "x.hog", words="that it was packed from")


def test_what_tflm_lacks_has_no_judge(tmp_path: Path) -> None:
    b = Builder()
    x, y = b.tensor((2, 3)), b.tensor((4, 3))
    b.op("TILE", [x, b.const(np.array([2, 1], np.int32))], y)
    (tmp_path / "m.tflite").write_bytes(b.build([x], [y]))
    fails("verify", tmp_path / "m.tflite", words="TFLM has no TILE, so that there is nothing to compare with")
    result = hognose("debug", tmp_path / "m.tflite")
    assert result.returncode == 0 and "Not compared with TFLM" in result.stdout


# --- SOFTMAX -----------------------------------------------------------------------------------------------


def softmax(scale: float) -> bytes:
    """int8 to int16."""
    b = Builder()
    x, y = b.tensor((1, 8), "int8", scale=0.1), b.tensor((1, 8), "int16", scale=scale, zero_point=-32768)
    b.op("SOFTMAX", [x], y, beta=1.0)
    return b.build([x], [y])


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("off", [0, 1 / 65535, -0.0009, 0.0009])
def test_a_scale_of_softmax_may_be_a_little_off(engine: str, off: float) -> None:
    """TFLM allows 0.1 %, and computes the same whatever it is."""
    x = np.random.default_rng(0).integers(-128, 128, (1, 8), np.int8)
    check(Case(softmax((1 + off) / 65536), [x]), engine)


@pytest.mark.parametrize("off", [-0.0011, 0.0011, 1.0])
def test_a_scale_of_softmax_may_not_be_another(off: float) -> None:
    assert "scale 1/65536" in refusal(softmax((1 + off) / 65536))


# --- Names -------------------------------------------------------------------------------------------------

EVIL = "<b>\x1b[31mred\n\x9b2J\x7f\u202exyz\r"
SHOWN = r"<b>\x1b[31mred\n\x9b2J\x7f\u202exyz\r"


def test_what_a_terminal_would_obey_is_shown() -> None:
    assert text.printable(EVIL) == SHOWN and text.printable("größe ✓ 人") == "größe ✓ 人"


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    def layer(b: Builder, x: Tensor, i: int) -> Tensor:
        y = b.tensor((1, 4), "int8", scale=0.1, name=EVIL)
        b.op(("TANH", "LOGISTIC")[i], [x], y)
        return y

    b = Builder()
    x = b.tensor((1, 4), "int8", scale=0.1, name=EVIL)
    y = b.tensor((1, 4), "int8", scale=1 / 128, name=EVIL)
    b.op("TANH", [x], y)
    (tmp_path / "m.tflite").write_bytes(b.build([x], [y]))
    b = Builder()
    x, y = b.tensor((1, 4), name=EVIL), b.tensor((1, 4), name=EVIL)
    b.op("CUSTOM", [x], y, custom=EVIL)
    (tmp_path / "bad.tflite").write_bytes(b.build([x], [y]))
    return tmp_path


def test_names_in_what_is_printed(evil: Path) -> None:
    assert hognose("pack", evil / "m.tflite", "-o", evil / "m.hog", "--meta", f"k={EVIL}").returncode == 0
    for arguments in (
        ("inspect", evil / "m.tflite"),
        ("inspect", evil / "m.hog"),
        ("inspect", evil / "m.hog", "--board", "pico"),
        ("debug", evil / "m.tflite"),
        ("verify", evil / "m.tflite"),
        ("inspect", evil / "m.hog", "--json"),
    ):
        result = hognose(*arguments)
        assert result.returncode == 0, result.stderr
        lines = result.stdout.splitlines() if "--json" in arguments else result.stdout.split("\n")
        assert all(line.isprintable() for line in lines), result.stdout
        if arguments[0] == "inspect" and "--json" not in arguments:
            assert f"input 0: {SHOWN} int8" in result.stdout
    facts = json.loads(hognose("inspect", evil / "m.hog", "--json").stdout)
    assert facts["inputs"][0]["name"] == EVIL and facts["meta"]["k"] == EVIL


def test_names_on_the_board(evil: Path) -> None:
    hog = compile_tflite((evil / "m.tflite").read_bytes(), name=EVIL, labels=[EVIL, "b", "c", "größe"]).hog
    model = hognose_library.Model(hog)
    text, line = model.summary(), repr(model)
    parts = [part.replace("\u202e", "") for part in (line, *text.split("\n"))]
    assert all(part.isprintable() for part in parts)
    assert "<b>?[31mred??2J?" in line and "größe" in line and text.count("<b>?[31mred??2J?") == 4


def test_names_in_errors(evil: Path) -> None:
    said = fails("pack", evil / "bad.tflite", "-o", evil / "x.hog", words=SHOWN)
    assert said[:-1].isprintable()
    np.savez(evil / "in.npz", **{EVIL.replace("\n", ""): np.zeros(3), **{str(i) * 9: 1 for i in range(200)}})
    said = fails("verify", evil / "m.tflite", "--inputs", evil / "in.npz", words="has the arrays")
    assert said[:-1].isprintable() and len(said) < 600 + len(str(evil))
    fails("pack", evil / "m.tflite", "-o", evil / "x.hog", "--signature", EVIL, words=SHOWN)
