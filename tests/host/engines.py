# SPDX-License-Identifier: MIT
"""One case through compiler and engine, compared with TFLM."""

from __future__ import annotations

import numpy as np
import pytest

from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from operators import Case

ENGINES = ("native", "reference")


def open_model(hog: bytes, engine: str):
    """A hognose.Model on this engine; the test is skipped where the engine is not built."""
    import hognose

    try:
        return hognose.Model(hog, engine=engine)
    except ImportError as e:
        pytest.skip(f"no {engine} engine: {e}")


def run(hog: bytes, engine: str, inputs: list[np.ndarray], like: list[np.ndarray]) -> list[np.ndarray]:
    """Raw inputs to raw outputs of the shapes and types of `like`."""
    return run_on(open_model(hog, engine), inputs, like)


def run_on(model, inputs: list[np.ndarray], like: list[np.ndarray]) -> list[np.ndarray]:
    """The same on an open model."""
    # Filled, so that an output that nobody writes is seen.
    outputs = [np.full(a.nbytes, 0xA5, np.uint8) for a in like]
    given = [np.ascontiguousarray(a).reshape(-1).view(np.uint8) for a in inputs]
    model.invoke(_one_or_list(given), _one_or_list(outputs))
    return [o.view(a.dtype).reshape(a.shape) for o, a in zip(outputs, like, strict=True)]


def _one_or_list(buffers: list[np.ndarray]):
    return buffers[0] if len(buffers) == 1 else buffers


def check(case: Case, engine: str) -> None:
    """Raises AssertionError unless the engine's outputs are TFLM's."""
    oracle = Oracle(case.tflite)
    compiled = compile_tflite(case.tflite)
    assert sum(layer.macs for layer in disassemble(compiled.hog).layers) == compiled.macs
    model = open_model(compiled.hog, engine)
    for n, inputs in enumerate([case.inputs, *case.then]):
        if inputs is None:
            oracle.reset()
            model.reset()
            continue
        expected = oracle.run(inputs)
        got = run_on(model, inputs, expected)
        for i, (ours, tflm) in enumerate(zip(got, expected, strict=True)):
            assert_same(ours, tflm, f"run {n}, output {i}", case.unit)


def assert_same(ours: np.ndarray, tflm: np.ndarray, what: str, unit: float = 0.0) -> None:
    """Equal bytes for integers; float32 to 1e-6 of its size or of `unit`, with the same NaN and infinity."""
    if tflm.dtype == np.float32:
        atol = max(1e-6 * unit, np.finfo(np.float32).tiny)
        same = np.isclose(ours, tflm, rtol=1e-6, atol=atol, equal_nan=True)
    else:
        same = ours == tflm
    if not same.all():
        at = tuple(int(i) for i in np.argwhere(~same)[0])
        wrong = int((~same).sum())
        raise AssertionError(
            f"{what}: {wrong} of {tflm.size} values differ, first at {at}: {ours[at]}, TFLM has {tflm[at]}"
        )
