# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Operators with two operands or more: all become COMBINE, but for ADD and MUL of int8 and float32."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..records import Loop, function
from . import elementwise
from .core import (
    ASK_TYPE,
    LIMITS,
    Lowered,
    Unsupported,
    activation,
    arithmetic,
    broadcast_strides,
    clamp,
    nest,
    typecode,
)
from .shape import copy, shifted

_COMPARISONS = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL")
_MIRRORED = {"GREATER": "LESS", "GREATER_EQUAL": "LESS_EQUAL"}


def operands(op: Operator) -> tuple[Tensor, Tensor, Tensor]:
    """Two inputs and the output, whose shape is what they broadcast to."""
    a, b, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert a is not None and b is not None
    try:
        fits = np.broadcast_shapes(a.shape, b.shape) == y.shape
    except ValueError:
        fits = False
    if not fits:
        raise Unsupported(
            f"the shapes {list(a.shape)} and {list(b.shape)} do not give {list(y.shape)}: damaged model"
        )
    return a, b, y


def emit(
    low: Lowered,
    op: Operator,
    name: str,
    tensors: tuple[Tensor, Tensor, Tensor],
    kind: str,
    fields: dict[str, Any],
    inplace: Sequence[Tensor] = (),
) -> None:
    """A COMBINE of the function `name`; `kind` is the type of the second operand."""
    a, b, y = tensors
    loops = nest(y.shape, *(broadcast_strides(t.shape, y.shape) for t in (a, b))) or [Loop(1, 0, 0)]
    refs = {"in1": low.place(a), "in2": low.place(b), "out": low.place(y)}
    fields = {**refs, "loops": len(loops), "function": function("COMBINE", name), **fields}
    low.emit("COMBINE", op, fields, loops, kind=kind, inplace=inplace)


def binary(low: Lowered, op: Operator) -> None:
    """ADD, SUB, MUL, DIV, SQUARED_DIFFERENCE."""
    a, b, y = operands(op)
    kinds = {"DIV": "bif"}.get(op.kind, "bhif")
    kind = arithmetic(a, b, y, kinds=kinds)
    if op.kind in ("ADD", "MUL") and kind in "bf":
        return elementwise.binary(low, op)
    fields = clamp(op, kind, activation(op))
    if kind in "bh":
        scales = _scales(op.kind, kind, a, b, y)
        fields |= {"in_zp": a.zero_point, "in2_zp": b.zero_point, **scales}
    if (op.kind, kind) in (("SQUARED_DIFFERENCE", "f"), ("ADD", "i")):  # as TFLM has it
        fields |= _unbounded(kind)
    whole = [t for t in (a, b) if t.shape == y.shape]
    return emit(low, op, op.kind, (a, b, y), kind, fields, whole)


def _scales(name: str, kind: str, a: Tensor, b: Tensor, y: Tensor) -> dict[str, int]:
    """Multipliers and shifts as TFLM's Prepare functions compute them, some in float32, some in double."""
    sa, sb, sy = (float(t.scale) for t in (a, b, y))
    if name == "MUL":
        return multipliers(multiplier=sa * sb / sy)
    if name == "DIV":
        return multipliers(multiplier=sa / (sb * sy))
    twice = 2 * max(sa, sb)
    if name in ("ADD", "SUB"):
        left = 20 if kind == "b" else 15
        ratios = (sa / twice, sb / twice, twice / ((1 << left) * sy))
    else:
        left = 7 if kind == "b" else 0
        scale = float(np.float32(1 << 2 * left) * y.scale)
        ratios = (sa / twice, sb / twice, twice * twice / scale)
    if name != "SQUARED_DIFFERENCE" and ratios[2] >= 1:
        raise Unsupported("its output scale is far smaller than its input scales: quantize the model again")
    return {
        "left_shift": left,
        **multipliers(multiplier1=ratios[0], multiplier2=ratios[1], multiplier=ratios[2]),
    }


def multipliers(**reals: float) -> dict[str, int]:
    """Fields multiplier… and shift… of these real numbers."""
    fields = {}
    for name, real in reals.items():
        fields[name], fields[name.replace("multiplier", "shift")] = fx.quantize_multiplier(real)
    return fields


