# SPDX-License-Identifier: MIT
"""Weights, biases and multipliers of convolutions and dense layers, as the engine takes them."""

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from .steps import Const
from .tensors import ASK_TYPE, Unsupported, constant, typecode


def scales(op: Operator, x: Tensor, w: Tensor, channels: int) -> list[tuple[int, int]]:
    """The requantization multipliers: one, or one per output channel."""
    y = float(op.outputs[0].scale)
    if len(w.scales) not in (1, channels):
        raise Unsupported(f"{len(w.scales)} weight scales for {channels} channels: damaged model")
    pairs = [fx.quantize_multiplier(float(x.scale) * float(s) / y) for s in w.scales]
    return pairs if len(set(pairs)) > 1 else pairs[:1]


def parameters(op: Operator, kind: str, sums: np.ndarray) -> tuple[Const, int]:
    """Bias with the input's zero point folded in, multipliers and shifts; and the number of multipliers.

    `sums`: the sum of each channel's weights.
    """
    x, w = op.inputs[0], op.inputs[1]
    assert x is not None and w is not None
    channels = len(sums)
    b = op.inputs[2] if len(op.inputs) > 2 else None
    bias = constant(op, 2, "bias").reshape(-1) if b is not None else np.zeros(channels, np.int32)
    if len(bias) != channels:
        raise Unsupported(f"{len(bias)} bias values for {channels} channels: damaged model")
    if kind == "f" and (b is None or bias.dtype == np.float32):
        return Const(bias.astype("<f4").tobytes()), 0
    if bias.dtype not in ({"h": (np.int32, np.int64), "b": (np.int32,)}.get(kind, ())):
        raise Unsupported(f"a bias of type {bias.dtype} is not supported: {ASK_TYPE}")
    bias = bias.astype(np.int64) - x.zero_point * sums
    pairs = scales(op, x, w, channels)
    if any(shift > (14 if kind == "h" else 30) for _, shift in pairs):
        raise Unsupported("its scales differ by more than 2^30: quantize the model again")
    multipliers = np.array([m for m, _ in pairs], "<i4")
    shifts = np.array([s for _, s in pairs], "i1")
    # Accumulators of int8 are 32 bits wide and wrap, in TFLM as here.
    data = bias.astype("<i8" if kind == "h" else "<u4").tobytes() + multipliers.tobytes() + shifts.tobytes()
    return Const(data), len(pairs)


def bias_is_64_bits(kind: str, bias: Tensor | None) -> None:
    """For the layers of int16 values where TFLM takes the bias for int64, whatever it is."""
    if kind == "h" and bias is not None and bias.dtype != "int64":
        raise Unsupported(
            f"TensorFlow Lite Micro reads its {bias.dtype} bias as int64: quantize it with biases of int64"
        )


def symmetric(w: Tensor, data: np.ndarray, kind: str) -> np.ndarray:
    """The weights with zero point 0: another one is folded in where the result stays int8."""
    if kind == "f" or not w.zero_points.any():
        return data
    zero = w.zero_points if len(w.zero_points) == 1 else w.zero_points.reshape(-1, *[1] * (data.ndim - 1))
    folded = data.astype(np.int64) - zero
    if w.axis != 0 or folded.min() < -128 or folded.max() > 127:
        raise Unsupported("its weights have a zero point that is not 0: quantize them symmetrically")
    return folded.astype(np.int8)


def weights_fit(x: Tensor, w: Tensor, kind: str) -> None:
    """int8 and int16 values go with int8 weights, float32 ones with float32."""
    if kind != "h":
        typecode(x, w)
    elif w.dtype != "int8":
        raise Unsupported(f"{x.dtype} with {w.dtype} weights is not supported: {ASK_TYPE}")
