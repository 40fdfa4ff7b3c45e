# SPDX-License-Identifier: MIT
"""Functions of one value or of two."""

from __future__ import annotations

import numpy as np
from hypothesis import assume

from .draw import (
    ACTIVATIONS,
    Case,
    Draw,
    Operators,
    broadcastable,
    draw_image,
    same_quantization,
    single,
    unit_quantization,
)

OPERATORS = Operators()


@OPERATORS.add("DIV", "int8 float32 int32")
@OPERATORS.add("SUB", "int8 int16 float32 int32")
@OPERATORS.add("ADD MUL", "int8 float32 int16 int32")
def _binary(d: Draw, name: str) -> Case:
    first, second = broadcastable(d)
    a = d.input(first, **d.quantization())
    c = d.operand(second, **d.quantization())
    near = 0.0
    if a.scale is not None:
        near = {"MUL": a.scale * c.scale * 80, "DIV": a.scale / c.scale / 8}.get(
            name, 2 * max(a.scale, c.scale)
        )
    y = d.output(np.broadcast_shapes(first, second), **d.quantization(near))
    operands = [a, c] if d.flag() else [c, a]
    if name == "DIV" and d.dtype == "int32":  # TFLM stops at a 0, and at what overflows
        c = d.b.const(np.where((v := d.values(second)) == 0, 3, v))
        d.inputs, operands = [(a, np.maximum(d.inputs[0][1], 1 - 2**31))], [a, c]
    d.b.op(name, operands, y, version=2, activation=d.of(ACTIVATIONS))
    return d.case(y)


@OPERATORS.add("RELU RELU6 LOGISTIC TANH", "int8 float32 int16")
def _activation(d: Draw, name: str) -> Case:
    shape = d.shape(1, 4, 9)
    x = d.input(shape, **d.quantization())
    if name in ("LOGISTIC", "TANH"):
        if d.dtype == "int16":
            assume(x.scale < 2)  # beyond, TFLM's own multiplier does not fit into 16 bits
        y = d.output(shape, **unit_quantization(d, 1 if name == "LOGISTIC" else 2))
    else:
        other = d.flag() and x.scale is not None
        y = d.output(shape, **(d.quantization(x.scale) if other else same_quantization(x)))
    d.b.op(name, [x], y, version=2)
    return d.case(y)


@OPERATORS.add("QUANTIZE", "float32")
def _quantize(d: Draw, name: str) -> Case:
    shape = d.shape(1, 4, 9)
    x = d.input(shape)
    y = d.output(shape, "int8", scale=d.scale(), zero_point=d.int(-128, 127))
    if d.flag():  # ties: x + 1/2 steps
        d.inputs[0] = (x, (d.rng.integers(-300, 300, shape) + 0.5).astype(np.float32))
        d.inputs[0] = (x, d.inputs[0][1] * np.float32(y.scale))
    d.b.op(name, [x], y)
    return d.case(y)


@OPERATORS.add("QUANTIZE", "int8 int16 int32 uint8")
def _requantize(d: Draw, name: str) -> Case:
    shape = d.shape(1, 4, 9)
    x = d.input(shape, **(d.quantization() or {"scale": d.scale()}))
    dtype = "int8" if d.dtype != "int16" else d.of(("int8", "int16", "int32"))
    zero_point = d.int(-128, 127) if dtype == "int8" else 0
    y = d.output(shape, dtype, scale=d.scale(x.scale), zero_point=zero_point)
    d.b.op(name, [x], y, version=2)
    return d.case(y)


@OPERATORS.add("DEQUANTIZE", "int8 int16 uint8")
def _dequantize(d: Draw, name: str) -> Case:
    shape = d.shape(1, 4, 9)
    x = d.input(shape, **d.quantization())
    y = d.output(shape, "float32")
    d.b.op(name, [x], y, version=2)
    return d.case(y)


@OPERATORS.add("MAXIMUM MINIMUM", "int8 int16 float32 int32 int64")
def _extreme(d: Draw, name: str) -> Case:
    first, second = broadcastable(d)
    q = d.quantization()
    a, c = d.input(first, **q), d.operand(second, **q)
    return single(d, name, [a, c], d.output(np.broadcast_shapes(first, second), **q))


@OPERATORS.add("SQUARED_DIFFERENCE", "int8 int16 float32 int32")
def _squared_difference(d: Draw, name: str) -> Case:
    first, second = broadcastable(d)
    a, c = d.input(first, **d.quantization()), d.operand(second, **d.quantization())
    y = d.output(np.broadcast_shapes(first, second), **d.quantization((a.scale or 1) ** 2 * 80))
    return single(d, name, [a, c], y)


