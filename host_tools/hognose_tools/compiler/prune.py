# SPDX-License-Identifier: MIT
"""Step 2: prunes dead channels, which are the same for every input, or which nothing reads.

A channel of a convolution whose weights are all 0 is a constant. So is what it contributes to the sums of the
next convolution, and that goes into the bias: exactly, because sums are integers and wrap. Not where the next
window reaches over the border, unless the constant is the zero point, which is what the padding holds.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from . import fixedpoint as fx
from .graph import Graph, Operator, Tensor
from .lower import geometry, reduce
from .lower.tensors import Unsupported, activation, clamp, constant

# What does not change a constant.
_AS_THEY_ARE = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_SIDES = (("h", 1), ("w", 2))
_MULTIPLE = 4  # channels that kernels compute at once


@dataclass
class _Layer:
    """An int8 operator whose channels, the last axis, can be pruned: CONV_2D, FULLY_CONNECTED,
    DEPTHWISE_CONV_2D (one to one), MEAN of images, a pool, a change of shape."""

    op: Operator
    weights: np.ndarray | None = None  # int64 [out, taps, in]; depthwise and MEAN [channels, taps, 1]
    bias: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    inside: bool = True  # no window reaches over the border
    scales: list[tuple[int, int]] = field(default_factory=list)  # multipliers and shifts, by output channel
    bounds: tuple[int, int] = (-128, 127)  # of the activation
    constants: list[int | None] = field(default_factory=list)  # of the output, by channel
    keep: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # channels of the output
    narrows: bool = False  # it, or the operator that makes its channels, can make fewer

    @property
    def mixes(self) -> bool:
        """Every output channel reads all input channels."""
        return self.op.kind in ("CONV_2D", "FULLY_CONNECTED")

    @property
    def x(self) -> Tensor:
        assert self.op.inputs[0] is not None
        return self.op.inputs[0]

    @property
    def y(self) -> Tensor:
        return self.op.outputs[0]


def prune(graph: Graph) -> int:
    """Returns how many channels are gone."""
    layers = {layer.y.index: layer for op in graph.operators if (layer := _layer(op))}
    readers = Counter(t.index for op in graph.operators for t in op.inputs if t is not None)
    readers.update(t.index for t in graph.outputs)
    before = {
        id(b): layers[b.x.index] for b in layers.values() if b.x.index in layers and readers[b.x.index] == 1
    }
    after = {id(a): next(b for b in layers.values() if before.get(id(b)) is a) for a in before.values()}
    for layer in layers.values():
        layer.constants = _constants(layer, before.get(id(layer)))
        layer.narrows = layer.mixes or (id(layer) in before and before[id(layer)].narrows)
    for layer in reversed(layers.values()):
        layer.keep = _needed(layer, after.get(id(layer)))
    removed = sum(int((~layer.keep).sum()) for layer in layers.values())
    for layer in layers.values():
        _shrink(layer, before.get(id(layer)))
    return removed


def _layer(op: Operator) -> _Layer | None:
    try:
        layer = _read(op)
        if layer:
            bounds = clamp(op, "b", activation(op))
            layer.bounds = int(bounds["min"]), int(bounds["max"])
        return layer
    except (Unsupported, KeyError, ValueError, IndexError, OverflowError, ZeroDivisionError):
        return None  # lowering will say what is wrong with it


def _read(op: Operator) -> _Layer | None:
    tensors = [*op.inputs[:1], *op.outputs]
    if any(t is None or t.dtype != "int8" or len(t.scales) != 1 or not t.shape for t in tensors):
        return None
    if op.kind in _AS_THEY_ARE:
        return _Layer(op) if tensors[0].shape[-1] == tensors[1].shape[-1] else None  # type: ignore[union-attr]
    if op.kind == "MEAN":
        return _read_mean(op)
    if op.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return None
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    b = op.inputs[2] if len(op.inputs) > 2 else None
    depthwise, dense = op.kind == "DEPTHWISE_CONV_2D", op.kind == "FULLY_CONNECTED"
    rank = 2 if dense else 4
    if w is None or w.data is None or w.dtype != "int8" or w.zero_points.any() or len(w.shape) != rank:
        return None
    assert x is not None
    channels, outputs = x.shape[-1], y.shape[-1]
    if b is not None and (b.data is None or b.dtype != "int32" or b.size != outputs):
        return None
    if w.shape[-1] != channels or (w.shape[0] != 1 if depthwise else w.shape[0] != outputs):
        return None  # several groups, several outputs a channel, or damaged
    if outputs != (channels if depthwise else w.shape[0]) or len(w.scales) not in (1, outputs):
        return None
    sides = [] if dense else [geometry.window(op, s, x.shape[a], y.shape[a], w.shape[a]) for s, a in _SIDES]
    scales = [fx.quantize_multiplier(float(x.scale) * float(s) / float(y.scale)) for s in w.scales]
    weights = w.data.astype(np.int64)
    weights = (
        weights.reshape(-1, channels).T[:, :, None] if depthwise else weights.reshape(outputs, -1, channels)
    )
    bias = np.zeros(outputs, np.int64) if b is None else b.data.astype(np.int64).reshape(-1)
    scales = scales * outputs if len(scales) == 1 else scales
    return _Layer(op, weights, bias, all(side.inside for side in sides), scales)


def _read_mean(op: Operator) -> _Layer | None:
    """MEAN of each channel: a depthwise layer whose weights are 1."""
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    channels, rank = x.shape[-1], len(x.shape)
    axes = {int(a) % rank for a in constant(op, 1, "axes").reshape(-1)}
    if rank - 1 in axes or y.shape[-1] != channels:
        return None
    count = prod(x.shape[a] for a in axes)
    weights, bias = np.full((channels, 1, 1), count), np.zeros(channels, np.int64)
    return _Layer(op, weights, bias, scales=[reduce.mean_scale(x, y, count)] * channels)


def _foldable(layer: _Layer, before: _Layer | None) -> np.ndarray:
    """The input's channels that are constant, and can be folded where the window reaches over the border."""
    if before is None:
        return np.zeros(layer.x.shape[-1], bool)
    fits = (None,) if layer.inside else (None, *(c for c in before.constants if c != layer.x.zero_point))
    return np.array([c not in fits for c in before.constants])


