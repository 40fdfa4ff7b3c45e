# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Operators that only move bytes: each becomes an alias, or strided copies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from math import prod

import numpy as np

from ..graph import Operator, Tensor
from ..records import ITEMSIZE, Loop, function
from .core import (
    LIMITS,
    Const,
    Lowered,
    Unsupported,
    View,
    activation,
    broadcast_strides,
    constant,
    contiguous,
    nest,
    same_size,
    typecode,
)

MAX_COPIES = 64  # that one operator may become
MAX_SIZE = 65535  # of an image that is worked out row by row here


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

    Where that would be all of `x` as it is, `y` lies there too; unless it has a place of its own already.
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
        "loops": len(loops),
    }
    strides = [Loop(v.n, v.a * item, v.b * item) for v in loops]
    low.emit("MOVE", op, fields, strides, kind=typecode(y), tensor=y)


def shifted(place: View | Const, offset: int) -> View | Const:
    """`offset` bytes into a tensor."""
    return replace(place, offset=place.offset + offset)


def fill(low: Lowered, op: Operator, y: Tensor, value: int) -> None:
    """All elements of `y` become the one whose bytes are `value`."""
    item = ITEMSIZE[typecode(y)]
    if item == 8:  # FILL knows no such elements: a copy of one that stands still
        one = Const((value & (256**item - 1)).to_bytes(item, "little"))
        fields = {"in": one, "out": low.place(y), "run": item, "loops": 1}
        return low.emit("MOVE", op, fields, [Loop(y.size, 0, item)], kind=typecode(y), tensor=y)
    fields = {"out": low.place(y), "count": y.size, "size": item, "value": value & (256**item - 1)}
    low.emit("FILL", op, fields, kind=typecode(y), tensor=y)


def axis_of(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} is out of range for {rank} dimensions: damaged model")
    return axis % rank


def integers(op: Operator, i: int, what: str) -> list[int]:
    """A constant input as a list of Python integers."""
    return [int(v) for v in constant(op, i, what).reshape(-1)]


def fits(condition: bool, x: Tensor, y: Tensor) -> None:
    if not condition:
        raise Unsupported(f"{list(x.shape)} does not become {list(y.shape)}: damaged model")


def same_numbers(x: Tensor, y: Tensor) -> None:
    """Bytes can be moved as they are only where they mean the same; TFLM demands it, too."""
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
        len(t.shape) == len(y.shape) and _without(t.shape, axis) == _without(y.shape, axis) for t in inputs
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


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def pack(low: Lowered, op: Operator) -> None:
    y = op.outputs[0]
    inputs = [t for t in op.inputs if t is not None]
    typecode(*inputs, y)
    axis = axis_of(op.options["axis"], len(y.shape))
    strides = contiguous(y.shape)
    fits(len(inputs) == y.shape[axis] == op.options["values_count"], inputs[0], y)
    for i, t in enumerate(inputs):
        fits(t.shape == _without(y.shape, axis), t, y)
        copy(low, op, t, y, t.shape, (0, contiguous(t.shape)), (i * strides[axis], _without(strides, axis)))


def unpack(low: Lowered, op: Operator) -> None:
    x = op.inputs[0]
    assert x is not None
    typecode(x, *op.outputs)
    axis = axis_of(op.options["axis"], len(x.shape))
    strides = contiguous(x.shape)
    fits(len(op.outputs) == x.shape[axis] == op.options["num"], x, op.outputs[0])
    for i, y in enumerate(op.outputs):
        fits(y.shape == _without(x.shape, axis), x, y)
        copy(low, op, x, y, y.shape, (i * strides[axis], _without(strides, axis)), (0, contiguous(y.shape)))


def split(low: Lowered, op: Operator, *, data: int, axis: int) -> None:
    """SPLIT and SPLIT_V; `data`, `axis`: which inputs these are. The outputs' shapes say the rest."""
    x = op.inputs[data]
    assert x is not None
    typecode(x, *op.outputs)
    along = axis_of(integers(op, axis, "axis")[0], len(x.shape))
    strides = contiguous(x.shape)
    at = 0
    for y in op.outputs:
        fits(len(y.shape) == len(x.shape) and _without(y.shape, along) == _without(x.shape, along), x, y)
        copy(low, op, x, y, y.shape, (at * strides[along], strides), (0, contiguous(y.shape)))
        at += y.shape[along]
    fits(at == x.shape[along], x, op.outputs[0])