@OPERATORS.add("FLOOR_DIV FLOOR_MOD", "float32")
def _floor(d: Draw, name: str) -> Case:
    first, second = broadcastable(d)
    q = d.quantization()
    a, c = d.input(first, **q), d.input(second, **q)
    d.inputs[1] = (c, np.where(d.inputs[1][1] == 0, 1, d.inputs[1][1]).astype(c.numpy_dtype))
    return single(d, name, [a, c], d.output(np.broadcast_shapes(first, second), **q))


@OPERATORS.add("EQUAL NOT_EQUAL", "bool")
@OPERATORS.add("EQUAL NOT_EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL", "int8 float32 int32 int64")
def _compare(d: Draw, name: str) -> Case:
    d.wild = False  # TFLM aborts where a scale is 1 or more
    first, second = broadcastable(d)
    q = d.quantization()
    a, c = d.input(first, **q), d.operand(second, **(q if d.flag() else d.quantization()))
    return single(d, name, [a, c], d.output(np.broadcast_shapes(first, second), "bool"))


@OPERATORS.add("LOGICAL_AND LOGICAL_OR", "bool")
def _logical(d: Draw, name: str) -> Case:
    first, second = broadcastable(d)
    a, c = d.input(first), d.operand(second)
    return single(d, name, [a, c], d.output(np.broadcast_shapes(first, second)))


@OPERATORS.add("SELECT_V2", "int8 int16 float32")
def _select(d: Draw, name: str) -> Case:
    first, second = broadcastable(d)
    q = d.quantization()
    shape = np.broadcast_shapes(first, second)
    condition = d.input(d.of((shape, first)), "bool")
    a, c = d.input(first, **q), d.operand(second, **q)
    return single(d, name, [condition, a, c], d.output(shape, **q))


@OPERATORS.add("ADD_N", "int8 float32")
def _add_n(d: Draw, name: str) -> Case:
    shape = d.shape()
    quantization = d.quantization()
    inputs = [d.input(shape, **quantization) for _ in range(d.int(2, 5))]
    y = d.output(shape, **d.quantization(inputs[0].scale or 0))
    return single(d, name, inputs, y)


@OPERATORS.add("NEG SQUARE SQRT EXP LOG SIN COS FLOOR CEIL ROUND", "float32")
@OPERATORS.add("ABS RSQRT ELU HARD_SWISH", "int8 float32")
@OPERATORS.add("ABS RSQRT", "int16")
def _unary(d: Draw, name: str) -> Case:
    shape = d.shape(1, 4, 9)
    quantization = d.quantization()
    if name == "RSQRT" and quantization:
        quantization["zero_point"] = -128 if d.dtype == "int8" else 0
    x = d.input(shape, **quantization)
    if name in ("RSQRT", "SQRT", "LOG"):
        low = 0 if d.dtype != "int8" else -128
        d.inputs[0] = (x, np.maximum(d.inputs[0][1], np.array(low, x.numpy_dtype)))
    near = x.scale or 0
    y = d.output(shape, **d.quantization(min(near, 2.0) if name == "RSQRT" else near))  # no more than 2^11
    return single(d, name, [x], y)


@OPERATORS.add("ZEROS_LIKE", "int8 int32 int64 float32")
def _zeros_like(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    return single(d, name, [x], d.output(x.shape, **same_quantization(x)))


@OPERATORS.add("LOGICAL_NOT", "bool")
def _not(d: Draw, name: str) -> Case:
    x = d.input(d.shape())
    return single(d, name, [x], d.output(x.shape))


@OPERATORS.add("LEAKY_RELU", "int8 int16 float32")
def _leaky_relu(d: Draw, name: str) -> Case:
    x = d.input(d.shape(1, 4, 9), **d.quantization())
    y = d.output(x.shape, **d.quantization(x.scale or 0))
    return single(d, name, [x], y, alpha=d.of((0.01, 0.2, 0.3, 1.5, -0.5)))


@OPERATORS.add("PRELU", "int8 float32")
def _prelu(d: Draw, name: str) -> Case:
    x = d.input(draw_image(d), **d.quantization())
    shape = d.of(((1, 1, x.shape[-1]), x.shape[1:], (1, 1, 1)))
    alpha = d.b.const(d.values(shape), **d.quantization(0.01))
    return single(d, name, [x, alpha], d.output(x.shape, **d.quantization(x.scale or 0)))


@OPERATORS.add("CAST", "int8 int16 int32 float32 bool")
def _cast(d: Draw, name: str) -> Case:
    x = d.input(d.shape())
    y = d.output(x.shape, d.of(("int8", "int16", "int32", "float32", "bool")))
    kinds = {"in_data_type": d.dtype.upper(), "out_data_type": y.dtype.upper()}
    return single(d, name, [x], y, **kinds)
