# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The reference engine's operators that few models have: what their records hold, checks, kernels.

The counterpart of combine.c, apply.c and reduce.c of the native engine, loaded when a file has one of them.
"""

import math
import struct

from . import reference_apply, reference_detect, reference_recurrent, reference_reduce, reference_wide
from .hogfile import SIZES
from .reference_apply import floor
from .reference_check import (
    CONV,
    JUMP,
    LIMIT,
    NONE,
    check_clamp,
    check_function,
    check_multiplier,
)
from .reference_kernels import KERNELS as LAYERS
from .reference_math import (
    clamp,
    f32,
    get,
    get_strided,
    leading_zeros,
    multiply_high,
    one_over_one_plus,
    put,
    requantize,
    shift_right,
    walk,
    wrap,
)

COMBINE = 17
CONV4, DEPTHWISE4 = 34, 35

FORMATS = {COMBINE: "3IH2Bc3i4b", JUMP: "2I", CONV4: "7I16HcI", DEPTHWISE4: "7I16HcI"}
FORMATS.update(reference_apply.FORMATS)
FORMATS.update(reference_reduce.FORMATS)
FORMATS.update(reference_wide.FORMATS)
FORMATS.update(reference_recurrent.FORMATS)
FORMATS.update(reference_detect.FORMATS)

_INF = float("inf")
_NAN = float("nan")
_CHUNK = 128  # elements that are unpacked at once

# Functions of COMBINE.
ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, SQUARED_DIFFERENCE, FLOOR_DIV, FLOOR_MOD = range(1, 10)
PRELU, SELECT, AND, OR, EQUAL, NOT_EQUAL, LESS, LESS_EQUAL = range(10, 18)
_COMBINE_TYPES = (
    "",
    "bhif",
    "bhif",
    "bhif",
    "bif",
    "bhiqf",
    "bhiqf",
    "bhif",
    "f",
    "f",
    "bf",
    "bhiqf?B",
    "?",
    "?",
    "biqf?",
    "biqf?",
    "biqf",
    "biqf",
)


def loop_count(file, code, at):
    if code == COMBINE:
        return struct.unpack_from("<H", file, at + 16)[0]
    if code == reference_wide.MATMUL:
        return struct.unpack_from("<H", file, at + 62)[0]
    if code == reference_reduce.UPDATE:
        return struct.unpack_from("<I", file, at + 16)[0]
    return file[at + 12] + file[at + 13] if code == reference_reduce.REDUCE else 0


def _fields(kind):
    """How the element type is unpacked: a bool as a number."""
    return "B" if kind == "?" else kind


def _check_combine(file, op, loops):
    kind, in1, in2, out, _, left_shift, function = op[1:8]
    check_function(function, kind, _COMBINE_TYPES)
    size = SIZES[kind]
    size1 = 1 if function == SELECT else size
    out_size = 1 if function >= EQUAL else size
    if size1 < out_size and in1 == out:
        raise ValueError("tensors overlap")
    file.check_operands(in1, in2, out, loops, size1, size, out_size)
    if kind in "bh":
        if left_shift > 30:
            raise ValueError("multiplier or shift out of range")
        for i in (12, 13, 14):
            check_multiplier(op[i], op[i + 3])
        check_clamp(op[8:12], kind)
    else:
        check_clamp(op[8:10])


def _combine(data, arena, op, loops):
    kind, in1, in2, out, _, _, function = op[1:8]
    kind = _fields(kind)
    size = SIZES[kind]
    kind1 = "B" if function == SELECT else kind
    out_kind = "B" if function >= EQUAL else kind
    memory1, in1 = (data, in1 ^ LIMIT) if in1 & LIMIT else (arena, in1)
    memory2, in2 = (data, in2 ^ LIMIT) if in2 & LIMIT else (arena, in2)
    f = _combiner(op, kind)
    n, stride1, stride2 = loops[-1]
    for a, b in walk(loops[:-1]):
        for start in range(0, n, _CHUNK):
            count = min(_CHUNK, n - start)
            xs = get_strided(memory1, in1 + (a + start * stride1) * SIZES[kind1], kind1, count, stride1)
            ys = get_strided(memory2, in2 + (b + start * stride2) * size, kind, count, stride2)
            if function == SELECT:
                zs = get(arena, out, kind, count)
                put(arena, out, kind, [y if x else z for x, y, z in zip(xs, ys, zs)])
            else:
                put(arena, out, out_kind, [f(x, y) for x, y in zip(xs, ys)])
            out += count * SIZES[out_kind]


_COMPARE = {
    EQUAL: lambda x, y: int(x == y),
    NOT_EQUAL: lambda x, y: int(x != y),
    LESS: lambda x, y: int(x < y),
    LESS_EQUAL: lambda x, y: int(x <= y),
    MAXIMUM: lambda x, y: x if x > y else y,
    MINIMUM: lambda x, y: x if x < y else y,
    AND: lambda x, y: int(x != 0 and y != 0),
    OR: lambda x, y: int(x != 0 or y != 0),
}
_FLOATS = {
    ADD: lambda x, y: x + y,
    SUB: lambda x, y: x - y,
    MUL: lambda x, y: x * y,
    PRELU: lambda x, y: x if x >= 0 else x * y,
}
_INTS = {
    ADD: lambda x, y: x + y,
    SUB: lambda x, y: x - y,
    MUL: lambda x, y: x * y,
    DIV: lambda x, y: abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1) if y else 0,
    SQUARED_DIFFERENCE: lambda x, y: (x - y) * (x - y),
}


def _combiner(op, kind):
    """The function of two elements."""
    function = op[7]
    if kind in "bh" and function not in (MAXIMUM, MINIMUM, SELECT):
        return _quantized_combiner(op)
    if function in _COMPARE or function == SELECT:
        return _COMPARE.get(function)
    low, high = op[8:10]
    if kind != "f":
        f = _INTS[function]
        return lambda x, y: clamp(wrap(f(x, y)), low, high)
    f = _FLOATS.get(function) or _MORE_FLOATS[function]
    return lambda x, y: clamp(f32(f(x, y)), low, high)


def _quantized_combiner(op):
    left_shift, function, zp1, zp, low, high, m1, m2, m, s1, s2, s, zp2 = op[6:]

    def scale1(x):
        return requantize(wrap((x - zp1) << left_shift), m1, s1)

    def scale2(y):
        return requantize(wrap((y - zp2) << left_shift), m2, s2)

    def finish(x):
        return clamp(wrap(x + zp), low, high)

    if function >= EQUAL:
        f = _COMPARE[function]
        return lambda x, y: f(scale1(x), scale2(y))
    if function == DIV:
        return lambda x, y: finish(_divide(x - zp1, y - zp2, m, s))
    if function == MUL:
        return lambda x, y: finish(requantize(wrap((x - zp1) * (y - zp2)), m, s))
    if function == PRELU:

        def prelu(x, y):
            x -= zp1
            return finish(requantize(x, m1, s1) if x >= 0 else requantize(wrap(x * (y - zp2)), m, s))

        return prelu
    f = _INTS[function]
    return lambda x, y: finish(requantize(wrap(f(scale1(x), scale2(y))), m, s))


def _divide(x, y, multiplier, shift):
    """divide() of combine.c."""
    if y < 0:
        x, y = -x, -y
    zeros = leading_zeros(y)
    inverse = one_over_one_plus((y << zeros if y else 0) - 0x80000000)
    headroom = leading_zeros(~x if x < 0 else x) - 1
    q = multiply_high(multiply_high(wrap(x << headroom), inverse), multiplier)
    right = 31 - zeros + headroom - shift
    return shift_right(q, right) if 0 <= right <= 31 else (q >> (right & 31)) + (q >= 0)


def _float_divide(x, y):
    try:
        return x / y
    except ZeroDivisionError:
        if x != x or x == 0 or y != y:
            return _NAN
        return math.copysign(_INF, x) * math.copysign(1.0, y)


def _floor_mod(x, y):
    if not abs(x) < _INF or not abs(y) > 0:
        return _NAN
    r = x if abs(y) == _INF else math.fmod(x, y)
    return f32(r + y) if r != 0 and (r < 0) != (y < 0) else r


def _floor_div(x, y):
    q = f32(_float_divide(x, y))
    whole = floor(q)
    if q == whole and abs(q) < 8388608.0:
        r = abs(_floor_mod(x, y))
        if r > f32(abs(y) - r):
            return whole - 1.0
    return whole


def _squared_difference(x, y):
    x = f32(x - y)
    return x * x


_MORE_FLOATS = {
    DIV: _float_divide,
    FLOOR_DIV: _floor_div,
    FLOOR_MOD: _floor_mod,
    SQUARED_DIFFERENCE: _squared_difference,
}


def _check_jump(file, op, loops):
    _, kind, condition, target = op
    if kind != "?":
        raise ValueError("unknown type")
    if condition != NONE and not file._in_arena(condition, 1, 1):
        raise ValueError("input misplaced")
    if target > file.count:
        raise ValueError("a jump out of the plan")


def _unpacked(op):
    """The CONV or DEPTHWISE with weights that have been unpacked."""
    return (op[0] - CONV4 + CONV,) + op[1:4] + op[-1:] + op[5:-1]


def _weights(op):
    """How many it has."""
    return op[14] * op[15] * (op[7] // op[16]) * op[8]


def _check_conv4(file, op, loops):
    if op[1] != "b":
        raise ValueError("unknown type")
    file.check_conv(_unpacked(op), loops, True)
    if not file._in_data(op[4], (_weights(op) + 1) // 2, 1):
        raise ValueError("weights misplaced")


def _conv4(data, arena, op, loops):
    packed = op[4] ^ LIMIT
    op = _unpacked(op)
    count = _weights(op)
    for i in range(0, count, _CHUNK):
        values = []
        for byte in get(data, packed + i // 2, "B", min(_CHUNK, count - i + 1) // 2):
            values += (byte & 15, byte >> 4)
        values = [((w ^ 8) - 8) & 255 for w in values[: count - i]]
        put(arena, op[4] + i, "B", values)
    LAYERS[op[0]](data, arena, op, loops)


CHECKS = {COMBINE: _check_combine, JUMP: _check_jump, CONV4: _check_conv4, DEPTHWISE4: _check_conv4}
CHECKS.update(reference_apply.CHECKS)
CHECKS.update(reference_reduce.CHECKS)
CHECKS.update(reference_wide.CHECKS)
CHECKS.update(reference_recurrent.CHECKS)
CHECKS.update(reference_detect.CHECKS)
KERNELS = {COMBINE: _combine, CONV4: _conv4, DEPTHWISE4: _conv4}
KERNELS.update(reference_apply.KERNELS)
KERNELS.update(reference_reduce.KERNELS)
KERNELS.update(reference_wide.KERNELS)
KERNELS.update(reference_recurrent.KERNELS)
KERNELS.update(reference_detect.KERNELS)
