# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The reference engine's operators: `KERNELS` by code, each a function of (data, arena, op, loops).

`data` is the file's section DATA, `op` and `loops` are what CheckedFile's fields() and loops() give.
"""

import struct

from .hogfile import SIZES
from .reference_check import (
    ADD,
    AVERAGE_POOL,
    CLAMP,
    CONV,
    DEPTHWISE,
    DEQUANTIZE,
    FILL,
    LIMIT,
    LOGISTIC,
    LUT,
    MAX_POOL,
    MEAN,
    MOVE,
    MUL,
    QUANTIZE,
    SOFTMAX,
    TANH,
    has_offset_weights,
    narrow_rows,
    overlap,
    places,
)
from .reference_math import (
    MAX_FLOAT,
    add_up,
    add_up_f32,
    clamp,
    divide,
    divide_f32,
    dots,
    dots_f32,
    f32,
    finish,
    get,
    get_strided,
    larger,
    logistic,
    multiply_add,
    multiply_add_f32,
    put,
    requantize,
    round_to_int,
    softmax_f32,
    softmax_int8,
    tanh,
    walk,
    wrap,
)

_CHUNK = 128  # elements that are unpacked at once
_BLOCK = 2048  # weights that are unpacked at once


def _place(data, arena, ref):
    """The buffer in which a tensor is, and its offset there."""
    return (data, ref ^ LIMIT) if ref & LIMIT else (arena, ref)


def _parameters(data, ref, form):
    return struct.unpack_from("<" + form, data, ref ^ LIMIT)


def _scaler(data, op):
    """A function of (output channel, sum) that gives the result of CONV and DEPTHWISE."""
    kind, params, out_c, scales = op[1], op[5], op[8], op[23]
    bias = _parameters(data, params, "%d%s" % (out_c, "i" if kind == "b" else "f"))
    if kind == "f":
        low, high = op[25:]
        return lambda c, total: clamp(f32(total + bias[c]), low, high)
    _, zero_point, low, high = op[25:]
    multiplier = _parameters(data, params + 4 * out_c, "%di" % scales)
    shift = _parameters(data, params + 4 * (out_c + scales), "%db" % scales)
    if scales == 1:
        m, s = multiplier[0], shift[0]
        return lambda c, total: finish(total + bias[c], m, s, zero_point, low, high)
    return lambda c, total: finish(total + bias[c], multiplier[c], shift[c], zero_point, low, high)


def _conv(data, arena, op, loops):
    kind, in_, out, weights, _, _, in_c, out_c = op[1:9]
    batch, in_h, in_w, out_h, out_w, k_h, k_w, groups = op[9:17]
    stride_h, stride_w, _, _, pad_h, pad_w = op[17:23]
    size = 1 if kind == "b" else 4
    depth, per = in_c // groups, out_c // groups
    k = k_h * k_w * depth
    block = max(4, _BLOCK // k)
    source, start = arena, in_
    if overlap(in_, batch * in_h * in_w * in_c * size, out, batch * out_h * out_w * out_c * size):
        # A block of channels would overwrite what the next one reads.
        source, start = bytes(arena[in_ : in_ + batch * in_h * in_w * in_c * size]), 0
    gather = _gatherer(source, op)
    scale = _scaler(data, op)
    multiply = dots if kind == "b" else dots_f32
    memory, weights = _place(data, arena, weights)
    offset = 128 if has_offset_weights(op) else 0
    narrow = narrow_rows(op, data)
    # Weights are unpacked once a block, the input's patches once a block and pixel.
    for first in range(0, out_c, per):
        for c in range(first, first + per, block):
            n = min(block, first + per - c)
            rows, added = [], []
            for i in range(n):
                half = narrow(c + i)
                row_kind = "B" if offset else kind
                rows.append(_halves(memory, weights, k) if half else get(memory, weights, row_kind, k))
                weights += k // 2 if half else k * size
                added.append(8 if half else offset)
            at = out + c * size
            for b in range(batch):
                image = start + (b * in_h * in_w * in_c + first // per * depth) * size
                for y in range(-pad_h, out_h * stride_h - pad_h, stride_h):
                    for x in range(-pad_w, out_w * stride_w - pad_w, stride_w):
                        patch = gather(image, y, x)
                        if offset:
                            patch = [patch[i ^ 2] for i in range(k)]
                        sums = multiply(patch, rows)
                        if offset:
                            more = sum(patch)
                            sums = [total - added[i] * more for i, total in enumerate(sums)]
                        put(arena, at, kind, [scale(c + i, total) for i, total in enumerate(sums)])
                        at += out_c * size


def _halves(memory, at, k):
    """Values of 4 bits in the order of whole ones: a word has those for 2, 3, 6, 7, 0, 1, 4, 5."""
    pairs = [(byte & 15, byte >> 4) for byte in get(memory, at, "B", k // 2)]
    values = []
    for i in range(0, k // 2, 4):
        values += pairs[i] + pairs[i + 2] + pairs[i + 1] + pairs[i + 3]
    return values


def _gatherer(source, op):
    """A function that gives the elements of a window as a list; outside the image int8 has the zero point
    and float32 None."""
    kind, in_c, in_h, in_w, k_h, k_w, groups = op[1], op[7], op[10], op[11], op[14], op[15], op[16]
    dilation_h, dilation_w = op[19:21]
    size = 1 if kind == "b" else 4
    depth = in_c // groups
    whole = depth == in_c and dilation_w == 1
    outside = (op[25] if kind == "b" else None,) * depth

    def gather(image, y, x):
        values = []
        for y in range(y, y + k_h * dilation_h, dilation_h):
            line = image + y * in_w * in_c * size
            if not 0 <= y < in_h:
                values += outside * k_w
            elif whole and 0 <= x <= in_w - k_w:
                values += get(source, line + x * in_c * size, kind, k_w * depth)
            else:
                for column in range(x, x + k_w * dilation_w, dilation_w):
                    if 0 <= column < in_w:
                        values += get(source, line + column * in_c * size, kind, depth)
                    else:
                        values += outside
        return values

    return gather


def _depthwise(data, arena, op, loops):
    kind, in_, out, weights, _, _, in_c, out_c = op[1:9]
    batch, in_h, in_w, out_h, out_w, k_h, k_w = op[9:16]
    stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w = op[17:23]
    size = 1 if kind == "b" else 4
    copies = out_c // in_c
    scale = _scaler(data, op)
    accumulate = multiply_add if kind == "b" else multiply_add_f32
    memory, weights = _place(data, arena, weights)
    for b in range(batch):
        image = in_ + b * in_h * in_w * in_c * size
        for y in range(-pad_h, out_h * stride_h - pad_h, stride_h):
            for x in range(-pad_w, out_w * stride_w - pad_w, stride_w):
                sums = [0 if kind == "b" else 0.0] * out_c
                for tap in range(k_h * k_w):
                    row = y + tap // k_w * dilation_h
                    column = x + tap % k_w * dilation_w
                    if 0 <= row < in_h and 0 <= column < in_w:
                        values = get(arena, image + (row * in_w + column) * in_c * size, kind, in_c)
                        if copies > 1:
                            values = [v for v in values for _ in range(copies)]
                    elif kind == "b":
                        values = (op[25],) * out_c  # its zero point
                    else:
                        continue
                    row = get(memory, weights + tap * out_c * size, kind, out_c)
                    sums = accumulate(sums, values, row)
                put(arena, out, kind, [scale(c, total) for c, total in enumerate(sums)])
                out += out_c * size


def _pool(data, arena, op, loops):
    code, kind, in_, out, channels, batch, in_h, in_w, out_h, out_w, k_h, k_w = op[:12]
    stride_h, stride_w, pad_h, pad_w, _ = op[12:17]
    low, high = op[-2:]
    size = SIZES[kind]
    average = code == AVERAGE_POOL
    start = (0.0 if kind == "f" else 0) if average else (-MAX_FLOAT if kind == "f" else -0x8000)
    combine = (add_up_f32 if kind == "f" else add_up) if average else larger
    mean = divide_f32 if kind == "f" else divide
    for b in range(batch):
        image = in_ + b * in_h * in_w * channels * size
        for y in range(-pad_h, out_h * stride_h - pad_h, stride_h):
            for x in range(-pad_w, out_w * stride_w - pad_w, stride_w):
                results = [start] * channels
                count = 0
                for row in range(max(y, 0), min(y + k_h, in_h)):
                    for column in range(max(x, 0), min(x + k_w, in_w)):
                        at = image + (row * in_w + column) * channels * size
                        results = combine(results, get(arena, at, kind, channels))
                        count += 1
                if average:
                    results = [mean(v, count) for v in results]
                put(arena, out, kind, [clamp(v, low, high) for v in results])
                out += channels * size


def _binary(data, arena, op, loops):
    code, kind, in1, in2, out = op[:5]
    size = 1 if kind == "b" else 4
    memory1, in1 = _place(data, arena, in1)
    memory2, in2 = _place(data, arena, in2)
    if kind == "b":
        function = _binary_int8(op)
    else:
        low, high = op[7:9]

        def function(x, y):
            return clamp(f32(x + y if code == ADD else x * y), low, high)

    n, stride1, stride2 = loops[-1]
    for a, b in walk(loops[:-1]):
        for start in range(0, n, _CHUNK):
            count = min(_CHUNK, n - start)
            xs = get_strided(memory1, in1 + (a + start * stride1) * size, kind, count, stride1)
            ys = get_strided(memory2, in2 + (b + start * stride2) * size, kind, count, stride2)
            put(arena, out, kind, [function(x, y) for x, y in zip(xs, ys)])
            out += count * size


def _binary_int8(op):
    code, left_shift, zp1, zp, low, high, m1, m2, m, s1, s2, s, zp2 = (op[0],) + op[6:]
    if code == MUL:
        return lambda x, y: finish((x - zp1) * (y - zp2), m, s, zp, low, high)
    memo1, memo2 = {}, {}  # of operands that are scaled, 256 at most

    def add(x, y):
        if x not in memo1:
            memo1[x] = requantize(wrap((x - zp1) << left_shift), m1, s1)
        if y not in memo2:
            memo2[y] = requantize(wrap((y - zp2) << left_shift), m2, s2)
        return finish(memo1[x] + memo2[y], m, s, zp, low, high)

    return add


def _mean(data, arena, op, loops):
    _, kind, in_, out, keep = op[:5]
    size = 1 if kind == "b" else 4
    count = places(loops[keep:])
    # The innermost loop in runs; a nest without one is a run of one.
    n, stride = loops[-1][:2] if len(loops) > keep else (1, 1)
    for a, _ in walk(loops[:keep]):
        total = 0 if kind == "b" else 0.0
        for r, _ in walk(loops[keep:-1]):
            for start in range(0, n, _CHUNK):
                at = in_ + (a + r + start * stride) * size
                for x in get_strided(arena, at, kind, min(_CHUNK, n - start), stride):
                    total = total + x if kind == "b" else f32(total + x)
        if kind == "b":
            in_zp, zp, low, high, m, s = op[7:]
            result = finish(total - count * in_zp, m, s, zp, low, high)
        else:
            result = divide_f32(total, count)
        put(arena, out, kind, (result,))
        out += size


def _move(data, arena, op, loops):
    in_, out, run = op[2:5]
    memory, in_ = _place(data, arena, in_)
    for a, b in walk(loops):
        arena[out + b : out + b + run] = memory[in_ + a : in_ + a + run]


def _fill(data, arena, op, loops):
    out, count, size, value = op[2:]
    element = struct.pack("<I", value)[:size]
    for start in range(0, count, _CHUNK):
        n = min(_CHUNK, count - start)
        arena[out : out + n * size] = element * n
        out += n * size


def _softmax(data, arena, op, loops):
    kind, in_, out, rows, depth = op[1:6]
    size = 1 if kind == "b" else 4
    if kind == "b":
        # No more than 256 differences of int8 values.
        table = _parameters(data, op[6], "%di" % min(op[7], 256))
    for i in range(rows):
        at = i * depth * size
        row = get(arena, in_ + at, kind, depth)
        row = softmax_int8(row, table) if kind == "b" else softmax_f32(row, op[7])
        put(arena, out + at, kind, row)


def _lut(data, arena, op, loops):
    in_, out, count, table = op[2:]
    table ^= LIMIT
    for i in range(count):
        arena[out + i] = data[table + (arena[in_ + i] ^ 128)]


def _quantize(data, arena, op, loops):
    _, _, in_, out, count, scale, zero_point = op
    for i in range(0, count, _CHUNK):  # forward: it may work in place
        n = min(_CHUNK, count - i)
        values = get(arena, in_ + 4 * i, "f", n)
        # On TFLM's x86 an int32 that overflows wraps.
        values = [clamp(wrap(round_to_int(f32(x / scale)) + zero_point), -128, 127) for x in values]
        put(arena, out + i, "b", values)


def _dequantize(data, arena, op, loops):
    _, _, in_, out, count, scale, zero_point = op
    for i in range((count - 1) // _CHUNK * _CHUNK, -1, -_CHUNK):  # backward: it may work in place
        values = get(arena, in_ + i, "b", min(_CHUNK, count - i))
        put(arena, out + 4 * i, "f", [scale * (x - zero_point) for x in values])


def _unary(data, arena, op, loops):
    code, _, in_, out, count, low, high = op
    for i in range(0, count, _CHUNK):
        values = get(arena, in_ + 4 * i, "f", min(_CHUNK, count - i))
        if code == CLAMP:
            values = [clamp(x, low, high) for x in values]
        else:
            values = [logistic(x) if code == LOGISTIC else tanh(x) for x in values]
        put(arena, out + 4 * i, "f", values)


KERNELS = {
    CONV: _conv,
    DEPTHWISE: _depthwise,
    AVERAGE_POOL: _pool,
    MAX_POOL: _pool,
    ADD: _binary,
    MUL: _binary,
    MEAN: _mean,
    MOVE: _move,
    FILL: _fill,
    SOFTMAX: _softmax,
    LUT: _lut,
    QUANTIZE: _quantize,
    DEQUANTIZE: _dequantize,
    CLAMP: _unary,
    LOGISTIC: _unary,
    TANH: _unary,
}
