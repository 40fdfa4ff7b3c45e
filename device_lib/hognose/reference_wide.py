# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""MATMUL, RESIZE, CONV16 and CURVE of the reference engine, as in matrix.c and wide.c of the native one."""

import struct

from .hogfile import SIZES
from .reference_apply import floor
from .reference_check import LIMIT, _check_window, check_clamp, check_multiplier, overlap, places
from .reference_math import clamp, f32, finish, get, get_strided, put, requantize, walk, wrap

MATMUL, RESIZE, CONV16, CURVE = range(28, 32)

FORMATS = {
    MATMUL: "11Iic2bH",
    RESIZE: "3I6H2i",
    CONV16: "7I16Hc",
    CURVE: "5IiBbH",
}

_NONE = 0xFFFFFFFF
_INFINITY = 0x7F800000  # of float32, as bits: those are in the order of the numbers
# Functions of CURVE.
_LOGISTIC, _TANH, _SOFTMAX = 1, 2, 3
_ENTRIES = 513  # of a table over all of int16


def requantize64(x, multiplier, shift):
    """MultiplyByQuantizedMultiplier of an int64: rounded once; 16 bits of the multiplier count."""
    reduced = (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
    return wrap(_wrap64(x * reduced + (1 << (14 - shift))) >> (15 - shift))


def _wrap64(x):
    return ((x + (1 << 63)) & 0xFFFFFFFFFFFFFFFF) - (1 << 63)


def _memory(data, arena, ref):
    return (data, ref ^ LIMIT) if ref & LIMIT else (arena, ref)


# MATMUL


def _check_matmul(file, op, loops):
    kind, in1, in2, out, bias, rows, depth, columns, row1, depth1, column2, depth2, multiplier = op[1:14]
    shift = op[-3]
    if kind not in "bhf":
        raise ValueError("unknown type")
    size = SIZES[kind]
    out_size = rows * columns * places(loops) * size
    if out_size == 0 or depth == 0:
        raise ValueError("a size is 0")
    if not file._in_arena(out, out_size, size):
        raise ValueError("output misplaced")
    walks = list(loops) + [(rows, row1, 0), (columns, 0, column2), (depth, depth1, depth2)]
    if depth1 == 0 or max(row1, depth1, column2, depth2) >= LIMIT:
        raise ValueError("operand misplaced")
    for ref, second in ((in1, False), (in2, True)):
        extent = file._extent(ref, walks, second, size, size)
        if extent is None:
            raise ValueError("operand misplaced")
        if overlap(extent[0], extent[1], out, out_size):
            raise ValueError("tensors overlap")
    if bias != _NONE and not file._in_data(bias, columns * (8 if kind == "h" else 4), 4):
        raise ValueError("parameters misplaced")
    if kind != "f":
        check_multiplier(multiplier, shift)
    if kind == "h" and shift > 14:
        raise ValueError("multiplier or shift out of range")
    check_clamp(op[14:-3], kind)


def _matmul(data, arena, op, loops):
    kind, in1, in2, out, bias, rows, depth, columns, row1, depth1, column2, depth2, _ = op[1:14]
    size = SIZES[kind]
    memory1, in1 = _memory(data, arena, in1)
    memory2, in2 = _memory(data, arena, in2)
    product = _product(op)
    biases = [0] * columns
    if bias != _NONE:
        biases = get(data, bias ^ LIMIT, {"b": "i", "h": "q", "f": "f"}[kind], columns)
    for a, b in walk(loops):
        for r in range(rows):
            xs = get_strided(memory1, in1 + (a + r * row1) * size, kind, depth, depth1)
            results = []
            for c in range(columns):
                ys = get_strided(memory2, in2 + (b + c * column2) * size, kind, depth, depth2)
                results.append(product(xs, ys, biases[c]))
            put(arena, out, kind, results)
            out += columns * size


def _product(op):
    """A function of a row, a column and a bias."""
    kind, bias, multiplier = op[1], op[5], op[13]
    low, high = op[-5:-3]
    shift, zp2, _ = op[-3:]
    if kind == "f":

        def product(xs, ys, b):
            total = 0.0
            for x, y in zip(xs, ys):
                total = f32(total + f32(x * y))
            return clamp(total if bias == _NONE else f32(total + b), low, high)

        return product
    zp1, zp = op[14:16]
    if kind == "h":
        return lambda xs, ys, b: clamp(
            wrap(requantize64(_wrap64(sum([x * y for x, y in zip(xs, ys)]) + b), multiplier, shift) + zp),
            low,
            high,
        )
    return lambda xs, ys, b: finish(
        sum([(x - zp1) * (y - zp2) for x, y in zip(xs, ys)]) + b, multiplier, shift, zp, low, high
    )


# RESIZE


def _check_resize(file, op, loops):
    kind, in_, out, channels, batch, in_h, in_w, out_h, out_w, half_pixel, step_h, step_w = op[1:]
    if kind not in "bf":
        raise ValueError("unknown type")
    if 0 in op[4:10]:
        raise ValueError("a size is 0")
    if half_pixel > 1:
        raise ValueError("a reserved field is not 0")
    if step_h < 0 or step_w < 0 or (kind == "f" and not max(step_h, step_w) < _INFINITY):
        raise ValueError("scale is not a positive number")
    size = SIZES[kind] * batch * channels
    file._check_tensors(in_, size * in_h * in_w, SIZES[kind], out, size * out_h * out_w, SIZES[kind])


def _between(kind, half_pixel, step, out, size):
    """The two input pixels that an output pixel falls between, and how far behind the first."""
    if kind == "f":
        x = f32(f32((out + 0.5) * step) - 0.5) if half_pixel else f32(out * step)
        x = x if x < 65536.0 else 65536.0
        low = clamp(int(floor(x)), 0, size - 1)
        return low, clamp(-int(floor(-x)), 0, size - 1), f32(x - low)
    x = wrap(out * step)
    if half_pixel:
        x = wrap(x + step // 2 - 512)
    low = clamp(_divide(x, 1024), 0, size - 1)
    return low, clamp(_divide(wrap(x + 1023), 1024), 0, size - 1), wrap(x - low * 1024)


def _divide(x, n):
    """Toward 0."""
    return x // n if x >= 0 else -(-x // n)


def _resize(data, arena, op, loops):
    kind, in_, out, channels, batch, in_h, in_w, out_h, out_w, half_pixel, step_h, step_w = op[1:]
    pixel = channels * SIZES[kind]
    mix = _mix_int8
    if kind == "f":
        mix = _mix_float
        step_h, step_w = struct.unpack("<2f", struct.pack("<2i", step_h, step_w))
    columns = [_between(kind, half_pixel, step_w, j, in_w) for j in range(out_w)]
    for b in range(batch):
        image = in_ + b * in_h * in_w * pixel
        for i in range(out_h):
            y0, y1, y = _between(kind, half_pixel, step_h, i, in_h)
            for x0, x1, x in columns:
                corners = [
                    get(arena, image + (row * in_w + column) * pixel, kind, channels)
                    for column, row in ((x0, y0), (x0, y1), (x1, y0), (x1, y1))
                ]
                put(arena, out, kind, [mix(p, y, x) for p in zip(*corners)])
                out += pixel


def _mix_float(p, y, x):
    not_y, not_x = f32(1.0 - y), f32(1.0 - x)
    total = f32(f32(f32(p[0] * not_y) * not_x) + f32(f32(p[1] * y) * not_x))
    total = f32(total + f32(f32(p[2] * not_y) * x))
    return f32(total + f32(f32(p[3] * y) * x)) + 0.0


def _mix_int8(p, y, x):
    total = (p[0] * (1024 - y) + p[1] * y) * (1024 - x) + (p[2] * (1024 - y) + p[3] * y) * x
    total = wrap(total)
    total = _divide(wrap(total + (1 << 19) if total > 0 else total - (1 << 19)), 1 << 20)
    return ((total + 128) & 255) - 128


# CONV16


def _check_conv16(file, op, loops):
    kind, in_, out, weights, params, scratch, in_c, out_c = op[1:9]
    batch, in_h, in_w, out_h, out_w, k_h, k_w, groups = op[9:17]
    stride_h, stride_w, dilation_h, dilation_w, _, _, scales, wide = op[17:25]
    if kind != "h":
        raise ValueError("unknown type")
    if 0 in (in_c, out_c) or 0 in op[9:21]:
        raise ValueError("a size is 0")
    if in_c % groups or out_c % groups:
        raise ValueError("groups do not divide the channels")
    _check_window(out_h, stride_h, k_h, dilation_h)
    _check_window(out_w, stride_w, k_w, dilation_w)
    out_size = batch * out_h * out_w * out_c * 2
    file._check_tensors(in_, batch * in_h * in_w * in_c * 2, 2, out, out_size, 2)
    if scratch != _NONE or wide > 1:
        raise ValueError("a reserved field is not 0")
    file.check_weights(weights, k_h * k_w * (in_c // groups) * out_c, 1, True, out, out_size)
    if scales not in (1, out_c):
        raise ValueError("not one multiplier or one for each channel")
    if not file._in_data(params, 4 * (2 * out_c + scales) + scales, 4):
        raise ValueError("parameters misplaced")
    at = (params ^ LIMIT) + 8 * out_c
    for i in range(scales):
        shift = struct.unpack_from("<b", file.data, at + 4 * scales + i)[0]
        check_multiplier(struct.unpack_from("<i", file.data, at + 4 * i)[0], shift)
        if wide and shift > 14:
            raise ValueError("multiplier or shift out of range")
    check_clamp(op[25:], "h")


def _conv16(data, arena, op, loops):
    _, in_, out, weights, params, _, in_c, out_c = op[1:9]
    batch, in_h, in_w, out_h, out_w, k_h, k_w, groups = op[9:17]
    stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w, scales, wide = op[17:25]
    _, zero_point, low, high = op[25:]
    depth, per = in_c // groups, out_c // groups
    params ^= LIMIT
    bias = get(data, params, "q", out_c)
    multiplier = get(data, params + 8 * out_c, "i", scales)
    shift = get(data, params + 8 * out_c + 4 * scales, "b", scales)
    k = k_h * k_w * depth
    memory, weights = _memory(data, arena, weights)
    for c in range(out_c):
        i = c if scales > 1 else 0
        w = get(memory, weights + c * k, "b", k)
        at = out + 2 * c
        for b in range(batch):
            image = in_ + 2 * (b * in_h * in_w * in_c + c // per * depth)
            for y in range(-pad_h, out_h * stride_h - pad_h, stride_h):
                for x in range(-pad_w, out_w * stride_w - pad_w, stride_w):
                    total = bias[c]
                    for ky in range(k_h):
                        row = y + ky * dilation_h
                        for kx in range(k_w) if 0 <= row < in_h else ():
                            column = x + kx * dilation_w
                            if 0 <= column < in_w:
                                values = get(arena, image + 2 * (row * in_w + column) * in_c, "h", depth)
                                first = (ky * k_w + kx) * depth
                                total += sum([v * w[first + n] for n, v in enumerate(values)])
                    if wide:
                        total = requantize64(_wrap64(total), multiplier[i], shift[i])
                    else:
                        total = requantize(wrap(total), multiplier[i], shift[i])
                    put(arena, at, "h", (clamp(wrap(total + zero_point), low, high),))
                    at += 2 * out_c


# CURVE


def _check_curve(file, op, loops):
    kind, in_, out, rows, depth, table, multiplier, function, shift, reserved = op[1:]
    if kind != "h":
        raise ValueError("unknown type")
    if function not in (_LOGISTIC, _TANH, _SOFTMAX):
        raise ValueError("unknown function, or not of this type")
    if reserved != 0:
        raise ValueError("a reserved field is not 0")
    if not file._in_data(table, 4 * _ENTRIES if function == _SOFTMAX else 512, 2):
        raise ValueError("table misplaced")
    if function == _SOFTMAX:
        check_multiplier(multiplier, shift)
    elif not (0 <= multiplier <= 0x7FFF and 0 <= shift <= 31):
        raise ValueError("multiplier or shift out of range")
    file.check_elements(in_, 2, out, 2, rows * depth)


def _curve(data, arena, op, loops):
    _, in_, out, rows, depth, table, multiplier, function, shift, _ = op[1:]
    if function == _SOFTMAX:
        table = get(data, table ^ LIMIT, "h", 2 * _ENTRIES)
    else:
        table = get(data, table ^ LIMIT, "H", 256)
        half = 1 << (shift - 1) if shift else 0
        f = tanh16 if function == _TANH else sigmoid16
    for r in range(rows):
        at = 2 * r * depth
        row = get(arena, in_ + at, "h", depth)
        if function == _SOFTMAX:
            row = _softmax16(row, table, multiplier, shift)
        else:
            row = [f(table, (x * multiplier + half) >> shift) for x in row]
        put(arena, out + at, "h", row)


# The table holds sigmoid(i / 24) in q0_16; x is in steps of 2^-12 / 3, the results are q0_15.


def sigmoid16(table, x):
    size = abs(x)
    i = size >> 9
    y = (table[i] << 9) + (size & 511) * (table[i + 1] - table[i]) if i < 255 else 0x7FFF << 10
    return _wrap16((((1 << 25) - y + 511 if x < 0 else y + 512) & 0xFFFFFFFF) >> 10)


def tanh16(table, x):
    size = abs(x)
    i = size >> 8
    y = (table[i] << 8) + (size & 255) * (table[i + 1] - table[i]) if i < 255 else 0xFFFF << 8
    y -= 1 << 23
    return _wrap16(wrap(127 - y if x < 0 else y + 128) >> 8)


def _wrap16(x):
    return ((x + 0x8000) & 0xFFFF) - 0x8000


def _interpolate(table, first, x):
    """A table of 513 values of a function, 128 apart."""
    at = first + 256 + (x >> 7)
    return _wrap16(table[at] + (((table[at + 1] - table[at]) * (x & 127) + 64) >> 7))


def _softmax16(row, table, multiplier, shift):
    largest = max(row)
    values = []
    total = 0
    for x in row:
        x = clamp(wrap(wrap(requantize(x - largest, multiplier, shift)) + 0x7FFF), -0x8000, 0x7FFF)
        values.append(_interpolate(table, 0, x))
        total += values[-1]
    total &= 0xFFFFFFFF
    headroom = 0
    while headroom < 32 and not total << headroom & 0x80000000:
        headroom += 1
    headroom = clamp(headroom, 1, 30)
    x = (((total << (headroom - 1)) & 0xFFFFFFFF) + (1 << 13) & 0xFFFFFFFF) >> 14
    inverse = _interpolate(table, _ENTRIES, clamp(x - 0x18000, -0x8000, 0x7FFF))
    right = 31 - headroom
    return [clamp(wrap(v * inverse + (1 << (right - 1))) >> right, 0, 0x7FFF) for v in values]


CHECKS = {MATMUL: _check_matmul, RESIZE: _check_resize, CONV16: _check_conv16, CURVE: _check_curve}
KERNELS = {MATMUL: _matmul, RESIZE: _resize, CONV16: _conv16, CURVE: _curve}
