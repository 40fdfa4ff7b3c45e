# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Operators over an axis: sums, and what needs them."""

import math
from math import prod
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..records import Loop, function
from . import curve, window
from .core import (
    Const,
    Lowered,
    Unsupported,
    View,
    activation,
    arithmetic,
    clamp,
    constant,
    contiguous,
    nest,
    same_size,
    typecode,
)


def mean(low: Lowered, op: Operator) -> None:
    """MEAN and SUM."""
    x, y, keep, reduce, count = _axes(op)
    kind = arithmetic(x, y, kinds="bhf")
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "keep": len(keep),
        "reduce": len(reduce),
        **clamp(op, kind, None, x.zero_point if kind in "bh" else 0),
    }
    if kind in "bh":
        fields["multiplier"], fields["shift"] = mean_scale(x, y, 1 if op.kind == "SUM" else count)
    if kind == "b" or (kind == "f" and op.kind == "MEAN"):
        return low.emit("MEAN", op, fields, keep + reduce, kind=kind)
    return low.emit("REDUCE", op, {**fields, "function": function("REDUCE", "SUM")}, keep + reduce, kind=kind)


def mean_scale(x: Tensor, y: Tensor, count: int) -> tuple[int, int]:
    """Multiplier and shift of a sum, with the division by the count (TFLite's QuantizedMeanOrSum)."""
    multiplier, shift = fx.quantize_multiplier(float(x.scale) / float(y.scale))
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << bits) // count, shift - bits


def _axes(op: Operator) -> tuple[Tensor, Tensor, list[Loop], list[Loop], int]:
    """Input and output of a reduction; loops over what is kept and what is reduced; how many are reduced."""
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    rank = len(x.shape)
    axes = {int(a) + (rank if a < 0 else 0) for a in constant(op, 1, "axes").reshape(-1)}
    if not all(0 <= a < rank for a in axes):
        raise Unsupported(f"axis out of range for {rank} dimensions: damaged model")
    strides = contiguous(x.shape)
    kept = [i for i in range(rank) if i not in axes]
    count = prod(x.shape[i] for i in axes)
    if y.size != prod(x.shape[i] for i in kept) or count < 1:
        raise Unsupported(f"{list(x.shape)} does not reduce to {list(y.shape)}: damaged model")
    keep = nest([x.shape[i] for i in kept], [strides[i] for i in kept], [0] * len(kept))
    order = sorted(axes)
    reduce = nest([x.shape[i] for i in order], [strides[i] for i in order], [0] * len(order))
    return x, y, keep, reduce or [Loop(1, 0, 0)], count


def extreme(low: Lowered, op: Operator) -> None:
    """REDUCE_MAX, REDUCE_MIN, ARG_MAX, ARG_MIN."""
    x, y, keep, reduce, _ = _axes(op)
    name = op.kind.removeprefix("REDUCE_")
    kind = arithmetic(x, kinds="bf")
    if op.kind == name and y.dtype != "int32":
        raise Unsupported(f"indices of type {y.dtype} are not supported: use int32")
    if op.kind != name:
        typecode(x, y)
        if kind == "b" and (x.scale != y.scale or x.zero_point != y.zero_point):
            raise Unsupported("its input and output are quantized differently: quantize the model again")
    fields = {
        "in": low.place(x),
        "out": low.place(y),
        "keep": len(keep),
        "reduce": len(reduce),
        "function": function("REDUCE", name),
    }
    low.emit("REDUCE", op, fields, keep + reduce, kind=kind)


def cumsum(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    kind = arithmetic(x, y)
    axis = int(constant(op, 1, "axis").reshape(-1)[0])
    rank = len(x.shape)
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} is out of range for {rank} dimensions: damaged model")
    axis %= rank
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "outer": prod(x.shape[:axis]),
        "depth": x.shape[axis],
        "inner": prod(x.shape[axis + 1 :]),
        "exclusive": int(bool(op.options.get("exclusive"))),
        "reverse": int(bool(op.options.get("reverse"))),
        **clamp(op, kind, None, x.zero_point if kind == "b" else 0),
    }
    if kind == "b":
        fields |= sum_scale(x, y)
    low.emit("SCAN", op, fields, kind=kind, inplace=[x])