def _unbounded(kind: str) -> dict[str, Any]:
    """A clamp that changes nothing."""
    low, high = (-math.inf, math.inf) if kind == "f" else LIMITS[kind]
    return {"min": low, "max": high}


def of_one_type(low: Lowered, op: Operator, *, kinds: str) -> None:
    """Operators on the elements as they are, inputs and output alike: MAXIMUM, FLOOR_DIV, LOGICAL_AND …"""
    a, b, y = operands(op)
    kind = _one_of(op, kinds, a, b, y)
    whole = [t for t in (a, b) if t.shape == y.shape]
    emit(low, op, op.kind, (a, b, y), kind, _unbounded(kind), whole)


def comparison(low: Lowered, op: Operator) -> None:
    a, b, y = operands(op)
    name = op.kind
    if name in _MIRRORED:
        a, b, name = b, a, _MIRRORED[name]
    kinds = "biqf?" if name.endswith("EQUAL") and not name.startswith("LESS") else "biqf"
    kind = arithmetic(a, b, kinds=kinds)
    if y.dtype != "bool":
        raise Unsupported(f"a comparison gives bool, not {y.dtype}: damaged model")
    fields = _unbounded(kind)
    if kind == "b":
        if max(a.scale, b.scale) >= 1:
            raise Unsupported("TFLM compares only tensors of scales below 1: quantize the model again")
        scales = multipliers(multiplier1=float(a.scale), multiplier2=float(b.scale))
        fields |= {"left_shift": 8, "in_zp": a.zero_point, "in2_zp": b.zero_point, **scales}
    emit(low, op, name, (a, b, y), kind, fields)


def _one_of(op: Operator, kinds: str, *tensors: Tensor) -> str:
    """The one type of `tensors`, whose bytes are not computed with."""
    kind = typecode(*tensors)
    if kind not in kinds:
        raise Unsupported(f"{tensors[0].dtype} is not supported here: {ASK_TYPE}")
    return kind


def prelu(low: Lowered, op: Operator) -> None:
    a, b, y = operands(op)
    kind = arithmetic(a, b, y)
    fields = _unbounded(kind)
    if kind == "b":
        sa, sb, sy = (float(t.scale) for t in (a, b, y))
        scales = multipliers(multiplier1=sa / sy, multiplier=sa * sb / sy)
        fields |= {"in_zp": a.zero_point, "in2_zp": b.zero_point, "out_zp": y.zero_point, **scales}
    emit(low, op, op.kind, (a, b, y), kind, fields, [a] if a.shape == y.shape else [])


def broadcast_args(low: Lowered, op: Operator) -> None:
    """Of two shapes that fit each other, the larger sizes; where one is longer, its first ones."""
    a, b = sorted((t for t in op.inputs if t is not None), key=lambda t: t.size)
    y = op.outputs[0]
    kind = _one_of(op, "i", a, b, y)
    if b.size != y.size:
        raise Unsupported(f"shapes of {a.size} and {b.size} sizes do not give {y.size}: damaged model")
    more = b.size - a.size
    if more:
        copy(low, op, b, y, (more,), (0, (1,)), (0, (1,)))
    if a.size:
        fields = {
            "in1": low.place(a),
            "in2": shifted(low.place(b), 4 * more),
            "out": shifted(low.place(y), 4 * more),
            "loops": 1,
            "function": function("COMBINE", "MAXIMUM"),
            **_unbounded(kind),
        }
        low.emit("COMBINE", op, fields, [Loop(a.size, 1, 1)], kind=kind)


def select(low: Lowered, op: Operator) -> None:
    """First all of the third operand, then the second one over it where the condition holds."""
    condition, x, other = op.inputs[:3]
    y = op.outputs[0]
    assert condition is not None and x is not None and other is not None
    kind = typecode(x, other, y)
    shapes = [t.shape for t in (condition, x, other)]
    if condition.dtype != "bool" or np.broadcast_shapes(*shapes) != y.shape:
        raise Unsupported(
            f"the shapes {[list(s) for s in shapes]} do not give {list(y.shape)}: damaged model"
        )
    strides = broadcast_strides(other.shape, y.shape)
    contiguous = broadcast_strides(y.shape, y.shape)
    low.place(y)  # its own: it is written to
    copy(low, op, other, y, y.shape, (0, strides), (0, contiguous))
    emit(low, op, "SELECT", (condition, x, y), kind, _unbounded(kind))
