# SPDX-License-Identifier: MIT
"""Operators with two operands or more: ADD and MUL of int8 and float32, and COMBINE, which is all others."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..layouts import FUNCTIONS
from ..records import ITEMSIZE, Loop
from .move import copy, shifted
from .steps import Lowered, View
from .tensors import (
    ASK_TYPE,
    LIMITS,
    Unsupported,
    activation,
    arithmetic,
    broadcast_strides,
    clamp,
    nest,
    typecode,
)

_MIRRORED = {"GREATER": "LESS", "GREATER_EQUAL": "LESS_EQUAL"}
# Fields of a record whose operands are not scaled.
_AS_THEY_ARE = {
    "left_shift": 0,
    **dict.fromkeys(("multiplier1", "multiplier2", "multiplier", "shift1", "shift2", "shift", "in2_zp"), 0),
}


def _operands(op: Operator) -> tuple[Tensor, Tensor, Tensor]:
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


def _emit(
    low: Lowered,
    op: Operator,
    name: str,
    tensors: tuple[Tensor, Tensor, Tensor],
    kind: str,
    fields: dict[str, Any],
    inplace: Sequence[Tensor] = (),
) -> None:
    """The function `name` of two tensors; `kind` is the type of the second one."""
    a, b, y = tensors
    loops = nest(y.shape, *(broadcast_strides(t.shape, y.shape) for t in (a, b))) or [Loop(1, 0, 0)]
    refs = {"in1": low.place(a), "in2": low.place(b), "out": low.place(y)}
    emit(low, op, name, kind, {**refs, **fields}, loops, inplace)


def emit(
    low: Lowered,
    op: Operator,
    name: str,
    kind: str,
    fields: dict[str, Any],
    loops: Sequence[Loop],
    inplace: Sequence[Tensor] = (),
    tensor: Tensor | None = None,
) -> None:
    """An ADD or MUL, or a COMBINE of the function `name`. `fields`: operands, output, scales if any."""
    own = name in ("ADD", "MUL") and kind in "bf"
    fields = {**_AS_THEY_ARE, **unbounded(kind), "function": 0, **fields}
    if not own:
        fields["function"] = FUNCTIONS["COMBINE"][name]
    low.emit(name if own else "COMBINE", op, fields, loops, kind=kind, inplace=inplace, tensor=tensor)


def unbounded(kind: str) -> dict[str, Any]:
    """A clamp that changes nothing."""
    low, high = (-math.inf, math.inf) if kind == "f" else LIMITS[kind]
    return {"min": low, "max": high, **({"in_zp": 0, "out_zp": 0} if kind in "bh" else {})}


def binary(low: Lowered, op: Operator) -> None:
    """ADD, SUB, MUL, DIV, SQUARED_DIFFERENCE."""
    a, b, y = _operands(op)
    kinds = {"DIV": "bif"}.get(op.kind, "bhif")
    kind = arithmetic(a, b, y, kinds=kinds)
    fields: dict[str, Any] = clamp(op, kind, activation(op))
    if kind in "bh":
        scales = _scales(op.kind, kind, a, b, y)
        fields |= {"in_zp": a.zero_point, "in2_zp": b.zero_point, **scales}
    if (op.kind, kind) in (("SQUARED_DIFFERENCE", "f"), ("ADD", "i")):  # as TFLM has it
        fields |= unbounded(kind)
    whole = [t for t in (a, b) if t.shape == y.shape]
    _emit(low, op, op.kind, (a, b, y), kind, fields, whole)


def _scales(name: str, kind: str, a: Tensor, b: Tensor, y: Tensor) -> dict[str, int]:
    """Multipliers and shifts as TFLM's Prepare functions compute them, some in float32, some in double."""
    sa, sb, sy = (float(t.scale) for t in (a, b, y))
    if name == "MUL":
        return _multipliers(multiplier=sa * sb / sy)
    if name == "DIV":
        return _multipliers(multiplier=sa / (sb * sy))
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
        **_multipliers(multiplier1=ratios[0], multiplier2=ratios[1], multiplier=ratios[2]),
    }


