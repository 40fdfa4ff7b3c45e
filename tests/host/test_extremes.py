# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Scales at the ends of what float32 holds, zero points at the ends of int8: both engines' bytes, or words.

(TFLM itself aborts the process on many of them, so it cannot be asked here.)
"""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest

import operators_more  # noqa: F401  (adds to OPERATORS)
from engines import run
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.errors import UserError
from operators import OPERATORS, Draw, cases

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
