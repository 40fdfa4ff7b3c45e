# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The reference engine's arithmetic: int8 as in C, float32 with every operation rounded on its own."""

import struct
import sys
from array import array

from .hogfile import SIZES

MAX_FLOAT = 3.4028234663852886e38

# Elements in memory, and loop nests.


def get(memory, at, kind, n):
    return struct.unpack_from("<%d%s" % (n, kind), memory, at)


def get_strided(memory, at, kind, n, stride):
    if stride == 1:
        return get(memory, at, kind, n)
    step = stride * SIZES[kind]
    return [get(memory, at + i * step, kind, 1)[0] for i in range(n)]


if 1.0 + 2.0**-40 == 1.0:

    def f32(x):
        """Floats are single ones here."""
        return float(x)

    def put(memory, at, kind, values):
        struct.pack_into("<%d%s" % (len(values), kind), memory, at, *values)

else:
    _cell = array("f", (0,))

    def f32(x):
        """Rounds to float32. Of +, -, *, / on float32 this gives the very float32 result."""
        _cell[0] = x
        return _cell[0]

    def put(memory, at, kind, values):
        if kind == "f":  # struct refuses what is too large for float32; an array makes it infinite
            memory[at : at + 4 * len(values)] = bytes(array("f", values))
        else:
            struct.pack_into("<%d%s" % (len(values), kind), memory, at, *values)


def walk(loops):
    """Yields the offsets (a, b) of all places of a loop nest."""
    if not loops:
        yield 0, 0
        return
    n, a, b = loops[0]
    for i in range(n):
        for x, y in walk(loops[1:]):
            yield i * a + x, i * b + y


# Integer arithmetic: int32 that wraps, as in C.


def wrap(x):
    if -0x40000000 <= x <= 0x3FFFFFFF:  # small on every board
        return x
    return ((x + 0x80000000) & 0xFFFFFFFF) - 0x80000000


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


def requantize(x, multiplier, shift):
    """MultiplyByQuantizedMultiplier of an int32."""
    if shift > 0:
        return (wrap(x << shift) * multiplier + 0x40000000) >> 31
    x = (x * multiplier + 0x40000000) >> 31
    mask = (1 << -shift) - 1
    return (x >> -shift) + ((x & mask) > (mask >> 1) + (x < 0))


def finish(total, multiplier, shift, zero_point, low, high):
    """A sum to an int8 result."""
    x = wrap(requantize(wrap(total), multiplier, shift) + zero_point)
    return low if x < low else high if x > high else x


def clamp(x, low, high):
    """A NaN stays."""
    return low if x < low else high if x > high else x


def round_to_int(x):
    """A float to int32, half away from zero; what none can hold becomes the lowest one, as on TFLM's x86."""
    size = abs(x)
    if not size < 2147483648.0:
        return -0x80000000
    n = int(size)
    if size - n >= 0.5:
        n += 1
    return -n if x < 0 else n


def to_int8(x, scale, zero_point):
    """A caller's number; unlike QUANTIZE it saturates, and NaN counts as 0."""
    x = f32(x / scale)
    if x != x:
        x = 0.0
    return clamp(round_to_int(clamp(x, -1000.0, 1000.0)) + zero_point, -128, 127)


def to_type(x, scale, zero_point, kind):
    """The same for the types that few models have."""
    x = f32(x / scale)
    x = clamp(x if x == x else 0.0, -2147483648.0, 2147483520.0)
    n = wrap(round_to_int(x) + zero_point)
    if kind == "?":
        return n != 0
    low, high = {"h": (-32768, 32767), "B": (0, 255)}.get(kind, (-0x80000000, 0x7FFFFFFF))
    return clamp(n, low, high)


def multiply_add(sums, xs, ws):
    return [s + x * w for s, x, w in zip(sums, xs, ws)]


def add_up(sums, xs):
    return [s + x for s, x in zip(sums, xs)]


def larger(xs, ys):
    return [y if x < y else x for x, y in zip(xs, ys)]


