# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""APPLY and RESCALE of the reference engine, as in apply.c and math_full.c of the native one."""

import math
import struct

from .hogfile import SIZES
from .reference_math import (
    MAX_FLOAT,
    clamp,
    exp,
    f32,
    get,
    multiply_high,
    polynomial,
    put,
    requantize,
    round_to_int,
    saturate,
    shift_right,
    wrap,
)

APPLY, RESCALE = 18, 19

FORMATS = {APPLY: "3I2BHfi", RESCALE: "3I2B2b6i"}

_CHUNK = 128  # elements that are unpacked at once

# Functions of APPLY that are not of float32 alone.
_NOT, _CAST, _QUANTIZE, _DEQUANTIZE = 16, 17, 18, 19
# Functions of RESCALE.
_SIGN, _ABS, _RSQRT = 1, 2, 3

_ANY = "bhif?"
_FROM = {_NOT: "?", _CAST: _ANY, _QUANTIZE: "f", _DEQUANTIZE: "hB"}
_TO = {_CAST: _ANY, _QUANTIZE: "hB", _DEQUANTIZE: "f"}


def _check_apply(file, op, loops):
    _, kind, in_, out, count, function, out_kind, reserved, alpha, zero_point = op
    out_kind = chr(out_kind)
    if (
        not 1 <= function <= _DEQUANTIZE
        or kind not in _FROM.get(function, "f")
        or out_kind not in _TO.get(function, kind)
    ):
        raise ValueError("unknown function, or not of this type")
    if reserved != 0:
        raise ValueError("a reserved field is not 0")
    if function >= _QUANTIZE:
        if not 0 < alpha <= MAX_FLOAT:
            raise ValueError("scale is not a positive number")
        if not -0x8000 <= zero_point <= 0x7FFF:
            raise ValueError("zero point out of range")
    file.check_elements(in_, SIZES[kind], out, SIZES[out_kind], count)


def _check_rescale(file, op, loops):
    _, kind, in_, out, count, function, out_kind, shift, shift2, m, m2, in_zp, out_zp, low, high = op
    out_kind = chr(out_kind)
    if not _SIGN <= function <= _RSQRT or kind not in "bhiB" or out_kind not in "bhiB":
        raise ValueError("unknown function, or not of this type")
    if not (-31 <= shift <= 30 and -31 <= shift2 <= 30) or -0x80000000 in (m, m2):
        raise ValueError("multiplier or shift out of range")
    if not (-0x8000 <= in_zp <= 0x7FFF and -0x8000 <= out_zp <= 0x7FFF):
        raise ValueError("zero point out of range")
    if low > high:
        raise ValueError("clamp out of range or empty")
    file.check_elements(in_, SIZES[kind], out, SIZES[out_kind], count)


