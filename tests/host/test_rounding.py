# SPDX-License-Identifier: MIT
"""Accumulators that random models hardly ever hit: where nearly right arithmetic differs by one step."""

import math

import numpy as np
import pytest

from engines import assert_same, run
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.fixedpoint import mbqm, quantize_multiplier
from hognose_tools.errors import UserError
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


def layer_of_int16(name: str, bias: str, per_channel: bool, chance: np.random.Generator) -> bytes:
    """Sums are large, so that one rounding and two give different results now and then.

    `bias`: its type, or "no" and perhaps the type that the file says it would have.
    """
    dense, depthwise = name == "FULLY_CONNECTED", name == "DEPTHWISE_CONV_2D"
    inputs, units = (4, 4) if depthwise else (9, 4)
    x_shape, y_shape = ((1, inputs), (1, units)) if dense else ((1, 5, 5, inputs), (1, 3, 3, units))
    w_shape = (units, inputs) if dense else (1, 3, 3, units) if depthwise else (units, 3, 3, inputs)
    if name == "TRANSPOSE_CONV":
        x_shape, y_shape = (1, 3, 3, inputs), (1, 5, 5, units)
    b = Builder()
    scales = [float(s) for s in chance.uniform(0.005, 0.015, units)] if per_channel else 0.01
    x = b.tensor(x_shape, "int16", scale=0.001)
    w = b.const(chance.integers(-127, 128, w_shape).astype(np.int8), scale=scales, axis=3 if depthwise else 0)
    y = b.tensor(y_shape, "int16", scale=0.003 if dense else 0.009)
    given = [b.const(np.array(y_shape, np.int32)), w, x] if name == "TRANSPOSE_CONV" else [x, w]
    stated = {"no int32": {"quantized_bias_type": 2}, "no int64": {"quantized_bias_type": 4}}.get(bias, {})
    if not bias.startswith("no"):
        values = chance.integers(-30000, 30000, units).astype(bias)
        given.append(b.const(values, scale=np.array(scales) * 0.001))
    strides = {} if dense else {"padding": "VALID", "stride_h": 1, "stride_w": 1}
    multiplier = {"depth_multiplier": 1} if depthwise else stated
    b.op(name, given, y, version=5, **strides, **multiplier)
    return b.build([x], [y])


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bias", ["no", "no int32", "no int64", "int32", "int64"])
@pytest.mark.parametrize("name", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
def test_sums_of_int16(name: str, bias: str, per_channel: bool) -> None:
    """With an int32 bias TFLM sums in 32 bits and rounds twice; two layers take it for int64: refused."""
    chance = np.random.default_rng(0)
    for _ in range(6):
        tflite = layer_of_int16(name, bias, per_channel, chance)
        if bias == "int32" and name in ("DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
            with pytest.raises(
                UserError, match="reads its int32 bias as int64: quantize it with biases of int64"
            ):
                compile_tflite(tflite)
            continue
        oracle, compiled = Oracle(tflite), compile_tflite(tflite)
        for _ in range(4):
            x = chance.integers(-32768, 32768, compiled.graph.inputs[0].shape).astype(np.int16)
            expected = oracle.run([x])
            for engine in ("native", "reference"):
                assert_same(run(compiled.hog, engine, [x], expected)[0], expected[0], engine)
