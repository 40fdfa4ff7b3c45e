# SPDX-License-Identifier: MIT
"""Inputs and outputs of every kind: several, the same twice, an input or a constant that is an output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines import ENGINES, open_model, run
from hognose import lite
from hognose_tools import cli
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from tflite_builder import Builder

SHAPES = ((2, 3), (3,))


def ports(first: str) -> bytes:
    """Outputs: a sum, an input, the sum again, its reshaped twin, a constant; the last input is not used."""
    b = Builder()
    q = {} if first == "float32" else {"scale": 0.5, "zero_point": -3}
    x, y = (b.tensor(s, first, name=n, **q) for n, s in zip("xy", SHAPES, strict=True))
    unused = b.tensor((4,), first, name="unused", **q)
    total = b.op("ADD", [x, y], b.tensor((2, 3), first, name="sum", **q))
    shape = b.const(np.array([6], np.int32))
    flat = b.op("RESHAPE", [total, shape], b.tensor((6,), first, name="flat", **q), new_shape=[6])
    seven = b.const(np.full((2,), 7, first), name="seven", **q)
    return b.build([x, y, unused], [total, x, total, flat, seven])


def given(dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(-100, 100, s).astype(dtype) for s in (*SHAPES, (4,))]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("engine", ENGINES)
def test_engines(dtype: str, engine: str) -> None:
    tflite = ports(dtype)
    expected = Oracle(tflite).run(given(dtype))
    assert len(expected) == 5
    got = run(compile_tflite(tflite).hog, engine, given(dtype), expected)
    assert [a.tobytes() for a in got] == [a.tobytes() for a in expected]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_lite(dtype: str) -> None:
    tflite = ports(dtype)
    interpreter = lite.Interpreter(model_content=compile_tflite(tflite).hog)
    interpreter.allocate_tensors()
    for details, values in zip(interpreter.get_input_details(), given(dtype), strict=True):
        interpreter.set_tensor(details["index"], values)
    interpreter.invoke()
    outputs = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    expected = Oracle(tflite).run(given(dtype))
    assert [np.array(o, dtype).tobytes() for o in outputs] == [e.tobytes() for e in expected]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_commands(dtype: str, tmp_path: Path) -> None:
    model, hog, inputs, outputs = (str(tmp_path / n) for n in ("m.tflite", "m.hog", "in.npz", "out.npz"))
    Path(model).write_bytes(ports(dtype))
    np.savez(inputs, **{str(i): a[None] for i, a in enumerate(given(dtype))})
    assert cli.main(["pack", model, "-o", hog]) == 0
    assert cli.main(["inspect", hog]) == 0
    assert cli.main(["run", hog, "--inputs", inputs, "--outputs", outputs, "--raw"]) == 0
    expected = Oracle(ports(dtype)).run(given(dtype))
    found = np.load(outputs)
    assert [found[str(i)][0].tobytes() for i in range(5)] == [e.tobytes() for e in expected]
    assert cli.main(["verify", model]) == 0
    assert cli.main(["debug", model, "--samples", "2"]) == 0


def _moved(dtype: str, scale: float | None = None, zero_point: int = 0) -> bytes:
    b = Builder()
    quantization = {} if scale is None else {"scale": scale, "zero_point": zero_point}
    x, y = (b.tensor(shape, dtype, **quantization) for shape in ((2, 3), (3, 2)))
    b.op("RESHAPE", [x, b.const(np.array([3, 2], np.int32))], y)
    return compile_tflite(b.build([x], [y])).hog


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "given", "taken"),
    [
        ("int16", 0.5, 0, [1.2, -1.25, 1e9, -1e9, 0, 0.2], [1, -1.5, 16383.5, -16384, 0, 0]),
        ("uint8", 0.5, 10, [1.2, -3, 1e9, -1e9, 0, 0.2], [1, -3, 122.5, -5, 0, 0]),
        ("int32", None, 0, [1.4, -1.5, 1e6, -1e6, 0, 0.2], [1, -2, 1e6, -1e6, 0, 0]),
        ("int64", None, 0, [1.4, -1.5, 1e6, -1e6, 0, 7], [1, -2, 1e6, -1e6, 0, 7]),
        ("bool", None, 0, [1, 0, 5, -1, 0.0, 1], [1, 0, 1, 1, 0, 1]),
    ],
)
def test_numbers_of_other_types(dtype, scale, zero_point, given, taken, engine: str) -> None:
    """What predict() takes is rounded and saturates; what it gives are numbers again."""
    model = open_model(_moved(dtype, scale, zero_point), engine)
    assert list(model.predict(given)) == taken
    assert dtype in repr(model)
