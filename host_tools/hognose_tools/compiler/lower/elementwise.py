# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Operators that go value by value; every int8 function of one value becomes a table."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..records import Loop
from . import curve
from .core import (
    ASK_TYPE,
    Const,
    Lowered,
    Unsupported,
    activation,
    arithmetic,
    broadcast_strides,
    clamp,
    nest,
    quantized,
    same_size,
)


def binary(low: Lowered, op: Operator) -> None:
    a, b, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert a is not None and b is not None
    kind = arithmetic(a, b, y)
    try:
        fits = np.broadcast_shapes(a.shape, b.shape) == y.shape
    except ValueError:
        fits = False
    if not fits:
        raise Unsupported(
            f"the shapes {list(a.shape)} and {list(b.shape)} do not give {list(y.shape)}: damaged model"
        )
    strides = [broadcast_strides(t.shape, y.shape) for t in (a, b)]
    loops = nest(y.shape, *strides) or [Loop(1, 0, 0)]
    act = activation(op)
    fields: dict[str, Any] = {
        "in1": low.place(a),
        "in2": low.place(b),
        "out": low.place(y),
        "loops": len(loops),
        **clamp(op, kind, act),
    }
    if kind == "b":
        fields |= {"in_zp": a.zero_point, "in2_zp": b.zero_point, **_binary_scales(op.kind, a, b, y)}
    whole = [t for t in (a, b) if t.shape == y.shape]
    low.emit(op.kind, op, fields, loops, kind=kind, inplace=whole)


def _binary_scales(kind: str, a: Tensor, b: Tensor, y: Tensor) -> dict[str, int]:
    sa, sb, sy = float(a.scale), float(b.scale), float(y.scale)
    if kind == "MUL":
        multiplier, shift = fx.quantize_multiplier(sa * sb / sy)
        return {"multiplier": multiplier, "shift": shift}
    left = 20
    twice = 2 * max(sa, sb)
    out = twice / ((1 << left) * sy)
    if out >= 1:
        raise Unsupported("its output scale is far smaller than its input scales: quantize the model again")
    (m1, s1), (m2, s2), (m, s) = map(fx.quantize_multiplier, (sa / twice, sb / twice, out))
    return {
        "left_shift": left,
        "multiplier1": m1,
        "shift1": s1,
        "multiplier2": m2,
        "shift2": s2,
        "multiplier": m,
        "shift": s,
    }


def lookup(low: Lowered, op: Operator, function: Callable[[int], int]) -> None:
    """Any int8 function of one int8 value becomes a table."""
    table = bytes(max(-128, min(127, function(q))) & 255 for q in range(-128, 128))
    _look_up(low, op, table)


def tabulated(low: Lowered, op: Operator) -> None:
    """What has become a table before."""
    assert op.table is not None
    same_size(op)
    _look_up(low, op, op.table)


_IDENTITY = bytes(q & 255 for q in range(-128, 128))


def _look_up(low: Lowered, op: Operator, table: bytes) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    if table == _IDENTITY:
        return low.alias(x, y)
    fields = {"in": low.place(x), "out": low.place(y), "count": x.size, "table": Const(table)}
    low.emit("LUT", op, fields, kind="b", inplace=[x])


def unary_float(low: Lowered, op: Operator, name: str, bounds: tuple[float, float] = (0.0, 0.0)) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    fields = {"in": low.place(x), "out": low.place(y), "count": x.size, "min": bounds[0], "max": bounds[1]}
    low.emit(name, op, fields, kind="f", inplace=[x])


def relu(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    if arithmetic(x, y) == "f":
        return unary_float(low, op, "CLAMP", (0.0, math.inf))
    multiplier, shift = fx.quantize_multiplier(float(x.scale) / float(y.scale))
    lowest = max(-128, y.zero_point)
    return lookup(low, op, lambda q: max(lowest, y.zero_point + fx.mbqm(q - x.zero_point, multiplier, shift)))


def relu6(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    if arithmetic(x, y) == "f":
        return unary_float(low, op, "CLAMP", (0.0, 6.0))
    # TFLM clamps in the input's numbers and does not rescale.
    six = min(127, quantized(6.0, x))
    return lookup(low, op, lambda q: min(max(q, x.zero_point), six))


def leaky_relu(low: Lowered, op: Operator) -> None:
    x, y = _int8_pair(op)
    positive = fx.quantize_multiplier(float(x.scale) / float(y.scale))
    alpha = float(np.float32(op.options["alpha"]))
    negative = fx.quantize_multiplier(float(x.scale) * alpha / float(y.scale))

    def table(q: int) -> int:
        value = q - x.zero_point
        return y.zero_point + fx.mbqm(value, *(positive if value >= 0 else negative))

    lookup(low, op, table)


def absolute(low: Lowered, op: Operator) -> None:
    x, y = _int8_pair(op)
    scale = fx.quantize_multiplier(float(x.scale) / float(y.scale))

    def table(q: int) -> int:
        value = abs(q - x.zero_point)
        return y.zero_point + (value if x.scale == y.scale else fx.mbqm(value, *scale))

    lookup(low, op, table)


def rsqrt_scale(x: Tensor, y: Tensor) -> tuple[int, int]:
    """Multiplier and shift of a root; TFLM shifts by 20 more to the right."""
    multiplier, shift = fx.quantize_multiplier(1.0 / (math.sqrt(float(x.scale)) * float(y.scale)))
    if shift < -11:  # then TFLM's answer is the processor's
        raise Unsupported("its output scale is far too large: quantize the model again")
    return multiplier, shift - 20


def rsqrt(low: Lowered, op: Operator) -> None:
    x, y = _int8_pair(op)
    scale = rsqrt_scale(x, y)

    def table(q: int) -> int:
        value = q - x.zero_point
        if value <= 0:  # TFLM takes 0 as very small, and stops at what is below
            return 127
        root, root_shift = fx.inverse_sqrt(value)
        data = fx.mbqm(1, root, root_shift + 20)
        return y.zero_point + fx.mbqm(data, *scale)

    lookup(low, op, table)


def elu(low: Lowered, op: Operator) -> None:
    """TFLM fills its table in float32."""
    x, y = _int8_pair(op)
    inverse = np.float32(1) / y.scale

    def table(q: int) -> int:
        value = x.scale * np.float32(q - x.zero_point)
        value = np.expm1(value) if value < 0 else value
        ratio = float(value * inverse)
        return y.zero_point + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))

    lookup(low, op, table)


