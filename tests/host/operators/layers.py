# SPDX-License-Identifier: MIT
"""Convolutions, dense layers, pools, and products of matrices."""

from __future__ import annotations

import numpy as np

from .draw import (
    ACTIVATIONS,
    Case,
    Draw,
    Operators,
    draw_bias,
    draw_image,
    draw_weights,
    draw_window,
    out_size,
    same_quantization,
    single,
)

OPERATORS = Operators()


@OPERATORS.add("CONV_2D DEPTHWISE_CONV_2D", "int8 float32 int16 int4")
def _conv(d: Draw, name: str) -> Case:
    depthwise = name == "DEPTHWISE_CONV_2D"
    n, height, width, channels = draw_image(d)
    (kh, sh, dh), (kw, sw, dw) = draw_window(d, height), draw_window(d, width)
    fits = (kh - 1) * dh < height and (kw - 1) * dw < width
    same = d.flag() if fits else True
    out_channels = channels * d.int(1, 3) if depthwise else d.int(1, 9)
    shape = (1, kh, kw, out_channels) if depthwise else (out_channels, kh, kw, channels)
    x = d.input((n, height, width, channels), **d.quantization())
    taps = kh * kw * (1 if depthwise else channels)
    if d.dtype == "int16" and not depthwise and d.flag():
        d.bias = np.int32
    w, bias, near = draw_weights(d, x, shape, taps, axis=3 if depthwise else 0)
    # TFLM does not survive a depthwise convolution without bias.
    bias = bias if bias is not None or not depthwise else draw_bias(d, x, w, out_channels, taps)
    if np.ndim(w.scale or 0) == 0 and d.weights != "int4" and d.int(0, 3) == 3:  # that the model computes
        w = d.input(shape, d.weights, **same_quantization(w))
    y = d.output(
        (n, out_size(height, kh, sh, dh, same), out_size(width, kw, sw, dw, same), out_channels),
        **d.quantization(near),
    )
    options = {"depth_multiplier": out_channels // channels} if depthwise else {}
    d.b.op(
        name,
        [x, w, bias],
        y,
        version=3,
        padding="SAME" if same else "VALID",
        stride_h=sh,
        stride_w=sw,
        dilation_h_factor=dh,
        dilation_w_factor=dw,
        activation=d.of(ACTIVATIONS),
        **options,
    )
    return d.case(y)


@OPERATORS.add("FULLY_CONNECTED", "int8 float32 int16 int4")
def _fully_connected(d: Draw, name: str) -> Case:
    depth, units = d.int(1, 70), d.int(1, 12)
    lead = d.shape(1, 3, 4)
    if d.flag():  # one row has kernels of its own, in blocks of 32 channels and 128 inputs
        depth, units, lead = 8 * d.int(1, 40), d.of((units, d.int(1, 70))), d.of(((1,), (1, 1)))
    x = d.input((*lead, depth), **d.quantization())
    if d.dtype == "int16" and d.flag():
        d.bias = np.int32
    w, bias, near = draw_weights(d, x, (units, depth), depth, axis=0)
    if d.weights == d.dtype and d.int(0, 4) == 4:  # weights that the model computes
        w = d.input((units, depth), **d.quantization(0.01))
        product = (w.scale or 0) * (x.scale or 0)
        near = product * np.sqrt(depth) * 60
        if bias is not None and product:
            bias = d.b.const(
                d.rng.integers(-9999, 9999, units).astype(d.bias), scale=float(np.float32(product))
            )
    keep = d.flag() if len(lead) > 1 else False
    shape = (*lead, units) if keep else (int(np.prod(lead)), units)
    y = d.output(shape, **d.quantization(near))
    options = {"keep_num_dims": keep, "activation": d.of(ACTIVATIONS)}
    d.b.op(name, [x, w, bias], y, version=5, **options)
    return d.case(y)


@OPERATORS.add("L2_POOL_2D", "float32")
@OPERATORS.add("AVERAGE_POOL_2D MAX_POOL_2D", "int8 float32 int16")
def _pool(d: Draw, name: str) -> Case:
    n, height, width, channels = draw_image(d)
    (kh, sh, _), (kw, sw, _) = draw_window(d, height, False), draw_window(d, width, False)
    if d.int(0, 3) == 3:
        kh, kw = height, width  # global pooling
    same = d.flag()
    x = d.input((n, height, width, channels), **d.quantization())
    shape = (n, out_size(height, kh, sh, 1, same), out_size(width, kw, sw, 1, same), channels)
    y = d.output(shape, **same_quantization(x))
    d.b.op(
        name,
        [x],
        y,
        version=2,
        padding="SAME" if same else "VALID",
        stride_h=sh,
        stride_w=sw,
        filter_height=kh,
        filter_width=kw,
        activation=d.of(ACTIVATIONS),
    )
    return d.case(y)


@OPERATORS.add("TRANSPOSE_CONV", "int8 int16 float32")
def _transpose_conv(d: Draw, name: str) -> Case:
    n, height, width, channels = draw_image(d)
    kh, kw, sh, sw = d.int(1, 4), d.int(1, 4), d.int(1, 3), d.int(1, 3)
    out_channels, same = d.int(1, 6), d.flag()
    x = d.input((n, height, width, channels), **d.quantization())
    w, bias, near = draw_weights(
        d, x, (out_channels, kh, kw, channels), -(-kh // sh) * -(-kw // sw) * channels, axis=0
    )
    size = (height * sh, width * sw)
    if not same:
        size = ((height - 1) * sh + kh, (width - 1) * sw + kw)
    y = d.output((n, *size, out_channels), **d.quantization(near))
    shape = d.b.const(np.array(y.shape, np.int32))
    d.b.op(
        name,
        [shape, w, x] + [bias] * (bias is not None),
        y,
        version=3,
        padding="SAME" if same else "VALID",
        stride_h=sh,
        stride_w=sw,
        activation=d.of(ACTIVATIONS),
    )
    return d.case(y)


@OPERATORS.add("BATCH_MATMUL", "int8 int16 float32")
def _batch_matmul(d: Draw, name: str) -> Case:
    lead = d.shape(0, 2, 3)
    rows, depth, columns = d.int(1, 6), d.int(1, 20), d.int(1, 6)
    adj_x, adj_y = d.flag(), d.flag()
    other = [n if d.int(0, 3) else 1 for n in lead][d.int(0, len(lead)) if d.flag() else 0 :]
    leads = [lead, tuple(other)] if d.flag() else [tuple(other), lead]
    a = d.input((*leads[0], *((depth, rows) if adj_x else (rows, depth))), **d.quantization())
    c = d.operand((*leads[1], *((columns, depth) if adj_y else (depth, columns))), **d.quantization())
    near = (a.scale or 0) * (c.scale or 0) * np.sqrt(depth) * 60
    y = d.output((*lead, rows, columns), **d.quantization(near))
    return single(d, name, [a, c], y, adj_x=adj_x, adj_y=adj_y)
