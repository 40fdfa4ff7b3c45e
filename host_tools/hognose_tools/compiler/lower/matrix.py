# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Matrices and images that no convolution makes: BATCH_MATMUL, TRANSPOSE_CONV, RESIZE_BILINEAR."""

from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from . import window
from .core import (
    Const,
    Lowered,
    Unsupported,
    arithmetic,
    broadcast_strides,
    clamp,
    constant,
    contiguous,
    nest,
    typecode,
)
from .shape import copy, fits, integers


def batch_matmul(low: Lowered, op: Operator) -> None:
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and w is not None
    kind = arithmetic(x, w, y, kinds="bhf")
    adjoint = bool(op.options.get("adj_x")), bool(op.options.get("adj_y"))
    *batch_x, rows, depth = _swapped(x.shape, adjoint[0])
    *batch_w, depth_w, columns = _swapped(w.shape, adjoint[1])
    batch = np.broadcast_shapes(tuple(batch_x), tuple(batch_w))
    fits(depth == depth_w and y.size == int(np.prod(batch)) * rows * columns, x, y)
    strides = [
        [n * s for s in broadcast_strides(tuple(shape), batch)]
        for n, shape in ((rows * depth, batch_x), (depth * columns, batch_w))
    ]
    fields = {
        **_matmul_scales(kind, x, w, y),
        "rows": rows,
        "depth": depth,
        "columns": columns,
        "row1": 1 if adjoint[0] else depth,
        "depth1": rows if adjoint[0] else 1,
        "column2": depth if adjoint[1] else 1,
        "depth2": 1 if adjoint[1] else columns,
        **clamp(op, kind, None, x.zero_point if kind == "b" else 0),
    }
    if kind == "f":
        fields |= {"min": -inf, "max": inf}  # no activation, no bounds
    _matmul(low, op, kind, (x, w), fields, nest(batch, *strides))


def fully_connected(low: Lowered, op: Operator) -> None:
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and w is not None
    if w.data is not None:
        return window.fully_connected(low, op)
    kind = arithmetic(x, w, y)
    columns, depth = w.shape
    fits(x.size % depth == 0 and y.size * depth == x.size * columns, x, y)
    bias = op.inputs[2] if len(op.inputs) > 2 else None
    if bias is not None:
        values = constant(op, 2, "bias").reshape(-1)
        if len(values) != columns or values.dtype != {"f": np.float32, "b": np.int32}[kind]:
            raise Unsupported(f"a bias of {len(values)} {values.dtype} values does not fit: damaged model")
    fields = {
        **_matmul_scales(kind, x, w, y),
        "bias": None if bias is None else Const(values.tobytes()),
        "rows": x.size // depth,
        "depth": depth,
        "columns": columns,
        "row1": depth,
        "depth1": 1,
        "column2": depth,
        "depth2": 1,
        **clamp(op, kind, window.activation(op), x.zero_point if kind == "b" else 0),
    }
    return _matmul(low, op, kind, (x, w), fields, [])


def _swapped(shape: tuple[int, ...], swap: bool) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if swap else shape


def _matmul_scales(kind: str, x: Tensor, w: Tensor, y: Tensor) -> dict[str, int]:
    if kind == "f":
        return {}
    multiplier, shift = fx.quantize_multiplier(float(x.scale) * float(w.scale) / float(y.scale))
    if shift > (14 if kind == "h" else 30):
        raise Unsupported("its output scale is far smaller than its input scales: quantize the model again")
    return {"multiplier": multiplier, "shift": shift, "in2_zp": w.zero_point}


def _matmul(
    low: Lowered,
    op: Operator,
    kind: str,
    operands: tuple[Tensor, Tensor],
    fields: dict[str, Any],
    loops: list,
) -> None:
    fields |= {
        "in1": low.place(operands[0]),
        "in2": low.place(operands[1]),
        "out": low.place(op.outputs[0]),
        "loops": len(loops),
    }
    low.emit("MATMUL", op, fields, loops, kind=kind, macs=op.outputs[0].size * fields["depth"])


@dataclass
class _Phase:
    """Every `stride`th row (or column) of a transposed convolution: a convolution of its own."""

    first: int
    out: int
    taps: list[int]  # the kernel's rows, in the order of the input's
    pad: int


