# SPDX-License-Identifier: MIT
"""Random models of the operators that go beyond those of operators.py, and of more types."""

from __future__ import annotations

import numpy as np
from flatbuffers import flexbuffers

from operators import (
    ACTIVATIONS,
    Case,
    Draw,
    _activation,
    _binary,
    _broadcastable,
    _concatenation,
    _conv,
    _dequantize,
    _expand_dims,
    _fully_connected,
    _image,
    _mean,
    _pad,
    _pool,
    _reduced,
    _requantize,
    _reshape,
    _same_quantization,
    _softmax,
    _squeeze,
    _weights,
    operator,
)

# More types of the first operators.
operator("CONV_2D DEPTHWISE_CONV_2D", "int16 int4")(_conv)
operator("FULLY_CONNECTED", "int16 int4")(_fully_connected)
operator("AVERAGE_POOL_2D MAX_POOL_2D", "int16")(_pool)
operator("L2_POOL_2D", "float32")(_pool)
operator("ADD MUL", "int16 int32")(_binary)
operator("SUB", "int8 int16 float32 int32")(_binary)
operator("DIV", "int8 float32 int32")(_binary)
operator("RELU RELU6 LOGISTIC TANH", "int16")(_activation)
operator("SOFTMAX", "int16")(_softmax)
operator("MEAN", "int16")(_mean)
operator("SUM", "int8 int16 float32")(_mean)
operator("PAD", "int16 int32")(_pad)
operator("RESHAPE", "int16 int32 int64 uint8 bool")(_reshape)
operator("SQUEEZE", "int16 int32 int64 uint8 bool")(_squeeze)
operator("EXPAND_DIMS", "int16")(_expand_dims)
operator("CONCATENATION", "int16 int32 int64 bool")(_concatenation)
operator("DEQUANTIZE", "int16 uint8")(_dequantize)
operator("QUANTIZE", "int16 int32 uint8")(_requantize)


def _one(d: Draw, name: str, inputs: list, y, **options) -> Case:
    d.b.op(name, inputs, y, version=2, **options)
    return d.case(y)


# Element by element


@operator("MAXIMUM MINIMUM", "int8 int16 float32 int32 int64")
def _extreme(d: Draw, name: str) -> Case:
    first, second = _broadcastable(d)
    q = d.quantization()
    a, c = d.input(first, **q), d.operand(second, **q)
    return _one(d, name, [a, c], d.output(np.broadcast_shapes(first, second), **q))


@operator("SQUARED_DIFFERENCE", "int8 int16 float32 int32")
def _squared_difference(d: Draw, name: str) -> Case:
    first, second = _broadcastable(d)
    a, c = d.input(first, **d.quantization()), d.operand(second, **d.quantization())
    y = d.output(np.broadcast_shapes(first, second), **d.quantization((a.scale or 1) ** 2 * 80))
    return _one(d, name, [a, c], y)


@operator("FLOOR_DIV FLOOR_MOD", "float32")
def _floor(d: Draw, name: str) -> Case:
    first, second = _broadcastable(d)
    q = d.quantization()
    a, c = d.input(first, **q), d.input(second, **q)
    d.inputs[1] = (c, np.where(d.inputs[1][1] == 0, 1, d.inputs[1][1]).astype(c.numpy_dtype))
    return _one(d, name, [a, c], d.output(np.broadcast_shapes(first, second), **q))


@operator("EQUAL NOT_EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL", "int8 float32 int32 int64")
def _compare(d: Draw, name: str) -> Case:
    d.wild = False  # TFLM aborts where a scale is 1 or more
    first, second = _broadcastable(d)
    q = d.quantization()
    a, c = d.input(first, **q), d.operand(second, **(q if d.flag() else d.quantization()))
    return _one(d, name, [a, c], d.output(np.broadcast_shapes(first, second), "bool"))


operator("EQUAL NOT_EQUAL", "bool")(_compare)