# --- cutting and padding ------------------------------------------------------------------------


def slice_(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    start = op.inputs[1]
    if start is not None and start.data is None:
        return _slice_from(low, op, x, start, y)
    begin = integers(op, 1, "begin")
    fits(len(begin) == len(x.shape) == len(y.shape), x, y)
    fits(all(b >= 0 and b + n <= m for b, n, m in zip(begin, y.shape, x.shape, strict=True)), x, y)
    sizes = [m - b if n == -1 else n for n, b, m in zip(integers(op, 2, "size"), begin, x.shape, strict=True)]
    fits(tuple(sizes) == y.shape, x, y)
    strides = contiguous(x.shape)
    first = sum(b * s for b, s in zip(begin, strides, strict=True))
    copy(low, op, x, y, y.shape, (first, strides), (0, contiguous(y.shape)))


def _slice_from(low: Lowered, op: Operator, x: Tensor, start: Tensor, y: Tensor) -> None:
    """A slice that begins where a tensor says: each axis that is cut gathers neighbours."""
    sizes, rank = integers(op, 2, "size"), len(x.shape)
    fits(start.size == len(sizes) == rank == len(y.shape), x, y)
    fits(all(n in (-1, m) and m <= k for n, m, k in zip(sizes, y.shape, x.shape, strict=True)), x, y)
    if start.dtype not in ("int32", "int64"):
        raise Unsupported(f"a begin of type {start.dtype} makes no sense: damaged model")
    cut = [i for i in range(rank) if y.shape[i] != x.shape[i]]
    if not cut:
        return low.alias(x, y)
    for axis in cut:
        n = y.shape[axis]
        shape = (*y.shape[: axis + 1], *x.shape[axis + 1 :])
        part = y if axis == cut[-1] else replace(y, index=low.new_index(), shape=shape)
        # The lower word of an int64, too, is an int32.
        first = shifted(low.place(start), axis * ITEMSIZE[typecode(start)])
        outer, inner = prod(shape[:axis]), prod(shape[axis + 1 :])
        _gather_rows(low, op, x, _counted(low, op, first, n), part, (outer, x.shape[axis], inner), n)
        x = part


def _counted(low: Lowered, op: Operator, first: View | Const, n: int) -> View | Const:
    """The int32 values from `first` on."""
    if n == 1:
        return first
    return _combined(low, op, "ADD", (Const(np.arange(n, dtype="<i4").tobytes()), first), Loop(n, 1, 0))


def _combined(
    low: Lowered,
    op: Operator,
    name: str,
    operands: tuple[View | Const, View | Const],
    loop: Loop,
    kind: str = "i",
) -> View:
    """Integers, computed."""
    values = low.new_buffer(ITEMSIZE[kind] * loop.n)
    fields = {"in1": operands[0], "in2": operands[1], "out": values, "loops": 1}
    fields |= {"function": function("COMBINE", name), "min": LIMITS[kind][0], "max": LIMITS[kind][1]}
    low.emit("COMBINE", op, fields, [loop], kind=kind)
    return values


def _words(low: Lowered, op: Operator, values: View | Const, most: list[int]) -> View:
    """int64 values as int32, after those below 0 and above `most` have become these."""
    for name, bounds in (("MINIMUM", most), ("MAXIMUM", [0] * len(most))):
        bound = Const(np.array(bounds, "<i8").tobytes())
        values = _combined(low, op, name, (values, bound), Loop(len(most), 1, 1), "q")
    words = low.new_buffer(4 * len(most))
    fields = {"in": values, "out": words, "run": 4, "loops": 1}
    low.emit("MOVE", op, fields, [Loop(len(most), 8, 4)], kind="i")
    return words


def strided_slice(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    o = op.options
    if o.get("ellipsis_mask") or o.get("new_axis_mask"):
        raise Unsupported(
            "an ellipsis or a new axis in a slice is not supported: slice and reshape in two steps"
        )
    begin, end, step = (integers(op, i, what) for i, what in ((1, "begin"), (2, "end"), (3, "strides")))
    fits(len(begin) == len(end) == len(step) <= len(x.shape) and 0 not in step, x, y)
    sizes, steps, first, kept = [], [], 0, []
    for i, (n, stride) in enumerate(zip(x.shape, contiguous(x.shape), strict=True)):
        positions = range(n)
        if i < len(begin):
            low_end = None if o.get("begin_mask", 0) >> i & 1 else begin[i]
            high_end = (
                None if o.get("end_mask", 0) >> i & 1 else end[i] + (begin[i] if o.get("offset") else 0)
            )
            if o.get("shrink_axis_mask", 0) >> i & 1:  # one element; the end does not matter
                fits(-n <= begin[i] < n, x, y)
                positions = positions[begin[i] % n : begin[i] % n + 1]
            else:
                positions = positions[low_end : high_end : step[i]]
                kept.append(len(positions))
        else:
            kept.append(n)
        sizes.append(len(positions))
        steps.append(positions.step * stride)
        first += positions.start * stride if positions else 0
    fits(tuple(kept) == y.shape, x, y)
    copy(low, op, x, y, sizes, (first, steps), (0, contiguous(sizes)))


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


def space_to_depth(low: Lowered, op: Operator) -> None:
    _blocks(low, op, deep=op.outputs[0], wide=op.inputs[0], to_depth=True)


def depth_to_space(low: Lowered, op: Operator) -> None:
    _blocks(low, op, deep=op.inputs[0], wide=op.outputs[0], to_depth=False)


def _blocks(low: Lowered, op: Operator, *, deep: Tensor | None, wide: Tensor | None, to_depth: bool) -> None:
    """Blocks of pixels in `wide` are the channels of one pixel in `deep`."""
    assert deep is not None and wide is not None
    typecode(deep, wide)
    size = op.options["block_size"]
    fits(len(deep.shape) == len(wide.shape) == 4 and size > 0, wide, deep)
    batch, rows, columns, channels = wide.shape
    fits(deep.shape == (batch, rows // size, columns // size, channels * size * size), wide, deep)
    fits(rows % size == 0 and columns % size == 0, wide, deep)
    # Axes: batch, row of blocks, row in the block, column of blocks, column in the block, channel.
    sizes = (batch, rows // size, size, columns // size, size, channels)
    d, w = contiguous(deep.shape), contiguous(wide.shape)
    in_deep = (d[0], d[1], size * channels, d[2], channels, 1)
    in_wide = (w[0], size * w[1], w[1], size * w[2], w[2], 1)
    if to_depth:
        copy(low, op, wide, deep, sizes, (0, in_wide), (0, in_deep))
    else:
        copy(low, op, deep, wide, sizes, (0, in_deep), (0, in_wide))


def space_to_batch(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    block, pads = _batch_blocks(op, "paddings")
    fits(len(x.shape) == len(y.shape) > len(block), x, y)
    _batches_fit(y, x.shape[0] * prod(block))
    _blocks_fit(x, y, block, pads)
    if any(pads):
        # TFLM never sets the value to pad with: it is the 0 of its fresh arena, not the zero point.
        fill(low, op, y, 0)
    _batch_copies(low, op, small=x, large=y, block=block, before=pads[::2])


def batch_to_space(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    block, crops = _batch_blocks(op, "crops")
    fits(len(x.shape) == len(y.shape) > len(block), x, y)
    _batches_fit(x, y.shape[0] * prod(block))
    _blocks_fit(y, x, block, crops)
    _batch_copies(low, op, small=y, large=x, block=block, before=crops[::2])


def _batches_fit(t: Tensor, batches: int) -> None:
    if t.shape[0] != batches:
        raise Unsupported(
            f"{list(t.shape)} has not {batches} batches, and TFLM would mix them up: "
            "convert the model with a fixed batch size of 1"
        )


def _blocks_fit(small: Tensor, large: Tensor, block: list[int], amounts: list[int]) -> None:
    """`amounts`: elements of each blocked axis of `small` before and after it that `large` has, too."""
    ends = zip(amounts[::2], amounts[1::2], strict=True)
    sizes = [n + before + after for n, (before, after) in zip(small.shape[1:], ends, strict=False)]
    whole = [n * size for n, size in zip(large.shape[1:], block, strict=False)]
    rest = len(block) + 1
    fits(sizes == whole and small.shape[rest:] == large.shape[rest:], small, large)


def _batch_blocks(op: Operator, what: str) -> tuple[list[int], list[int]]:
    """The block's shape, and before and after of each of its axes."""
    block, amounts = integers(op, 1, "block shape"), integers(op, 2, what)
    if min(block, default=0) < 1 or len(amounts) != 2 * len(block) or min(amounts) < 0:
        raise Unsupported(f"the block shape {block} with {what} {amounts} makes no sense: damaged model")
    if prod(block) > MAX_COPIES:
        raise Unsupported(
            f"a block of {prod(block)} is too large, {MAX_COPIES} is the limit: use smaller dilations"
        )
    return block, amounts


def _batch_copies(
    low: Lowered, op: Operator, *, small: Tensor, large: Tensor, block: list[int], before: list[int]
) -> None:
    """SPACE_TO_BATCH_ND writes `large` from `small`, BATCH_TO_SPACE_ND the other way round.

    Position p of `small` along a blocked axis is at (p + before) // block of `large`, in the batch that
    (p + before) % block belongs to. Each position in the block is one copy.
    """
    axes = len(block)
    s, b = contiguous(small.shape), contiguous(large.shape)
    for place in product(*(range(n) for n in block)):
        sizes, in_small, in_large = [small.shape[0]], 0, 0
        for axis in range(axes):
            n, size = block[axis], small.shape[axis + 1]
            # The first large position whose element lies in `small`, and how many do.
            first = max(0, -(-(before[axis] - place[axis]) // n))
            position = first * n + place[axis] - before[axis]
            count = min(max(0, -(-(size - position) // n)), large.shape[axis + 1] - first)
            sizes.append(count)
            in_small += position * s[axis + 1]
            in_large += first * b[axis + 1]
        if min(sizes) <= 0:
            continue
        batch = 0
        for axis in range(axes):
            batch = batch * block[axis] + place[axis]
        in_large += batch * small.shape[0] * b[0]
        rest = small.shape[axes + 1 :]
        small_strides = [s[0], *(s[i + 1] * block[i] for i in range(axes)), *s[axes + 1 :]]
        ends = (in_small, small_strides), (in_large, b)
        if small is op.inputs[0]:
            copy(low, op, small, large, [*sizes, *rest], *ends)
        else:
            copy(low, op, large, small, [*sizes, *rest], *ends[::-1])


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


def resize_nearest(low: Lowered, op: Operator) -> None:
    """Source rows and columns are known here; where they repeat evenly, one copy does it."""
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    fits(len(x.shape) == len(y.shape) == 4 and (x.shape[0], x.shape[3]) == (y.shape[0], y.shape[3]), x, y)
    fits(integers(op, 1, "size") == list(y.shape[1:3]), x, y)
    if max(y.shape) > MAX_SIZE:
        raise Unsupported(f"{max(y.shape)} rows, columns or channels are too many, {MAX_SIZE} is the limit")
    sources = [_nearest(op, x.shape[i], y.shape[i]) for i in (1, 2)]
    rows, columns = (_progressions(s) for s in sources)
    if len(rows) * len(columns) > MAX_COPIES:
        return _resize_by_indices(low, op, x, y, sources)
    a, b = contiguous(x.shape), contiguous(y.shape)
    for r, c in product(rows, columns):
        sizes = [x.shape[0], r.blocks, r.repeats, c.blocks, c.repeats, x.shape[3]]
        source = [a[0], r.step * a[1], 0, c.step * a[2], 0, 1]
        target = [b[0], r.repeats * b[1], b[1], c.repeats * b[2], b[2], 1]
        copy(
            low,
            op,
            x,
            y,
            sizes,
            (r.source * a[1] + c.source * a[2], source),
            (r.target * b[1] + c.target * b[2], target),
        )


def _resize_by_indices(low: Lowered, op: Operator, x: Tensor, y: Tensor, sources: list[list[int]]) -> None:
    """First the rows, then of each of them the columns."""
    batch, height, width, channels = x.shape
    tall = replace(y, index=low.new_index(), shape=(batch, y.shape[1], width, channels))
    rows, columns = (Const(np.array(s, "<i4").tobytes()) for s in sources)
    _gather_rows(low, op, x, rows, tall, (batch, height, width * channels), y.shape[1])
    _gather_rows(low, op, tall, columns, y, (batch * y.shape[1], width, channels), y.shape[2])


def _nearest(op: Operator, size: int, out: int) -> list[int]:
    """TFLite's GetNearestNeighbor, in its float32 arithmetic: the source of each position."""
    corners, half = op.options.get("align_corners"), op.options.get("half_pixel_centers")
    scale = (
        np.float32(size - 1) / np.float32(out - 1)
        if corners and out > 1
        else np.float32(size) / np.float32(out)
    )
    offset = np.float32(0.5 if half else 0.0)
    result = []
    for i in range(out):
        at = (np.float32(i) + offset) * scale
        index = math.floor(float(at) + 0.5) if corners else math.floor(float(at))
        result.append(max(0, min(size - 1, index)))
    return result


@dataclass
class Progression:
    """Targets from `target` on: `blocks` runs of `repeats` equal sources, each `step` after the last one."""

    target: int
    source: int
    blocks: int
    repeats: int
    step: int


def _progressions(sources: list[int]) -> list[Progression]:
    runs = [(source, len(list(group))) for source, group in groupby(sources)]
    parts: list[Progression] = []
    at = 0
    for source, repeats in runs:
        last = parts[-1] if parts else None
        step = source - (last.source + (last.blocks - 1) * last.step) if last else 0
        if last and last.repeats == repeats and (last.blocks == 1 or last.step == step):
            last.blocks, last.step = last.blocks + 1, step
        else:
            parts.append(Progression(at, source, 1, repeats, 0))
        at += repeats
    return parts


def gather(low: Lowered, op: Operator) -> None:
    """Constant indices: each run of neighbours is a copy, where there are not too many."""
    x, indices, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and indices is not None
    typecode(x, y)
    axis = axis_of(op.options.get("axis", 0), len(x.shape))
    if op.options.get("batch_dims"):
        return _gather_batches(low, op, x, indices, y, axis)
    if indices.data is None:
        return _gather(low, op, x, indices, y, axis)
    positions = integers(op, 1, "indices")
    fits(y.size == prod(_without(x.shape, axis)) * len(positions), x, y)
    fits(all(0 <= p < x.shape[axis] for p in positions), x, y)
    parts = _progressions(positions)
    if len(parts) > MAX_COPIES:
        return _gather(low, op, x, indices, y, axis)
    outer, inner = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
    for p in parts:
        sizes = [outer, p.blocks, p.repeats, inner]
        source = [x.shape[axis] * inner, p.step * inner, 0, 1]
        target = [len(positions) * inner, p.repeats * inner, inner, 1]
        copy(low, op, x, y, sizes, (p.source * inner, source), (p.target * inner, target))


def _gather_batches(low: Lowered, op: Operator, x: Tensor, indices: Tensor, y: Tensor, axis: int) -> None:
    """Each batch of x has indices of its own."""
    dims = axis_of(op.options["batch_dims"], len(indices.shape))
    batches = prod(x.shape[:dims])
    fits(dims <= axis and indices.shape[:dims] == x.shape[:dims] and indices.dtype == "int32", x, y)
    fits(y.size == prod(_without(x.shape, axis)) * prod(indices.shape[dims:]), x, y)
    if batches > MAX_COPIES:
        raise Unsupported(f"its {batches} batches are more than {MAX_COPIES}: gather along one axis")
    item = ITEMSIZE[typecode(y)]
    shape = (prod(x.shape[dims:axis]), x.shape[axis], prod(x.shape[axis + 1 :]))
    count = indices.size // batches
    for b in range(batches):
        fields = {
            "in": shifted(low.place(x), b * x.size // batches * item),
            "indices": shifted(low.place(indices), b * count * 4),
            "out": shifted(low.place(y), b * y.size // batches * item),
            **_gather_sizes(shape, count, item),
        }
        low.emit("GATHER", op, fields, kind=typecode(x, y))


def _gather_sizes(shape: tuple[int, int, int], count: int, item: int) -> dict[str, int]:
    return {"outer": shape[0], "axis": shape[1], "count": count, "run": shape[2] * item}


def _gather(low: Lowered, op: Operator, x: Tensor, indices: Tensor, y: Tensor, axis: int) -> None:
    """Indices that a tensor holds; those beyond the axis count as its ends."""
    if indices.dtype != "int32":
        raise Unsupported(f"indices of type {indices.dtype} are not supported: use int32")
    fits(y.size == prod(_without(x.shape, axis)) * indices.size, x, y)
    shape = (prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :]))
    _gather_rows(low, op, x, low.place(indices), y, shape, indices.size)


def _gather_rows(
    low: Lowered,
    op: Operator,
    x: Tensor,
    indices: View | Const,
    y: Tensor,
    shape: tuple[int, int, int],
    count: int,
) -> None:
    """`shape`: x as outer size, axis, and what one index takes."""
    kind = typecode(x, y)
    fields = {
        "in": low.place(x),
        "indices": indices,
        "out": low.place(y),
        **_gather_sizes(shape, count, ITEMSIZE[kind]),
    }
    low.emit("GATHER", op, fields, kind=kind)


def gather_nd(low: Lowered, op: Operator) -> None:
    """Indices of several axes become indices of one."""
    x, at, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and at is not None
    if at.data is None:
        return _gather_nd(low, op, x, at, y)
    indices = constant(op, 1, "indices").astype(np.int64)
    depth = indices.shape[-1]
    fits(depth <= len(x.shape), x, y)
    sizes = x.shape[:depth]
    rows = indices.reshape(-1, depth)
    fits(y.size == len(rows) * prod(x.shape[depth:]), x, y)
    fits(bool(np.all(rows >= 0) and np.all(rows < np.array(sizes))), x, y)
    flat = rows @ np.array(contiguous(sizes), np.int64)
    place = Const(flat.astype("<i4").tobytes())
    _gather_rows(low, op, x, place, y, (1, prod(sizes), prod(x.shape[depth:])), len(rows))


def _gather_nd(low: Lowered, op: Operator, x: Tensor, at: Tensor, y: Tensor) -> None:
    """Indices that a tensor holds: each row of them times the axes' strides."""
    depth = at.shape[-1] if at.shape else 0
    fits(at.dtype == "int32" and 1 <= depth <= len(x.shape), x, y)
    rows, sizes = at.size // depth, x.shape[:depth]
    fits(y.size == rows * prod(x.shape[depth:]), x, y)
    place: View | Const | None = None
    for axis, stride in enumerate(contiguous(sizes)):
        index, weight = shifted(low.place(at), 4 * axis), Const(np.array([stride], "<i4").tobytes())
        part = _combined(low, op, "MUL", (index, weight), Loop(rows, depth, 0)) if depth > 1 else index
        place = part if place is None else _combined(low, op, "ADD", (place, part), Loop(rows, 1, 1))
    assert place is not None
    _gather_rows(low, op, x, place, y, (1, prod(sizes), prod(x.shape[depth:])), rows)


def embedding_lookup(low: Lowered, op: Operator) -> None:
    ids, table, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert ids is not None and table is not None
    if (table.dtype, y.dtype) != ("int8", "float32"):
        return _gather(low, op, table, ids, y, 0)
    if len(table.scales) != 1 or table.zero_point:
        raise Unsupported("its table has not one scale and the zero point 0: quantize the model again")
    found = replace(table, index=low.new_index(), shape=y.shape, data=None)
    _gather(low, op, table, ids, found, 0)
    fields = {"in": low.place(found), "out": low.place(y), "count": y.size}
    low.emit("DEQUANTIZE", op, {**fields, "scale": float(table.scale), "zero_point": 0}, kind="b")
    return None


def dynamic_update_slice(low: Lowered, op: Operator) -> None:
    """A copy of the whole, then the update into it."""
    x, update, starts = op.inputs[:3]
    y = op.outputs[0]
    assert x is not None and update is not None and starts is not None
    kind = typecode(x, update, y)
    fits(x.shape == y.shape and len(update.shape) == len(x.shape) == starts.size, x, y)
    fits(all(n <= m for n, m in zip(update.shape, x.shape, strict=True)), update, y)
    first = low.place(starts)
    if starts.dtype == "int64":
        first = _words(low, op, first, [m - n for n, m in zip(update.shape, x.shape, strict=True)])
    elif starts.dtype != "int32":
        raise Unsupported(f"starts of type {starts.dtype} are not supported: use int32")
    strides = contiguous(x.shape)
    low.place(y)  # its own: it is written to
    copy(low, op, x, y, x.shape, (0, strides), (0, strides))
    loops = [Loop(n, s, m - n) for n, m, s in zip(update.shape, x.shape, strides, strict=True)]
    fields = {"in": low.place(update), "starts": first, "out": low.place(y), "loops": len(loops)}
    low.emit("UPDATE", op, fields, loops, kind=kind)
