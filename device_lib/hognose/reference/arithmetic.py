# SPDX-License-Identifier: MIT
"""The reference engine's arithmetic: integers as in C, float32 with every operation rounded on its own."""

import struct
import sys
from array import array

from ..hogfile import SIZES

MAX_FLOAT = 3.4028234663852886e38

# Elements in memory, and loop nests.


def place(data, arena, ref):
    """The buffer that a tensor lies in, and its offset there."""
    return (data, ref & 0x7FFFFFFF) if ref & 0x80000000 else (arena, ref)


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


# Integers: int32 that wraps, as in C.


def wrap(x):
    if -0x40000000 <= x <= 0x3FFFFFFF:  # small on every board
        return x
    return ((x + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def clamp(x, low, high):
    """A NaN stays."""
    return low if x < low else high if x > high else x


def requantize(x, multiplier, shift):
    """MultiplyByQuantizedMultiplier of an int32."""
    if shift > 0:
        return (wrap(x << shift) * multiplier + 0x40000000) >> 31
    x = (x * multiplier + 0x40000000) >> 31
    mask = (1 << -shift) - 1
    return (x >> -shift) + ((x & mask) > (mask >> 1) + (x < 0))


def finish(total, multiplier, shift, zero_point, low, high):
    """A sum to a quantized result."""
    x = wrap(requantize(wrap(total), multiplier, shift) + zero_point)
    return low if x < low else high if x > high else x


def get_data(data, ref, kind, n):
    """Elements at a ref into DATA."""
    return get(data, ref & 0x7FFFFFFF, kind, n)


def scaler(data, params, channels, scales, op):
    """A function of (output channel, sum) that gives the int8 result, with the clamp of a record.

    At `params`, a ref into DATA, there is a bias for each channel, then multipliers, then shifts.
    """
    zero_point, low, high = op[-3:]
    bias = get_data(data, params, "i", channels)
    multiplier = get_data(data, params + 4 * channels, "i", scales)
    shift = get_data(data, params + 4 * (channels + scales), "b", scales)
    if scales == 1:
        m, s = multiplier[0], shift[0]
        return lambda c, total: finish(total + bias[c], m, s, zero_point, low, high)
    return lambda c, total: finish(total + bias[c], multiplier[c], shift[c], zero_point, low, high)


def round_to_int(x):
    """A float to int32, half away from zero; what none can hold becomes the lowest one, as on TFLM's x86."""
    size = abs(x)
    if not size < 2147483648.0:
        return -0x80000000
    n = int(size)
    if size - n >= 0.5:
        n += 1
    return -n if x < 0 else n


def multiply_add(sums, xs, ws):
    return [s + x * w for s, x, w in zip(sums, xs, ws)]


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


# float32: each operation is rounded on its own, in TFLM's order.


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


def divide_f32(total, n):
    return f32(total / f32(n))


def bias_adder(data, params, channels, op):
    """What scaler() is for int8: of float32 there is only the bias."""
    low, high = op[-2:]
    bias = get_data(data, params, "f", channels)
    return lambda c, total: clamp(f32(total + bias[c]), low, high)