def sum_scale(x: Tensor, y: Tensor) -> dict[str, int]:
    """TFLM's CUMSUM and ADD_N add int8 values in steps of 2^-19: shifted by 20, times one half."""
    multiplier, shift = fx.quantize_multiplier(2 * float(x.scale) / ((1 << 20) * float(y.scale)))
    if shift > 0:
        raise Unsupported("its output scale is far smaller than its input scale: quantize the model again")
    return {"left_shift": 19, "multiplier": multiplier, "shift": shift}


def add_n(low: Lowered, op: Operator) -> None:
    """float32: one ADD after the other, with no clamp between. int8: inputs side by side, then their sum."""
    y = op.outputs[0]
    inputs = [t for t in op.inputs if t is not None]
    kind = arithmetic(*inputs, y)
    if len(inputs) < 2 or any(t.shape != y.shape for t in inputs):
        raise Unsupported("its inputs and its output differ in shape: damaged model")
    if kind == "f":
        total = inputs[0]
        for t in inputs[1:]:
            fields = {"in1": low.place(total), "in2": low.place(t), "out": low.place(y), "loops": 1}
            fields |= {"min": -math.inf, "max": math.inf}
            low.emit("ADD", op, fields, [Loop(y.size, 1, 1)], kind=kind, inplace=[total, t], tensor=y)
            total = y
        return
    x = inputs[0]
    if any(t.scale != x.scale or t.zero_point != x.zero_point for t in inputs):
        raise Unsupported("its inputs are quantized differently: quantize the model again")
    # TFLM begins the sum with the number 0 as if it were one more input.
    n = len(inputs) + 1
    rows = low.new_buffer(n * y.size)
    for i, t in enumerate(inputs):
        fields = {"in": low.place(t), "out": View(rows.buffer, i * y.size), "run": y.size}
        low.emit("MOVE", op, fields, kind=kind, tensor=t)
    fields = {"out": View(rows.buffer, (n - 1) * y.size), "count": y.size, "size": 1}
    low.emit("FILL", op, fields, kind=kind, tensor=x)
    sums = {"in": rows, "out": low.place(y), "keep": 1, "reduce": 1, "function": function("REDUCE", "SUM")}
    sums |= {**clamp(op, kind, None, x.zero_point), **sum_scale(x, y)}
    low.emit("REDUCE", op, sums, [Loop(y.size, 1, 0), Loop(n, y.size, 0)], kind=kind)


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
        "function": function("NORMALIZE", "L2" if l2 else "LOG_SOFTMAX"),
    }
    if kind == "b":
        fields |= {"in_zp": x.zero_point} if l2 else _log_softmax_scales(x, y)
    low.emit("NORMALIZE", op, fields, kind=kind, inplace=[x])


def l2_pool(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    arithmetic(x, y, kinds="f")
    window.pool(low, op, name="L2_POOL")


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
        fields["beta"] = beta
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
        fields["function"] = function("NORMALIZE", "SOFTMAX")
        return low.emit("NORMALIZE", op, fields, kind=kind)
    return low.emit("SOFTMAX", op, fields, kind=kind, inplace=[x])


def _exp_table(scale: float, beta: float, *, whole: bool = False) -> list[int]:
    """exp(-d·scale·beta) in Q0.31 for d = 0, 1, … 255; 0 at the end is left out where not `whole`."""
    real = min(beta * scale * (1 << 26), 2.0**31 - 1)
    multiplier, shift = fx.quantize_multiplier(real)
    last = min(255, math.floor((31 << 26) / 2.0**shift))
    table = [fx.exp_on_negative(fx.mbqm(-d, multiplier, shift), 5) for d in range(last + 1)]
    while not whole and len(table) > 1 and table[-1] == 0:
        table.pop()
    return table
