# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 2, too: channels that are the same for every input, or that nothing reads, are left out.

A channel of a convolution whose weights are all 0 is a constant. Its share of the next convolution's sums is
one as well and goes into that one's bias: exactly, because sums are integers and wrap. Not so where the next
one's window reaches over the border, unless the constant is the zero point, which stands there too.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from . import fixedpoint as fx
from .graph import Graph, Operator, Tensor
from .lower import window
from .lower.core import Unsupported, activation, clamp

_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_MULTIPLE = 4  # kernels work on so many channels at once


@dataclass
class _Layer:
    """An int8 operator whose channels can be left out: CONV_2D, DEPTHWISE_CONV_2D (one to one), a pool."""

    op: Operator
    weights: np.ndarray | None = None  # int64 [out, taps, in]; depthwise [channels, taps, 1]; None: a pool
    bias: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    inside: bool = True  # no window reaches over the border
    constants: list[int | None] = field(default_factory=list)  # of the output, by channel
    keep: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # channels of the output

    @property
    def mixes(self) -> bool:
        """Every output channel reads all input channels."""
        return self.op.kind == "CONV_2D"

    @property
    def x(self) -> Tensor:
        assert self.op.inputs[0] is not None
        return self.op.inputs[0]

    @property
    def y(self) -> Tensor:
        return self.op.outputs[0]


def remove(graph: Graph) -> int:
    """Returns how many channels are left out."""
    layers = {layer.y.index: layer for op in graph.operators if (layer := _layer(op))}
    readers = Counter(t.index for op in graph.operators for t in op.inputs if t is not None)
    readers.update(t.index for t in graph.outputs)
    before = {
        id(b): layers[b.x.index] for b in layers.values() if b.x.index in layers and readers[b.x.index] == 1
    }
    after = {id(a): next(b for b in layers.values() if before.get(id(b)) is a) for a in before.values()}
    for layer in layers.values():
        layer.constants = _constants(layer, before.get(id(layer)))
    for layer in reversed(layers.values()):
        layer.keep = _needed(layer, after.get(id(layer)))
    removed = sum(int((~layer.keep).sum()) for layer in layers.values())
    for layer in layers.values():
        _shrink(layer, before.get(id(layer)))
    return removed


def _layer(op: Operator) -> _Layer | None:
    tensors = [*op.inputs[:1], *op.outputs]
    if any(t is None or t.dtype != "int8" or len(t.scales) != 1 or len(t.shape) != 4 for t in tensors):
        return None
    if op.kind in _POOLS:
        return _Layer(op)
    if op.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return None
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    b = op.inputs[2] if len(op.inputs) > 2 else None
    if w is None or w.data is None or w.dtype != "int8" or w.zero_points.any() or len(w.shape) != 4:
        return None
    if b is not None and (b.data is None or b.dtype != "int32" or b.size != y.shape[3]):
        return None
    assert x is not None
    depthwise, channels = op.kind == "DEPTHWISE_CONV_2D", x.shape[3]
    if w.shape[3] != channels or (w.shape[0] != 1 if depthwise else w.shape[0] != y.shape[3]):
        return None  # several groups, several outputs a channel, or damaged
    if y.shape[3] != (channels if depthwise else w.shape[0]) or len(w.scales) not in (1, y.shape[3]):
        return None
    try:
        sides = [window.window(op, s, x.shape[a], y.shape[a], w.shape[a]) for s, a in (("h", 1), ("w", 2))]
    except (Unsupported, KeyError):
        return None
    weights = w.data.astype(np.int64)
    weights = (
        weights.reshape(-1, channels).T[:, :, None]
        if depthwise
        else weights.reshape(y.shape[3], -1, channels)
    )
    bias = np.zeros(y.shape[3], np.int64) if b is None else b.data.astype(np.int64).reshape(-1)
    return _Layer(op, weights, bias, all(side.inside for side in sides))


def _foldable(layer: _Layer, before: _Layer | None) -> np.ndarray:
    """The input's channels that are constant, also where the window reaches over the border."""
    if before is None:
        return np.zeros(layer.x.shape[3], bool)
    fits = (None,) if layer.inside else (None, *(c for c in before.constants if c != layer.x.zero_point))
    return np.array([c not in fits for c in before.constants])


def _constants(layer: _Layer, before: _Layer | None) -> list[int | None]:
    channels = layer.y.shape[3]
    known = _foldable(layer, before)
    given = before.constants if before else [None] * layer.x.shape[3]
    bounds = clamp(layer.op, "b", activation(layer.op))
    if layer.weights is None:
        limits = int(bounds["min"]), int(bounds["max"])
        values = [c if before else None for c in given]
        return [None if c is None else max(limits[0], min(limits[1], c)) for c in values]
    offsets = np.array([0 if c is None else c - layer.x.zero_point for c in given], np.int64)
    sums = layer.weights.sum(axis=1)  # [out, in] or [channels, 1]
    reads = layer.weights.any(axis=1)
    if not layer.mixes:
        known, offsets = known[:, None], offsets[:, None]
    constant = ~(reads & ~known).any(axis=1)
    total = layer.bias + (sums * np.where(known, offsets, 0)).sum(axis=1)
    w = layer.op.inputs[1]
    assert w is not None
    pairs = [fx.quantize_multiplier(float(layer.x.scale) * float(s) / float(layer.y.scale)) for s in w.scales]
    pairs = pairs * channels if len(pairs) == 1 else pairs
    return [
        _finish(int(total[c]), *pairs[c], layer.y.zero_point, bounds) if constant[c] else None
        for c in range(channels)
    ]


def _finish(total: int, multiplier: int, shift: int, zero_point: int, bounds: dict) -> int:
    value = fx.mbqm(fx.wrap32(total), multiplier, shift) + zero_point
    return max(int(bounds["min"]), min(int(bounds["max"]), value))


def _needed(layer: _Layer, after: _Layer | None) -> np.ndarray:
    """The output's channels that must be computed."""
    if after is None:
        return np.ones(layer.y.shape[3], bool)
    if not after.mixes:
        return after.keep
    assert after.weights is not None
    keep = after.weights[after.keep].any(axis=(0, 1)) & ~_foldable(after, layer)
    missing = -int(keep.sum()) % _MULTIPLE or (_MULTIPLE if not keep.any() else 0)
    keep[np.flatnonzero(~keep)[:missing]] = True
    return keep


def _shrink(layer: _Layer, before: _Layer | None) -> None:
    """Without the channels that are left out, and with their share in the bias."""
    channels = int(layer.keep.sum())
    kept = before.keep if before else np.ones(layer.x.shape[3], bool)
    if layer.weights is not None and not (layer.keep.all() and kept.all()):
        bias = layer.bias
        if layer.mixes and before:
            offsets = [0 if c is None else c - layer.x.zero_point for c in before.constants]
            bias = bias + layer.weights.sum(axis=1) @ np.where(kept, 0, np.array(offsets, np.int64))
        _set_weights(layer, bias, kept)
    layer.y.shape = (*layer.y.shape[:3], channels)


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
