# SPDX-License-Identifier: MIT
"""Copies: shapes, slices, gathers, images."""

from __future__ import annotations

import numpy as np

from .draw import Case, Draw, Operators, broadcastable, draw_image, same_quantization, single

OPERATORS = Operators()


@OPERATORS.add("PAD", "int8 float32 int16 int32")
def _pad(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    pads = np.array([(d.int(0, 3), d.int(0, 3)) for _ in x.shape], np.int32)
    y = d.output([n + a + b for n, (a, b) in zip(x.shape, pads, strict=True)], **same_quantization(x))
    d.b.op(name, [x, d.b.const(pads)], y, version=2)
    return d.case(y)


@OPERATORS.add("RESHAPE", "int8 float32 int16 int32 int64 uint8 bool")
def _reshape(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    shape = _other_shape(d, x.shape)
    y = d.output(shape, **same_quantization(x))
    given = list(shape)
    if given and d.flag():
        given[d.int(0, len(given) - 1)] = -1
    d.b.op(name, [x, d.b.const(np.array(given, np.int32))], y, new_shape=list(shape))
    return d.case(y)


def _other_shape(d: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with as many elements: neighbours merged, then ones put in."""
    merged: list[int] = []
    for n in shape:
        if merged and d.flag():
            merged[-1] *= n
        else:
            merged.append(n)
    while len(merged) < 4 and d.flag():
        merged.insert(d.int(0, len(merged)), 1)
    return tuple(merged)


@OPERATORS.add("SQUEEZE", "int8 float32 int16 int32 int64 uint8 bool")
def _squeeze(d: Draw, name: str) -> Case:
    shape = tuple(1 if d.flag() else d.int(1, 6) for _ in range(d.int(1, 4)))
    ones = [i for i, n in enumerate(shape) if n == 1]
    dropped = [i for i in ones if d.flag()]
    x = d.input(shape, **d.quantization())
    left = [n for i, n in enumerate(shape) if i not in (dropped or ones)]
    y = d.output(left, **same_quantization(x))
    d.b.op(name, [x], y, squeeze_dims=dropped)
    return d.case(y)


@OPERATORS.add("EXPAND_DIMS", "int8 float32 int16")
def _expand_dims(d: Draw, name: str) -> Case:
    x = d.input(d.shape(1, 3), **d.quantization())
    axis = d.axis(len(x.shape) + 1)
    at = axis % (len(x.shape) + 1)
    y = d.output((*x.shape[:at], 1, *x.shape[at:]), **same_quantization(x))
    d.b.op(name, [x, d.b.const(np.array([axis], np.int32))], y)
    return d.case(y)


@OPERATORS.add("CONCATENATION", "int8 float32 int16 int32 int64 bool")
def _concatenation(d: Draw, name: str) -> Case:
    shape = d.shape()
    axis = d.axis(len(shape))
    at = axis % len(shape)
    sizes = [d.int(1, 5) for _ in range(d.int(2, 5))]
    quantization = d.quantization()
    parts = [d.operand((*shape[:at], n, *shape[at + 1 :]), **quantization) for n in sizes]
    y = d.output((*shape[:at], sum(sizes), *shape[at + 1 :]), **quantization)
    d.b.op(name, parts, y, axis=axis, activation="NONE")
    return d.case(y)


@OPERATORS.add("TRANSPOSE", "int8 int16 float32")
def _transpose(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    order = [int(i) for i in d.rng.permutation(len(x.shape))]
    y = d.output([x.shape[i] for i in order], **same_quantization(x))
    return single(d, name, [x, d.b.const(np.array(order, np.int32))], y)


@OPERATORS.add("PADV2", "int8 int16 float32 int32")
def _padv2(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    pads = np.array([(d.int(0, 3), d.int(0, 3)) for _ in x.shape], np.int32)
    y = d.output([n + a + b for n, (a, b) in zip(x.shape, pads, strict=True)], **same_quantization(x))
    value = d.b.const(d.values((1,)), **same_quantization(x))
    return single(d, name, [x, d.b.const(pads), value], y)


@OPERATORS.add("MIRROR_PAD", "int8 float32")
def _mirror_pad(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    mode = d.of(("REFLECT", "SYMMETRIC"))
    most = [n - (mode == "REFLECT") for n in x.shape]
    pads = np.array([(d.int(0, m), d.int(0, m)) for m in most], np.int32)
    y = d.output([n + a + b for n, (a, b) in zip(x.shape, pads, strict=True)], **same_quantization(x))
    return single(d, name, [x, d.b.const(pads)], y, mode=mode)


@OPERATORS.add("SPLIT", "int8 int16 float32 int32")
def _split(d: Draw, name: str) -> Case:
    shape, pieces = list(d.shape()), d.int(1, 4)
    axis = d.axis(len(shape))
    part = list(shape)
    shape[axis] *= pieces
    x = d.input(shape, **d.quantization())
    outputs = [d.output(part, **same_quantization(x)) for _ in range(pieces)]
    d.b.op(name, [d.b.const(np.array([axis], np.int32)), x], outputs, num_splits=pieces)
    return d.case(*outputs)


@OPERATORS.add("SPLIT_V", "int8 int16 float32 int32")
def _split_v(d: Draw, name: str) -> Case:
    shape, sizes = list(d.shape()), [d.int(1, 4) for _ in range(d.int(1, 4))]
    axis = d.axis(len(shape))
    shape[axis] = sum(sizes)
    x = d.input(shape, **d.quantization())
    parts = [[n if i != axis % len(shape) else s for i, n in enumerate(shape)] for s in sizes]
    outputs = [d.output(p, **same_quantization(x)) for p in parts]
    constants = [d.b.const(np.array(v, np.int32)) for v in (sizes, [axis])]
    d.b.op(name, [x, *constants], outputs, version=2, num_splits=len(sizes))
    return d.case(*outputs)


@OPERATORS.add("SLICE", "int8 int16 float32 int32 bool")
def _slice(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    begin = [d.int(0, n - 1) for n in x.shape]
    size = [d.int(1, n - b) for n, b in zip(x.shape, begin, strict=True)]
    given = [-1 if b + s == n and d.flag() else s for n, b, s in zip(x.shape, begin, size, strict=True)]
    index = d.of((np.int32, np.int64))
    start = d.b.const(np.array(begin, index))
    if d.flag():
        start = d.input((len(begin),), index.__name__)
        d.inputs[-1] = (start, np.array(begin, index))
    y = d.output(size, **same_quantization(x))
    return single(d, name, [x, start, d.b.const(np.array(given, index))], y)


@OPERATORS.add("STRIDED_SLICE", "int8 int16 float32 int32 bool")
def _strided_slice(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    begin, end, strides, shape = [], [], [], []
    masks = {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}
    for i, n in enumerate(x.shape):
        stride = d.of((1, 1, 2, 3, -1, -2))
        first, last = sorted((d.int(0, n - 1), d.int(0, n - 1)))
        if stride < 0:
            first, last = last, first - 1  # -1 would count from the end: mask it
        else:
            last += 1
        if d.int(0, 5) == 5:
            masks["shrink_axis_mask"] |= 1 << i
            first, last, stride = first % n, first % n + 1, 1
        else:
            if last < 0 or d.int(0, 3) == 3:
                masks["end_mask"] |= 1 << i
                last = n if stride > 0 else -1
            if d.int(0, 3) == 3:
                masks["begin_mask"] |= 1 << i
                first = 0 if stride > 0 else n - 1
            shape.append(len(range(first, last, stride)))
        begin.append(first - n if d.flag() else first)
        end.append(last)
        strides.append(stride)
    y = d.output(shape, **same_quantization(x))
    constants = [d.b.const(np.array(v, np.int32)) for v in (begin, end, strides)]
    return single(d, name, [x, *constants], y, **masks)


@OPERATORS.add("PACK", "int8 int16 float32 int32 int64")
def _pack(d: Draw, name: str) -> Case:
    shape, q = d.shape(1, 3), d.quantization()
    parts = [d.operand(shape, **q) for _ in range(d.int(1, 4))]
    axis = d.axis(len(shape) + 1)
    at = axis % (len(shape) + 1)
    y = d.output((*shape[:at], len(parts), *shape[at:]), **q)
    return single(d, name, parts, y, axis=axis, values_count=len(parts))


@OPERATORS.add("UNPACK", "int8 int16 float32 int32")
def _unpack(d: Draw, name: str) -> Case:
    x = d.input(d.shape(2, 4), **d.quantization())
    axis = d.axis(len(x.shape))
    at = axis % len(x.shape)
    shape = (*x.shape[:at], *x.shape[at + 1 :])
    outputs = [d.output(shape, **same_quantization(x)) for _ in range(x.shape[at])]
    d.b.op(name, [x], outputs, version=2, axis=axis, num=len(outputs))
    return d.case(*outputs)


@OPERATORS.add("GATHER", "int8 float32")
def _gather(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    axis = d.axis(len(x.shape))
    at = axis % len(x.shape)
    dims = d.int(1, min(at, 2)) if at and d.flag() else 0
    shape = (*x.shape[:dims], *d.shape(1, 2, 4))
    indices = d.rng.integers(0, x.shape[at], shape).astype(np.int32)
    where = d.b.const(indices) if d.flag() else d.input(shape, "int32")
    d.inputs[1:] = [(t, indices) for t, _ in d.inputs[1:]]
    y = d.output((*x.shape[:at], *shape[dims:], *x.shape[at + 1 :]), **same_quantization(x))
    return single(d, name, [x, where], y, axis=axis, batch_dims=dims)


@OPERATORS.add("GATHER_ND", "int8 float32")
def _gather_nd(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    depth, lead = d.int(1, len(x.shape)), d.shape(1, 2, 4)
    indices = np.stack([d.rng.integers(0, n, lead) for n in x.shape[:depth]], -1).astype(np.int32)
    y = d.output((*lead, *x.shape[depth:]), **same_quantization(x))
    where = d.b.const(indices)
    if d.flag():
        where = d.input(indices.shape, "int32")
        d.inputs[-1] = (where, indices)
    return single(d, name, [x, where], y)


@OPERATORS.add("BROADCAST_TO", "int8 int16 float32 int32 int64 uint8 bool")
def _broadcast_to(d: Draw, name: str) -> Case:
    shape = d.shape()
    kept = [n if d.flag() else 1 for n in shape][d.int(0, len(shape) - 1) :]
    x = d.input(kept, **d.quantization())
    y = d.output(shape, **same_quantization(x))
    return single(d, name, [x, d.b.const(np.array(shape, np.int32))], y)


@OPERATORS.add("BROADCAST_ARGS", "int32")
def _broadcast_args(d: Draw, name: str) -> Case:
    first, second = broadcastable(d)
    inputs = [d.input((len(s),)) for s in (first, second)]
    d.inputs = [(t, np.array(s, np.int32)) for t, s in zip(inputs, (first, second), strict=True)]
    return single(d, name, inputs, d.output((max(len(first), len(second)),)))


@OPERATORS.add("FILL", "int8 float32 int32")
def _fill(d: Draw, name: str) -> Case:
    shape = d.shape()
    q = d.quantization()
    value = d.input((), **q)
    return single(d, name, [d.b.const(np.array(shape, np.int32)), value], d.output(shape, **q))


@OPERATORS.add("SHAPE", "int8 float32 int16 int32 int64 uint8 bool")
def _shape(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    return single(d, name, [x], d.output((len(x.shape),), "int32"), out_type="INT32")


@OPERATORS.add("SPACE_TO_BATCH_ND", "int8 float32")
def _space_to_batch(d: Draw, name: str) -> Case:
    n, channels = d.int(1, 2), d.int(1, 4)
    dims = d.int(1, 2)
    block, pads, space = [], [], []
    for _ in range(dims):
        b, size, before = d.int(1, 3), d.int(1, 8), d.int(0, 2)
        block.append(b)
        pads.append((before, -(size + before) % b + d.int(0, 1) * b))
        space.append(size)
    # TFLM pads int8 with whatever lies in its arena; it is fresh here, so 0, the zero point by choice.
    quantization = {**d.quantization(), "zero_point": 0} if d.dtype == "int8" else {}
    x = d.input((n, *space, channels), **quantization)
    small = [(s + p + q) // b for s, (p, q), b in zip(space, pads, block, strict=True)]
    y = d.output((n * int(np.prod(block)), *small, channels), **same_quantization(x))
    return single(d, name, [x, *(d.b.const(np.array(v, np.int32)) for v in (block, pads))], y)


@OPERATORS.add("BATCH_TO_SPACE_ND", "int8 float32")
def _batch_to_space(d: Draw, name: str) -> Case:
    n, channels, dims = d.int(1, 2), d.int(1, 4), d.int(1, 2)
    block = [d.int(1, 3) for _ in range(dims)]
    small = [d.int(1, 4) for _ in range(dims)]
    crops = [(d.int(0, b - 1), 0) for b in block]
    x = d.input((n * int(np.prod(block)), *small, channels), **d.quantization())
    space = [s * b - sum(c) for s, b, c in zip(small, block, crops, strict=True)]
    y = d.output((n, *space, channels), **same_quantization(x))
    return single(d, name, [x, *(d.b.const(np.array(v, np.int32)) for v in (block, crops))], y)


@OPERATORS.add("SPACE_TO_DEPTH DEPTH_TO_SPACE", "int8 float32")
def _depth_space(d: Draw, name: str) -> Case:
    n, height, width, channels, b = *(d.int(1, 4) for _ in range(4)), d.int(1, 3)
    wide, deep = (n, height * b, width * b, channels), (n, height, width, channels * b * b)
    source, target = (wide, deep) if name == "SPACE_TO_DEPTH" else (deep, wide)
    x = d.input(source, **d.quantization())
    return single(d, name, [x], d.output(target, **same_quantization(x)), block_size=b)


@OPERATORS.add("RESIZE_NEAREST_NEIGHBOR RESIZE_BILINEAR", "int8 float32")
@OPERATORS.add("RESIZE_NEAREST_NEIGHBOR", "int16")
def _resize(d: Draw, name: str) -> Case:
    x = d.input(draw_image(d), **d.quantization())
    size = [d.int(1, 12), d.int(1, 12)] if d.int(0, 5) else [d.int(13, 40), d.int(13, 40)]
    kinds = {"align_corners": d.flag(), "half_pixel_centers": False}
    kinds["half_pixel_centers"] = not kinds["align_corners"] and d.flag()
    y = d.output((x.shape[0], *size, x.shape[3]), **same_quantization(x))
    return single(d, name, [x, d.b.const(np.array(size, np.int32))], y, **kinds)


@OPERATORS.add("DYNAMIC_UPDATE_SLICE", "int8 int16 float32 int32")
def _dynamic_update_slice(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    update = d.input([d.int(1, n) for n in x.shape], **same_quantization(x))
    starts = np.array([d.int(-2, n + 1) for n in x.shape], np.int32)
    index = d.of(("int32", "int64"))
    start = d.input((len(x.shape),), index)
    d.inputs[-1] = (start, starts.astype(index))
    return single(d, name, [x, update, start], d.output(x.shape, **same_quantization(x)))


@OPERATORS.add("REVERSE_V2", "int8 int16 float32 int32 int64 uint8 bool")
def _reverse(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    axis = d.b.const(np.array([d.axis(len(x.shape))], np.int32))
    return single(d, name, [x, axis], d.output(x.shape, **same_quantization(x)))


@OPERATORS.add("EMBEDDING_LOOKUP", "int8 float32")
def _embedding(d: Draw, name: str) -> Case:
    rows, count, rest = d.int(1, 9), d.int(1, 5), d.shape(1, 2)
    q = d.quantization()
    ids = d.input((count,), "int32")
    d.inputs[0] = (ids, d.rng.integers(0, rows, count).astype(np.int32))
    if q and d.flag():  # TFLM dequantizes it, too
        table = d.b.const(d.values((rows, *rest)), scale=q["scale"])
        return single(d, name, [ids, table], d.output((count, *rest), "float32"))
    table = d.b.const(d.values((rows, *rest)), **q)
    return single(d, name, [ids, table], d.output((count, *rest), **q))
