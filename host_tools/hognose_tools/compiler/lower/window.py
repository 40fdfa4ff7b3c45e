# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Operators whose kernel slides over the input: convolutions, dense layers, pooling."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..records import ITEMSIZE, function
from .core import (
    ASK_TYPE,
    Const,
    Lowered,
    Unsupported,
    View,
    activation,
    arithmetic,
    clamp,
    constant,
    contiguous,
    typecode,
)
from .shape import copy, fits

SAME = 0  # tflite.Padding
_UNPACKED = 8192  # bytes: room for weights of 4 bits that are used once and so unpacked in parts
_LARGEST = 32 << 10  # bytes of weights in one record, where a layer can be cut
_ONE_WIDTH, _TWO_WIDTHS = 1, 2  # `block` of a dense layer of one pixel (hog.h)


@dataclass
class Window:
    """How a kernel slides along one axis."""

    size: int
    out: int
    k: int
    stride: int
    dilation: int
    pad: int

    @property
    def inside(self) -> bool:
        """No position of the window reaches over a border."""
        return self.pad == 0 and (self.out - 1) * self.stride + (self.k - 1) * self.dilation < self.size


_POINT = Window(1, 1, 1, 1, 1, 0)


def window(op: Operator, axis: str, size: int, out: int, k: int) -> Window:
    """TFLite's ComputePadding, and the check that the model's output shape is what it gives.

    An option pad_h or pad_w, before and after, is what fuse.py has added to the input.
    """
    stride = op.options[f"stride_{axis}"]
    dilation = op.options.get(f"dilation_{axis}factor", 1)
    if stride < 1 or dilation < 1 or k < 1:
        raise Unsupported(f"stride {stride}, dilation {dilation}, window {k}: each must be at least 1")
    reach = (k - 1) * dilation + 1
    before, after = op.options.get(f"pad_{axis}", (0, 0))
    padded = size + before + after
    same = op.options["padding"] == SAME
    expected = -(-padded // stride) if same else max(0, -(-(padded - reach + 1) // stride))
    if out != expected:
        raise Unsupported(f"its output is {out} along {axis}, {expected} was expected: damaged model")
    pad = before + max(0, (out - 1) * stride + reach - padded) // 2
    return Window(size, out, k, stride, dilation, pad)


def shape4(t: Tensor) -> tuple[int, int, int, int]:
    if len(t.shape) != 4:
        raise Unsupported(f"a tensor of shape {list(t.shape)} where four dimensions are expected")
    return t.shape  # type: ignore[return-value]


def images(low: Lowered, x: Tensor, y: Tensor) -> dict[str, Any]:
    """Fields of an operator that takes each channel of an image by itself."""
    (batch, in_h, in_w, channels), (out_batch, out_h, out_w, out_c) = shape4(x), shape4(y)
    fits((batch, channels) == (out_batch, out_c), x, y)
    return {
        "in": low.place(x),
        "out": low.place(y),
        "channels": channels,
        "batch": batch,
        "in_h": in_h,
        "in_w": in_w,
        "out_h": out_h,
        "out_w": out_w,
    }


def scales(op: Operator, x: Tensor, w: Tensor, channels: int) -> list[tuple[int, int]]:
    """The requantization multipliers: one, or one per output channel."""
    y = float(op.outputs[0].scale)
    if len(w.scales) not in (1, channels):
        raise Unsupported(f"{len(w.scales)} weight scales for {channels} channels: damaged model")
    pairs = [fx.quantize_multiplier(float(x.scale) * float(s) / y) for s in w.scales]
    return pairs if len(set(pairs)) > 1 else pairs[:1]


def parameters(op: Operator, kind: str, sums: np.ndarray) -> tuple[Const, int]:
    """Bias with the input's zero point folded in, multipliers and shifts; and how many of these.

    `sums`: of each channel's weights.
    """
    x, w = op.inputs[0], op.inputs[1]
    assert x is not None and w is not None
    channels = len(sums)
    b = op.inputs[2] if len(op.inputs) > 2 else None
    bias = constant(op, 2, "bias").reshape(-1) if b is not None else np.zeros(channels, np.int32)
    if len(bias) != channels:
        raise Unsupported(f"{len(bias)} bias values for {channels} channels: damaged model")
    if kind == "f" and (b is None or bias.dtype == np.float32):
        return Const(bias.astype("<f4").tobytes()), 0
    if bias.dtype not in ({"h": (np.int32, np.int64), "b": (np.int32,)}.get(kind, ())):
        raise Unsupported(f"a bias of type {bias.dtype} is not supported: {ASK_TYPE}")
    bias = bias.astype(np.int64) - x.zero_point * sums
    pairs = scales(op, x, w, channels)
    if any(shift > (14 if kind == "h" else 30) for _, shift in pairs):
        raise Unsupported("its scales differ by more than 2^30: quantize the model again")
    multipliers = np.array([m for m, _ in pairs], "<i4")
    shifts = np.array([s for _, s in pairs], "i1")
    # Accumulators of int8 are 32 bits wide and wrap, in TFLM as here.
    data = bias.astype("<i8" if kind == "h" else "<u4").tobytes() + multipliers.tobytes() + shifts.tobytes()
    return Const(data), len(pairs)


def symmetric(w: Tensor, data: np.ndarray, kind: str) -> np.ndarray:
    """Weights whose zero point is 0; one that is not is folded in where the result stays int8."""
    if kind == "f" or not w.zero_points.any():
        return data
    zero = w.zero_points if len(w.zero_points) == 1 else w.zero_points.reshape(-1, *[1] * (data.ndim - 1))
    folded = data.astype(np.int64) - zero
    if w.axis != 0 or folded.min() < -128 or folded.max() > 127:
        raise Unsupported("its weights have a zero point that is not 0: quantize them symmetrically")
    return folded.astype(np.int8)


def weights_fit(x: Tensor, w: Tensor, kind: str) -> None:
    """int8 and int16 values go with int8 weights, float32 ones with float32."""
    if kind != "h":
        typecode(x, w)
    elif w.dtype != "int8":
        raise Unsupported(f"{x.dtype} with {w.dtype} weights is not supported: {ASK_TYPE}")


def convolution(low: Lowered, op: Operator, *, depthwise: bool) -> None:
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and w is not None
    kind = arithmetic(x, y, kinds="bhf")
    weights_fit(x, w, kind)
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
    if w.data is None:
        weights = _computed(low, op, w, depthwise)
        if kind == "b":
            return _without_zero_point(low, op, weights, (batch, rows, columns, in_c, out_c, groups))
        return emit_conv(low, op, kind, weights, batch, rows, columns, in_c, out_c, groups, False)
    weights = constant(op, 1, "weights")
    return emit_conv(low, op, kind, weights, batch, rows, columns, in_c, out_c, groups, depthwise)


def _computed(low: Lowered, op: Operator, w: Tensor, depthwise: bool) -> View | Const:
    """Weights that the model computes, as CONV has them: [out_c, k_h, k_w, in_c / groups]."""
    if not depthwise:
        return low.place(w)
    _, k_h, k_w, channels = w.shape
    turned = replace(w, index=low.new_index(), shape=(channels, k_h, k_w))
    row, column, one = contiguous((k_h, k_w, channels))
    copy(low, op, w, turned, turned.shape, (0, (one, row, column)), (0, contiguous(turned.shape)))
    return low.place(turned)


def _without_zero_point(
    low: Lowered, op: Operator, weights: View | Const, sizes: tuple[int, Window, Window, int, int, int]
) -> None:
    """An int8 layer with computed weights, whose bias cannot hold the input's zero point: in int16."""
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    wide = [replace(t, index=low.new_index(), dtype="int16", zero_points=np.array([0])) for t in (x, y)]
    centre = {"in": low.place(x), "out": low.place(wide[0]), "count": x.size, "in_zp": x.zero_point}
    centre |= {"function": function("RESCALE", "SIGN"), "out_type": ord("h"), "min": -255, "max": 255}
    centre |= {"multiplier": 1 << 30, "shift": 1, "negative_multiplier": 1 << 30, "negative_shift": 1}  # 1.0
    low.emit("RESCALE", op, centre, kind="b")
    layer = Operator(op.index, op.kind, op.version, [wide[0], *op.inputs[1:]], [wide[1]], op.options)
    bounds = {**clamp(op, "b", activation(op)), "wide": 0}
    emit_conv(low, layer, "h", weights, *sizes, False, bounds)
    narrow = {"in": low.place(wide[1]), "out": low.place(y), "count": y.size, "out_type": ord("b")}
    low.emit("APPLY", op, {**narrow, "function": function("APPLY", "CAST")}, kind="h")


def fully_connected(low: Lowered, op: Operator) -> None:
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and w is not None
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
    emit_conv(low, op, kind, weights.reshape(out_c, 1, 1, in_c), 1, _POINT, rows, in_c, out_c, 1, False)


def emit_conv(
    low: Lowered,
    op: Operator,
    kind: str,
    weights: np.ndarray | View | Const,
    batch: int,
    rows: Window,
    columns: Window,
    in_c: int,
    out_c: int,
    groups: int,
    depthwise: bool,
    given: dict[str, Any] | None = None,
    whole: Tensor | None = None,
) -> None:
    """`weights`: where they lie, if the model computes them; `given`: fields that are not computed here;
    `whole`: what the layer makes a part of."""
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and w is not None
    if columns.size == columns.k == 1 and columns.inside:  # one column lies as one row, which is quicker
        rows, columns = columns, rows
        weights = weights.swapaxes(1, 2) if isinstance(weights, np.ndarray) else weights
    computed = not isinstance(weights, np.ndarray)
    int4 = w.int4 and not computed and -8 <= weights.min() <= weights.max() <= 7
    in_place = _patch_in_place(rows, columns, groups)
    one_pixel = not (computed or depthwise) and in_place and batch * rows.out * columns.out == 1
    bounds = clamp(op, kind, activation(op), x.zero_point if kind == "b" else 0)
    plain = kind == "b" and weights.min() > -128
    plain = plain and all(m == 0 or shift < 0 for m, shift in scales(op, x, w, out_c))
    dense = one_pixel and plain and isinstance(low.place(x), View)
    if dense:
        int4 = False  # which has a way of its own
        weights, rows, columns, in_c = _eights(low, x, weights)
    if one_pixel and (int4 or kind == "b") and out_c > (part := _part(weights, int4)):
        for first in range(0, out_c, part):
            some = slice(first, min(first + part, out_c))
            piece = _channels(low, op, some)
            n = some.stop - first
            emit_conv(
                low, piece, kind, weights[some], batch, rows, columns, in_c, n, groups, depthwise, whole=y
            )
        return
    sums = np.zeros(out_c, np.int64)
    if kind == "b":
        sums = weights.astype(np.int64).sum(axis=(0, 1, 2) if depthwise else (1, 2, 3))
    params, count = parameters(op, kind, sums)
    if kind == "h" and depthwise and not computed:  # CONV16 has one layout
        weights = np.ascontiguousarray(weights.transpose(3, 1, 2, 0))
    depth = 1 if depthwise else in_c // groups
    patch = rows.k * columns.k * depth
    macs = batch * rows.out * columns.out * out_c * patch
    scratch, block = None, 0
    stored = weights if computed else Const((_nibbles(weights) if int4 else weights).tobytes())
    if kind == "b" and not depthwise and not in_place:
        scratch = low.new_buffer(patch * ITEMSIZE[kind])
    if dense:
        stored, narrow = _dense_weights(weights.reshape(out_c, patch))
        block = _TWO_WIDTHS if narrow else _ONE_WIDTH
        params = Const(params.data + narrow)
    elif plain and (bounds["min"] == bounds["out_zp"] or bounds["max"] - bounds["min"] == 255):
        block = _largest_block(batch, rows, columns, out_c // groups, depthwise)
        if block and scratch is None:
            scratch = low.new_buffer(1)
    fields = {
        "in": low.place(x),
        "out": low.place(y),
        "weights": stored,
        "params": params,
        "scratch": scratch,
        "in_c": in_c,
        "out_c": out_c,
        "batch": batch,
        "in_h": rows.size,
        "in_w": columns.size,
        "out_h": rows.out,
        "out_w": columns.out,
        "k_h": rows.k,
        "k_w": columns.k,
        "groups": groups,
        "stride_h": rows.stride,
        "stride_w": columns.stride,
        "dilation_h": rows.dilation,
        "dilation_w": columns.dilation,
        "pad_h": rows.pad,
        "pad_w": columns.pad,
        "scales": count,
        "block": block,
        "wide": int(kind == "h" and _sums_wide(op)),
        **bounds,
        **(given or {}),
    }
    name = "CONV16" if kind == "h" else "DEPTHWISE" if depthwise else "CONV"
    if int4:
        name += "4"
        fields["unpacked"] = low.new_buffer(weights.size)
    low.emit(
        name,
        op,
        fields,
        kind=kind,
        macs=macs,
        inplace=[x] if block and scratch else [],  # if blocks.fit finds that it can
        tensor=whole,
    )


def _part(weights: np.ndarray, int4: bool) -> int:
    """Output channels of a part of a large layer: what is unpacked, or read from a file, fits into RAM."""
    fitting = (_UNPACKED if int4 else _LARGEST) // weights[0].size
    return fitting // 32 * 32 or max(2, fitting // 2 * 2)  # the dense kernel does 32 at once


def _channels(low: Lowered, op: Operator, some: slice) -> Operator:
    """The layer of one pixel with some of its output channels only."""
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


def _eights(low: Lowered, x: Tensor, weights: np.ndarray) -> tuple[np.ndarray, Window, Window, int]:
    """The layer of one pixel as one of a multiple of 8 inputs: 0 times whatever lies behind the last one."""
    flat = weights.reshape(len(weights), 1, 1, -1)
    depth = -(-flat.shape[3] // 8) * 8
    place = low.place(x)
    assert isinstance(place, View)
    place.buffer.size = max(place.buffer.size, place.offset + depth)
    return np.pad(flat, ((0, 0), (0, 0), (0, 0), (0, depth - flat.shape[3]))), _POINT, _POINT, depth


def _nibbles(weights: np.ndarray) -> np.ndarray:
    """Two values to a byte, the first in the low half."""
    nibbles = weights.reshape(-1).view(np.uint8) & 15
    nibbles = np.append(nibbles, np.zeros(nibbles.size % 2, np.uint8))
    return nibbles[::2] | nibbles[1::2] << 4


def _dense_weights(rows: np.ndarray) -> tuple[Const, bytes]:
    """A byte or half of one each, in the order that the format's page says, and which rows have halves."""
    narrow = (rows >= -8).all(axis=1) & (rows <= 7).all(axis=1)
    if narrow.sum() * rows.shape[1] // 2 <= -(-len(rows) // 8):
        narrow[:] = False
    halves = (rows.reshape(len(rows), -1, 4, 2)[:, :, [1, 3, 0, 2]] + 8).astype(np.uint8)
    packed = halves[..., 0] | halves[..., 1] << 4
    whole = rows.view(np.uint8).reshape(len(rows), -1, 4)[:, :, [2, 3, 0, 1]] ^ 128
    data = b"".join((packed if n else whole)[i].tobytes() for i, n in enumerate(narrow))
    return Const(data), np.packbits(narrow, bitorder="little").tobytes() if narrow.any() else b""


def _sums_wide(op: Operator) -> bool:
    """Whether TFLM sums products of int16 values in 64 bits: not in a CONV_2D with an int32 bias."""
    bias = op.inputs[2] if len(op.inputs) > 2 else None
    return op.kind != "CONV_2D" or bias is None or bias.dtype != "int32"


def _largest_block(batch: int, rows: Window, columns: Window, channels: int, depthwise: bool) -> int:
    """The block (hog.h) where there is room for all: output channels, or rows of a depthwise 3x3 one."""
    if depthwise:
        return rows.out if (rows.k, columns.k, rows.dilation, columns.dilation) == (3, 3, 1, 1) else 0
    # One pixel uses each weight once: unpacking them into scratch does not pay.
    return channels // 2 * 2 if batch * rows.out * columns.out > 1 else 0


def _patch_in_place(rows: Window, columns: Window, groups: int) -> bool:
    """Whether every patch of a convolution lies in the input in one piece."""
    one_row = rows.k == 1 and (columns.k == 1 or columns.dilation == 1)
    whole_rows = columns.k == columns.size and columns.dilation == 1 and rows.dilation == 1
    return groups == 1 and rows.inside and columns.inside and (one_row or whole_rows)


def pool(low: Lowered, op: Operator, *, name: str) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    kind = arithmetic(x, y, kinds="f" if name == "L2_POOL" else "bhf")
    image = images(low, x, y)
    if kind in "bh" and (abs(x.scale - y.scale) > 1e-6 or x.zero_point != y.zero_point):
        raise Unsupported("input and output are quantized differently: quantize the model again")
    rows = window(op, "h", image["in_h"], image["out_h"], op.options["filter_height"])
    columns = window(op, "w", image["in_w"], image["out_w"], op.options["filter_width"])
    fields = {
        **image,
        "k_h": rows.k,
        "k_w": columns.k,
        "stride_h": rows.stride,
        "stride_w": columns.stride,
        "pad_h": rows.pad,
        "pad_w": columns.pad,
        **clamp(op, kind, activation(op)),
    }
    low.emit(name, op, fields, kind=kind)
