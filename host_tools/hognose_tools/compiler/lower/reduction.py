# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Operators over an axis: sums, and what needs them."""

import math
from math import prod
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator
from ..records import Loop
from .core import (
    Const,
    Lowered,
    Unsupported,
    arithmetic,
    clamp,
    constant,
    contiguous,
    nest,
    same_size,
)


def mean(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    kind = arithmetic(x, y)
    rank = len(x.shape)
    axes = {int(a) + (rank if a < 0 else 0) for a in constant(op, 1, "axes").reshape(-1)}
    if not all(0 <= a < rank for a in axes):
        raise Unsupported(f"axis out of range for {rank} dimensions: damaged model")
    strides = contiguous(x.shape)
    kept = [i for i in range(rank) if i not in axes]
    count = prod(x.shape[i] for i in axes)
    if y.size != prod(x.shape[i] for i in kept) or count < 1:
        raise Unsupported(f"{list(x.shape)} does not reduce to {list(y.shape)}: damaged model")
    keep = nest([x.shape[i] for i in kept], [strides[i] for i in kept], [0] * len(kept))
    order = sorted(axes)
    reduce = nest([x.shape[i] for i in order], [strides[i] for i in order], [0] * len(order))
    reduce = reduce or [Loop(1, 0, 0)]
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "keep": len(keep),
        "reduce": len(reduce),
        **clamp(op, kind, None, x.zero_point if kind == "b" else 0),
    }
    if kind == "b":
        multiplier, shift = fx.quantize_multiplier(float(x.scale) / float(y.scale))
        # The division by the count goes into the multiplier (TFLite's QuantizedMeanOrSum).
        bits = min(count.bit_length() - 1, 32, 31 + shift)
        fields |= {"multiplier": (multiplier << bits) // count, "shift": shift - bits}
    low.emit("MEAN", op, fields, keep + reduce, kind=kind)


def softmax(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    kind = arithmetic(x, y)
    if not x.shape:
        raise Unsupported("softmax of a scalar: damaged model")
    depth, beta = x.shape[-1], op.options["beta"]
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "rows": x.size // max(1, depth),
        "depth": depth,
    }
    if kind == "f":
        fields["beta"] = beta
    else:
        if y.zero_point != -128 or y.scale != np.float32(1 / 256):
            raise Unsupported(
                "its output must have scale 1/256 and zero point -128: quantize the model again"
            )
        table = _exp_table(float(x.scale), beta)
        fields |= {"table": Const(np.array(table, "<i4").tobytes()), "entries": len(table)}
    low.emit("SOFTMAX", op, fields, kind=kind, inplace=[x])


def _exp_table(scale: float, beta: float) -> list[int]:
    """exp(-d·scale·beta) in Q0.31 for d = 0, 1, … 255; 0 at the end is left out."""
    real = min(beta * scale * (1 << 26), 2.0**31 - 1)
    multiplier, shift = fx.quantize_multiplier(real)
    last = min(255, math.floor((31 << 26) / 2.0**shift))
    table = [fx.exp_on_negative(fx.mbqm(-d, multiplier, shift), 5) for d in range(last + 1)]
    while len(table) > 1 and table[-1] == 0:
        table.pop()
    return table