@operator("LOGICAL_AND LOGICAL_OR", "bool")
def _logical(d: Draw, name: str) -> Case:
    first, second = _broadcastable(d)
    a, c = d.input(first), d.operand(second)
    return _one(d, name, [a, c], d.output(np.broadcast_shapes(first, second)))


@operator("SELECT_V2", "int8 int16 float32")
def _select(d: Draw, name: str) -> Case:
    first, second = _broadcastable(d)
    q = d.quantization()
    shape = np.broadcast_shapes(first, second)
    condition = d.input(d.of((shape, first)), "bool")
    a, c = d.input(first, **q), d.operand(second, **q)
    return _one(d, name, [condition, a, c], d.output(shape, **q))


@operator("ADD_N", "int8 float32")
def _add_n(d: Draw, name: str) -> Case:
    shape = d.shape()
    quantization = d.quantization()
    inputs = [d.input(shape, **quantization) for _ in range(d.int(2, 5))]
    y = d.output(shape, **d.quantization(inputs[0].scale or 0))
    return _one(d, name, inputs, y)


@operator("NEG SQUARE SQRT EXP LOG SIN COS FLOOR CEIL ROUND", "float32")
@operator("ABS RSQRT ELU HARD_SWISH", "int8 float32")
@operator("ABS RSQRT", "int16")
def _unary(d: Draw, name: str) -> Case:
    shape = d.shape(1, 4, 9)
    quantization = d.quantization()
    if name == "RSQRT" and quantization:
        quantization["zero_point"] = -128 if d.dtype == "int8" else 0
    x = d.input(shape, **quantization)
    if name in ("RSQRT", "SQRT", "LOG"):
        low = 0 if d.dtype != "int8" else -128
        d.inputs[0] = (x, np.maximum(d.inputs[0][1], np.array(low, x.numpy_dtype)))
    near = x.scale or 0
    y = d.output(shape, **d.quantization(min(near, 2.0) if name == "RSQRT" else near))  # no more than 2^11
    return _one(d, name, [x], y)


