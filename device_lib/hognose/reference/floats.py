# SPDX-License-Identifier: MIT
"""Functions of float32, each step as in the native engine's math.c."""

import math
import struct
from array import array

from .arithmetic import f32

INFINITY = float("inf")
NAN = float("nan")


def power_of_two(n):
    return struct.unpack("<f", struct.pack("<I", (n + 127) << 23))[0]


def bits_of(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def polynomial(coefficients, x):
    p = coefficients[0]
    for c in coefficients[1:]:
        p = f32(f32(p * x) + c)
    return p


def exp(x):
    if not x < 89.0:
        return f32(x * power_of_two(127))
    if x < -104.0:
        return 0.0
    t = f32(x * _LOG2_E)
    n = int(f32(t + (-0.5 if t < 0 else 0.5)))
    bits = bits_of(x)
    shift = (bits >> 23 & 0xFF) - 110
    x_q40 = bits & 0x7FFFFF | 0x800000
    x_q40 = x_q40 << shift if shift >= 0 else x_q40 >> -shift
    r = ((-x_q40 if x < 0 else x_q40) - n * 762123384786 + 128) >> 8
    p = 5918
    for c in (53261, 426088, 2982616, 17895697, 89478485, 357913941, 1 << 30):
        p = c + (p * r >> 32)
    y = (1 << 32) + r + ((r * r >> 32) * p >> 31)
    # To 24 bits, half to even: then no float rounds anymore.
    extra = 9 if y >> 32 else 8
    rest = y & ((1 << extra) - 1)
    y >>= extra
    middle = 1 << (extra - 1)
    y += rest > middle or (rest == middle and y & 1)
    half = n // 2 if n >= 0 else -(-n // 2)
    return f32(f32(y * 2.0 ** (extra - 32) * power_of_two(half)) * power_of_two(n - half))


def tanh(x):
    size = abs(x)
    if size < 0.625:
        z = f32(x * x)
        return f32(f32(f32(polynomial(_TANH_SMALL, z) * z) * x) + x)
    y = f32(1.0 - f32(2.0 / f32(exp(f32(size + size)) + 1.0)))
    return -y if x < 0 else y


def logistic(x):
    if x > 16.619047164916992:
        return 1.0
    if x < -9.0:
        return exp(x)
    return f32(1.0 / f32(1.0 + exp(-x)))


def floor(x):
    """Infinities and NaN stay."""
    return float(math.floor(x)) if abs(x) < 8388608.0 else x


def sqrt(x):
    if x < 0:
        return NAN
    return f32(math.sqrt(x)) if x < INFINITY else x


def log(x):
    if not x > 0:
        return -INFINITY if x == 0 else NAN
    if x == INFINITY:
        return x
    exponent = -126
    if x < 1.17549435e-38:
        x = f32(x * 16777216.0)
        exponent = -150
    bits = bits_of(x)
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


_LOG2_E = f32(1.44269504)
_TANH_SMALL = array("f", (-5.70498873e-3, 2.06390888e-2, -5.37397156e-2, 1.33314422e-1, -3.33332819e-1))
_HALF_ROOT = f32(0.707106781)
_LN2_LOW = f32(-2.12194440e-4)
_LOG = array(
    "f",
    (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ),
)
