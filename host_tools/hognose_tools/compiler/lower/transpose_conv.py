# SPDX-License-Identifier: MIT
"""TRANSPOSE_CONV: as several convolutions, one for each phase of the strides."""

from dataclasses import dataclass, replace

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from . import convolution
from .geometry import SAME, Window, shape4
from .move import copy
from .steps import Lowered
from .tensors import Unsupported, activation, arithmetic, clamp, constant, contiguous, fits
from .weights import bias_is_64_bits, scales, symmetric


@dataclass
class _Phase:
    """Every `stride`th row (or column) of the output: a convolution of its own."""

    first: int
    out: int
    taps: list[int]  # the kernel's rows, in the order of the input's
    pad: int


def _phases(size: int, out: int, k: int, stride: int, same: bool) -> list[_Phase]:
    """Row y of the output sums what the rows (y + pad - tap) / stride of the input contribute."""
    reached = -(-out // stride) if same else -(-(out - k + 1) // stride)
    if stride < 1 or reached != size:
        raise Unsupported(f"its output is {out} wide where {size} inputs do not reach: damaged model")
    pad = max(0, (reached - 1) * stride + k - out) // 2
    phases = []
    for first in range(min(stride, out)):
        skipped, tap = divmod(first + pad, stride)
        taps = list(range(tap, k, stride))[::-1]
        phases.append(_Phase(first, -(-(out - first) // stride), taps, max(len(taps) - 1 - skipped, 0)))
    return phases


def transpose_conv(low: Lowered, op: Operator) -> None:
    """As stride_h · stride_w convolutions, whose output pixels interleave.

    Their sums run over the input in the order of TFLM's loops, so that float32 rounds the same.
    """
    _, w, x = op.inputs[:3]
    bias, y = op.inputs[3] if len(op.inputs) > 3 else None, op.outputs[0]
    assert x is not None and w is not None
    kind = arithmetic(x, y, kinds="bhf")
    bias_is_64_bits(kind, bias)
    if w.dtype != {"b": "int8", "h": "int8", "f": "float32"}[kind]:
        raise Unsupported(f"{x.dtype} with {w.dtype} weights is not supported: quantize the model again")
    weights = symmetric(w, constant(op, 1, "weights"), kind)
    (batch, in_h, in_w, in_c), (out_c, k_h, k_w, depth) = shape4(x), shape4(w)
    fits(y.shape == (batch, *y.shape[1:3], out_c) and depth == in_c, x, y)
    same = op.options["padding"] == SAME
    strides = op.options["stride_h"], op.options["stride_w"]
    rows = _phases(in_h, y.shape[1], k_h, strides[0], same)
    columns = _phases(in_w, y.shape[2], k_w, strides[1], same)
    for r in rows:
        for c in columns:
            part = y
            if not (r.taps and c.taps):
                part = replace(y, index=low.new_index(), shape=(out_c,), data=_bias_alone(op, kind))
            elif len(rows) * len(columns) > 1:
                part = replace(y, index=low.new_index(), shape=(batch, r.out, c.out, out_c))
            if part.data is None:
                step = Operator(op.index, op.kind, op.version, [x, w, bias], [part], op.options)
                sizes = convolution.Sizes(
                    batch,
                    Window(in_h, r.out, len(r.taps), 1, 1, r.pad),
                    Window(in_w, c.out, len(c.taps), 1, 1, c.pad),
                    in_c,
                    out_c,
                )
                taps = np.ascontiguousarray(weights[:, r.taps][:, :, c.taps])
                convolution.emit(low, step, kind, taps, sizes)
            if part is not y:
                _interleave(low, op, part, (r, c), strides)


def _interleave(
    low: Lowered, op: Operator, part: Tensor, phase: tuple[_Phase, _Phase], strides: tuple[int, int]
) -> None:
    """Copies the pixels of one phase to their places."""
    y, (r, c) = op.outputs[0], phase
    batch, row, column, one = contiguous(y.shape)
    source = contiguous(part.shape) if part.data is None else [0, 0, 0, 1]
    target = r.first * row + c.first * column, [batch, strides[0] * row, strides[1] * column, one]
    copy(low, op, part, y, (y.shape[0], r.out, c.out, y.shape[3]), (0, source), target)


def _bias_alone(op: Operator, kind: str) -> np.ndarray:
    """A pixel that no input reaches: one value per channel."""
    _, w, x = op.inputs[:3]
    y = op.outputs[0]
    assert x is not None and w is not None
    channels = y.shape[3]
    bias = constant(op, 3, "bias").reshape(-1) if len(op.inputs) > 3 else np.zeros(channels, np.int32)
    bounds = clamp(op, kind, activation(op))
    if kind == "f":
        return np.clip(bias.astype(np.float32), bounds["min"], bounds["max"])
    pairs = scales(op, x, w, channels)
    requantize = fx.mbqm64 if kind == "h" else fx.mbqm
    values = [y.zero_point + requantize(int(b), *pairs[i % len(pairs)]) for i, b in enumerate(bias)]
    return np.clip(values, bounds["min"], bounds["max"]).astype(y.dtype)
