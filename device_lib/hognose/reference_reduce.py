# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""REDUCE, SCAN, L2_POOL and NORMALIZE of the reference engine, as in reduce.c and normalize.c."""

from .hogfile import SIZES
from .reference_apply import inverse_sqrt, log, sqrt
from .reference_check import (
    LIMIT,
    CheckedFile,
    check_clamp,
    check_function,
    check_multiplier,
    overlap,
    places,
)
from .reference_math import (
    MAX_FLOAT,
    add_up_f32,
    clamp,
    divide_f32,
    exp,
    f32,
    finish,
    get,
    get_strided,
    leading_zeros,
    multiply_high,
    one_over_one_plus,
    put,
    requantize,
    saturate,
    shift_right,
    softmax_int8,
    walk,
    wrap,
)

REDUCE, SCAN, L2_POOL, NORMALIZE, GATHER, UPDATE = range(20, 26)

FORMATS = {
    REDUCE: "2I4Bcii",
    SCAN: "5I3Bbci",
    L2_POOL: "3I12Hc",
    NORMALIZE: "6IB3b2i",
    GATHER: "7I",
    UPDATE: "4I",
}

_CHUNK = 128  # elements that are unpacked at once

# Functions of REDUCE and their types.
_SUM, _MAX, _MIN, _ARG_MAX, _ARG_MIN = range(1, 6)
_REDUCE_TYPES = ("", "bhf", "bf", "bf", "bf", "bf")
# Functions of NORMALIZE.
_L2, _LOG_SOFTMAX, _SOFTMAX = 1, 2, 3


def _check_reduce(file, op, loops):
    kind, function = op[1], op[6]
    check_function(function, kind, _REDUCE_TYPES)
    file.check_reduction(op, loops, SIZES[kind], 4 if function >= _ARG_MAX else SIZES[kind])
    if kind in "bh" and function == _SUM:
        check_multiplier(op[12], op[13])
        if op[7] > 30:
            raise ValueError("multiplier or shift out of range")
        check_clamp(op[8:12], kind)


def _check_scan(file, op, loops):
    kind, in_, out, outer, depth, inner, exclusive, reverse, left_shift, shift = op[1:11]
    if kind not in "bf":
        raise ValueError("unknown type")
    if exclusive > 1 or reverse > 1:
        raise ValueError("a reserved field is not 0")
    if kind == "b":
        if left_shift > 30:
            raise ValueError("multiplier or shift out of range")
        check_multiplier(op[15], shift)
        check_clamp(op[11:15], kind)
    file.check_elements(in_, SIZES[kind], out, SIZES[kind], outer * depth * inner)


def _check_pool(file, op, loops):
    if op[1] != "f":
        raise ValueError("unknown type")
    CheckedFile._check_pool(file, op, loops)


def _check_normalize(file, op, loops):
    kind, in_, out, rows, depth, table, entries, function, shift, reverse_shift, _, m, reverse = op[1:]
    if kind not in "bf":
        raise ValueError("unknown type")
    if function not in (_L2, _LOG_SOFTMAX) and (function, kind) != (_SOFTMAX, "b"):
        raise ValueError("unknown function, or not of this type")
    if kind == "b" and function != _L2:
        if not file._in_data(table, 4 * entries, 4):
            raise ValueError("table misplaced")
        check_multiplier(m, shift)
        check_multiplier(reverse, reverse_shift)
    if function == _SOFTMAX:
        if rows * depth == 0:
            raise ValueError("a size is 0")
        return file._check_tensors(in_, rows * depth, 1, out, 2 * rows * depth, 2)
    file.check_elements(in_, SIZES[kind], out, SIZES[kind], rows * depth)


def _reduce(data, arena, op, loops):
    kind, in_, out, keep, _, function, left_shift = op[1:8]
    size = SIZES[kind]
    count = places(loops[keep:])
    n, stride = loops[-1][:2] if len(loops) > keep else (1, 1)
    for a, _ in walk(loops[:keep]):
        runs = []
        for r, _ in walk(loops[keep:-1]):
            for start in range(0, n, _CHUNK):
                at = in_ + (a + r + start * stride) * size
                runs.append((at, min(_CHUNK, n - start)))
        values = _Elements(arena, kind, stride, runs)
        if function >= _ARG_MAX:
            put(arena, out, "i", (_position(values, function),))
            out += 4
            continue
        if function != _SUM:
            result = _extreme(values, function, kind)
        elif kind == "f":
            result = 0.0
            for x in values.all():
                result = f32(result + x)
        else:
            zp_in, zp, low, high, m, s = op[8:14]
            total = wrap(wrap(sum(values.all()) - count * zp_in) << left_shift)
            result = finish(total, m, s, zp, low, high)
        put(arena, out, kind, (result,))
        out += size


