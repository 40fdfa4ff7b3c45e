# SPDX-License-Identifier: MIT
"""Layers of one output pixel: weights in the order in which DENSE unpacks them, large layers in parts."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..graph import Operator, Tensor
from ..layouts import DENSE
from .steps import Const, Lowered, View
from .tensors import Unsupported, constant
from .weights import parameters

_UNPACKED = 8192  # bytes for unpacked weights of 4 bits, which are used once and so unpacked in parts
_LARGEST = 32 << 10  # bytes of weights in one record


def eights(low: Lowered, x: Tensor, weights: np.ndarray) -> np.ndarray:
    """The weights padded to a multiple of 8 inputs: values past the end of `x` meet weights of 0."""
    flat = weights.reshape(len(weights), 1, 1, -1)
    depth = -(-flat.shape[3] // 8) * 8
    place = low.place(x)
    assert isinstance(place, View)
    place.buffer.size = max(place.buffer.size, place.offset + depth)
    return np.pad(flat, ((0, 0), (0, 0), (0, 0), (0, depth - flat.shape[3])))


def part(weights: np.ndarray, int4: bool) -> int:
    """Output channels per part of a large layer: what is unpacked or streamed must fit into RAM."""
    fitting = (_UNPACKED if int4 else _LARGEST) // weights[0].size
    return fitting // 32 * 32 or max(2, fitting // 2 * 2)  # the kernel does 32 at once


def channels(low: Lowered, op: Operator, some: slice) -> Operator:
    """The layer with some of its output channels only."""
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    b = op.inputs[2] if len(op.inputs) > 2 else None
    assert w is not None
    if b is not None:
        values = constant(op, 2, "bias").reshape(-1)
        if values.size != y.shape[-1]:
            raise Unsupported(f"{values.size} bias values for {y.shape[-1]} channels: damaged model")
        b = replace(b, data=values[some], shape=values[some].shape)
    if len(w.scales) == y.shape[-1]:
        w = replace(w, scales=w.scales[some], zero_points=w.zero_points[some])
    place = low.place(y)
    assert isinstance(place, View)
    piece = replace(y, index=low.new_index(), shape=(some.stop - some.start,))
    low.places[piece.index] = View(place.buffer, place.offset + some.start)
    return Operator(op.index, op.kind, op.version, [x, w, b], [piece], op.options)


def emit(
    low: Lowered, op: Operator, weights: np.ndarray, bounds: dict[str, Any], whole: Tensor | None
) -> None:
    """Adds a dense layer. `weights`: [outputs, inputs]. `whole`: the tensor that it makes a part of."""
    x = op.inputs[0]
    assert x is not None
    outputs, inputs = weights.shape
    params, count = parameters(op, "b", weights.astype(np.int64).sum(axis=1))
    stored, narrow = _packed(weights)
    fields = {
        "in": low.place(x),
        "out": low.place(op.outputs[0]),
        "weights": stored,
        "params": Const(params.data + narrow),
        "inputs": inputs,
        "outputs": outputs,
        "scales": count,
        "layout": DENSE["MIXED" if narrow else "BYTES"],
        **bounds,
    }
    low.emit("DENSE", op, fields, kind="b", macs=outputs * inputs, tensor=whole)


def _packed(rows: np.ndarray) -> tuple[Const, bytes]:
    """The weights in the kernel's order, of 8 bits or 4; and a bit for each row, set for 4."""
    narrow = (rows >= -8).all(axis=1) & (rows <= 7).all(axis=1)
    if narrow.sum() * rows.shape[1] // 2 <= -(-len(rows) // 8):
        narrow[:] = False
    halves = (rows.reshape(len(rows), -1, 4, 2)[:, :, [1, 3, 0, 2]] + 8).astype(np.uint8)
    packed = halves[..., 0] | halves[..., 1] << 4
    bytes_ = rows.view(np.uint8).reshape(len(rows), -1, 4)[:, :, [2, 3, 0, 1]] ^ 128
    data = b"".join((packed if n else bytes_)[i].tobytes() for i, n in enumerate(narrow))
    return Const(data), np.packbits(narrow, bitorder="little").tobytes() if narrow.any() else b""
