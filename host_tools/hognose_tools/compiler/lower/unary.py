# SPDX-License-Identifier: MIT
"""Functions of one value: tables for int8, APPLY for float32 and between types, RESCALE for integers."""

import math
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..layouts import FUNCTIONS
from ..records import ITEMSIZE, TYPECODE
from . import curve, lookup
from .steps import Lowered
from .tensors import ASK_TYPE, LIMITS, Unsupported, arithmetic, quantized, same_size, typecode

_ONE = (1 << 30, 1)  # the multiplier 1
_INT8 = {
    "ABS": lookup.absolute,
    "ELU": lookup.elu,
    "HARD_SWISH": lookup.hard_swish,
    "LEAKY_RELU": lookup.leaky_relu,
    "RSQRT": lookup.rsqrt,
}


def _apply(
    low: Lowered, op: Operator, name: str, x: Tensor, y: Tensor, alpha: float = 0.0, zero_point: int = 0
) -> None:
    source, target = TYPECODE[x.dtype], TYPECODE[y.dtype]
    fields = {
        "in": low.place(x),
        "out": low.place(y),
        "count": x.size,
        "function": FUNCTIONS["APPLY"][name],
        "out_type": ord(target),
        "alpha": alpha,
        "zero_point": zero_point,
    }
    shrinks = ITEMSIZE[target] <= ITEMSIZE[source]
    low.emit("APPLY", op, fields, kind=source, inplace=[x] if shrinks else [])


def _rescale(
    low: Lowered,
    op: Operator,
    x: Tensor,
    y: Tensor,
    name: str = "SIGN",
    multiplier: tuple[int, int] = _ONE,
    negative: tuple[int, int] = (0, 0),
    bounds: tuple[int, int] | None = None,
) -> None:
    source, target = TYPECODE[x.dtype], TYPECODE[y.dtype]
    least, most = bounds or LIMITS[target]
    fields = {
        "in": low.place(x),
        "out": low.place(y),
        "count": x.size,
        "function": FUNCTIONS["RESCALE"][name],
        "out_type": ord(target),
        "multiplier": multiplier[0],
        "shift": multiplier[1],
        "negative_multiplier": negative[0],
        "negative_shift": negative[1],
        "in_zp": x.zero_point,
        "out_zp": y.zero_point,
        "min": least,
        "max": most,
    }
    shrinks = ITEMSIZE[target] <= ITEMSIZE[source]
    low.emit("RESCALE", op, fields, kind=source, inplace=[x] if shrinks else [])


def _float32(low: Lowered, op: Operator, name: str, **bounds: float) -> None:
    """CLAMP, LOGISTIC, TANH."""
    x, y = same_size(op)
    fields = {"in": low.place(x), "out": low.place(y), "count": x.size, **bounds}
    low.emit(name, op, fields, kind="f", inplace=[x])


def unary(low: Lowered, op: Operator) -> None:
    """A function of one input, and perhaps of an option alpha."""
    x, y = same_size(op)
    kind = typecode(x, y)
    if kind == "f":
        return _apply(low, op, op.kind, x, y, alpha=op.options.get("alpha", 0.0))
    if kind == "b" and op.kind in _INT8:
        return _INT8[op.kind](low, op)
    if kind == "h" and op.kind in _INT16:
        arithmetic(x, y, kinds="h")
        return _INT16[op.kind](low, op, x, y)
    raise Unsupported(f"{x.dtype} is not supported here: {ASK_TYPE}")


def _absolute(low: Lowered, op: Operator, x: Tensor, y: Tensor) -> None:
    scale = _ONE if x.scale == y.scale else fx.quantize_multiplier(float(x.scale) / float(y.scale))
    _rescale(low, op, x, y, "ABS", scale)


def _leaky_relu(low: Lowered, op: Operator, x: Tensor, y: Tensor) -> None:
    positive = fx.quantize_multiplier(float(x.scale) / float(y.scale))
    alpha = float(np.float32(op.options["alpha"]))
    negative = fx.quantize_multiplier(float(x.scale) * alpha / float(y.scale))
    _rescale(low, op, x, y, "SIGN", positive, negative)


def _rsqrt(low: Lowered, op: Operator, x: Tensor, y: Tensor) -> None:
    _rescale(low, op, x, y, "RSQRT", lookup.rsqrt_scale(x, y))


