# SPDX-License-Identifier: MIT
"""TFLite's fixed-point arithmetic on the host, which fills the tables and multipliers of a file.

Sources: TensorFlow's lite/kernels/internal/quantization_util and gemmlowp's fixedpoint.h.
All values are Python integers that hold int32 ones; Qm.n is a fixed-point number with n fraction bits.
"""

import math

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def quantize_multiplier(real: float) -> tuple[int, int]:
    """`real` ≥ 0 as (multiplier, shift): multiplier · 2^(shift - 31), TFLite's QuantizeMultiplier."""
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * 2.0**31 + 0.5)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def clamp32(x: int) -> int:
    return max(INT32_MIN, min(INT32_MAX, x))


def wrap32(x: int) -> int:
    return (x + 2**31) % 2**32 - 2**31


def doubling_high_mul(a: int, b: int) -> int:
    """SaturatingRoundingDoublingHighMul: a·b / 2^31, halves up."""
    return clamp32((a * b + (1 << 30)) >> 31)


def rounding_shift(x: int, bits: int) -> int:
    """RoundingDivideByPOT: x / 2^bits, halves away from zero."""
    mask = (1 << bits) - 1
    return (x >> bits) + ((x & mask) > (mask >> 1) + (x < 0))


def mbqm(x: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier with its two roundings."""
    left, right = max(shift, 0), max(-shift, 0)
    return rounding_shift(doubling_high_mul(wrap32(x << left), multiplier), right)


def mbqm64(x: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier of an int64, rounded once; it uses 16 bits of the multiplier."""
    reduced = (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
    return (x * reduced + (1 << (14 - shift))) >> (15 - shift)


def exp_on_negative(a: int, integer_bits: int) -> int:
    """exp(a) in Q0.31 for a ≤ 0 with that many integer bits."""
    if a == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest = (a & (quarter - 1)) - quarter
    result = _exp_quarter(clamp32(rest << integer_bits))
    remainder = rest - a
    for exponent, factor in (
        (-2, 1672461947),
        (-1, 1302514674),
        (0, 790015084),
        (1, 290630308),
        (2, 39332535),
        (3, 720401),
        (4, 242),
    ):  # exp(-2^exponent) in Q0.31
        if exponent < integer_bits and remainder & (1 << (fraction_bits + exponent)):
            result = doubling_high_mul(result, factor)
    return result


def _exp_quarter(a: int) -> int:
    """exp(a) in Q0.31 for -1/4 ≤ a < 0: a polynomial around -1/8."""
    at_eighth, third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = doubling_high_mul(x, x)
    x3 = doubling_high_mul(x2, x)
    x4 = doubling_high_mul(x2, x2)
    tail = doubling_high_mul(rounding_shift(x4, 2) + x3, third) + x2
    return at_eighth + doubling_high_mul(at_eighth, x + rounding_shift(tail, 1))


def _newton_reciprocal(a: int) -> int:
    """2 / (1 + a) in Q2.29 for a in [0, 1) in Q0.31, by three Newton-Raphson steps."""
    total = a + INT32_MAX
    half = (total + 1) >> 1  # total ≥ 0: halves up
    x = 1515870810 + doubling_high_mul(half, -1010580540)
    for _ in range(3):
        error = (1 << 29) - doubling_high_mul(half, x)
        x = x + clamp32(doubling_high_mul(x, error) << 2)
    return x


def reciprocal_1p(a: int) -> int:
    """1 / (1 + a) in Q0.31 for a in [0, 1) in Q0.31."""
    return clamp32(_newton_reciprocal(a) << 1)


def logistic(a: int, integer_bits: int) -> int:
    """The logistic function in Q0.31 of a with that many integer bits."""
    if a == 0:
        return 1 << 30
    positive = reciprocal_1p(exp_on_negative(-abs(a), integer_bits))
    return positive if a > 0 else INT32_MAX - positive


def tanh(a: int, integer_bits: int) -> int:
    """tanh in Q0.31 of a with that many integer bits."""
    if a == 0:
        return 0
    x = _newton_reciprocal(exp_on_negative(-abs(a), integer_bits + 1))
    result = clamp32((x - (1 << 29)) << 2)
    return result if a > 0 else -result


def inverse_sqrt(x: int) -> tuple[int, int]:
    """1 / sqrt(x) for x ≥ 1 as (multiplier, shift), TFLite's GetInvSqrtQuantizedMultiplierExp."""
    if x <= 1:
        return INT32_MAX, 0
    shift = 11
    while x >= 1 << 29:
        x //= 4
        shift += 1
    pairs = (32 - x.bit_length() - 1) // 2 - 1
    shift -= pairs
    half = rounding_shift((x << 2 * pairs) >> 1, 1)  # Q3.28, as all below
    y = 1 << 28
    for _ in range(5):  # Newton-Raphson: y = 1.5 y - x/2 y^3
        cube = clamp32(doubling_high_mul(doubling_high_mul(y, y), y) << 6)
        y = clamp32((doubling_high_mul(3 << 27, y) - doubling_high_mul(half, cube)) << 3)
    y = doubling_high_mul(y, 1518500250)  # sqrt(1/2) in Q0.31
    return (y << -shift, 0) if shift < 0 else (y, -shift)


# TFLite's table is one more than the nearest value at these places.
_SIGMOID_ONE_MORE = (
    *(4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41, 43, 44),
    *(45, 46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255),
)


def sigmoid_table() -> list[int]:
    """sigmoid(i ÷ 24) in Q0.16, for the logistic function and tanh of int16 values."""
    return [math.floor(65536 / (1 + math.exp(-i / 24)) + 0.5) + (i in _SIGMOID_ONE_MORE) for i in range(256)]


# int16 arithmetic, which only HARD_SWISH uses.


def clamp16(x: int) -> int:
    return max(-(2**15), min(2**15 - 1, x))


def multiplier16(multiplier: int) -> int:
    """An int32 multiplier as int16: DownScaleInt32ToInt16Multiplier."""
    return min(2**15 - 1, (multiplier + (1 << 15)) >> 16)


def doubling_high_mul16(a: int, b: int, *, rounding: bool) -> int:
    """a·b / 2^15, halves up, or without rounding towards 0; saturating."""
    product = a * b
    if rounding:
        return clamp16((product + (1 << 14)) >> 15)
    return clamp16(int(math.copysign(abs(product) >> 15, product)))
