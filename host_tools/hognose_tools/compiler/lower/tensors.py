# SPDX-License-Identifier: MIT
"""What lowering asks of tensors and operators: element types, constants, bounds, strides."""

import math
from collections.abc import Sequence
from math import prod

import numpy as np

from ..graph import Operator, Tensor
from ..records import TYPECODE, Loop
from ..unsigned import UNSIGNED

ACTIVATIONS = {0: None, 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
_BOUNDS = {"RELU": (0.0, None), "RELU_N1_TO_1": (-1.0, 1.0), "RELU6": (0.0, 6.0)}
FLT_MIN = float(np.finfo(np.float32).tiny)
FLT_MAX = float(np.finfo(np.float32).max)
INT32 = (-(2**31), 2**31 - 1)
LIMITS = {"b": (-128, 127), "h": (-(2**15), 2**15 - 1), "i": INT32, "q": INT32, "?": INT32, "B": INT32}

ASK_TYPE = "convert the model with `hognose quantize` (full int8) or as float32"


class Unsupported(Exception):
    """What the engine cannot run, and what to do about it."""


def typecode(*tensors: Tensor) -> str:
    """The element type of all `tensors`, which must be the same."""
    kinds = {t.dtype for t in tensors}
    if kinds == {"float32", "int8"} and tensors[0].dtype == "float32":
        raise Unsupported(
            "int8 weights with float32 values (dynamic-range quantization) are not supported, "
            "nor by TFLM: convert the model to full int8 with `hognose quantize`, or as float32"
        )
    odd = kinds - TYPECODE.keys()
    if odd:
        raise Unsupported(f"{' and '.join(sorted(odd))} tensors are not supported: {ASK_TYPE}")
    if len(kinds) > 1:
        raise Unsupported(f"{' with '.join(sorted(kinds))} in one operator is not supported: {ASK_TYPE}")
    return TYPECODE[kinds.pop()]


def arithmetic(*tensors: Tensor, kinds: str = "bf") -> str:
    """The element type, one of `kinds`, of tensors that are computed with.

    int8 needs a scale and a zero point, int16 a scale.
    """
    kind = typecode(*tensors)
    if kind not in kinds:
        raise Unsupported(f"{tensors[0].dtype} is not supported here: {ASK_TYPE}")
    low, high = {"b": (-128, 127), "h": (0, 0)}.get(kind, (0, 0))
    for t in tensors if kind in "bh" else ():
        if len(t.scales) > 1:
            raise Unsupported(
                f"an {t.dtype} tensor has a scale for each channel, where TFLM and hognose take one for all: "
                "quantize these weights per tensor"
            )
        # (TFLM's arithmetic differs with scales that are not normal.)
        if not len(t.scales) or not t.scale >= FLT_MIN or not low <= t.zero_point <= high:
            raise Unsupported(
                f"an {t.dtype} tensor has no usable scale and zero point: quantize the model again"
            )
    return kind


def constant(op: Operator, i: int, what: str) -> np.ndarray:
    """The data of input `i`, which must be constant."""
    t = op.inputs[i] if i < len(op.inputs) else None
    if t is None or t.data is None:
        remedy = "give the model fixed shapes (batch size 1)"
        if what in ("weights", "bias"):
            remedy = "multiply with BATCH_MATMUL, or add with ADD, what the model computes"
        raise Unsupported(f"its {what} must be a constant: {remedy}")
    if t.dtype not in TYPECODE and t.dtype not in UNSIGNED:
        raise Unsupported(f"its {what}, of {t.dtype}, cannot be read: damaged model")
    return t.data


def activation(op: Operator) -> str | None:
    code = op.options.get("fused_activation_function", 0)
    if code not in ACTIVATIONS:
        raise Unsupported(f"fused activation number {code} is not supported: use a layer of its own")
    return ACTIVATIONS[code]


def clamp(op: Operator, kind: str, act: str | None = None, in_zp: int = 0) -> dict[str, int | float]:
    """The clamp fields: the activation's bounds in the output's own numbers."""
    low, high = _BOUNDS[act] if act else (None, None)
    if kind == "f":
        # Without an activation TFLM still clamps to what is finite.
        return {"min": -FLT_MAX if low is None else low, "max": FLT_MAX if high is None else high}
    t = op.outputs[0]
    least, most = LIMITS[kind]
    if kind not in "bh":
        return {"min": least if low is None else int(low), "max": most if high is None else int(high)}
    return {
        "in_zp": in_zp,
        "out_zp": t.zero_point,
        "min": least if low is None else max(least, quantized(low, t)),
        "max": most if high is None else min(most, quantized(high, t)),
    }


def quantized(value: float, t: Tensor) -> int:
    """`value` in t's numbers: a float32 division, rounded half away from zero. OverflowError: infinite."""
    with np.errstate(over="ignore"):
        ratio = float(np.float32(value) / t.scale)
    return t.zero_point + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))


def contiguous(shape: Sequence[int]) -> list[int]:
    """Strides in elements of a row-major tensor."""
    return [prod(shape[i + 1 :]) for i in range(len(shape))]


def broadcast_strides(shape: tuple[int, ...], out: tuple[int, ...]) -> list[int]:
    """Strides of a tensor that is broadcast to the shape `out`: 0 where it repeats."""
    full = (1,) * (len(out) - len(shape)) + shape
    return [0 if n == 1 else s for n, s in zip(full, contiguous(full), strict=True)]


def nest(sizes: Sequence[int], a: Sequence[int], b: Sequence[int]) -> list[Loop]:
    """A loop nest over `sizes`: drops levels of one iteration, and merges levels that continue each other."""
    loops: list[Loop] = []
    for n, sa, sb in zip(sizes, a, b, strict=True):
        if n == 1:
            continue
        top = loops[-1] if loops else None
        if top and top.a == sa * n and top.b == sb * n:
            top.n, top.a, top.b = top.n * n, sa, sb
        else:
            loops.append(Loop(n, sa, sb))
    return loops


def same_size(op: Operator) -> tuple[Tensor, Tensor]:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    if x.size != y.size:
        raise Unsupported(
            f"its input {list(x.shape)} and output {list(y.shape)} differ in size: damaged model"
        )
    return x, y


def axis_of(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} is out of range for {rank} dimensions: damaged model")
    return axis % rank


def integers(op: Operator, i: int, what: str) -> list[int]:
    """A constant input as a list of Python integers."""
    return [int(v) for v in constant(op, i, what).reshape(-1)]


def fits(condition: bool, x: Tensor, y: Tensor) -> None:
    if not condition:
        raise Unsupported(f"{list(x.shape)} does not become {list(y.shape)}: damaged model")


def without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    """The shape without one axis."""
    return (*shape[:axis], *shape[axis + 1 :])
