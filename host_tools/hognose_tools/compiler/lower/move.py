# SPDX-License-Identifier: MIT
"""Operators that only move bytes: each becomes an alias, or strided copies."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np

from ..graph import Operator, Tensor
from ..records import ITEMSIZE, Loop
from .steps import Const, Lowered, View
from .tensors import (
    Unsupported,
    activation,
    axis_of,
    broadcast_strides,
    constant,
    contiguous,
    fits,
    integers,
    nest,
    same_size,
    typecode,
    without,
)

MAX_COPIES = 64  # that one operator may become


def reshape(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    typecode(x, y)
    low.alias(x, y)


def copy(
    low: Lowered,
    op: Operator,
    x: Tensor,
    y: Tensor,
    sizes: Sequence[int],
    source: tuple[int, Sequence[int]],
    target: tuple[int, Sequence[int]],
) -> None:
    """Copies `sizes` elements of `x` to `y`; source and target: first element, and stride of each axis.

    Where all of `x` would be copied as it is, `y` becomes an alias, unless it has a place already.
    """
    if not prod(sizes):
        return
    item = ITEMSIZE[typecode(y)]
    loops = nest(sizes, source[1], target[1])
    run = loops.pop().n if loops and (loops[-1].a, loops[-1].b) == (1, 1) else 1
    if run == x.size == y.size and not loops and y.index not in low.places and not y.variable:
        return low.alias(x, y)
    fields = {
        "in": shifted(low.place(x), source[0] * item),
        "out": shifted(low.place(y), target[0] * item),
        "run": run * item,
    }
    strides = [Loop(v.n, v.a * item, v.b * item) for v in loops]
    low.emit("MOVE", op, fields, strides, kind=typecode(y), tensor=y)


def shifted(place: View | Const, offset: int) -> View | Const:
    """`offset` bytes into a tensor."""
    return replace(place, offset=place.offset + offset)


def fill(low: Lowered, op: Operator, y: Tensor, value: int) -> None:
    """All elements of `y` become the one whose bytes are `value`."""
    item = ITEMSIZE[typecode(y)]
    if item == 8:  # FILL has no elements of 8 bytes: copies one repeatedly
        one = Const((value & (256**item - 1)).to_bytes(item, "little"))
        fields = {"in": one, "out": low.place(y), "run": item}
        return low.emit("MOVE", op, fields, [Loop(y.size, 0, item)], kind=typecode(y), tensor=y)
    fields = {"out": low.place(y), "count": y.size, "size": item, "value": value & (256**item - 1)}
    low.emit("FILL", op, fields, kind=typecode(y), tensor=y)


def same_numbers(x: Tensor, y: Tensor) -> None:
    """Refuses to move bytes between different quantizations, as TFLM does."""
    if x.dtype == "int8" and (x.scale != y.scale or x.zero_point != y.zero_point):
        raise Unsupported("its inputs are quantized differently from its output: quantize the model again")


# --- joining and splitting ----------------------------------------------------------------------


def concatenation(low: Lowered, op: Operator) -> None:
    y = op.outputs[0]
    inputs = [t for t in op.inputs if t is not None]
    typecode(*inputs, y)
    axis = axis_of(op.options["axis"], len(y.shape))
    if activation(op) is not None:
        raise Unsupported("a fused activation is not supported here: use a layer of its own")
    alike = all(
        len(t.shape) == len(y.shape) and without(t.shape, axis) == without(y.shape, axis) for t in inputs
    )
    if not alike or sum(t.shape[axis] for t in inputs) != y.shape[axis]:
        raise Unsupported(
            f"{', '.join(str(list(t.shape)) for t in inputs)} do not make {list(y.shape)}: "
            "shapes that change while a model runs are not in TFLM (unroll=True), or damaged model"
        )
    at, strides = 0, contiguous(y.shape)
    for t in inputs:
        same_numbers(t, y)
        copy(low, op, t, y, t.shape, (0, contiguous(t.shape)), (at * strides[axis], strides))
        at += t.shape[axis]


def pack(low: Lowered, op: Operator) -> None:
    y = op.outputs[0]
    inputs = [t for t in op.inputs if t is not None]
    typecode(*inputs, y)
    axis = axis_of(op.options["axis"], len(y.shape))
    strides = contiguous(y.shape)
    fits(len(inputs) == y.shape[axis], inputs[0], y)
    for i, t in enumerate(inputs):
        fits(t.shape == without(y.shape, axis), t, y)
        copy(low, op, t, y, t.shape, (0, contiguous(t.shape)), (i * strides[axis], without(strides, axis)))


def unpack(low: Lowered, op: Operator) -> None:
    x = op.inputs[0]
    assert x is not None
    typecode(x, *op.outputs)
    axis = axis_of(op.options["axis"], len(x.shape))
    strides = contiguous(x.shape)
    fits(len(op.outputs) == x.shape[axis], x, op.outputs[0])
    for i, y in enumerate(op.outputs):
        fits(y.shape == without(x.shape, axis), x, y)
        copy(low, op, x, y, y.shape, (i * strides[axis], without(strides, axis)), (0, contiguous(y.shape)))


def split(low: Lowered, op: Operator, *, data: int, axis: int) -> None:
    """SPLIT and SPLIT_V. `data`, `axis`: the indices of these inputs. The sizes are those of the outputs."""
    x = op.inputs[data]
    assert x is not None
    typecode(x, *op.outputs)
    along = axis_of(integers(op, axis, "axis")[0], len(x.shape))
    strides = contiguous(x.shape)
    at = 0
    for y in op.outputs:
        fits(len(y.shape) == len(x.shape) and without(y.shape, along) == without(x.shape, along), x, y)
        copy(low, op, x, y, y.shape, (at * strides[along], strides), (0, contiguous(y.shape)))
        at += y.shape[along]
    fits(at == x.shape[along], x, op.outputs[0])


# --- cutting and padding ------------------------------------------------------------------------


def pad(low: Lowered, op: Operator) -> None:
    """PAD and PADV2."""
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    kind = typecode(x, y)
    amounts = _paddings(op, x, y)
    value = y.zero_point if kind == "b" else 0
    if len(op.inputs) > 2:
        value = int.from_bytes(constant(op, 2, "padding value").tobytes()[: ITEMSIZE[kind]], "little")
    if x.shape != y.shape:
        fill(low, op, y, value)
    strides = contiguous(y.shape)
    first = sum(a * s for (a, _), s in zip(amounts, strides, strict=True))
    copy(low, op, x, y, x.shape, (0, contiguous(x.shape)), (first, strides))


def _paddings(op: Operator, x: Tensor, y: Tensor) -> list[tuple[int, int]]:
    flat = integers(op, 1, "paddings")
    amounts = list(zip(flat[::2], flat[1::2], strict=True))
    fits(len(amounts) == len(x.shape) and min(flat, default=0) >= 0, x, y)
    fits(tuple(n + a + b for n, (a, b) in zip(x.shape, amounts, strict=True)) == y.shape, x, y)
    return amounts


def mirror_pad(low: Lowered, op: Operator) -> None:
    """Each axis has up to three parts, before, the input, and after; each combination is a copy."""
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    skip = 1 - op.options["mode"]  # REFLECT (0) leaves the border element out, SYMMETRIC (1) repeats it
    parts: list[list[tuple[int, int, int, int]]] = []  # an axis: size, first in x, step in x, first in y
    for n, (before, after) in zip(x.shape, _paddings(op, x, y), strict=True):
        fits(max(before, after) <= n - skip, x, y)
        all_parts = [
            (before, before - 1 + skip, -1, 0),
            (n, 0, 1, before),
            (after, n - 1 - skip, -1, before + n),
        ]
        parts.append([p for p in all_parts if p[0]])
    a, b = contiguous(x.shape), contiguous(y.shape)
    for chosen in product(*parts):
        source = sum(p[1] * s for p, s in zip(chosen, a, strict=True))
        target = sum(p[3] * s for p, s in zip(chosen, b, strict=True))
        steps = [p[2] * s for p, s in zip(chosen, a, strict=True)]
        copy(low, op, x, y, [p[0] for p in chosen], (source, steps), (target, b))


# --- rearranging --------------------------------------------------------------------------------


def transpose(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    order = integers(op, 1, "permutation")
    fits(sorted(order) == list(range(len(x.shape))) and y.shape == tuple(x.shape[i] for i in order), x, y)
    strides = contiguous(x.shape)
    copy(low, op, x, y, y.shape, (0, [strides[i] for i in order]), (0, contiguous(y.shape)))


def reverse(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    fits(x.shape == y.shape, x, y)
    axes = {axis_of(a, len(x.shape)) for a in integers(op, 1, "axes")}
    strides = contiguous(x.shape)
    first = sum((x.shape[a] - 1) * strides[a] for a in axes)
    steps = [-s if i in axes else s for i, s in enumerate(strides)]
    copy(low, op, x, y, x.shape, (first, steps), (0, strides))


def broadcast_to(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    full = (1,) * (len(y.shape) - len(x.shape)) + x.shape
    fits(len(full) == len(y.shape) and all(n in (1, m) for n, m in zip(full, y.shape, strict=True)), x, y)
    copy(low, op, x, y, y.shape, (0, broadcast_strides(x.shape, y.shape)), (0, contiguous(y.shape)))


# --- making -------------------------------------------------------------------------------------


def fill_with(low: Lowered, op: Operator) -> None:
    """FILL: one element, repeated."""
    x, y = op.inputs[1], op.outputs[0]
    assert x is not None
    typecode(x, y)
    constant(op, 0, "shape")
    fits(x.size == 1, x, y)
    copy(low, op, x, y, (y.size,), (0, (0,)), (0, (1,)))


def shape_of(low: Lowered, op: Operator) -> None:
    """The shape is known here."""
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    if y.dtype not in ("int32", "int64"):
        raise Unsupported(f"a shape of type {y.dtype} makes no sense: damaged model")
    fits(y.size == len(x.shape), x, y)
    low.places[y.index] = Const(np.array(x.shape, y.dtype).tobytes())


def zeros_like(low: Lowered, op: Operator) -> None:
    y = op.outputs[0]
    typecode(y)
    fill(low, op, y, 0)