class _Elements:
    """What one result is made of."""

    def __init__(self, arena, kind, stride, runs):
        self._arena, self._kind, self._stride, self._runs = arena, kind, stride, runs

    def all(self):
        for at, n in self._runs:
            for x in get_strided(self._arena, at, self._kind, n, self._stride):
                yield x


def _extreme(values, function, kind):
    best = None if kind != "f" else -MAX_FLOAT if function == _MAX else MAX_FLOAT
    for x in values.all():
        if best is None or (x > best if function == _MAX else x < best):
            best = x
    return best


def _position(values, function):
    i = position = best = 0
    for x in values.all():
        if i == 0 or (x > best if function == _ARG_MAX else x < best):
            best, position = x, i
        i += 1
    return position


def _scan(data, arena, op, loops):
    kind, in_, out, outer, depth, inner, exclusive, reverse, left_shift, shift = op[1:11]
    size = SIZES[kind]
    step = -inner if reverse else inner
    for o in range(outer):
        for i in range(inner):
            at = o * depth * inner + i + ((depth - 1) * inner if reverse else 0)
            total = -op[11] if kind == "b" else 0.0
            for _ in range(depth):
                x = get(arena, in_ + at * size, kind, 1)[0]
                after = wrap(total + x - op[11]) if kind == "b" else f32(total + x)
                result = total if exclusive else after
                if kind == "b":
                    result = finish(wrap(result << left_shift), op[15], shift, op[12], op[13], op[14])
                put(arena, out + at * size, kind, (result,))
                total = after
                at += step


def _l2_pool(data, arena, op, loops):
    _, _, in_, out, channels, batch, in_h, in_w, out_h, out_w, k_h, k_w = op[:12]
    stride_h, stride_w, pad_h, pad_w, _ = op[12:17]
    low, high = op[17:]
    for b in range(batch):
        image = in_ + b * in_h * in_w * channels * 4
        for y in range(-pad_h, out_h * stride_h - pad_h, stride_h):
            for x in range(-pad_w, out_w * stride_w - pad_w, stride_w):
                sums = [0.0] * channels
                count = 0
                for row in range(max(y, 0), min(y + k_h, in_h)):
                    for column in range(max(x, 0), min(x + k_w, in_w)):
                        values = get(arena, image + (row * in_w + column) * channels * 4, "f", channels)
                        sums = add_up_f32(sums, [f32(v * v) for v in values])
                        count += 1
                put(arena, out, "f", [clamp(sqrt(divide_f32(v, count)), low, high) for v in sums])
                out += channels * 4


def _normalize(data, arena, op, loops):
    kind, in_, out, rows, depth, table, entries, function = op[1:9]
    size = SIZES[kind]
    if kind == "f":
        f = _l2_float if function == _L2 else _log_softmax_float
    elif function == _L2:

        def f(row):
            return _l2_int8(row, op[11])

    else:
        table = get(data, table ^ LIMIT, "i", min(entries, 256))

        def f(row):
            if function == _SOFTMAX:
                return softmax_int8(row, table, 16)
            return _log_softmax_int8(row, table, entries, op)

    for i in range(rows):
        at = i * depth * size
        row = f(get(arena, in_ + at, kind, depth))
        if function == _SOFTMAX:
            put(arena, out + 2 * at, "h", row)
        else:
            put(arena, out + at, kind, row)


def _l2_float(row):
    total = 0.0
    for x in row:
        total = f32(total + f32(x * x))
    length = sqrt(total)
    length = _EPSILON if length < _EPSILON else length
    return [f32(x / length) for x in row]


_EPSILON = f32(1e-6)


def _l2_int8(row, zero_point):
    total = wrap(sum([(x - zero_point) * (x - zero_point) for x in row]))
    multiplier, shift = inverse_sqrt(total)
    return [clamp(requantize(x - zero_point, multiplier, shift + 7), -128, 127) for x in row]


def _log_softmax_float(row):
    largest = -MAX_FLOAT
    for x in row:
        if largest < x:
            largest = x
    total = 0.0
    for x in row:
        total = f32(total + exp(f32(x - largest)))
    total = log(total)
    return [f32(f32(x - largest) - total) for x in row]


