# SPDX-License-Identifier: MIT
"""Convolutions: CONV_2D, DEPTHWISE_CONV_2D, and all that becomes one."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tflite import TensorType

from ..graph import Operator, Tensor
from ..layouts import FUNCTIONS
from . import dense
from .geometry import POINT, Window, shape4, window
from .move import copy
from .steps import Const, Lowered, View
from .tensors import Unsupported, activation, arithmetic, clamp, constant, contiguous
from .weights import bias_is_64_bits, parameters, scales, weights_fit


@dataclass
class Sizes:
    """The sizes of a convolution. `depthwise`: its weights lie as [1, k_h, k_w, out_c]."""

    batch: int
    rows: Window
    columns: Window
    in_c: int
    out_c: int
    groups: int = 1
    depthwise: bool = False

    @property
    def pixels(self) -> int:
        """Pixels of the output."""
        return self.batch * self.rows.out * self.columns.out

    @property
    def patch(self) -> int:
        """Input values of one sum."""
        return self.rows.k * self.columns.k * self.in_c // self.groups

    @property
    def contiguous(self) -> bool:
        """Whether each patch is contiguous in the input, so that no im2col buffer is needed."""
        rows, columns = self.rows, self.columns
        one_row = rows.k == 1 and (columns.k == 1 or columns.dilation == 1)
        whole_rows = columns.k == columns.size and columns.dilation == 1 and rows.dilation == 1
        return self.groups == 1 and rows.inside and columns.inside and (one_row or whole_rows)

    def fields(self) -> dict[str, int]:
        """The fields of a record for these sizes."""
        rows, columns = self.rows, self.columns
        return {
            "in_c": self.in_c,
            "out_c": self.out_c,
            "batch": self.batch,
            "in_h": rows.size,
            "in_w": columns.size,
            "out_h": rows.out,
            "out_w": columns.out,
            "k_h": rows.k,
            "k_w": columns.k,
            "groups": self.groups,
            "stride_h": rows.stride,
            "stride_w": columns.stride,
            "dilation_h": rows.dilation,
            "dilation_w": columns.dilation,
            "pad_h": rows.pad,
            "pad_w": columns.pad,
        }


def convolution(low: Lowered, op: Operator, *, depthwise: bool) -> None:
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and w is not None
    kind = arithmetic(x, y, kinds="bhf")
    weights_fit(x, w, kind)
    if depthwise:
        bias_is_64_bits(kind, op.inputs[2] if len(op.inputs) > 2 else None)
    batch, in_h, in_w, in_c = shape4(x)
    out_batch, out_h, out_w, out_c = shape4(y)
    first, k_h, k_w, last = shape4(w)
    filters, depth = (last, in_c) if depthwise else (first, last)
    groups = in_c if depthwise else in_c // depth if depth and in_c % depth == 0 else 0
    if out_batch != batch or filters != out_c or not groups or out_c % groups or (depthwise and first != 1):
        raise Unsupported(
            f"the shapes {list(x.shape)}, {list(w.shape)}, {list(y.shape)} of input, "
            "weights, output do not fit together: damaged model"
        )
    rows, columns = window(op, "h", in_h, out_h, k_h), window(op, "w", in_w, out_w, k_w)
    sizes = Sizes(batch, rows, columns, in_c, out_c, groups)
    if w.data is not None:
        return emit(low, op, kind, constant(op, 1, "weights"), replace(sizes, depthwise=depthwise))
    weights = _computed(low, op, w, depthwise)
    if kind == "b":
        return _without_zero_point(low, op, weights, sizes)
    return emit(low, op, kind, weights, sizes)


def _computed(low: Lowered, op: Operator, w: Tensor, depthwise: bool) -> View | Const:
    """Weights that the model computes, in CONV's order: [out_c, k_h, k_w, in_c / groups]."""
    if not depthwise:
        return low.place(w)
    _, k_h, k_w, channels = w.shape
    turned = replace(w, index=low.new_index(), shape=(channels, k_h, k_w))
    row, column, one = contiguous((k_h, k_w, channels))
    copy(low, op, w, turned, turned.shape, (0, (one, row, column)), (0, contiguous(turned.shape)))
    return low.place(turned)


