# SPDX-License-Identifier: MIT
"""Accumulators that random models hardly ever hit: where nearly right arithmetic differs by one step."""

import math

import numpy as np

from engines import assert_same, run
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.fixedpoint import mbqm, quantize_multiplier
from tflite_builder import Builder


def scaled(x: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    """fixedpoint.mbqm on int64 arrays of numbers that do not overflow."""
    high = ((x << max(shift, 0)) * multiplier + (1 << 30)) >> 31
    right = max(-shift, 0)
    mask = (1 << right) - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))


def close_calls(good: tuple[int, int], bad: tuple[int, int], chance: np.random.Generator) -> np.ndarray:
    """Accumulators that two multipliers scale to different int8 values, at most four."""
    limit = int(min(120 * 2.0**31 / good[0] * 2.0 ** -good[1], 2**30))
    tries = chance.integers(-limit, limit + 1, 200_000)
    assert scaled(tries[:1], *good)[0] == mbqm(int(tries[0]), *good)
    return tries[scaled(tries, *good) != scaled(tries, *bad)][:4]


def test_scales_are_multiplied_in_double_precision():
    """The product of input and weight scale, rounded to float32, is off in rare cases."""
    chance = np.random.default_rng(0)
    compared = 0
    for _ in range(300):
        sx, sw, sy = (
            np.float32(2.0 ** chance.uniform(low, high)) for low, high in ((-8, 1), (-10, -2), (-8, 1))
        )
        double = quantize_multiplier(float(sx) * float(sw) / float(sy))
        single = quantize_multiplier(float(sx * sw) / float(sy))
        accumulators = close_calls(double, single, chance) if double != single else np.array([])
        if not len(accumulators):
            continue
        b = Builder()
        x = b.tensor((1, 4), "int8", scale=float(sx))
        w = b.const(np.zeros((len(accumulators), 4), np.int8), scale=float(sw))
        bias = b.const(accumulators.astype(np.int32), scale=float(sx * sw))
        y = b.tensor((1, len(accumulators)), "int8", scale=float(sy))
        b.op("FULLY_CONNECTED", [x, w, bias], y)
        tflite = b.build([x], [y])
        zeros = [np.zeros((1, 4), np.int8)]
        expected = Oracle(tflite).run(zeros)
        for engine in ("native", "reference"):
            assert_same(run(compile_tflite(tflite).hog, engine, zeros, expected)[0], expected[0], engine)
        compared += len(accumulators)
    assert compared >= 5


def test_multipliers_are_rounded_as_tflite_does():
    for real in (1e-9, 0.3, 0.5, 0.99999999999, 1.0, 1.5, 200.0):
        multiplier, shift = quantize_multiplier(real)
        assert math.isclose(multiplier * 2.0 ** (shift - 31), real, rel_tol=2**-30)
        assert 2**30 <= multiplier < 2**31
