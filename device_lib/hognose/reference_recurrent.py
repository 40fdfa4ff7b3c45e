# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""SVDF and LSTM of the reference engine, as in recurrent.c: layers whose state lasts from run to run."""

import struct

from .hogfile import SIZES
from .reference_check import LIMIT, check_clamp, check_multiplier, overlap
from .reference_math import (
    MAX_FLOAT,
    clamp,
    dots,
    dots_f32,
    f32,
    finish,
    get,
    logistic,
    put,
    requantize,
    tanh,
    wrap,
)
from .reference_wide import requantize64, sigmoid16, tanh16

SVDF, LSTM = 26, 27

FORMATS = {SVDF: "11Ic2i2bBb", LSTM: "11IBbHc"}


def check_states(file, tensors):
    """Input, output, and what stays between runs: (ref, elements, type) of each; they must be apart."""
    places = [(ref, n * SIZES[kind], SIZES[kind]) for ref, n, kind in tensors]
    for i, (ref, size, align) in enumerate(places):
        if size == 0:
            raise ValueError("a size is 0")
        if not file._in_arena(ref, size, align):
            what = "input" if i == 0 else "output" if i == 1 else "state"
            raise ValueError("%s misplaced" % what)
        for other in places[:i]:
            if overlap(ref, size, other[0], other[1]):
                raise ValueError("tensors overlap")


def _check_svdf(file, op, loops):
    kind, in_, out, weights, time, params, state, batch, inputs, units, rank, memory = op[1:13]
    state_kind = chr(op[-2])
    if not (kind == state_kind == "f" or (kind == "b" and state_kind in "bh")):
        raise ValueError("unknown type")
    filters = units * rank
    check_states(
        file,
        (
            (in_, batch * inputs, kind),
            (out, batch * units, kind),
            (state, batch * filters * memory, state_kind),
        ),
    )
    size, state_size = SIZES[kind], SIZES[state_kind]
    if not file._in_data(weights, filters * inputs * size, size) or not (
        file._in_data(time, filters * memory * state_size, state_size)
    ):
        raise ValueError("weights misplaced")
    if not file._in_data(params, 4 * (units + (filters if kind == "b" else 0)), 4):
        raise ValueError("parameters misplaced")
    check_multiplier(op[-6], op[-4])
    check_multiplier(op[-5], op[-3])
    check_clamp(op[13:-6], kind)


def _check_lstm(file, op, loops):
    kind, in_, out, hidden, cell, weights, params, table, batch, steps, inputs, units = op[1:13]
    time_major, cell_shift, reserved = op[13:16]
    if kind not in ("b", "h", "f"):
        raise ValueError("unknown type")
    cell_kind = "f" if kind == "f" else "h"
    check_states(
        file,
        (
            (in_, batch * steps * inputs, kind),
            (out, batch * steps * units, kind),
            (hidden, batch * units, kind),
            (cell, batch * units, cell_kind),
        ),
    )
    if reserved != 0 or time_major > 1:
        raise ValueError("a reserved field is not 0")
    size = 4 if kind == "f" else 1
    if not file._in_data(weights, 4 * units * (inputs + units) * size, size):
        raise ValueError("weights misplaced")
    bias = 4 * units * (4 if kind == "f" else 8)
    if not file._in_data(params, bias + (0 if kind == "f" else 55), 4):
        raise ValueError("parameters misplaced")
    if kind != "f":
        if not file._in_data(table, 512, 2):
            raise ValueError("table misplaced")
        at = (params ^ LIMIT) + bias
        shifts = struct.unpack_from("<11b", file.data, at + 44)
        for i, multiplier in enumerate(struct.unpack_from("<11i", file.data, at)):
            check_multiplier(multiplier, shifts[i])
            if kind == "h" and i < 8 and shifts[i] > 7:  # of sums of 64 bits
                raise ValueError("multiplier or shift out of range")
        if not -30 <= cell_shift <= 14:
            raise ValueError("multiplier or shift out of range")
        if not -128 <= op[17] <= 127:
            raise ValueError("zero point out of range")
    check_clamp(op[16:], cell_kind)


def _svdf(data, arena, op, loops):
    kind, in_, out, weights, time, params, state, batch, inputs, units, rank, memory = op[1:13]
    state_kind, state_zp = chr(op[-2]), op[-1]
    size, state_size = SIZES[kind], SIZES[state_kind]
    filters = units * rank
    end = state + batch * filters * memory * state_size
    arena[state : end - state_size] = bytes(arena[state + state_size : end])
    weights ^= LIMIT
    time ^= LIMIT
    bias = get(data, params ^ LIMIT, "f" if kind == "f" else "i", units if kind == "f" else units + filters)
    if kind == "f":
        low, high = op[13:15]
    else:
        _, zp, low, high, m1, m2, s1, s2 = op[13:-2]
        least, most = (-128, 127) if state_kind == "b" else (-32768, 32767)
    for _ in range(batch):
        x = get(arena, in_, kind, inputs)
        in_ += inputs * size
        for u in range(units):
            total = bias[u if kind == "f" else filters + u]
            for f in range(u * rank, u * rank + rank):
                row = get(data, weights + f * inputs * size, kind, inputs)
                times = get(data, time + f * memory * state_size, state_kind, memory)
                newest = state + (memory - 1) * state_size
                if kind == "f":
                    put(arena, newest, "f", dots_f32(x, (row,)))
                    total = f32(total + dots_f32(get(arena, state, "f", memory), (times,))[0])
                else:
                    feature = requantize(wrap(dots(x, (row,))[0] + bias[f]), m1, s1)
                    feature = clamp(feature, least, most) + state_zp
                    # TFLM saturates before it adds the zero point, and keeps the lower bits.
                    put(arena, newest, state_kind, (((feature - least) & (2 * most + 1)) + least,))
                    past = get(arena, state, state_kind, memory)
                    total += sum([w * (v - state_zp) for w, v in zip(times, past)])
                state += memory * state_size
            if kind != "f":
                result = finish(total, m2, s2, zp, low, high)
            else:
                result = clamp(total, low, high)
                if result != result and low >= -MAX_FLOAT:  # other than elsewhere a bound takes a NaN's place
                    result = high if high <= MAX_FLOAT else low
            put(arena, out, kind, (result,))
            out += size


