# SPDX-License-Identifier: MIT
"""What the host computes: constants, tables of tables, and what does nothing at all. The bytes: TFLM's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engines import ENGINES, check
from hognose_tools.compiler import compile_tflite
from operators import ACTIVATIONS, Case, Draw
from operators.draw import draw_weights
from tflite_builder import Tensor


def like(x: Tensor) -> dict:
    return {} if x.scale is None else {"scale": x.scale, "zero_point": x.zero_point}


def ints(d: Draw, *values: object) -> Tensor:
    return d.b.const(np.array(values, np.int32))


def compare(case: Case) -> list[str]:
    """The names of the steps that are left."""
    for engine in ENGINES:
        check(case, engine)
    return [s.name for s in compile_tflite(case.tflite).lowered.steps]


def property_of(dtype: str, test: Callable[[Draw], None], examples: int = 40) -> None:
    @hypothesis.settings(max_examples=examples)
    @hypothesis.given(st.data())
    def run(data: st.DataObject) -> None:
        test(Draw(data.draw, dtype))

    run()


# --- constants ----------------------------------------------------------------------------------


def constant(d: Draw, shape: tuple[int, ...], depth: int, q: dict) -> Tensor:
    """A tensor that operators make of nothing but constants, `depth` of them after each other."""
    if depth == 0:
        values = d.values(shape, d.dtype) if d.dtype != "float32" else d.rng.normal(0, 3, shape)
        return d.b.const(np.asarray(values, d.dtype), **q)
    b, made = d.b, d.b.tensor(shape, d.dtype, **q)
    n = len(shape)
    name = d.of(
        ("RESHAPE", "TRANSPOSE", "CONCATENATION", "SLICE", "PAD", "ADD", "SPLIT", "GATHER", "CONVERT")
    )
    if name == "RESHAPE":
        b.op(name, [constant(d, shape[::-1], depth - 1, q), ints(d, *shape)], made, new_shape=list(shape))
    elif name == "TRANSPOSE":
        b.op(name, [constant(d, shape[::-1], depth - 1, q), ints(d, *reversed(range(n)))], made)
    elif name == "CONCATENATION":
        first = constant(d, shape, depth - 1, q)
        double = b.tensor((2 * shape[0], *shape[1:]), d.dtype, **q)
        b.op(name, [first, constant(d, shape, 0, q)], double, axis=0)
        b.op("SLICE", [double, ints(d, 1, *[0] * (n - 1)), ints(d, *shape)], made)
    elif name == "SLICE":
        larger = constant(d, tuple(s + 1 for s in shape), depth - 1, q)
        b.op(name, [larger, ints(d, *[1] * n), ints(d, *shape)], made)
    elif name == "PAD":
        hypothesis.assume(shape[-1] > 1)
        inner = constant(d, (*shape[:-1], shape[-1] - 1), depth - 1, q)
        b.op(name, [inner, ints(d, *[(0, 0)] * (n - 1), (1, 0))], made)
    elif name == "ADD":
        b.op(name, [constant(d, shape, depth - 1, q), constant(d, shape, 0, q)], made)
    elif name == "SPLIT":
        other = b.tensor(shape, d.dtype, **q)
        both = constant(d, (2 * shape[0], *shape[1:]), depth - 1, q)
        b.op(name, [b.const(np.array(0, np.int32)), both], [other, made], num_splits=2)
    elif name == "GATHER":
        rows = ints(d, *d.rng.integers(0, shape[0], shape[0]))
        b.op(name, [constant(d, shape, depth - 1, q), rows], made, axis=0)
    elif d.dtype == "float32":
        whole = b.const(d.rng.integers(-128, 128, shape).astype(np.int8), scale=0.1, zero_point=d.int(-9, 9))
        b.op("DEQUANTIZE", [whole], made, version=2)
    else:
        other = constant(d, shape, depth - 1, d.quantization())
        b.op("QUANTIZE", [other], made)
    return made


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_what_depends_on_no_input_is_computed_here(dtype: str) -> None:
    def test(d: Draw) -> None:
        x = d.input(tuple(d.int(2, 5) for _ in range(d.int(2, 4))), **d.quantization())
        y = d.output(x.shape, **d.quantization(0.2))
        operand = constant(d, x.shape, d.int(1, 4), d.quantization())
        d.b.op("ADD", [x, operand], y)
        assert compare(d.case(y)) in (["ADD"], ["LUT"], [])

    property_of(dtype, test)


def test_weights_may_be_computed() -> None:
    def test(d: Draw) -> None:
        depth, units = d.int(1, 9), d.int(1, 9)
        x = d.input((d.int(1, 3), depth), **d.quantization())
        turned = d.b.const(d.values((depth, units), "int8"), scale=0.01)
        w = d.b.tensor((units, depth), "int8", scale=0.01)
        d.b.op("TRANSPOSE", [turned, ints(d, 1, 0)], w)
        y = d.output((x.shape[0], units), **d.quantization(0.1))
        d.b.op("FULLY_CONNECTED", [x, w, None], y, version=4)
        assert compare(d.case(y)) in (["DENSE"], ["CONV_TILED"], ["CONV"])

    property_of("int8", test)


def test_sizes_that_are_computed_from_shapes() -> None:
    def test(d: Draw) -> None:
        x = d.input(tuple(d.int(1, 5) for _ in range(3)))
        b = d.b
        shape, size, pair = b.tensor((3,), "int32"), b.tensor((), "int32"), b.tensor((2,), "int32")
        axis = d.int(0, 2)
        b.op("SHAPE", [x], shape, out_type="INT32")
        ends = [ints(d, axis), ints(d, axis + 1), ints(d, 1)]
        b.op("STRIDED_SLICE", [shape, *ends], size, shrink_axis_mask=1)
        b.op("PACK", [size, b.const(np.array(7, np.int32))], pair, values_count=2, axis=0)
        other = d.input((2,), "int32")
        y = d.output((2,), "int32")
        b.op("ADD", [other, pair], y)
        flat = d.output((x.size,))
        b.op("RESHAPE", [x, ints(d, x.size)], flat, new_shape=[x.size])
        assert compare(d.case(y, flat)) == ["COMBINE"]

    property_of("float32", test)


def test_a_constant_does_not_blow_up_the_file() -> None:
    d = Draw(lambda s: 0, "float32")
    x = d.input((100, 100))
    large, y = d.b.tensor((100, 100), "float32"), d.output((100, 100))
    d.b.op("FILL", [ints(d, 100, 100), d.b.const(np.array(3, np.float32))], large)
    d.b.op("ADD", [x, large], y)
    case = d.case(y)
    assert len(compare(case)) == 2
    assert len(compile_tflite(case.tflite).hog) < 1000


# --- nothing at all -----------------------------------------------------------------------------


def idle(d: Draw) -> tuple[str, Tensor, bool]:
    """An operator that may do nothing, its output, and whether it does."""
    b, q = d.b, d.quantization()
    x = d.input(tuple(d.int(1, 4) for _ in range(4)), **q)
    y = d.output(x.shape, **q)
    n, c = x.shape[0], x.shape[3]
    miss = d.int(0, 3) == 0
    name = d.of(
        (
            *("PAD", "CONCATENATION", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "BROADCAST_TO"),
            *("RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "TWICE", "PACK", "GATHER"),
            *(("QUANTIZE", "MEAN", "MAXIMUM", "MUL") if d.dtype == "int8" else ()),
        )
    )
    if name == "PAD":
        miss = False
        b.op(name, [x, ints(d, *[(0, 0)] * 4)], y)
    elif name == "CONCATENATION":
        parts = [x, d.input(x.shape, **q)] if miss else [x]
        y = d.output((len(parts) * n, *x.shape[1:]), **q)
        b.op(name, parts, y, axis=0)
    elif name == "TRANSPOSE":
        order = list(d.rng.permutation(4))
        moved = [i for i in order if x.shape[i] > 1]
        miss = moved != sorted(moved)
        y = d.output(tuple(x.shape[i] for i in order), **q)
        b.op(name, [x, ints(d, *order)], y)
    elif name == "SLICE":
        miss &= c > 1
        y = d.output((*x.shape[:3], c - miss), **q)
        b.op(name, [x, ints(d, 0, 0, 0, int(miss)), ints(d, *y.shape)], y)
    elif name == "STRIDED_SLICE":
        miss &= c > 1
        y = d.output((*x.shape[:3], c - miss), **q)
        b.op(name, [x, ints(d, 0, 0, 0, int(miss)), ints(d, *x.shape), ints(d, 1, 1, 1, 1)], y)
    elif name == "SPLIT":
        miss &= c % 2 == 0
        parts = 1 + miss
        outputs = [d.output((*x.shape[:3], c // parts), **q) for _ in range(parts)]
        b.op(name, [b.const(np.array(3, np.int32)), x], outputs, num_splits=parts)
        y = outputs[0]
    elif name == "BROADCAST_TO":
        miss &= c == 1
        y = d.output((*x.shape[:3], 3 if miss else c), **q)
        b.op(name, [x, ints(d, *y.shape)], y)
    elif name == "REVERSE_V2":
        miss = x.shape[2] > 1
        b.op(name, [x, ints(d, 2)], y)
    elif name == "RESIZE_NEAREST_NEIGHBOR":
        y = d.output((n, x.shape[1] * (1 + miss), *x.shape[2:]), **q)
        b.op(name, [x, ints(d, *y.shape[1:3])], y, half_pixel_centers=d.flag())
    elif name == "TWICE":  # TRANSPOSE and back
        order = list(d.rng.permutation(4))
        turned = b.tensor(tuple(x.shape[i] for i in order), d.dtype, **q)
        b.op("TRANSPOSE", [x, ints(d, *order)], turned)
        b.op("TRANSPOSE", [turned, ints(d, *np.argsort(order))], y)
        moved = [i for i in order if x.shape[i] > 1]
        miss &= moved != sorted(moved)
        if miss:  # somebody else sees it
            d.outputs = [y, turned]
    elif name == "PACK":
        miss = False
        y = d.output((*x.shape[:3], 1, c), **q)
        b.op(name, [x], y, values_count=1, axis=3)
    elif name == "GATHER":
        miss &= c > 1
        order = range(c)[::-1] if miss else range(c)
        b.op(name, [x, ints(d, *order)], y, axis=3)
    elif name == "QUANTIZE":
        y = d.output(x.shape, scale=q["scale"] * (1.5 if miss else 1.0), zero_point=q["zero_point"])
        b.op(name, [x], y)
    elif name == "MEAN":
        x = d.input((1, 1, x.shape[2], c), **q)
        y = d.output((1, x.shape[2], c), scale=q["scale"] * (1.5 if miss else 1.0), zero_point=x.zero_point)
        b.op(name, [x, ints(d, 1)], y, keep_dims=False)
    elif name == "MAXIMUM":
        lowest = -128 + 99 * miss
        b.op(name, [x, b.const(np.array([lowest], np.int8), **q)], y)
    else:  # MUL by one
        factor = 5 if miss else 4
        b.op(name, [x, b.const(np.array([factor], np.int8), scale=0.25)], y)
    return name, y, not miss


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_what_does_nothing_is_left_out(dtype: str) -> None:
    def test(d: Draw) -> None:
        d.outputs = []
        name, y, nothing = idle(d)
        steps = compare(d.case(*(d.outputs or [y])))
        assert (not steps) == nothing, (name, steps)

    property_of(dtype, test, 150)


def test_what_is_written_to_has_a_place_of_its_own() -> None:
    """SELECT_V2 and DYNAMIC_UPDATE_SLICE begin with a copy of an input that others read, too."""

    def test(d: Draw) -> None:
        x = d.input((3, 4))
        y, z = d.output((3, 4)), d.output((3, 4))
        if d.flag():
            d.b.op("SELECT_V2", [d.input((3, 4), "bool"), d.input((3, 4)), x], y)
        else:
            d.b.op("DYNAMIC_UPDATE_SLICE", [x, d.input((2, 2)), ints(d, 1, 1)], y)
        d.b.op("ADD", [x, y], z)
        compare(d.case(z))

    property_of("float32", test, 20)


# --- tables -------------------------------------------------------------------------------------


def function(d: Draw, x: Tensor, name: str = "") -> Tensor:
    """A function of one int8 value."""
    b = d.b
    names = ("LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "QUANTIZE", "ABS", "ELU", "RELU", "RELU6")
    name = name or d.of(
        (*names, "ADD", "MUL", "SUB", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "DIV", "PRELU", "x + x")
    )
    fixed = {
        "LOGISTIC": {"scale": 1 / 256, "zero_point": -128},
        "TANH": {"scale": 1 / 128, "zero_point": 0},
        **dict.fromkeys(("MAXIMUM", "MINIMUM"), like(x)),
    }
    y = b.tensor(x.shape, "int8", **fixed.get(name, d.quantization(0.05)))
    if name in names:
        b.op(name, [x], y, **({"alpha": 0.25} if name == "LEAKY_RELU" else {}))
    elif name == "x + x":
        b.op("ADD", [x, x], y, activation=d.of(("NONE", "RELU")))
    else:
        q = like(x) if name in fixed else d.quantization()
        shape = (*[1] * (len(x.shape) - 1), d.of((1, x.shape[-1])))
        value = q["zero_point"] + 9 if name == "DIV" else d.int(-128, 127)
        same = b.const(np.full(shape[1:] if name == "PRELU" else shape, min(value, 127), np.int8), **q)
        swap = name in ("ADD", "MUL", "SUB") and d.flag()
        b.op(name, [same, x] if swap else [x, same], y)
    return y


def test_tables_of_tables() -> None:
    def test(d: Draw) -> None:
        d.wild = False
        y = d.input((d.int(1, 3), d.int(1, 3), d.int(2, 5)), **d.quantization())
        for _ in range(d.int(1, 4)):
            y = function(d, y)
        assert compare(d.case(y)) in (["LUT"], [])

    property_of("int8", test, 150)


@pytest.mark.parametrize("miss", ["other reader", "output", "shape", "operand"])
def test_tables_that_must_stay_two(miss: str) -> None:
    def test(d: Draw) -> None:
        d.wild = False
        x = d.input((2, 3), **d.quantization())
        between = function(d, x, "HARD_SWISH")
        y = function(d, between, "LOGISTIC")
        outputs = [y]
        if miss == "other reader":
            outputs.append(function(d, between, "TANH"))
        elif miss == "output":
            outputs.append(between)
        elif miss == "shape":
            outputs = [d.b.tensor((3, 2), "int8", **like(y))]
            d.b.op("TRANSPOSE", [y, ints(d, 1, 0)], outputs[0])
        else:
            outputs = [d.b.tensor(y.shape, "int8", **d.quantization())]
            d.b.op("ADD", [y, d.b.const(np.array([3, -5, 40], np.int8), **d.quantization())], outputs[0])
        assert len(compare(d.case(*outputs))) == (3 if miss == "other reader" else 2)

    property_of("int8", test, 15)


def dense(d: Draw, x: Tensor, units: int) -> Tensor:
    w, bias, near = draw_weights(d, x, (units, x.shape[-1]), x.shape[-1], axis=0)
    y = d.b.tensor((1, units), "int8", **d.quantization(near))
    d.b.op("FULLY_CONNECTED", [x, w, bias], y, version=5, activation=d.of(ACTIVATIONS))
    return y


def test_a_network_of_one_value_is_a_table() -> None:
    def test(d: Draw) -> None:
        d.wild = False
        y = d.input((1, 1), **d.quantization())
        for units in (d.int(2, 9), d.int(1, 9), 1):
            y = dense(d, y, units)
            if d.flag():
                y = function(d, y)
        case = d.case(y)
        for q in (-128, *d.rng.integers(-127, 127, 20), 127):
            assert compare(replace(case, inputs=[np.array([[q]], np.int8)])) in (["LUT"], [])

    property_of("int8", test, 30)


@pytest.mark.parametrize("miss", ["other reader", "output", "two values", "large"])
def test_a_network_that_must_stay(miss: str) -> None:
    def test(d: Draw) -> None:
        d.wild = False
        x = d.input((1, 2 if miss == "two values" else 1), **d.quantization())
        between = dense(d, x, 600 if miss == "large" else 4)
        y = dense(d, dense(d, between, 600) if miss == "large" else between, 1)
        more = {"other reader": lambda: [dense(d, between, 3)], "output": lambda: [between]}
        assert {"DENSE", "CONV"} & set(compare(d.case(y, *more.get(miss, list)())))

    property_of("int8", test, 10)
