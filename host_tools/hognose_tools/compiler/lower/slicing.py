# SPDX-License-Identifier: MIT
"""SLICE, STRIDED_SLICE."""

from dataclasses import replace
from math import prod

import numpy as np

from ..graph import Operator, Tensor
from ..records import ITEMSIZE, Loop
from .binary import integers_combined
from .gather import gather_rows
from .move import copy, shifted
from .steps import Const, Lowered, View
from .tensors import Unsupported, contiguous, fits, integers, typecode


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
    strides = contiguous(x.shape)
    first = sum(b * s for b, s in zip(begin, strides, strict=True))
    copy(low, op, x, y, y.shape, (first, strides), (0, contiguous(y.shape)))


def _slice_from(low: Lowered, op: Operator, x: Tensor, start: Tensor, y: Tensor) -> None:
    """A slice with a computed begin: gathers consecutive indices along each axis that is cut."""
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
        gather_rows(low, op, x, _counted(low, op, first, n), part, (outer, x.shape[axis], inner), n)
        x = part


def _counted(low: Lowered, op: Operator, first: View | Const, n: int) -> View | Const:
    """The int32 values from `first` on."""
    if n == 1:
        return first
    return integers_combined(
        low, op, "ADD", (Const(np.arange(n, dtype="<i4").tobytes()), first), Loop(n, 1, 0)
    )


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