def _without_zero_point(low: Lowered, op: Operator, weights: View | Const, sizes: Sizes) -> None:
    """An int8 layer with computed weights, whose bias cannot hold the input's zero point: as int16."""
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    wide = [replace(t, index=low.new_index(), dtype="int16", zero_points=np.array([0])) for t in (x, y)]
    centre: dict[str, Any] = {"in": low.place(x), "out": low.place(wide[0]), "count": x.size}
    centre |= {"in_zp": x.zero_point, "out_zp": 0, "min": -255, "max": 255}
    centre |= {"function": FUNCTIONS["RESCALE"]["SIGN"], "out_type": ord("h")}
    centre |= dict.fromkeys(("multiplier", "negative_multiplier"), 1 << 30)  # 1.0
    centre |= dict.fromkeys(("shift", "negative_shift"), 1)
    low.emit("RESCALE", op, centre, kind="b")
    layer = Operator(op.index, op.kind, op.version, [wide[0], *op.inputs[1:]], [wide[1]], op.options)
    bounds = clamp(op, "b", activation(op))
    emit(low, layer, "h", weights, sizes, {**bounds, "wide_sums": 0})
    narrow: dict[str, Any] = {
        "in": low.place(wide[1]),
        "out": low.place(y),
        "count": y.size,
        "out_type": ord("b"),
    }
    narrow |= {"function": FUNCTIONS["APPLY"]["CAST"], "alpha": 0.0, "zero_point": 0}
    low.emit("APPLY", op, narrow, kind="h")


def emit(
    low: Lowered,
    op: Operator,
    kind: str,
    weights: np.ndarray | View | Const,
    sizes: Sizes,
    given: dict[str, Any] | None = None,
    whole: Tensor | None = None,
) -> None:
    """Adds a convolution. `weights`: where they lie, if the model computes them.

    `given`: fields that are not computed here. `whole`: the tensor that the layer makes a part of.
    """
    x, w = op.inputs[0], op.inputs[1]
    assert x is not None and w is not None
    if sizes.columns.size == sizes.columns.k == 1 and sizes.columns.inside:
        # One column lies as one row, which is faster.
        sizes = replace(sizes, rows=sizes.columns, columns=sizes.rows)
        weights = weights.swapaxes(1, 2) if isinstance(weights, np.ndarray) else weights
    bounds = clamp(op, kind, activation(op), x.zero_point if kind == "b" else 0)
    if not isinstance(weights, np.ndarray):
        return _emit(low, op, kind, weights, np.zeros(sizes.out_c, np.int64), sizes, bounds | (given or {}))
    int4 = kind == "b" and w.int4 and -8 <= weights.min() <= weights.max() <= 7
    one_pixel = sizes.pixels == 1 and sizes.contiguous and not sizes.depthwise
    # Two products then fit into 16 bits, and each sum is shifted right.
    fast = kind == "b" and weights.min() > -128
    fast = fast and all(m == 0 or shift < 0 for m, shift in scales(op, x, w, sizes.out_c))
    is_dense = one_pixel and fast and isinstance(low.place(x), View)
    if is_dense:
        int4 = False  # DENSE has a layout of its own for such weights
        weights = dense.eights(low, x, weights)
        sizes = replace(sizes, rows=POINT, columns=POINT, in_c=weights.shape[3])
    if one_pixel and (int4 or kind == "b") and sizes.out_c > (part := dense.part(weights, int4)):
        for first in range(0, sizes.out_c, part):
            some = slice(first, min(first + part, sizes.out_c))
            piece = replace(sizes, out_c=some.stop - some.start)
            emit(low, dense.channels(low, op, some), kind, weights[some], piece, whole=op.outputs[0])
        return None
    if is_dense:
        return dense.emit(low, op, weights.reshape(sizes.out_c, sizes.patch), bounds, whole)
    sums = np.zeros(sizes.out_c, np.int64)
    if kind == "b":
        sums = weights.astype(np.int64).sum(axis=(0, 1, 2) if sizes.depthwise else (1, 2, 3))
    if kind == "h" and sizes.depthwise:  # CONV16 has one layout
        weights = np.ascontiguousarray(weights.transpose(3, 1, 2, 0))
    tiled = fast and (bounds["min"] == bounds["out_zp"] or bounds["max"] - bounds["min"] == 255)
    tile = _largest_tile(sizes) if tiled else 0
    stored = Const((_nibbles(weights) if int4 else weights).tobytes())
    unpacked = weights.size if int4 else 0
    return _emit(low, op, kind, stored, sums, sizes, bounds | (given or {}), tile, unpacked, whole)