def _each(arena, op, out_kind, f):
    """Puts f of every element. In place, what grows starts at the end."""
    kind, in_, out, count = op[1:5]
    kind = "B" if kind == "?" else kind
    size, out_size = SIZES[kind], SIZES[out_kind]
    starts = range(0, count, _CHUNK)
    if out_size > size:
        starts = range((count - 1) // _CHUNK * _CHUNK, -1, -_CHUNK)
    for start in starts:
        values = get(arena, in_ + start * size, kind, min(_CHUNK, count - start))
        put(arena, out + start * out_size, "B" if out_kind == "?" else out_kind, [f(x) for x in values])


def _apply(data, arena, op, loops):
    kind, function, alpha, zero_point = op[1], op[5], op[8], op[9]
    out_kind = chr(op[6])
    if function == _DEQUANTIZE:
        return _each(arena, op, out_kind, lambda x: alpha * (x - zero_point))
    if function == _QUANTIZE:
        low, high = (-0x8000, 0x7FFF) if out_kind == "h" else (0, 255)
        return _each(
            arena, op, out_kind, lambda x: clamp(wrap(round_to_int(f32(x / alpha)) + zero_point), low, high)
        )
    if function == _NOT:
        return _each(arena, op, out_kind, lambda x: int(x == 0))
    if function != _CAST:
        f = _FLOATS[function - 1]
        return _each(arena, op, out_kind, lambda x: f(x, alpha))
    if out_kind == "?":
        return _each(arena, op, out_kind, lambda x: int(x != 0))
    if out_kind == "f":
        return _each(arena, op, out_kind, f32)
    if kind != "f":
        return _each(arena, op, out_kind, lambda x: _fit(x, out_kind))
    low, high = _fit_range(out_kind)
    return _each(arena, op, out_kind, lambda x: _truncate(x, low, high))


def _truncate(x, low, high):
    """Toward 0; it saturates, and NaN gives 0."""
    if x != x:
        return 0
    return low if x < low else high if x > high else clamp(int(x), low, high)


def _rescale(data, arena, op, loops):
    function, _, shift, shift2, m, m2, in_zp, out_zp, low, high = op[5:]

    def f(x):
        x = wrap(x - in_zp)
        if function == _RSQRT:
            if x <= 0:
                return high
            root, root_shift = inverse_sqrt(x)
            x = requantize(1, root, root_shift + 20)
        if x < 0 and function == _ABS:
            x = wrap(-x)
            x = wrap(requantize(x, m, shift))
        else:
            x = wrap(requantize(x, m2, shift2) if x < 0 else requantize(x, m, shift))
        return clamp(wrap(x + out_zp), low, high)

    _each(arena, op, chr(op[6]), lambda x: _fit(f(x), chr(op[6])))


def _fit(x, kind):
    """What a type can hold of an int32."""
    low, high = _fit_range(kind)
    return ((x - low) & (high - low)) + low


def _fit_range(kind):
    bits = 8 * SIZES[kind]
    return (0, 255) if kind == "B" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def inverse_sqrt(x):
    """1 / sqrt(x) as a multiplier and its shift; names as in math_full.c."""
    if x <= 1:
        return 0x7FFFFFFF, 0
    right = 11
    while x >= 1 << 29:
        x //= 4
        right += 1
    while x < 1 << 27:
        x *= 4
        right -= 1
    half = shift_right(x >> 1, 1)
    y = 1 << 28
    for _ in range(5):
        cube = saturate(multiply_high(multiply_high(y, y), y) * 64)
        y = saturate(wrap(multiply_high(3 << 27, y) - multiply_high(half, cube)) * 8)
    y = multiply_high(y, 1518500250)
    return (wrap(y << -right), 0) if right < 0 else (y, -right)


# float32 functions.

_INF = float("inf")
_NAN = float("nan")


def floor(x):
    """Infinities and NaN stay."""
    return float(math.floor(x)) if abs(x) < 8388608.0 else x


def sqrt(x):
    if x < 0:
        return _NAN
    return f32(math.sqrt(x)) if x < _INF else x


def log(x):
    if not x > 0:
        return -_INF if x == 0 else _NAN
    if x == _INF:
        return x
    exponent = -126
    if x < 1.17549435e-38:
        x = f32(x * 16777216.0)
        exponent = -150
    bits = _bits(x)
    exponent += bits >> 23
    x = struct.unpack("<f", struct.pack("<I", bits & 0x7FFFFF | 0x3F000000))[0]
    if x < _HALF_ROOT:
        exponent -= 1
        x = x + x
    x = f32(x - 1.0)
    z = f32(x * x)
    p = f32(f32(polynomial(_LOG, x) * x) * z)
    p = f32(p + f32(exponent * _LN2_LOW))
    p = f32(p - f32(0.5 * z))
    return f32(f32(x + p) + f32(exponent * 0.693359375))


def _bits(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def _reduce(x):
    """x - n·pi/2 for the nearest n, and n modulo 4."""
    bits = _bits(x)
    skip = (bits >> 23) - 120
    # 96 bits of 2/pi from there on.
    window = (_TWO_OVER_PI >> (256 - 96 - skip)) & ((1 << 96) - 1)
    turn = ((bits & 0x7FFFFF | 0x800000) * window >> 32) & 0xFFFFFFFFFFFFFFFF
    # The native engine drops the lower bits of each word's product; only the last word's can matter.
    n = (turn + (1 << 61)) >> 62
    turn -= n << 62
    size = abs(turn)
    if size == 0:
        return 0.0, n & 3
    scale = _PI_31
    while not size >> 63:
        size <<= 1
        scale *= 0.5
    r = f32(f32(size >> 32) * scale)
    return (-r if turn < 0 else r), n & 3


def sin(x, quadrant=0):
    """Of quadrant 1, the cosine."""
    if not abs(x) < _INF:
        return _NAN
    r = x
    if abs(x) > _QUARTER_PI:
        if x < 0 and quadrant == 0:
            quadrant = 2
        r, n = _reduce(abs(x))
        quadrant += n
    z = f32(r * r)
    if quadrant & 1:
        y = f32(f32(polynomial(_COS, z) * z) * z)
        y = f32(f32(y - f32(0.5 * z)) + 1.0)
    else:
        y = f32(f32(f32(polynomial(_SIN, z) * z) * r) + r)
    return -y if quadrant & 2 else y


def expm1(x):
    if not x > _EXPM1_LIMIT:
        return f32(exp(x) - 1.0)
    return f32(f32(polynomial(_EXPM1, x) * f32(x * x)) + x)


def _half_to_even(x):
    whole = floor(x)
    rest = x - whole
    if not rest >= 0.5:
        return whole
    return whole if rest == 0.5 and whole % 2 == 0 else whole + 1.0


def _hard_swish(x):
    gate = f32(x + 3.0)
    gate = gate if gate > 0 else 0.0
    return f32(f32(x * (gate if gate < 6.0 else 6.0)) / 6.0)


def _rsqrt(x):
    root = sqrt(x)
    return f32(1.0 / root) if root != 0 else math.copysign(_INF, root)


_EXPM1 = [
    f32(c) for c in (1.98756915e-4, 1.39819995e-3, 8.33345191e-3, 4.16657959e-2, 1.66666655e-1, 5.00000012e-1)
]
_HALF_ROOT = f32(0.707106781)
_LN2_LOW = f32(-2.12194440e-4)
_LOG = [
    f32(c)
    for c in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
]
_SIN = [f32(c) for c in (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)]
_COS = [f32(c) for c in (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)]
_QUARTER_PI = f32(0.785398163)
_PI_31 = f32(1.46291808e-9)
_EXPM1_LIMIT = f32(-0.34)
_TWO_OVER_PI = 0xA2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163AB

# By function of APPLY, from 1 on: of x and alpha.
_FLOATS = (
    lambda x, a: -x if x < 0 else x,
    lambda x, a: -x,
    lambda x, a: f32(x * x),
    lambda x, a: sqrt(x),
    lambda x, a: _rsqrt(x),
    lambda x, a: exp(x),
    lambda x, a: log(x),
    lambda x, a: sin(x),
    lambda x, a: sin(x, 1),
    lambda x, a: floor(x),
    lambda x, a: -floor(-x),
    lambda x, a: _half_to_even(x),
    lambda x, a: expm1(x) if x < 0 else x,
    lambda x, a: x if x > 0 else f32(x * a),
    lambda x, a: _hard_swish(x),
)

CHECKS = {APPLY: _check_apply, RESCALE: _check_rescale}
KERNELS = {APPLY: _apply, RESCALE: _rescale}