def _constants(layer: _Layer, before: _Layer | None) -> list[int | None]:
    channels = layer.y.shape[-1]
    known = _foldable(layer, before)
    given = before.constants if before else [None] * layer.x.shape[-1]
    if layer.weights is None:
        return [None if c is None else _clamp(layer, c) for c in given]
    offsets = np.array([0 if c is None else c - layer.x.zero_point for c in given], np.int64)
    sums = layer.weights.sum(axis=1)  # [out, in] or [channels, 1]
    reads = layer.weights.any(axis=1)
    if not layer.mixes:
        known, offsets = known[:, None], offsets[:, None]
    constant = ~(reads & ~known).any(axis=1)
    total = layer.bias + (sums * np.where(known, offsets, 0)).sum(axis=1)
    scaled = [
        fx.mbqm(fx.wrap32(int(n)), *pair) + layer.y.zero_point
        for n, pair in zip(total, layer.scales, strict=True)
    ]
    return [_clamp(layer, scaled[c]) if constant[c] else None for c in range(channels)]


def _clamp(layer: _Layer, value: int) -> int:
    return max(layer.bounds[0], min(layer.bounds[1], value))


def _needed(layer: _Layer, after: _Layer | None) -> np.ndarray:
    """The output's channels that must be computed."""
    if after is None or not layer.narrows:
        return np.ones(layer.y.shape[-1], bool)
    if not after.mixes:
        return after.keep
    assert after.weights is not None
    keep = after.weights[after.keep].any(axis=(0, 1)) & ~_foldable(after, layer)
    missing = -int(keep.sum()) % _MULTIPLE or (_MULTIPLE if not keep.any() else 0)
    keep[np.flatnonzero(~keep)[:missing]] = True
    return keep


def _shrink(layer: _Layer, before: _Layer | None) -> None:
    """Takes the pruned channels away; what they contributed goes into the bias."""
    channels = int(layer.keep.sum())
    kept = before.keep if before else np.ones(layer.x.shape[-1], bool)
    stored = layer.weights is not None and layer.op.kind != "MEAN"
    if stored and not (layer.keep.all() and kept.all()):
        bias = layer.bias
        if layer.mixes and before:
            offsets = [0 if c is None else c - layer.x.zero_point for c in before.constants]
            bias = bias + layer.weights.sum(axis=1) @ np.where(kept, 0, np.array(offsets, np.int64))
        _set_weights(layer, bias, kept)
    layer.y.shape = (*layer.y.shape[:-1], channels)


def _set_weights(layer: _Layer, bias: np.ndarray, kept: np.ndarray) -> None:
    op, keep = layer.op, layer.keep
    w = op.inputs[1]
    assert w is not None and w.data is not None
    data = w.data[keep][..., kept] if layer.mixes else w.data[..., keep]
    scales, zeros = (v[keep] if len(v) > 1 else v for v in (w.scales, w.zero_points))
    new = replace(w, data=np.ascontiguousarray(data), shape=data.shape, scales=scales, zero_points=zeros)
    b = op.inputs[2] if len(op.inputs) > 2 else None
    template = b or replace(w, index=-1 - w.index, dtype="int32", axis=0)
    values = (bias[keep] & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
    op.inputs = [layer.x, new, replace(template, data=values, shape=values.shape)]