@operator("ZEROS_LIKE", "int8 int32 int64 float32")
def _zeros_like(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    return _one(d, name, [x], d.output(x.shape, **_same_quantization(x)))


@operator("LOGICAL_NOT", "bool")
def _not(d: Draw, name: str) -> Case:
    x = d.input(d.shape())
    return _one(d, name, [x], d.output(x.shape))


@operator("LEAKY_RELU", "int8 int16 float32")
def _leaky_relu(d: Draw, name: str) -> Case:
    x = d.input(d.shape(1, 4, 9), **d.quantization())
    y = d.output(x.shape, **d.quantization(x.scale or 0))
    return _one(d, name, [x], y, alpha=d.of((0.01, 0.2, 0.3, 1.5, -0.5)))


@operator("PRELU", "int8 float32")
def _prelu(d: Draw, name: str) -> Case:
    x = d.input(_image(d), **d.quantization())
    shape = d.of(((1, 1, x.shape[-1]), x.shape[1:], (1, 1, 1)))
    alpha = d.b.const(d.values(shape), **d.quantization(0.01))
    return _one(d, name, [x, alpha], d.output(x.shape, **d.quantization(x.scale or 0)))


@operator("LOG_SOFTMAX L2_NORMALIZATION", "int8 float32")
def _normalized(d: Draw, name: str) -> Case:
    fixed = {"LOG_SOFTMAX": (16 / 256, 127), "L2_NORMALIZATION": (1 / 128, 0)}[name]
    x = d.input((*d.shape(0, 3, 4), d.of((1, 2, 3, 10, 60))), **d.quantization())
    quantization = {} if d.dtype == "float32" else {"scale": fixed[0], "zero_point": fixed[1]}
    return _one(d, name, [x], d.output(x.shape, **quantization))


@operator("CAST", "int8 int16 int32 float32 bool")
def _cast(d: Draw, name: str) -> Case:
    x = d.input(d.shape())
    y = d.output(x.shape, d.of(("int8", "int16", "int32", "float32", "bool")))
    kinds = {"in_data_type": d.dtype.upper(), "out_data_type": y.dtype.upper()}
    return _one(d, name, [x], y, **kinds)


# Along axes


@operator("REDUCE_MAX REDUCE_MIN", "int8 float32")
def _reduce(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    y, axes = _reduced(d, x, _same_quantization(x))
    return _one(d, name, [x, axes], y, keep_dims=len(y.shape) == len(x.shape))


@operator("ARG_MAX ARG_MIN", "int8 float32")
def _arg(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    axis = d.axis(len(x.shape))
    shape = [n for i, n in enumerate(x.shape) if i != axis % len(x.shape)]
    y = d.output(shape, "int32")
    return _one(d, name, [x, d.b.const(np.array([axis], np.int32))], y, output_type="INT32")


@operator("CUMSUM", "int8 float32")
def _cumsum(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    axis = d.b.const(np.array([d.axis(len(x.shape))], np.int32))
    y = d.output(x.shape, **d.quantization((x.scale or 0) * 3))
    return _one(d, name, [x, axis], y, exclusive=d.flag(), reverse=d.flag())


# Matrices and filters


@operator("TRANSPOSE_CONV", "int8 int16 float32")
def _transpose_conv(d: Draw, name: str) -> Case:
    n, height, width, channels = _image(d)
    kh, kw, sh, sw = d.int(1, 4), d.int(1, 4), d.int(1, 3), d.int(1, 3)
    out_channels, same = d.int(1, 6), d.flag()
    x = d.input((n, height, width, channels), **d.quantization())
    w, bias, near = _weights(
        d, x, (out_channels, kh, kw, channels), -(-kh // sh) * -(-kw // sw) * channels, axis=0
    )
    size = (height * sh, width * sw)
    if not same:
        size = ((height - 1) * sh + kh, (width - 1) * sw + kw)
    y = d.output((n, *size, out_channels), **d.quantization(near))
    shape = d.b.const(np.array(y.shape, np.int32))
    d.b.op(
        name,
        [shape, w, x] + [bias] * (bias is not None),
        y,
        version=3,
        padding="SAME" if same else "VALID",
        stride_h=sh,
        stride_w=sw,
        activation=d.of(ACTIVATIONS),
    )
    return d.case(y)


@operator("BATCH_MATMUL", "int8 int16 float32")
def _batch_matmul(d: Draw, name: str) -> Case:
    lead = d.shape(0, 2, 3)
    rows, depth, columns = d.int(1, 6), d.int(1, 20), d.int(1, 6)
    adj_x, adj_y = d.flag(), d.flag()
    other = [n if d.int(0, 3) else 1 for n in lead][d.int(0, len(lead)) if d.flag() else 0 :]
    leads = [lead, tuple(other)] if d.flag() else [tuple(other), lead]
    a = d.input((*leads[0], *((depth, rows) if adj_x else (rows, depth))), **d.quantization())
    c = d.operand((*leads[1], *((columns, depth) if adj_y else (depth, columns))), **d.quantization())
    near = (a.scale or 0) * (c.scale or 0) * np.sqrt(depth) * 60
    y = d.output((*lead, rows, columns), **d.quantization(near))
    return _one(d, name, [a, c], y, adj_x=adj_x, adj_y=adj_y)


# Copies


@operator("TRANSPOSE", "int8 int16 float32")
def _transpose(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    order = [int(i) for i in d.rng.permutation(len(x.shape))]
    y = d.output([x.shape[i] for i in order], **_same_quantization(x))
    return _one(d, name, [x, d.b.const(np.array(order, np.int32))], y)


@operator("PADV2", "int8 int16 float32 int32")
def _padv2(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    pads = np.array([(d.int(0, 3), d.int(0, 3)) for _ in x.shape], np.int32)
    y = d.output([n + a + b for n, (a, b) in zip(x.shape, pads, strict=True)], **_same_quantization(x))
    value = d.b.const(d.values((1,)), **_same_quantization(x))
    return _one(d, name, [x, d.b.const(pads), value], y)


@operator("MIRROR_PAD", "int8 float32")
def _mirror_pad(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    mode = d.of(("REFLECT", "SYMMETRIC"))
    most = [n - (mode == "REFLECT") for n in x.shape]
    pads = np.array([(d.int(0, m), d.int(0, m)) for m in most], np.int32)
    y = d.output([n + a + b for n, (a, b) in zip(x.shape, pads, strict=True)], **_same_quantization(x))
    return _one(d, name, [x, d.b.const(pads)], y, mode=mode)


@operator("SPLIT", "int8 int16 float32 int32")
def _split(d: Draw, name: str) -> Case:
    shape, pieces = list(d.shape()), d.int(1, 4)
    axis = d.axis(len(shape))
    part = list(shape)
    shape[axis] *= pieces
    x = d.input(shape, **d.quantization())
    outputs = [d.output(part, **_same_quantization(x)) for _ in range(pieces)]
    d.b.op(name, [d.b.const(np.array([axis], np.int32)), x], outputs, num_splits=pieces)
    return d.case(*outputs)


@operator("SPLIT_V", "int8 int16 float32 int32")
def _split_v(d: Draw, name: str) -> Case:
    shape, sizes = list(d.shape()), [d.int(1, 4) for _ in range(d.int(1, 4))]
    axis = d.axis(len(shape))
    shape[axis] = sum(sizes)
    x = d.input(shape, **d.quantization())
    parts = [[n if i != axis % len(shape) else s for i, n in enumerate(shape)] for s in sizes]
    outputs = [d.output(p, **_same_quantization(x)) for p in parts]
    constants = [d.b.const(np.array(v, np.int32)) for v in (sizes, [axis])]
    d.b.op(name, [x, *constants], outputs, version=2, num_splits=len(sizes))
    return d.case(*outputs)


@operator("SLICE", "int8 int16 float32 int32 bool")
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
    y = d.output(size, **_same_quantization(x))
    return _one(d, name, [x, start, d.b.const(np.array(given, index))], y)


@operator("STRIDED_SLICE", "int8 int16 float32 int32 bool")
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
    y = d.output(shape, **_same_quantization(x))
    constants = [d.b.const(np.array(v, np.int32)) for v in (begin, end, strides)]
    return _one(d, name, [x, *constants], y, **masks)


@operator("PACK", "int8 int16 float32 int32 int64")
def _pack(d: Draw, name: str) -> Case:
    shape, q = d.shape(1, 3), d.quantization()
    parts = [d.operand(shape, **q) for _ in range(d.int(1, 4))]
    axis = d.axis(len(shape) + 1)
    at = axis % (len(shape) + 1)
    y = d.output((*shape[:at], len(parts), *shape[at:]), **q)
    return _one(d, name, parts, y, axis=axis, values_count=len(parts))


@operator("UNPACK", "int8 int16 float32 int32")
def _unpack(d: Draw, name: str) -> Case:
    x = d.input(d.shape(2, 4), **d.quantization())
    axis = d.axis(len(x.shape))
    at = axis % len(x.shape)
    shape = (*x.shape[:at], *x.shape[at + 1 :])
    outputs = [d.output(shape, **_same_quantization(x)) for _ in range(x.shape[at])]
    d.b.op(name, [x], outputs, version=2, axis=axis, num=len(outputs))
    return d.case(*outputs)


@operator("GATHER", "int8 float32")
def _gather(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    axis = d.axis(len(x.shape))
    at = axis % len(x.shape)
    dims = d.int(1, min(at, 2)) if at and d.flag() else 0
    shape = (*x.shape[:dims], *d.shape(1, 2, 4))
    indices = d.rng.integers(0, x.shape[at], shape).astype(np.int32)
    where = d.b.const(indices) if d.flag() else d.input(shape, "int32")
    d.inputs[1:] = [(t, indices) for t, _ in d.inputs[1:]]
    y = d.output((*x.shape[:at], *shape[dims:], *x.shape[at + 1 :]), **_same_quantization(x))
    return _one(d, name, [x, where], y, axis=axis, batch_dims=dims)


@operator("GATHER_ND", "int8 float32")
def _gather_nd(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    depth, lead = d.int(1, len(x.shape)), d.shape(1, 2, 4)
    indices = np.stack([d.rng.integers(0, n, lead) for n in x.shape[:depth]], -1).astype(np.int32)
    y = d.output((*lead, *x.shape[depth:]), **_same_quantization(x))
    where = d.b.const(indices)
    if d.flag():
        where = d.input(indices.shape, "int32")
        d.inputs[-1] = (where, indices)
    return _one(d, name, [x, where], y)


@operator("BROADCAST_TO", "int8 int16 float32 int32 int64 uint8 bool")
def _broadcast_to(d: Draw, name: str) -> Case:
    shape = d.shape()
    kept = [n if d.flag() else 1 for n in shape][d.int(0, len(shape) - 1) :]
    x = d.input(kept, **d.quantization())
    y = d.output(shape, **_same_quantization(x))
    return _one(d, name, [x, d.b.const(np.array(shape, np.int32))], y)


@operator("BROADCAST_ARGS", "int32")
def _broadcast_args(d: Draw, name: str) -> Case:
    first, second = _broadcastable(d)
    inputs = [d.input((len(s),)) for s in (first, second)]
    d.inputs = [(t, np.array(s, np.int32)) for t, s in zip(inputs, (first, second), strict=True)]
    return _one(d, name, inputs, d.output((max(len(first), len(second)),)))


@operator("FILL", "int8 float32 int32")
def _fill(d: Draw, name: str) -> Case:
    shape = d.shape()
    q = d.quantization()
    value = d.input((), **q)
    return _one(d, name, [d.b.const(np.array(shape, np.int32)), value], d.output(shape, **q))


@operator("SHAPE", "int8 float32 int16 int32 int64 uint8 bool")
def _shape(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    return _one(d, name, [x], d.output((len(x.shape),), "int32"), out_type="INT32")


@operator("SPACE_TO_BATCH_ND", "int8 float32")
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
    y = d.output((n * int(np.prod(block)), *small, channels), **_same_quantization(x))
    return _one(d, name, [x, *(d.b.const(np.array(v, np.int32)) for v in (block, pads))], y)


@operator("BATCH_TO_SPACE_ND", "int8 float32")
def _batch_to_space(d: Draw, name: str) -> Case:
    n, channels, dims = d.int(1, 2), d.int(1, 4), d.int(1, 2)
    block = [d.int(1, 3) for _ in range(dims)]
    small = [d.int(1, 4) for _ in range(dims)]
    crops = [(d.int(0, b - 1), 0) for b in block]
    x = d.input((n * int(np.prod(block)), *small, channels), **d.quantization())
    space = [s * b - sum(c) for s, b, c in zip(small, block, crops, strict=True)]
    y = d.output((n, *space, channels), **_same_quantization(x))
    return _one(d, name, [x, *(d.b.const(np.array(v, np.int32)) for v in (block, crops))], y)


@operator("SPACE_TO_DEPTH DEPTH_TO_SPACE", "int8 float32")
def _depth_space(d: Draw, name: str) -> Case:
    n, height, width, channels, b = *(d.int(1, 4) for _ in range(4)), d.int(1, 3)
    wide, deep = (n, height * b, width * b, channels), (n, height, width, channels * b * b)
    source, target = (wide, deep) if name == "SPACE_TO_DEPTH" else (deep, wide)
    x = d.input(source, **d.quantization())
    return _one(d, name, [x], d.output(target, **_same_quantization(x)), block_size=b)


@operator("RESIZE_NEAREST_NEIGHBOR RESIZE_BILINEAR", "int8 float32")
@operator("RESIZE_NEAREST_NEIGHBOR", "int16")
def _resize(d: Draw, name: str) -> Case:
    x = d.input(_image(d), **d.quantization())
    size = [d.int(1, 12), d.int(1, 12)] if d.int(0, 5) else [d.int(13, 40), d.int(13, 40)]
    kinds = {"align_corners": d.flag(), "half_pixel_centers": False}
    kinds["half_pixel_centers"] = not kinds["align_corners"] and d.flag()
    y = d.output((x.shape[0], *size, x.shape[3]), **_same_quantization(x))
    return _one(d, name, [x, d.b.const(np.array(size, np.int32))], y, **kinds)


@operator("DYNAMIC_UPDATE_SLICE", "int8 int16 float32 int32")
def _dynamic_update_slice(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    update = d.input([d.int(1, n) for n in x.shape], **_same_quantization(x))
    starts = np.array([d.int(-2, n + 1) for n in x.shape], np.int32)
    index = d.of(("int32", "int64"))
    start = d.input((len(x.shape),), index)
    d.inputs[-1] = (start, starts.astype(index))
    return _one(d, name, [x, update, start], d.output(x.shape, **_same_quantization(x)))


@operator("REVERSE_V2", "int8 int16 float32 int32 int64 uint8 bool")
def _reverse(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    axis = d.b.const(np.array([d.axis(len(x.shape))], np.int32))
    return _one(d, name, [x, axis], d.output(x.shape, **_same_quantization(x)))


@operator("EMBEDDING_LOOKUP", "int8 float32")
def _embedding(d: Draw, name: str) -> Case:
    rows, count, rest = d.int(1, 9), d.int(1, 5), d.shape(1, 2)
    q = d.quantization()
    ids = d.input((count,), "int32")
    d.inputs[0] = (ids, d.rng.integers(0, rows, count).astype(np.int32))
    if q and d.flag():  # TFLM dequantizes it, too
        table = d.b.const(d.values((rows, *rest)), scale=q["scale"])
        return _one(d, name, [ids, table], d.output((count, *rest), "float32"))
    table = d.b.const(d.values((rows, *rest)), **q)
    return _one(d, name, [ids, table], d.output((count, *rest), **q))


@operator("TFLite_Detection_PostProcess", "float32")
def _detection(d: Draw, name: str) -> Case:
    """Boxes about anchors, some of them twice; scores of few values, so that some are equal."""
    count, classes, detections = d.int(2, 40), d.int(1, 4), d.int(2, 12)
    coordinates, background = d.of((4, 4, 4, 6)), d.int(0, 1)
    options = {
        "max_detections": detections,
        "max_classes_per_detection": 1 if classes > 1 else d.int(1, 3),
        "num_classes": classes,
        "nms_score_threshold": d.of((0.0, 1e-8, 0.3, 0.6)),
        "nms_iou_threshold": d.of((0.2, 0.5, 0.6, 1.0)),
        **{f"{axis}_scale": d.of((1.0, 5.0, 10.0)) for axis in "yxhw"},
    }
    if d.flag():
        options |= {"use_regular_nms": d.flag(), "detections_per_class": d.int(1, 100)}
    flex = flexbuffers.Builder()
    with flex.Map():
        for key, value in options.items():
            flex.Key(key)
            {bool: flex.Bool, int: flex.Int, float: flex.Float}[type(value)](value)
    places = d.rng.integers(0, count, count)  # a box may be there several times
    boxes = d.b.tensor((1, count, coordinates))
    d.inputs.append((boxes, d.rng.normal(size=(1, count, coordinates)).astype(np.float32)[:, places]))
    scores = d.b.tensor((1, count, classes + background))
    steps = d.of((4, 10, 10**6))
    d.inputs.append((scores, (d.rng.integers(0, steps, scores.shape) / np.float32(steps)).astype(np.float32)))
    anchors = d.b.const(d.rng.uniform(0.1, 1, (count, 4)).astype(np.float32)[places])
    outputs = [d.output(s) for s in ((1, detections, 4), (1, detections), (1, detections), (1,))]
    d.b.op("CUSTOM", [boxes, scores, anchors], outputs, custom=name, custom_options=bytes(flex.Finish()))
    return d.case(*outputs)