def _relu(low: Lowered, op: Operator, x: Tensor, y: Tensor) -> None:
    scale = fx.quantize_multiplier(float(x.scale) / float(y.scale))
    _rescale(low, op, x, y, "SIGN", scale, scale, (y.zero_point, LIMITS["h"][1]))


def _relu6(low: Lowered, op: Operator, x: Tensor, y: Tensor) -> None:
    # TFLM clamps in the input's numbers and does not rescale.
    _rescale(low, op, x, y, bounds=(x.zero_point, min(LIMITS["h"][1], quantized(6.0, x))))


_INT16 = {
    "ABS": _absolute,
    "LEAKY_RELU": _leaky_relu,
    "RELU": _relu,
    "RELU6": _relu6,
    "RSQRT": _rsqrt,
}


def relu(low: Lowered, op: Operator) -> None:
    """RELU, RELU6."""
    kind = typecode(*same_size(op))
    if kind == "b":
        return {"RELU": lookup.relu, "RELU6": lookup.relu6}[op.kind](low, op)
    if kind == "f":
        return _float32(low, op, "CLAMP", min=0.0, max={"RELU": math.inf, "RELU6": 6.0}[op.kind])
    return unary(low, op)


def sigmoid(low: Lowered, op: Operator) -> None:
    """LOGISTIC, TANH."""
    x, y = same_size(op)
    kind = arithmetic(x, y, kinds="bhf")
    if kind == "f":
        return _float32(low, op, op.kind)
    if kind == "h":
        return curve.sigmoid(low, op, x, y)
    return {"LOGISTIC": lookup.logistic, "TANH": lookup.tanh}[op.kind](low, op)


def logical_not(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    if typecode(x, y) != "?":
        raise Unsupported(f"{op.kind} of {x.dtype} makes no sense: damaged model")
    _apply(low, op, "LOGICAL_NOT", x, y)


def cast(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    kinds = [typecode(t) for t in (x, y)]
    if set(kinds) & set("qB"):
        raise Unsupported(f"a cast from {x.dtype} to {y.dtype} is not supported: use int32")
    if kinds[0] == kinds[1]:
        return low.alias(x, y)
    return _apply(low, op, "CAST", x, y)


def quantize(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    pair = TYPECODE.get(x.dtype, "") + TYPECODE.get(y.dtype, "")
    if pair == "bb":
        return lookup.requantized(low, op)
    if pair == "fb":
        # In place: it walks forward, and its results are smaller.
        return _between(low, op, "QUANTIZE", x, y, int8=y, inplace=[x])
    for t in (x, y):
        if t.dtype != "float32" and len(t.scales) != 1:
            raise Unsupported(f"an {t.dtype} tensor has no usable scale: quantize the model again")
    if pair in ("fh", "fB"):
        return _apply(low, op, "QUANTIZE", x, y, float(y.scale), y.zero_point)
    if len(pair) == 2 and set(pair) <= set("bhiB"):
        scale = fx.quantize_multiplier(float(x.scale) / float(y.scale))
        return _rescale(low, op, x, y, "SIGN", scale, scale, _RANGES[pair[1]])
    raise Unsupported(f"{x.dtype} to {y.dtype} is not supported: {ASK_TYPE}")


_RANGES = {**LIMITS, "B": (0, 255)}


def dequantize(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    if x.dtype in ("int16", "uint8") and y.dtype == "float32" and len(x.scales) == 1:
        return _apply(low, op, "DEQUANTIZE", x, y, float(x.scale), x.zero_point)
    if (x.dtype, y.dtype) != ("int8", "float32"):
        raise Unsupported(f"{x.dtype} to {y.dtype} is not supported: {ASK_TYPE}")
    return _between(low, op, "DEQUANTIZE", x, y, int8=x, inplace=[])


def _between(
    low: Lowered, op: Operator, name: str, x: Tensor, y: Tensor, *, int8: Tensor, inplace: list[Tensor]
) -> None:
    """QUANTIZE and DEQUANTIZE between float32 and `int8`, which has the scale."""
    arithmetic(int8)
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "count": x.size,
        "scale": float(int8.scale),
        "zero_point": int8.zero_point,
    }
    low.emit(name, op, fields, kind="b", inplace=inplace)
