# SPDX-License-Identifier: MIT
"""Functions of int16 values, interpolated in a table: LOGISTIC, TANH, SOFTMAX."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..layouts import FUNCTIONS
from .steps import Const, Lowered
from .tensors import Unsupported, arithmetic

_ENTRIES = 512  # of a table over all of int16, and one more at its end


def sigmoid(low: Lowered, op: Operator, x: Tensor, y: Tensor) -> None:
    """LOGISTIC and TANH: the input in steps of 2^-12 / 3, as its table wants it."""
    _check(x, y, abs(math.log2(y.scale) + 15) < 1e-3, "2^-15")
    log = math.log2(x.scale)
    left = 12 + round(log)
    if abs(log - round(log)) < 1e-3 and left in ((0,) if op.kind == "LOGISTIC" else (0, 1)):
        multiplier, right = 3 << left, 0
    else:
        real, right = float(x.scale) * 4096.0 * 3.0, 0
        while real <= 32767.0 / 2.0 and right <= 30:
            real, right = real * 2.0, right + 1
        multiplier = int(real)
    if multiplier > 32767:
        raise Unsupported("its input scale is far too large: quantize the model again")
    table = Const(np.array(fx.sigmoid_table(), "<u2").tobytes())
    _emit(low, op, x, x.size, table, multiplier, right)


def softmax(low: Lowered, op: Operator, x: Tensor, y: Tensor) -> None:
    _check(x, y, abs(float(y.scale) * 32768 - 1) <= 0.001, "1/32768")
    scale = float(x.scale) * float(op.options["beta"]) / (10.0 / 65535.0)
    multiplier, shift = fx.quantize_multiplier(scale)
    if shift > 30:
        raise Unsupported("its input scale is far too large: quantize the model again")
    exp = _table(math.exp, -10.0, 0.0)
    inverse = _table(lambda v: 1.0 / (1.0 + v), 0.0, 1.0)
    table = Const(np.array(exp + inverse, "<i2").tobytes())
    _emit(low, op, x, x.shape[-1], table, multiplier, shift)


def _check(x: Tensor, y: Tensor, scale_fits: bool, scale: str) -> None:
    arithmetic(x, y, kinds="h")
    if not scale_fits:
        raise Unsupported(f"its output must have the scale {scale}: quantize the model again")


def _emit(
    low: Lowered, op: Operator, x: Tensor, depth: int, table: Const, multiplier: int, shift: int
) -> None:
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(op.outputs[0]),
        "rows": x.size // max(1, depth),
        "depth": depth,
        "table": table,
        "multiplier": multiplier,
        "function": FUNCTIONS["CURVE"][op.kind],
        "shift": shift,
    }
    low.emit("CURVE", op, fields, kind="h", inplace=[x])


def _table(f: Callable[[float], float], low: float, high: float) -> list[int]:
    """f over low … high in Q0.15, as TFLite computes it in float32.

    Half of the error in the middle of an interval is subtracted at its beginning.
    """
    f32 = np.float32

    def value(x: float) -> np.float32:
        return f32(f(float(x)))

    def rounded(v: float) -> float:
        return math.copysign(math.floor(abs(v) + 0.5), v)

    step = (f32(high) - f32(low)) / f32(_ENTRIES)
    scale = f32(32768.0)
    table = []
    for i in range(_ENTRIES):
        x = f32(low) + f32(i) * step
        sample = rounded(float(value(x) * scale))
        middle = rounded(float((value(x + step) * scale + f32(rounded(float(value(x) * scale)))) / f32(2)))
        at_middle = rounded(float(value(x + step / f32(2)) * scale))
        bias = rounded((middle - at_middle) / 2)
        table.append(int(min(max(sample - bias, -32768), 32767)))
    table.append(int(min(max(rounded(float(value(high) * scale)), -32768), 32767)))
    return table
