# SPDX-License-Identifier: MIT
"""RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR."""

import math
from dataclasses import replace
from itertools import product

import numpy as np

from ..graph import Operator, Tensor
from .gather import gather_rows, progressions
from .geometry import images
from .move import MAX_COPIES, copy
from .steps import Const, Lowered
from .tensors import Unsupported, contiguous, fits, typecode

_MAX_SIZE = 65535  # of an image whose rows and columns are listed here


def resize_bilinear(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    kind = typecode(x, y)
    if kind not in "bf":
        raise Unsupported(f"{x.dtype} is not supported here: resize float32 or int8 values")
    image = images(low, x, y)
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


def resize_nearest(low: Lowered, op: Operator) -> None:
    """The source of each row and column is known here; where they repeat evenly, one copy suffices."""
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    fits(len(x.shape) == len(y.shape) == 4 and (x.shape[0], x.shape[3]) == (y.shape[0], y.shape[3]), x, y)
    if max(y.shape) > _MAX_SIZE:
        raise Unsupported(f"{max(y.shape)} rows, columns or channels are too many, {_MAX_SIZE} is the limit")
    sources = [_nearest(op, x.shape[i], y.shape[i]) for i in (1, 2)]
    rows, columns = (progressions(s) for s in sources)
    if len(rows) * len(columns) > MAX_COPIES:
        return _resize_by_indices(low, op, x, y, sources)
    a, b = contiguous(x.shape), contiguous(y.shape)
    for r, c in product(rows, columns):
        sizes = [x.shape[0], r.blocks, r.repeats, c.blocks, c.repeats, x.shape[3]]
        source = [a[0], r.step * a[1], 0, c.step * a[2], 0, 1]
        target = [b[0], r.repeats * b[1], b[1], c.repeats * b[2], b[2], 1]
        copy(
            low,
            op,
            x,
            y,
            sizes,
            (r.source * a[1] + c.source * a[2], source),
            (r.target * b[1] + c.target * b[2], target),
        )


def _resize_by_indices(low: Lowered, op: Operator, x: Tensor, y: Tensor, sources: list[list[int]]) -> None:
    """Gathers the rows, then the columns of each."""
    batch, height, width, channels = x.shape
    tall = replace(y, index=low.new_index(), shape=(batch, y.shape[1], width, channels))
    rows, columns = (Const(np.array(s, "<i4").tobytes()) for s in sources)
    gather_rows(low, op, x, rows, tall, (batch, height, width * channels), y.shape[1])
    gather_rows(low, op, tall, columns, y, (batch * y.shape[1], width, channels), y.shape[2])


def _nearest(op: Operator, size: int, out: int) -> list[int]:
    """TFLite's GetNearestNeighbor, in its float32 arithmetic: the source of each position."""
    corners, half = op.options.get("align_corners"), op.options.get("half_pixel_centers")
    scale = (
        np.float32(size - 1) / np.float32(out - 1)
        if corners and out > 1
        else np.float32(size) / np.float32(out)
    )
    offset = np.float32(0.5 if half else 0.0)
    result = []
    for i in range(out):
        at = (np.float32(i) + offset) * scale
        index = math.floor(float(at) + 0.5) if corners else math.floor(float(at))
        result.append(max(0, min(size - 1, index)))
    return result