def _log_softmax_int8(row, table, entries, op):
    shift, reverse_shift, _, multiplier, reverse = op[9:]
    largest = max(row)
    total = 0
    for x in row:
        if largest - x < entries:
            total += shift_right(table[largest - x], 12)
    log_q = _log_q5_26(max(wrap(total), 1))
    least = max(wrap(requantize(wrap(log_q - 0x80000000), reverse, reverse_shift)), -entries)
    result = []
    for x in row:
        y = -128
        if x - largest > least:
            y = shift_right(wrap(requantize(x - largest, multiplier, shift) - log_q), 22)
            y = clamp(wrap(y + 127), -128, 127)
        result.append(y)
    return result


def _log_q5_26(x):
    """The steps of log_q5_26() in normalize.c."""
    zeros = leading_zeros(x)
    r = saturate(multiply_high(saturate(x << (zeros - 1)), _ROOT_HALF) * 2)
    power = ((12 - zeros) << 25) + (1 << 23)
    zeros = leading_zeros(multiply_high(x, _ROOT_HALF)) - 1
    r = min(r, saturate(x << zeros))
    power = max(power, ((12 - zeros) << 25) - (1 << 23))
    p = (r + _CENTER + 1) // 2
    q = wrap(2 * (r - _CENTER))
    square = multiply_high(q, q)
    above = wrap(multiply_high(q, r) + multiply_high(multiply_high(q, square), 117049297))
    below = wrap(wrap(1057819769 + q) + multiply_high(127690142, square))
    below = wrap(multiply_high(p, below) + multiply_high(638450708, q))
    y = multiply_high(shift_right(above, 6), one_over_one_plus(below))
    return saturate(wrap(multiply_high(power, 1488522236) + y) * 2)


_ROOT_HALF = 1518500250
_CENTER = 1805811301


def _in_either(file, ref, size, align):
    return file._in_data(ref, size, align) if ref & LIMIT else file._in_arena(ref, size, align)


def _check_gather(file, op, loops):
    _, _, in_, indices, out, outer, axis, count, run = op
    if 0 in op[5:]:
        raise ValueError("a size is 0")
    _check_copy(file, in_, outer * axis * run, indices, count, out, outer * count * run)


def _check_copy(file, in_, size, indices, count, out, out_size):
    if not _in_either(file, in_, size, 1) or not _in_either(file, indices, count * 4, 4):
        raise ValueError("operand misplaced")
    if not file._in_arena(out, out_size, 1):
        raise ValueError("output misplaced")
    if overlap(in_, size, out, out_size) or overlap(indices, count * 4, out, out_size):
        raise ValueError("tensors overlap")


def _check_update(file, op, loops):
    _, kind, in_, starts, out, _ = op
    size = SIZES[kind]
    if not loops or places(loops) == 0:
        raise ValueError("a size is 0")
    reach = sum([(b + n - 1) * a for n, a, b in loops])
    if min([min(a, b) for _, a, b in loops]) < 0:
        reach = LIMIT  # nowhere
    _check_copy(file, in_, places(loops) * size, starts, len(loops), out, (reach + 1) * size)


def _memory(data, arena, ref):
    return (data, ref ^ LIMIT) if ref & LIMIT else (arena, ref)


def _gather(data, arena, op, loops):
    _, _, in_, indices, out, outer, axis, count, run = op
    memory, in_ = _memory(data, arena, in_)
    table, indices = _memory(data, arena, indices)
    for o in range(outer):
        for i in range(count):
            index = get(table, indices + 4 * i, "i", 1)[0]
            at = in_ + (o * axis + clamp(index, 0, axis - 1)) * run
            arena[out : out + run] = memory[at : at + run]
            out += run


def _update(data, arena, op, loops):
    _, kind, in_, starts, out, _ = op
    size = SIZES[kind]
    memory, in_ = _memory(data, arena, in_)
    table, starts = _memory(data, arena, starts)
    for i, (_, stride, last) in enumerate(loops):
        out += clamp(get(table, starts + 4 * i, "i", 1)[0], 0, last) * stride * size
    for a, _ in walk(loops):
        arena[out + a * size : out + (a + 1) * size] = memory[in_ : in_ + size]
        in_ += size


CHECKS = {REDUCE: _check_reduce, SCAN: _check_scan, L2_POOL: _check_pool, NORMALIZE: _check_normalize}
CHECKS.update({GATHER: _check_gather, UPDATE: _check_update})
KERNELS = {REDUCE: _reduce, SCAN: _scan, L2_POOL: _l2_pool, NORMALIZE: _normalize}
KERNELS.update({GATHER: _gather, UPDATE: _update})
