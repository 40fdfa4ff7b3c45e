# SPDX-License-Identifier: MIT
"""Copies by index: GATHER, GATHER_ND, EMBEDDING_LOOKUP, DYNAMIC_UPDATE_SLICE."""

from dataclasses import dataclass, replace
from itertools import groupby
from math import prod

import numpy as np

from ..graph import Operator, Tensor
from ..records import ITEMSIZE, Loop
from .binary import integers_combined
from .move import MAX_COPIES, copy, shifted
from .steps import Const, Lowered, View
from .tensors import Unsupported, axis_of, constant, contiguous, fits, integers, typecode, without


@dataclass
class Progression:
    """From `target` on, `blocks` runs of `repeats` copies of one source, `step` after the last run's."""

    target: int
    source: int
    blocks: int
    repeats: int
    step: int


def progressions(sources: list[int]) -> list[Progression]:
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
    """With constant indices each progression is a copy, unless there are too many."""
    x, indices, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and indices is not None
    typecode(x, y)
    axis = axis_of(op.options.get("axis", 0), len(x.shape))
    if op.options.get("batch_dims"):
        return _gather_batches(low, op, x, indices, y, axis)
    if indices.data is None:
        return _gather(low, op, x, indices, y, axis)
    positions = integers(op, 1, "indices")
    fits(y.size == prod(without(x.shape, axis)) * len(positions), x, y)
    fits(all(0 <= p < x.shape[axis] for p in positions), x, y)
    parts = progressions(positions)
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
    fits(y.size == prod(without(x.shape, axis)) * prod(indices.shape[dims:]), x, y)
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


def _gather(low: Lowered, op: Operator, x: Tensor, indices: Tensor, y: Tensor, axis: int) -> None:
    """With computed indices; those beyond the axis count as its ends."""
    if indices.dtype != "int32":
        raise Unsupported(f"indices of type {indices.dtype} are not supported: use int32")
    fits(y.size == prod(without(x.shape, axis)) * indices.size, x, y)
    shape = (prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :]))
    gather_rows(low, op, x, low.place(indices), y, shape, indices.size)


def gather_rows(
    low: Lowered,
    op: Operator,
    x: Tensor,
    indices: View | Const,
    y: Tensor,
    shape: tuple[int, int, int],
    count: int,
) -> None:
    """`shape`: of x, as [outer size, axis, elements per index]."""
    kind = typecode(x, y)
    fields = {
        "in": low.place(x),
        "indices": indices,
        "out": low.place(y),
        **_gather_sizes(shape, count, ITEMSIZE[kind]),
    }
    low.emit("GATHER", op, fields, kind=kind)


def _gather_sizes(shape: tuple[int, int, int], count: int, item: int) -> dict[str, int]:
    return {"outer": shape[0], "axis": shape[1], "count": count, "run": shape[2] * item}


def gather_nd(low: Lowered, op: Operator) -> None:
    """Indices of several axes become indices of one flat axis."""
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
    gather_rows(low, op, x, place, y, (1, prod(sizes), prod(x.shape[depth:])), len(rows))


def _gather_nd(low: Lowered, op: Operator, x: Tensor, at: Tensor, y: Tensor) -> None:
    """With computed indices: each row of them times the axes' strides."""
    depth = at.shape[-1] if at.shape else 0
    fits(at.dtype == "int32" and 1 <= depth <= len(x.shape), x, y)
    rows, sizes = at.size // depth, x.shape[:depth]
    fits(y.size == rows * prod(x.shape[depth:]), x, y)
    place: View | Const | None = None
    for axis, stride in enumerate(contiguous(sizes)):
        index, weight = shifted(low.place(at), 4 * axis), Const(np.array([stride], "<i4").tobytes())
        part = (
            integers_combined(low, op, "MUL", (index, weight), Loop(rows, depth, 0)) if depth > 1 else index
        )
        place = part if place is None else integers_combined(low, op, "ADD", (place, part), Loop(rows, 1, 1))
    assert place is not None
    gather_rows(low, op, x, place, y, (1, prod(sizes), prod(x.shape[depth:])), rows)


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
    """Copies the whole, then writes the update into it."""
    x, update, starts = op.inputs[:3]
    y = op.outputs[0]
    assert x is not None and update is not None and starts is not None
    kind = typecode(x, update, y)
    fits(x.shape == y.shape and len(update.shape) == len(x.shape) == starts.size, x, y)
    fits(all(n <= m for n, m in zip(update.shape, x.shape, strict=True)), update, y)
    first = low.place(starts)
    if starts.dtype == "int64":  # their lower words
        first, words = low.new_buffer(4 * starts.size), first
        fields = {"in": words, "out": first, "run": 4}
        low.emit("MOVE", op, fields, [Loop(starts.size, 8, 4)], kind="i")
    elif starts.dtype != "int32":
        raise Unsupported(f"starts of type {starts.dtype} are not supported: use int32")
    strides = contiguous(x.shape)
    low.place(y)  # its own: it is written to
    copy(low, op, x, y, x.shape, (0, strides), (0, strides))
    loops = [Loop(n, s, m - n) for n, m, s in zip(update.shape, x.shape, strides, strict=True)]
    fields = {"in": low.place(update), "starts": first, "out": low.place(y)}
    low.emit("UPDATE", op, fields, loops, kind=kind)
