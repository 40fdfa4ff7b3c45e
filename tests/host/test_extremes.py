# SPDX-License-Identifier: MIT
"""Scales at the ends of what float32 holds, zero points at the ends of int8, empty tensors: bytes, or words.

(TFLM itself aborts the process on many of them, so it cannot be asked here.)
"""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest

from engines import ENGINES, check, run
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.errors import UserError
from operators import OPERATORS, Case, Draw, cases
from tflite_builder import Builder

SCALES = (1e-45, 1e-38, 1e-30, 1e-12, 1e-5, 1.0, 1e5, 1e12, 1e30, 3e38)


class _Extreme:
    """Draws as ever, but for scales and zero points."""

    def scale(self, near: float = 0.05) -> float:
        return float(np.float32(self.of((*SCALES, near))))

    def zero_point(self) -> int:
        return self.of((-128, 127, 0)) if self.dtype == "int8" else 0


@pytest.mark.parametrize("name", sorted(name for name, dtype in OPERATORS if dtype == "int8"))
def test_scales(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Draw, "scale", _Extreme.scale)
    monkeypatch.setattr(Draw, "zero_point", _Extreme.zero_point)

    @hypothesis.settings(max_examples=20)
    @hypothesis.given(cases(name, "int8"))
    def compare(case) -> None:
        try:
            hog = compile_tflite(case.tflite).hog
        except UserError:
            return
        like = [np.zeros(port.shape, port.dtype) for port in disassemble(hog).outputs]
        native, reference = (run(hog, engine, case.inputs, like) for engine in ("native", "reference"))
        for ours, other in zip(native, reference, strict=True):
            np.testing.assert_array_equal(ours, other)

    compare()


def test_no_elements() -> None:
    b = Builder()
    x, y = b.tensor((0, 3), name="x"), b.tensor((0, 3), name="y")
    b.op("RELU", [x], y)
    with pytest.raises(UserError, match=r"x, y: no elements in \[0, 3\]: fix each dimension"):
        compile_tflite(b.build([x], [y]))


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_part(engine: str) -> None:
    """What has no elements adds nothing."""
    b = Builder()
    x, empty, y = b.tensor((2, 3)), b.const(np.zeros((0, 3), np.float32)), b.tensor((2, 3))
    b.op("CONCATENATION", [x, empty], y, axis=0)
    check(Case(b.build([x], [y]), [np.arange(6, dtype=np.float32).reshape(2, 3)]), engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["ADD", "MUL", "SUB", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"])
def test_what_is_no_number(name: str, engine: str) -> None:
    """NaN, infinities, the largest and the smallest numbers, each with each."""
    tiny, large = np.finfo(np.float32).tiny, np.finfo(np.float32).max
    values = np.float32([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, tiny, tiny / 8, large, -large])
    left, right = (a.reshape(1, -1) for a in np.meshgrid(values, values))
    b = Builder()
    x, y, z = (b.tensor(left.shape) for _ in range(3))
    b.op(name, [x, y], z)
    with np.errstate(all="ignore"):
        check(Case(b.build([x, y], [z]), [left, right]), engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "name",
    [
        "RELU",
        "RELU6",
        "LOGISTIC",
        "TANH",
        "ELU",
        "HARD_SWISH",
        "EXP",
        "LOG",
        "SQRT",
        "RSQRT",
        "ABS",
        "NEG",
        "FLOOR",
    ],
)
def test_functions_of_what_is_no_number(name: str, engine: str) -> None:
    values = np.float32(
        [[np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 1e-40, 3e38, -3e38, 88.0, -88.0, 104.0, -104.0]]
    )
    b = Builder()
    x, y = b.tensor(values.shape), b.tensor(values.shape)
    b.op(name, [x], y)
    check(Case(b.build([x], [y]), [values]), engine)