def divide(total, n):
    """Rounded half away from zero."""
    total = wrap(total)
    return (total + n // 2) // n if total > 0 else -((n // 2 - total) // n)


if sys.implementation.name == "cpython":
    from operator import mul

    def dots(x, rows):
        """The products of x with each row of weights."""
        return [sum(map(mul, x, row)) for row in rows]

else:

    def dots(x, rows):
        """The products of x with each row of weights; four rows at once cost half as much."""
        sums = []
        n = len(rows)
        for c in range(0, n, 4):
            w0 = rows[c]
            w1 = rows[c + 1] if c + 1 < n else w0
            w2 = rows[c + 2] if c + 2 < n else w0
            w3 = rows[c + 3] if c + 3 < n else w0
            a0 = a1 = a2 = a3 = i = 0
            for v in x:
                a0 += v * w0[i]
                a1 += v * w1[i]
                a2 += v * w2[i]
                a3 += v * w3[i]
                i += 1
            sums += (a0, a1, a2, a3)
        return sums[:n]


def softmax_int8(row, table, bits=8):
    """Fixed-point arithmetic of gemmlowp; a name like q12_19 says where the binary point is."""
    largest = max(row)
    entries = len(table)
    sum_q12_19 = 0
    for x in row:
        if largest - x < entries:
            sum_q12_19 += shift_right(table[largest - x], 12)
    sum_q12_19 &= 0xFFFFFFFF
    headroom = 0
    while headroom < 31 and not sum_q12_19 << headroom & 0x80000000:
        headroom += 1
    scale = one_over_one_plus(wrap((sum_q12_19 << headroom) - 0x80000000))
    shift = 12 - headroom + 31 - bits
    least = -1 << (bits - 1)
    result = []
    for x in row:
        y = 0
        if largest - x < entries and 0 <= shift <= 31:
            y = shift_right(multiply_high(scale, table[largest - x]), shift)
        result.append(clamp(wrap(y + least), least, -1 - least))
    return result


def one_over_one_plus(a):
    """1 / (1 + a) by three Newton steps for 1 / h, h = (1 + a) / 2; a and result are q0_31."""
    h = (a + 0x80000000) // 2
    x_q2_29 = wrap(1515870810 + multiply_high(h, -1010580540))
    for _ in range(3):
        error = wrap((1 << 29) - multiply_high(h, x_q2_29))
        x_q2_29 = wrap(x_q2_29 + saturate(multiply_high(x_q2_29, error) << 2))
    return saturate(x_q2_29 << 1)


def saturate(x):
    return clamp(x, -0x80000000, 0x7FFFFFFF)


# float32 arithmetic: each operation is rounded on its own, in TFLM's order.


def dots_f32(x, rows):
    """The products of x with each row of weights; a None in x is skipped."""
    if None in x:
        inside = [i for i, v in enumerate(x) if v is not None]
        x = [x[i] for i in inside]
        rows = [[row[i] for i in inside] for row in rows]
    sums = []
    for row in rows:
        total = 0.0
        for v, w in zip(x, row):
            total = f32(total + f32(v * w))
        sums.append(total)
    return sums


def multiply_add_f32(sums, xs, ws):
    return [f32(s + f32(x * w)) for s, x, w in zip(sums, xs, ws)]


def add_up_f32(sums, xs):
    return [f32(s + x) for s, x in zip(sums, xs)]


def divide_f32(total, n):
    return f32(total / f32(n))


def power_of_two(n):
    return struct.unpack("<f", struct.pack("<I", (n + 127) << 23))[0]


def exp(x):
    """The steps of hog_exp() in math.c."""
    if not x < 89.0:
        return f32(x * power_of_two(127))
    if x < -104.0:
        return 0.0
    t = f32(x * _LOG2_E)
    n = int(f32(t + (-0.5 if t < 0 else 0.5)))
    bits = struct.unpack("<I", struct.pack("<f", x))[0]
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


def polynomial(coefficients, x):
    p = coefficients[0]
    for c in coefficients[1:]:
        p = f32(f32(p * x) + c)
    return p


_LOG2_E = f32(1.44269504)
_TANH_SMALL = array("f", (-5.70498873e-3, 2.06390888e-2, -5.37397156e-2, 1.33314422e-1, -3.33332819e-1))


def softmax_f32(row, beta):
    largest = -MAX_FLOAT
    for x in row:
        if largest < x:
            largest = x
    row = [exp(f32(f32(x - largest) * beta)) for x in row]
    total = 0.0
    for x in row:
        total = f32(total + x)
    return [f32(x / total) for x in row]
