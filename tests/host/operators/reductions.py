# SPDX-License-Identifier: MIT
"""What goes along an axis: sums, extremes, probabilities."""

from __future__ import annotations

import numpy as np

from .draw import Case, Draw, Operators, reduced_output, same_quantization, single, unit_quantization

OPERATORS = Operators()


@OPERATORS.add("SOFTMAX", "int8 float32 int16")
def _softmax(d: Draw, name: str) -> Case:
    shape = (*d.shape(0, 3, 4), d.of((1, 2, 3, 10, 12, 100, 300)))
    x = d.input(shape, **d.quantization())
    y = d.output(shape, **unit_quantization(d, 1))
    if d.dtype == "int8" and d.flag():
        y = d.output(shape, "int16", scale=1 / 65536, zero_point=-32768)
    d.b.op(name, [x], y, version=2, beta=d.of((1.0, 1.0, 0.5, 2.0, 0.1)))
    return d.case(y)


@OPERATORS.add("SUM", "int8 int16 float32")
@OPERATORS.add("MEAN", "int8 float32 int16")
def _mean(d: Draw, name: str) -> Case:
    x = d.input(d.shape(largest=12), **d.quantization())
    y, axes = reduced_output(d, x, d.quantization(x.scale or 0) if d.flag() else same_quantization(x))
    d.b.op(name, [x, axes], y, version=2, keep_dims=len(y.shape) == len(x.shape))
    return d.case(y)


@OPERATORS.add("LOG_SOFTMAX L2_NORMALIZATION", "int8 float32")
def _normalized(d: Draw, name: str) -> Case:
    fixed = {"LOG_SOFTMAX": (16 / 256, 127), "L2_NORMALIZATION": (1 / 128, 0)}[name]
    x = d.input((*d.shape(0, 3, 4), d.of((1, 2, 3, 10, 60))), **d.quantization())
    quantization = {} if d.dtype == "float32" else {"scale": fixed[0], "zero_point": fixed[1]}
    return single(d, name, [x], d.output(x.shape, **quantization))


@OPERATORS.add("REDUCE_MAX REDUCE_MIN", "int8 float32")
def _reduce(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    y, axes = reduced_output(d, x, same_quantization(x))
    return single(d, name, [x, axes], y, keep_dims=len(y.shape) == len(x.shape))


@OPERATORS.add("ARG_MAX ARG_MIN", "int8 float32")
def _arg(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    axis = d.axis(len(x.shape))
    shape = [n for i, n in enumerate(x.shape) if i != axis % len(x.shape)]
    y = d.output(shape, "int32")
    return single(d, name, [x, d.b.const(np.array([axis], np.int32))], y, output_type="INT32")


@OPERATORS.add("CUMSUM", "int8 float32")
def _cumsum(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    axis = d.b.const(np.array([d.axis(len(x.shape))], np.int32))
    y = d.output(x.shape, **d.quantization((x.scale or 0) * 3))
    return single(d, name, [x, axis], y, exclusive=d.flag(), reverse=d.flag())