def _emit(
    low: Lowered,
    op: Operator,
    kind: str,
    weights: View | Const,
    sums: np.ndarray,
    sizes: Sizes,
    rest: dict[str, Any],
    tile: int = 0,
    unpacked: int = 0,
    whole: Tensor | None = None,
) -> None:
    """`rest`: bounds and what is given; `unpacked`: bytes of weights that the file has as 4 bits each."""
    x = op.inputs[0]
    assert x is not None
    params, count = parameters(op, kind, sums)
    scratch = None
    if kind == "b" and not sizes.depthwise and not sizes.contiguous:
        scratch = low.new_buffer(sizes.patch)
    elif tile:
        scratch = low.new_buffer(1)  # tiling.py says how much
    fields = {
        "in": low.place(x),
        "out": low.place(op.outputs[0]),
        "weights": weights,
        "params": params,
        "scratch": scratch,
        **sizes.fields(),
        "scales": count,
        "tile": tile,
        **({"wide_sums": int(_sums_wide(op))} if kind == "h" else {}),
        **rest,
    }
    name = "DEPTHWISE" if sizes.depthwise and kind != "h" else "CONV"
    if unpacked:
        fields["unpacked"] = low.new_buffer(unpacked)
    low.emit(
        name + ("16" if kind == "h" else "4" if unpacked else "_TILED" if tile else ""),
        op,
        fields,
        kind=kind,
        macs=sizes.pixels * sizes.out_c * sizes.patch,
        inplace=[x] if tile else [],  # if tiling.py finds that it can
        tensor=whole,
    )


def _nibbles(weights: np.ndarray) -> np.ndarray:
    """Two values to a byte, the first in the low half."""
    nibbles = weights.reshape(-1).view(np.uint8) & 15
    nibbles = np.append(nibbles, np.zeros(nibbles.size % 2, np.uint8))
    return nibbles[::2] | nibbles[1::2] << 4


def _sums_wide(op: Operator) -> bool:
    """Whether TFLM sums products of int16 values in 64 bits: not if the bias is, or would be, int32."""
    bias = op.inputs[2] if len(op.inputs) > 2 else None
    if bias is not None:
        return bias.dtype != "int32"
    return op.kind == "TRANSPOSE_CONV" or op.options.get("quantized_bias_type", 0) != TensorType.INT32


def _largest_tile(sizes: Sizes) -> int:
    """The tile of all output channels of a group, or of all rows of a depthwise 3x3 layer; else 0."""
    rows, columns = sizes.rows, sizes.columns
    if sizes.depthwise:
        return rows.out if (rows.k, columns.k, rows.dilation, columns.dilation) == (3, 3, 1, 1) else 0
    # One pixel uses each weight once: unpacking them into scratch does not pay.
    return sizes.out_c // sizes.groups // 2 * 2 if sizes.pixels > 1 else 0
