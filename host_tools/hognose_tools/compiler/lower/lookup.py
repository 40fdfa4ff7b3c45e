# SPDX-License-Identifier: MIT
"""Every int8 function of one int8 value becomes a table."""

import math
from collections.abc import Callable

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from .steps import Const, Lowered
from .tensors import Unsupported, arithmetic, quantized, same_size


def _tabulate(low: Lowered, op: Operator, function: Callable[[int], int]) -> None:
    """Any int8 function of one int8 value becomes a table."""
    table = bytes(max(-128, min(127, function(q))) & 255 for q in range(-128, 128))
    _look_up(low, op, table)


def tabulated(low: Lowered, op: Operator) -> None:
    """An operator that is a table already."""
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


def requantized(low: Lowered, op: Operator) -> None:
    """The same numbers with another scale and zero point."""
    x, y = _pair(op)
    multiplier, shift = fx.quantize_multiplier(float(x.scale) / float(y.scale))
    _tabulate(low, op, lambda q: y.zero_point + fx.mbqm(q - x.zero_point, multiplier, shift))


def relu(low: Lowered, op: Operator) -> None:
    x, y = _pair(op)
    multiplier, shift = fx.quantize_multiplier(float(x.scale) / float(y.scale))
    lowest = max(-128, y.zero_point)
    _tabulate(low, op, lambda q: max(lowest, y.zero_point + fx.mbqm(q - x.zero_point, multiplier, shift)))


def relu6(low: Lowered, op: Operator) -> None:
    """TFLM clamps in the input's numbers and does not rescale."""
    x, _ = _pair(op)
    six = min(127, quantized(6.0, x))
    _tabulate(low, op, lambda q: min(max(q, x.zero_point), six))


def leaky_relu(low: Lowered, op: Operator) -> None:
    x, y = _pair(op)
    positive = fx.quantize_multiplier(float(x.scale) / float(y.scale))
    alpha = float(np.float32(op.options["alpha"]))
    negative = fx.quantize_multiplier(float(x.scale) * alpha / float(y.scale))

    def table(q: int) -> int:
        value = q - x.zero_point
        return y.zero_point + fx.mbqm(value, *(positive if value >= 0 else negative))

    _tabulate(low, op, table)


def absolute(low: Lowered, op: Operator) -> None:
    x, y = _pair(op)
    scale = fx.quantize_multiplier(float(x.scale) / float(y.scale))

    def table(q: int) -> int:
        value = abs(q - x.zero_point)
        return y.zero_point + (value if x.scale == y.scale else fx.mbqm(value, *scale))

    _tabulate(low, op, table)


def rsqrt_scale(x: Tensor, y: Tensor) -> tuple[int, int]:
    """Multiplier and shift of a root; TFLM shifts by 20 more to the right."""
    multiplier, shift = fx.quantize_multiplier(1.0 / (math.sqrt(float(x.scale)) * float(y.scale)))
    if shift < -11:  # TFLM's shift is undefined then
        raise Unsupported("its output scale is far too large: quantize the model again")
    return multiplier, shift - 20


def rsqrt(low: Lowered, op: Operator) -> None:
    x, y = _pair(op)
    scale = rsqrt_scale(x, y)

    def table(q: int) -> int:
        value = q - x.zero_point
        if value <= 0:  # TFLM treats 0 as tiny, and fails below it
            return 127
        root, root_shift = fx.inverse_sqrt(value)
        data = fx.mbqm(1, root, root_shift + 20)
        return y.zero_point + fx.mbqm(data, *scale)

    _tabulate(low, op, table)


def elu(low: Lowered, op: Operator) -> None:
    """As TFLM fills its table, in float32."""
    x, y = _pair(op)
    inverse = np.float32(1) / y.scale

    def table(q: int) -> int:
        value = x.scale * np.float32(q - x.zero_point)
        value = np.expm1(value) if value < 0 else value
        ratio = float(value * inverse)
        return y.zero_point + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))

    _tabulate(low, op, table)


def hard_swish(low: Lowered, op: Operator) -> None:
    """x·relu6(x + 3) / 6 in int16 arithmetic (TensorFlow's lite/kernels/internal/reference/hard_swish.h)."""
    x, y = _pair(op)
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

    _tabulate(low, op, table)


def logistic(low: Lowered, op: Operator) -> None:
    _sigmoid(low, op, fx.logistic, fraction_bits=8, zero_point=-128)


def tanh(low: Lowered, op: Operator) -> None:
    _sigmoid(low, op, fx.tanh, fraction_bits=7, zero_point=0)


def _sigmoid(
    low: Lowered, op: Operator, function: Callable[[int, int], int], *, fraction_bits: int, zero_point: int
) -> None:
    """gemmlowp's fixed-point functions of the input in Q4.27."""
    x, y = _pair(op)
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

    _tabulate(low, op, table)


def _pair(op: Operator) -> tuple[Tensor, Tensor]:
    """Input and output, which are int8."""
    x, y = same_size(op)
    arithmetic(x, y, kinds="b")
    return x, y