def _phases(size: int, out: int, k: int, stride: int, same: bool) -> list[_Phase]:
    """Row y of the output gathers what rows (y + pad - tap) / stride of the input sent there."""
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
    """As stride_h · stride_w convolutions, each of which makes the pixels between those of the others.

    Their sums run over the input in the order of TFLM's loops, so that float32 rounds the same.
    """
    _, w, x = op.inputs[:3]
    bias, y = op.inputs[3] if len(op.inputs) > 3 else None, op.outputs[0]
    assert x is not None and w is not None
    kind = arithmetic(x, y, kinds="bhf")
    if w.dtype != {"b": "int8", "h": "int8", "f": "float32"}[kind]:
        raise Unsupported(f"{x.dtype} with {w.dtype} weights is not supported: quantize the model again")
    weights = window.symmetric(w, constant(op, 1, "weights"), kind)
    (batch, in_h, in_w, in_c), (out_c, k_h, k_w, depth) = window.shape4(x), window.shape4(w)
    fits(y.shape == (batch, *y.shape[1:3], out_c) and depth == in_c, x, y)
    same = op.options["padding"] == window.SAME
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
                window.emit_conv(
                    low,
                    step,
                    kind,
                    np.ascontiguousarray(weights[:, r.taps][:, :, c.taps]),
                    batch,
                    window.Window(in_h, r.out, len(r.taps), 1, 1, r.pad),
                    window.Window(in_w, c.out, len(c.taps), 1, 1, c.pad),
                    in_c,
                    out_c,
                    1,
                    False,
                )
            if part is not y:
                _interleave(low, op, part, (r, c), strides)


def _interleave(
    low: Lowered, op: Operator, part: Tensor, phase: tuple[_Phase, _Phase], strides: tuple[int, int]
) -> None:
    """The pixels of one phase to their places."""
    y, (r, c) = op.outputs[0], phase
    batch, row, column, one = contiguous(y.shape)
    source = contiguous(part.shape) if part.data is None else [0, 0, 0, 1]
    target = r.first * row + c.first * column, [batch, strides[0] * row, strides[1] * column, one]
    copy(low, op, part, y, (y.shape[0], r.out, c.out, y.shape[3]), (0, source), target)


def _bias_alone(op: Operator, kind: str) -> np.ndarray:
    """The pixel that no input reaches: one value a channel."""
    _, w, x = op.inputs[:3]
    y = op.outputs[0]
    assert x is not None and w is not None
    channels = y.shape[3]
    bias = constant(op, 3, "bias").reshape(-1) if len(op.inputs) > 3 else np.zeros(channels, np.int32)
    bounds = clamp(op, kind, window.activation(op))
    if kind == "f":
        return np.clip(bias.astype(np.float32), bounds["min"], bounds["max"])
    pairs = window.scales(op, x, w, channels)
    requantize = fx.mbqm64 if kind == "h" else fx.mbqm
    values = [y.zero_point + requantize(int(b), *pairs[i % len(pairs)]) for i, b in enumerate(bias)]
    return np.clip(values, bounds["min"], bounds["max"]).astype(y.dtype)


def resize_bilinear(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    kind = typecode(x, y)
    if kind not in "bf":
        raise Unsupported(f"{x.dtype} is not supported here: resize float32 or int8 values")
    image = window.images(low, x, y)
    fits(integers(op, 1, "size") == list(y.shape[1:3]), x, y)
    fields = {
        **image,
        "half_pixel": int(bool(op.options.get("half_pixel_centers"))),
        "step_h": _step(op, kind, image["in_h"], image["out_h"]),
        "step_w": _step(op, kind, image["in_w"], image["out_w"]),
    }
    low.emit("RESIZE", op, fields, kind=kind)


def _step(op: Operator, kind: str, size: int, out: int) -> int | float:
    """Input pixels per output pixel: float32, or in 1024ths."""
    if op.options.get("align_corners") and out > 1:
        size, out = size - 1, out - 1
    if kind == "f":
        return float(np.float32(size) / np.float32(out))
    return ((size << 10) + out // 2) // out