def hard_swish(low: Lowered, op: Operator) -> None:
    """x·relu6(x + 3) / 6 in int16 arithmetic (TensorFlow's lite/kernels/internal/reference/hard_swish.h)."""
    x, y = _int8_pair(op)
    fine = np.float32(1 / 128) * x.scale
    scale, exponent = fx.quantize_multiplier(float(fine / y.scale))
    reluish, reluish_exponent = fx.quantize_multiplier(
        float(fine / np.float32(np.float32(3) / np.float32(32768)))
    )
    if exponent > 0:
        raise Unsupported("its output scale is far smaller than its input scale: quantize the model again")
    scale, reluish = fx.multiplier16(scale), fx.multiplier16(reluish)

    def table(q: int) -> int:
        value = (q - x.zero_point) << 7
        output = fx.doubling_high_mul16(value, scale, rounding=True)
        gate = value
        if reluish_exponent > 0:
            gate = fx.clamp16(gate << (reluish_exponent - 1))
        gate = fx.doubling_high_mul16(gate, reluish, rounding=True)
        if reluish_exponent > 0:
            gate = fx.clamp16(gate << 1)
        elif reluish_exponent < 0:
            gate = fx.rounding_shift(gate, -reluish_exponent)
        gate = (gate + (1 << 15)) >> 1
        result = fx.doubling_high_mul16(gate, output, rounding=False)
        return y.zero_point + fx.rounding_shift(result, -exponent)

    lookup(low, op, table)


def _int8_pair(op: Operator) -> tuple[Tensor, Tensor]:
    """Input and output of an operator that only int8 has yet."""
    x, y = same_size(op)
    if arithmetic(x, y) != "b":
        raise Unsupported(
            f"{x.dtype} is not supported here: convert the model to int8 with `hognose quantize`"
        )
    return x, y


def sigmoid(
    low: Lowered,
    op: Operator,
    *,
    name: str,
    function: Callable[[int, int], int],
    fraction_bits: int,
    zero_point: int,
) -> None:
    """LOGISTIC and TANH: gemmlowp's fixed-point functions of the input in Q4.27."""
    x, y = same_size(op)
    kind = arithmetic(x, y, kinds="bhf")
    if kind == "f":
        return unary_float(low, op, name)
    if kind == "h":
        return curve.sigmoid(low, op, x, y)
    if y.zero_point != zero_point:
        raise Unsupported(
            f"its output's zero point is {y.zero_point}, {zero_point} is expected: quantize the model again"
        )
    multiplier, shift = fx.quantize_multiplier(float(x.scale) * (1 << 27))
    radius = math.floor((15 << 27) / 2.0**shift)  # beyond it, Q4.27 overflows

    def table(q: int) -> int:
        value = q - x.zero_point
        if abs(value) >= radius:
            return 127 if value > 0 else -128
        result = function(fx.mbqm(value, multiplier, shift), 4)
        return fx.rounding_shift(result, 31 - fraction_bits) + zero_point

    return lookup(low, op, table)


def quantize(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    if x.dtype == y.dtype == "int8":
        arithmetic(x, y)
        multiplier, shift = fx.quantize_multiplier(float(x.scale) / float(y.scale))
        return lookup(low, op, lambda q: y.zero_point + fx.mbqm(q - x.zero_point, multiplier, shift))
    # In place: it goes forward, and its results are smaller.
    return _between(low, op, "QUANTIZE", x, y, real=x, whole=y, inplace=[x])


def dequantize(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    return _between(low, op, "DEQUANTIZE", x, y, real=y, whole=x, inplace=[])


def _between(
    low: Lowered,
    op: Operator,
    name: str,
    x: Tensor,
    y: Tensor,
    *,
    real: Tensor,
    whole: Tensor,
    inplace: list[Tensor],
) -> None:
    """QUANTIZE and DEQUANTIZE: `real` is the float32 side, `whole` the int8 side, which has the scale."""
    if real.dtype != "float32" or whole.dtype != "int8":
        raise Unsupported(f"{x.dtype} to {y.dtype} is not supported: {ASK_TYPE}")
    arithmetic(whole)
    fields = {
        "in": low.place(x),
        "out": low.place(y),
        "count": x.size,
        "scale": float(whole.scale),
        "zero_point": whole.zero_point,
    }
    low.emit(name, op, fields, kind="b", inplace=inplace)
