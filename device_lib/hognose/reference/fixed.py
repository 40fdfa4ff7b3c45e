# SPDX-License-Identifier: MIT
"""Fixed-point arithmetic of gemmlowp and TFLite; a name like q12_19 says where the binary point is."""

from .arithmetic import clamp, wrap


def leading_zeros(x):
    """Of 32 bits."""
    n = 0
    while n < 32 and not x << n & 0x80000000:
        n += 1
    return n


def multiply_high(a, b):
    return (a * b + 0x40000000) >> 31


def shift_right(x, n):
    """x / 2^n, rounded half away from zero."""
    mask = (1 << n) - 1
    return (x >> n) + ((x & mask) > (mask >> 1) + (x < 0))


def saturate(x):
    return clamp(x, -0x80000000, 0x7FFFFFFF)


def one_over_one_plus(a):
    """1 / (1 + a) by three Newton steps for 1 / h, h = (1 + a) / 2; a and result are q0_31."""
    h = (a + 0x80000000) // 2
    x_q2_29 = wrap(1515870810 + multiply_high(h, -1010580540))
    for _ in range(3):
        error = wrap((1 << 29) - multiply_high(h, x_q2_29))
        x_q2_29 = wrap(x_q2_29 + saturate(multiply_high(x_q2_29, error) << 2))
    return saturate(x_q2_29 << 1)


def inverse_sqrt(x):
    """1 / sqrt(x) as a multiplier and its shift."""
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


# Sums of 64 bits.


def wrap64(x):
    return ((x + (1 << 63)) & 0xFFFFFFFFFFFFFFFF) - (1 << 63)


def requantize64(x, multiplier, shift):
    """MultiplyByQuantizedMultiplier of an int64: rounded once; 16 bits of the multiplier count."""
    reduced = (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
    return wrap(wrap64(x * reduced + (1 << (14 - shift))) >> (15 - shift))
