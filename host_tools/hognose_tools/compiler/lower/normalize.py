# SPDX-License-Identifier: MIT
"""Normalizes rows: SOFTMAX, LOG_SOFTMAX, L2_NORMALIZATION."""

import math
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..layouts import FUNCTIONS
from . import curve
from .steps import Const, Lowered
from .tensors import Unsupported, activation, arithmetic, same_size


def normalization(low: Lowered, op: Operator) -> None:
    """L2_NORMALIZATION, LOG_SOFTMAX."""
    x, y = same_size(op)
    kind = arithmetic(x, y)
    if not x.shape or activation(op) is not None:
        raise Unsupported("a scalar or a fused activation is not supported here: use layers of their own")
    depth = x.shape[-1]
    l2 = op.kind == "L2_NORMALIZATION"
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "rows": x.size // max(1, depth),
        "depth": depth,
        **_no_scales("L2" if l2 else "LOG_SOFTMAX"),
    }
    if kind == "b":
        fields |= {"in_zp": x.zero_point} if l2 else _log_softmax_scales(x, y)
    low.emit("NORMALIZE", op, fields, kind=kind, inplace=[x])


def _no_scales(name: str) -> dict[str, Any]:
    """Fields of a NORMALIZE of the function `name` that has neither table nor multipliers."""
    integers = ("entries", "in_zp", "multiplier", "shift", "reverse_multiplier", "reverse_shift")
    return {"function": FUNCTIONS["NORMALIZE"][name], "table": None, **dict.fromkeys(integers, 0)}


def _log_softmax_scales(x: Tensor, y: Tensor) -> dict[str, Any]:
    if y.zero_point != 127 or y.scale != np.float32(16 / 256):
        raise Unsupported("its output must have scale 1/16 and zero point 127: quantize the model again")
    multiplier, shift = fx.quantize_multiplier(min(float(x.scale) * (1 << 26), 2.0**31 - 1))
    reverse, reverse_shift = fx.quantize_multiplier(2.0 ** (31 - shift) / multiplier)
    table = _exp_table(float(x.scale), 1.0, whole=True)
    return {
        "table": Const(np.array(table, "<i4").tobytes()),
        "entries": len(table),
        "multiplier": multiplier,
        "shift": shift,
        "reverse_multiplier": reverse,
        "reverse_shift": reverse_shift,
    }


def softmax(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    wide = (x.dtype, y.dtype) == ("int8", "int16")
    kind = arithmetic(x, kinds="b") if wide else arithmetic(x, y, kinds="bhf")
    if kind == "h" and x.shape:
        return curve.softmax(low, op, x, y)
    if not x.shape:
        raise Unsupported("softmax of a scalar: damaged model")
    depth, beta = x.shape[-1], op.options["beta"]
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "rows": x.size // max(1, depth),
        "depth": depth,
    }
    if kind == "f":
        fields |= {"table": None, "entries": 0}
    else:
        expected = (1 / 65536, -32768) if wide else (1 / 256, -128)
        if len(y.scales) != 1 or (float(y.scale), y.zero_point) != expected:
            raise Unsupported(
                f"its output must have scale 1/{1 / expected[0]:.0f} and zero point {expected[1]}: "
                "quantize the model again"
            )
        table = _exp_table(float(x.scale), beta)
        fields |= {"table": Const(np.array(table, "<i4").tobytes()), "entries": len(table)}
    if wide:
        return low.emit("NORMALIZE", op, {**_no_scales("SOFTMAX"), **fields}, kind=kind)
    return low.emit("SOFTMAX", op, {**fields, "beta": beta if kind == "f" else 0.0}, kind=kind, inplace=[x])


def _exp_table(scale: float, beta: float, *, whole: bool = False) -> list[int]:
    """exp(-d·scale·beta) in Q0.31 for d = 0, 1, … 255; without the zeros at the end unless `whole`."""
    real = min(beta * scale * (1 << 26), 2.0**31 - 1)
    multiplier, shift = fx.quantize_multiplier(real)
    last = min(255, math.floor((31 << 26) / 2.0**shift))
    table = [fx.exp_on_negative(fx.mbqm(-d, multiplier, shift), 5) for d in range(last + 1)]
    while not whole and len(table) > 1 and table[-1] == 0:
        table.pop()
    return table