def _multipliers(**reals: float) -> dict[str, int]:
    """Fields multiplier… and shift… of these real numbers."""
    fields = {}
    for name, real in reals.items():
        fields[name], fields[name.replace("multiplier", "shift")] = fx.quantize_multiplier(real)
    return fields


def of_one_type(low: Lowered, op: Operator, *, kinds: str) -> None:
    """Operators on unscaled elements of one type: MAXIMUM, FLOOR_DIV, LOGICAL_AND …"""
    a, b, y = _operands(op)
    kind = _one_of(op, kinds, a, b, y)
    whole = [t for t in (a, b) if t.shape == y.shape]
    _emit(low, op, op.kind, (a, b, y), kind, {}, whole)


def comparison(low: Lowered, op: Operator) -> None:
    a, b, y = _operands(op)
    name = op.kind
    if name in _MIRRORED:
        a, b, name = b, a, _MIRRORED[name]
    kinds = "biqf?" if name in ("EQUAL", "NOT_EQUAL") else "biqf"
    kind = arithmetic(a, b, kinds=kinds)
    if y.dtype != "bool":
        raise Unsupported(f"a comparison gives bool, not {y.dtype}: damaged model")
    fields: dict[str, Any] = {}
    if kind == "b":
        if max(a.scale, b.scale) >= 1:
            raise Unsupported("TFLM compares only tensors of scales below 1: quantize the model again")
        scales = _multipliers(multiplier1=float(a.scale), multiplier2=float(b.scale))
        fields |= {"left_shift": 8, "in_zp": a.zero_point, "in2_zp": b.zero_point, **scales}
    _emit(low, op, name, (a, b, y), kind, fields)


def _one_of(op: Operator, kinds: str, *tensors: Tensor) -> str:
    """The type of all `tensors`, which must be one of `kinds`."""
    kind = typecode(*tensors)
    if kind not in kinds:
        raise Unsupported(f"{tensors[0].dtype} is not supported here: {ASK_TYPE}")
    return kind


def prelu(low: Lowered, op: Operator) -> None:
    a, b, y = _operands(op)
    kind = arithmetic(a, b, y)
    fields: dict[str, Any] = {}
    if kind == "b":
        sa, sb, sy = (float(t.scale) for t in (a, b, y))
        scales = _multipliers(multiplier1=sa / sy, multiplier=sa * sb / sy)
        fields = {"in_zp": a.zero_point, "in2_zp": b.zero_point, "out_zp": y.zero_point, **scales}
    _emit(low, op, op.kind, (a, b, y), kind, fields, [a] if a.shape == y.shape else [])


def broadcast_args(low: Lowered, op: Operator) -> None:
    """The larger of each two sizes; where one shape is longer, its first sizes as they are."""
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
        }
        emit(low, op, "MAXIMUM", kind, fields, [Loop(a.size, 1, 1)])


def select(low: Lowered, op: Operator) -> None:
    """Copies the third operand, then overwrites it with the second one where the condition is true."""
    condition, x, other = op.inputs[:3]
    y = op.outputs[0]
    assert condition is not None and x is not None and other is not None
    if op.kind == "SELECT" and len(condition.shape) == 1 < len(y.shape):  # it chooses rows
        shape = (condition.size,) + (1,) * (len(y.shape) - 1)
        place, condition = low.place(condition), replace(condition, index=low.new_index(), shape=shape)
        low.places[condition.index] = place
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
    _emit(low, op, "SELECT", (condition, x, y), kind, {})


def integers_combined(
    low: Lowered, op: Operator, name: str, operands: Sequence[Any], loop: Loop, kind: str = "i"
) -> View:
    """The function `name` of integers at two places, in a new buffer."""
    values = low.new_buffer(ITEMSIZE[kind] * loop.n)
    emit(low, op, name, kind, {"in1": operands[0], "in2": operands[1], "out": values}, [loop])
    return values