def _lstm(data, arena, op, loops):
    kind, in_, out, hidden, cell, weights, params, table, batch, steps, inputs, units = op[1:13]
    time_major = op[13]
    size, cell_size, weight_size = SIZES[kind], 4 if kind == "f" else 2, 4 if kind == "f" else 1
    weights ^= LIMIT
    hidden_weights = weights + 4 * units * inputs * weight_size
    step = _float_step(data, op) if kind == "f" else _int_step(data, op)
    weight_kind = "f" if kind == "f" else "b"
    multiply = dots_f32 if kind == "f" else dots
    for b in range(batch):
        h, c = hidden + b * units * size, cell + b * units * cell_size
        for t in range(steps):
            row = t * batch + b if time_major else b * steps + t
            x = get(arena, in_ + row * inputs * size, kind, inputs)
            old = get(arena, h, kind, units)
            results = []
            for u in range(units):
                rows = _rows(data, weights + 4 * u * inputs * weight_size, weight_kind, inputs)
                hidden_rows = _rows(data, hidden_weights + 4 * u * units * weight_size, weight_kind, units)
                at = c + u * cell_size
                before = get(arena, at, "f" if kind == "f" else "h", 1)[0]
                after, result = step(u, multiply(x, rows), multiply(old, hidden_rows), before)
                put(arena, at, "f" if kind == "f" else "h", (after,))
                results.append(result)
            # All units have read the hidden state; now it becomes this step's output.
            put(arena, out + row * units * size, kind, results)
            put(arena, h, kind, results)


def _rows(data, at, kind, n):
    """The weights of a unit's four gates."""
    step = n * (4 if kind == "f" else 1)
    return [get(data, at + i * step, kind, n) for i in range(4)]


def _bounded(x):
    return clamp(f32(x), -MAX_FLOAT, MAX_FLOAT)


def _float_step(data, op):
    """A function of a unit, its gates' sums and its cell state, that gives the new one and the output."""
    bias = get(data, op[7] ^ LIMIT, "f", 4 * op[12])
    low, high = op[16:18]

    def step(unit, sums, hidden_sums, cell):
        forget, input_, gate, output = [
            f32(_bounded(s + bias[4 * unit + i]) + _bounded(hidden_sums[i])) for i, s in enumerate(sums)
        ]
        x = f32(_bounded(logistic(forget) * cell) + _bounded(logistic(input_) * tanh(gate)))
        x = clamp(x, low, high)
        return x, _bounded(tanh(x) * logistic(output))

    return step


def _int_step(data, op):
    kind, params, table, units, shift = op[1], op[7] ^ LIMIT, op[8] ^ LIMIT, op[12], op[14]
    _, zp, low, high = op[16:20]
    table = get(data, table, "H", 256)
    bias = get(data, params, "i" if kind == "b" else "q", 4 * units)
    hidden_bias = get(data, params + 16 * units, "i", 4 * units) if kind == "b" else None
    multipliers = get(data, params + 32 * units, "i", 11)
    shifts = get(data, params + 32 * units + 44, "b", 11)
    least, most = (-128, 127) if kind == "b" else (-32768, 32767)

    def scaled(x, i):
        return requantize(x, multipliers[i], shifts[i])

    def gate(unit, i, total, hidden_total):
        at = 4 * unit + i
        if kind == "b":
            x, y = scaled(wrap(total + bias[at]), i), scaled(wrap(hidden_total + hidden_bias[at]), 4 + i)
        else:
            x = requantize64(total + bias[at], multipliers[i], shifts[i])
            y = requantize64(hidden_total, multipliers[4 + i], shifts[4 + i])
        return _to_int16(_to_int16(x) + _to_int16(y)) * 3

    def step(unit, sums, hidden_sums, cell):
        forget, input_, new, output = [gate(unit, i, s, hidden_sums[i]) for i, s in enumerate(sums)]
        x = _to_int16(scaled(sigmoid16(table, forget) * cell, 8))
        x += _to_int16(scaled(sigmoid16(table, input_) * tanh16(table, new), 9))
        cell = clamp(x, low, high)
        x = cell * 3
        x = (x + (1 << (-shift - 1))) >> -shift if shift < 0 else x << shift
        x = scaled(tanh16(table, x) * sigmoid16(table, output), 10)
        return cell, clamp(wrap(x + zp), least, most)

    return step


def _to_int16(x):
    return clamp(x, -32768, 32767)


CHECKS = {SVDF: _check_svdf, LSTM: _check_lstm}
KERNELS = {SVDF: _svdf, LSTM: _lstm}
