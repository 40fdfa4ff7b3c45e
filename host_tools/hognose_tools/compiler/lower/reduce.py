# SPDX-License-Identifier: MIT
"""Reductions along axes: MEAN, SUM, REDUCE_MAX, ARG_MAX …, CUMSUM, and ADD_N."""

from collections.abc import Sequence
from math import prod
from typing import Any

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..layouts import FUNCTIONS
from ..records import Loop
from . import binary
from .steps import Lowered, View
from .tensors import Unsupported, arithmetic, clamp, constant, contiguous, nest, same_size, typecode

_UNSCALED = {"left_shift": 0, "multiplier": 0, "shift": 0}


def mean(low: Lowered, op: Operator) -> None:
    """MEAN and SUM."""
    x, y, keep, reduce, count = _axes(op)
    kind = arithmetic(x, y, kinds="bhf")
    fields: dict[str, Any] = {
        **_UNSCALED,
        "in": low.place(x),
        "out": low.place(y),
        **clamp(op, kind, None, x.zero_point if kind in "bh" else 0),
    }
    if kind in "bh":
        fields["multiplier"], fields["shift"] = mean_scale(x, y, 1 if op.kind == "SUM" else count)
    name = "MEAN" if kind == "b" or (kind == "f" and op.kind == "MEAN") else "SUM"
    _emit(low, op, name, kind, fields, keep, reduce)


def _emit(
    low: Lowered,
    op: Operator,
    name: str,
    kind: str,
    fields: dict[str, Any],
    keep: Sequence[Loop],
    reduce: Sequence[Loop],
) -> None:
    """MEAN, or a REDUCE of the function `name`."""
    counts = {"keep": len(keep), "reduce": len(reduce)}
    function = 0 if name == "MEAN" else FUNCTIONS["REDUCE"][name]
    fields = {**fields, **counts, "function": function}
    low.emit("MEAN" if name == "MEAN" else "REDUCE", op, fields, [*keep, *reduce], kind=kind)


def mean_scale(x: Tensor, y: Tensor, count: int) -> tuple[int, int]:
    """Multiplier and shift of a sum, with the division by the count (TFLite's QuantizedMeanOrSum)."""
    multiplier, shift = fx.quantize_multiplier(float(x.scale) / float(y.scale))
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << bits) // count, shift - bits


def _axes(op: Operator) -> tuple[Tensor, Tensor, list[Loop], list[Loop], int]:
    """Input and output of a reduction, loops over kept and reduced axes, and elements per result."""
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
    no_clamp = dict.fromkeys(("in_zp", "out_zp", "min", "max") if kind == "b" else ("min", "max"), 0)
    fields = {**_UNSCALED, "in": low.place(x), "out": low.place(y), **no_clamp}
    _emit(low, op, name, kind, fields, keep, reduce)


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
    fields |= _sum_scale(x, y) if kind == "b" else _UNSCALED
    low.emit("SCAN", op, fields, kind=kind, inplace=[x])


def _sum_scale(x: Tensor, y: Tensor) -> dict[str, int]:
    """TFLM's CUMSUM and ADD_N add int8 values in steps of 2^-19: shifted by 20, times one half."""
    multiplier, shift = fx.quantize_multiplier(2 * float(x.scale) / ((1 << 20) * float(y.scale)))
    if shift > 0:
        raise Unsupported("its output scale is far smaller than its input scale: quantize the model again")
    return {"left_shift": 19, "multiplier": multiplier, "shift": shift}


def add_n(low: Lowered, op: Operator) -> None:
    """float32: one ADD after the other, unclamped. int8: copies the inputs side by side, then sums them."""
    y = op.outputs[0]
    inputs = [t for t in op.inputs if t is not None]
    kind = arithmetic(*inputs, y)
    if len(inputs) < 2 or any(t.shape != y.shape for t in inputs):
        raise Unsupported("its inputs and its output differ in shape: damaged model")
    if kind == "f":
        total = inputs[0]
        for t in inputs[1:]:
            fields: dict[str, Any] = {"in1": low.place(total), "in2": low.place(t), "out": low.place(y)}
            binary.emit(low, op, "ADD", kind, fields, [Loop(y.size, 1, 1)], [total, t], y)
            total = y
        return
    x = inputs[0]
    if any(t.scale != x.scale or t.zero_point != x.zero_point for t in inputs):
        raise Unsupported("its inputs are quantized differently: quantize the model again")
    # TFLM starts the sum at the quantized value 0, as if that were one more input.
    n = len(inputs) + 1
    rows = low.new_buffer(n * y.size)
    for i, t in enumerate(inputs):
        fields = {"in": low.place(t), "out": View(rows.buffer, i * y.size), "run": y.size}
        low.emit("MOVE", op, fields, kind=kind, tensor=t)
    fields = {"out": View(rows.buffer, (n - 1) * y.size), "count": y.size, "size": 1, "value": 0}
    low.emit("FILL", op, fields, kind=kind, tensor=x)
    sums: dict[str, Any] = {"in": rows, "out": low.place(y)}
    sums |= {**clamp(op, kind, None, x.zero_point), **_sum_scale(x, y)}
    _emit(low, op, "SUM", kind, sums, [Loop(y.size, 1, 0)], [Loop(n, y.size, 0)])
