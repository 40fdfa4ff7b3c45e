# SPDX-License-Identifier: MIT
"""Products of matrices: BATCH_MATMUL, FULLY_CONNECTED."""

from math import inf
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..records import Loop
from . import convolution
from .geometry import POINT, Window
from .steps import Const, Lowered
from .tensors import (
    Unsupported,
    activation,
    arithmetic,
    broadcast_strides,
    clamp,
    constant,
    fits,
    nest,
)
from .weights import symmetric, weights_fit


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
        **_scales(kind, x, w, y),
        "bias": None,
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
    _emit(low, op, kind, (x, w), fields, nest(batch, *strides))


def fully_connected(low: Lowered, op: Operator) -> None:
    """A 1x1 convolution over the rows or, where the model computes the weights, a product of two tensors."""
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and w is not None
    if w.data is None:
        return _with_computed_weights(low, op, x, w, y)
    kind = arithmetic(x, y, kinds="bhf")
    weights_fit(x, w, kind)
    if op.options.get("weights_format", 0) != 0:
        raise Unsupported("shuffled weights are not supported: convert the model again")
    weights = symmetric(w, constant(op, 1, "weights"), kind)
    if (
        weights.ndim != 2
        or x.size % weights.shape[1]
        or y.size * weights.shape[1] != x.size * weights.shape[0]
    ):
        raise Unsupported(
            f"the shapes {list(x.shape)}, {list(w.shape)}, {list(y.shape)} of input, "
            "weights, output do not fit together: damaged model"
        )
    out_c, in_c = weights.shape
    rows = Window(x.size // in_c, x.size // in_c, 1, 1, 1, 0)
    sizes = convolution.Sizes(1, POINT, rows, in_c, out_c)
    return convolution.emit(low, op, kind, weights.reshape(out_c, 1, 1, in_c), sizes)


def _with_computed_weights(low: Lowered, op: Operator, x: Tensor, w: Tensor, y: Tensor) -> None:
    kind = arithmetic(x, w, y)
    columns, depth = w.shape
    fits(x.size % depth == 0 and y.size * depth == x.size * columns, x, y)
    bias = op.inputs[2] if len(op.inputs) > 2 else None
    if bias is not None:
        values = constant(op, 2, "bias").reshape(-1)
        if len(values) != columns or values.dtype != {"f": np.float32, "b": np.int32}[kind]:
            raise Unsupported(f"a bias of {len(values)} {values.dtype} values does not fit: damaged model")
    fields = {
        **_scales(kind, x, w, y),
        "bias": None if bias is None else Const(values.tobytes()),
        "rows": x.size // depth,
        "depth": depth,
        "columns": columns,
        "row1": depth,
        "depth1": 1,
        "column2": depth,
        "depth2": 1,
        **clamp(op, kind, activation(op), x.zero_point if kind == "b" else 0),
    }
    _emit(low, op, kind, (x, w), fields, [])


def _swapped(shape: tuple[int, ...], swap: bool) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if swap else shape


def _scales(kind: str, x: Tensor, w: Tensor, y: Tensor) -> dict[str, int]:
    if kind == "f":
        return {"multiplier": 0, "shift": 0, "in2_zp": 0}
    multiplier, shift = fx.quantize_multiplier(float(x.scale) * float(w.scale) / float(y.scale))
    if shift > (14 if kind == "h" else 30):
        raise Unsupported("its output scale is far smaller than its input scales: quantize the model again")
    return {"multiplier": multiplier, "shift": shift, "in2_zp": w.zero_point}


def _emit(
    low: Lowered,
    op: Operator,
    kind: str,
    operands: tuple[Tensor, Tensor],
    fields: dict[str, Any],
    loops: list[Loop],
) -> None:
    fields |= {
        "in1": low.place(operands[0]),
        "in2": low.place(operands[1]),
        "out": low.place(op.outputs[0]),
    }
    low.emit("MATMUL", op, fields, loops, kind=kind, macs=op.outputs[0].size * fields["depth"])
