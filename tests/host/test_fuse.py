# SPDX-License-Identifier: MIT
"""What a neighbour does as well: padding, activations, taps that lie apart. No byte of the result changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engines import ENGINES, assert_same, check, run
from hognose_tools import cli
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_graph, compile_tflite
from hognose_tools.compiler.reader import read_tflite
from hognose_tools.errors import UserError
from operators import Case, Draw
from tflite_builder import Builder, Tensor

TYPES = ("int8", "float32", "int16")
# What may keep an operator from being fused; "" is nothing.
NEAR_MISSES = ("", "", "", "other reader", "output", "numbers")


def like(x: Tensor) -> dict:
    return {} if x.scale is None else {"scale": x.scale, "zero_point": x.zero_point}


def conv(
    d: Draw, x: Tensor, padding: str = "", stride: int = 0, activation: str = "NONE", k: tuple[int, ...] = ()
) -> Tensor:
    """A convolution of `x` with random weights; what is not given is drawn."""
    n, height, width, channels = x.shape
    depthwise = d.flag()
    k_h, k_w = k or (min(d.int(1, 3), height), min(d.int(1, 3), width))
    padding, stride = padding or d.of(("SAME", "VALID")), stride or d.int(1, 2)
    out_c = channels if depthwise else d.int(1, 5)
    shape = (1, k_h, k_w, out_c) if depthwise else (out_c, k_h, k_w, channels)
    scale = {} if d.dtype == "float32" else {"scale": 0.01, "axis": 3 if depthwise else 0}
    weights = (
        d.rng.normal(0, 1, shape).astype(np.float32) if d.dtype == "float32" else d.values(shape, "int8")
    )
    w = d.b.const(weights, **scale)
    bias = d.rng.integers(-900, 900, out_c).astype(d.bias)
    b = d.b.const(bias, **({"scale": 0.01 * x.scale} if x.scale else {}))
    size = [(s - 1) // stride + 1 if padding == "SAME" else (s - kk) // stride + 1
            for s, kk in ((height, k_h), (width, k_w))]  # fmt: skip
    y = d.output((n, *size, out_c), **d.quantization(0.1))
    options = {"padding": padding, "stride_h": stride, "stride_w": stride, "activation": activation}
    options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    options |= {"depth_multiplier": 1} if depthwise else {}
    d.b.op("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, w, b], y, version=3, **options)
    return y


def finish(d: Draw, result: Tensor, between: Tensor, miss: str) -> Case:
    """`between` is what fusing would leave out."""
    outputs = [result, between] if miss == "output" else [result]
    if miss == "other reader":
        flat = d.b.tensor((between.size,), d.dtype, **like(between))
        shape = d.b.const(np.array([between.size], np.int32))
        d.b.op("RESHAPE", [between, shape], flat, new_shape=[between.size])
        outputs.append(flat)
    return d.case(*outputs)


def padded_conv(d: Draw) -> tuple[Case, bool]:
    miss = d.of(NEAR_MISSES)
    n, height, width, channels = d.int(1, 2), d.int(1, 8), d.int(1, 8), d.of((1, 3, 4, 8))
    x = d.input((n, height, width, channels), **d.quantization())
    sides = [(0, 0), (d.int(0, 3), d.int(0, 3)), (d.int(0, 3), d.int(0, 3)), (0, 0)]
    if miss == "numbers":
        sides[3] = (0, 1)
    shape = [s + a + b for s, (a, b) in zip(x.shape, sides, strict=True)]
    padded = d.b.tensor(shape, d.dtype, **like(x))
    inputs = [x, d.b.const(np.array(sides, np.int32))]
    other_value = d.dtype == "int8" and d.int(0, 3) == 0
    if other_value:
        value = np.int8(x.zero_point - 1 if x.zero_point > 0 else x.zero_point + 1)
        inputs.append(d.b.const(np.array([value]), **like(x)))
    d.b.op("PADV2" if other_value else "PAD", inputs, padded)
    nothing = padded.shape == x.shape and miss != "output"
    return finish(d, conv(d, padded), padded, miss), nothing or (not miss and not other_value)


def activated(d: Draw) -> tuple[Case, bool]:
    miss = d.of(NEAR_MISSES)
    x = d.input((1, d.int(2, 6), d.int(2, 6), d.of((1, 3, 4))), **d.quantization())
    if d.flag():
        had = d.of(("NONE", "NONE", "RELU"))
        y = conv(d, x, activation=had)
    else:
        had = "NONE"
        y = d.output(x.shape, **d.quantization(0.1))
        name = d.of(("ADD", "MUL"))
        d.b.op(name, [x, d.input(x.shape, **d.quantization())], y)
    numbers = like(y)
    if miss == "numbers" and numbers:
        numbers["scale"] *= 1.25
    z = d.output(y.shape, **numbers)
    d.b.op(d.of(("RELU", "RELU6")), [y], z)
    fused = had == "NONE" and (not miss or (miss == "numbers" and not numbers))
    return finish(d, z, y, miss), fused


def spread_conv(d: Draw) -> tuple[Case, bool]:
    """As TensorFlow writes a dilated convolution."""
    miss, flat = d.of(NEAR_MISSES), d.flag()
    factors, k = (1 if flat else d.int(1, 3), d.int(1, 3)), d.int(1, 3)
    n, channels = d.int(1, 2), d.of((1, 3, 4))
    taps = (1, k) if flat else (k, k)
    size = [
        1 if flat and i == 0 else t * f + d.int(0, 5)
        for i, (t, f) in enumerate(zip(taps, factors, strict=True))
    ]
    zero = {} if d.dtype == "float32" else {"scale": 0.05, "zero_point": 0}
    before = [0 if n == 1 else d.int(0, 2) for n in size]
    after = [-(s + a) % f for s, a, f in zip(size, before, factors, strict=True)]
    pads = np.array(list(zip(before, after, strict=True)), np.int32)
    small = [(s + a + b) // f for s, a, b, f in zip(size, before, after, factors, strict=True)]
    crops = np.array([(d.int(0, a), d.int(0, f - 1)) for a, f in zip(before, factors, strict=True)], np.int32)
    batches = n * factors[0] * factors[1]

    def shape(*dims: int) -> tuple[int, ...]:
        return (dims[0], *dims[2:]) if flat else dims

    def reshaped(t: Tensor, dims: tuple[int, ...]) -> Tensor:
        y = d.b.tensor(dims, d.dtype, **like(t))
        d.b.op("RESHAPE", [t, d.b.const(np.array(dims, np.int32))], y, new_shape=list(dims))
        return y

    x = d.input(shape(n, *size, channels), **zero)
    split = d.b.tensor(shape(batches, *small, channels), d.dtype, **zero)
    block = d.b.const(np.array(factors[flat:], np.int32))
    d.b.op("SPACE_TO_BATCH_ND", [x, block, d.b.const(pads[flat:])], split)
    stride = 2 if miss == "numbers" and min(small) > k else 1
    image = reshaped(split, (batches, *small, channels)) if flat else split
    y = convolved = conv(d, image, "VALID", stride, k=taps)
    full = [s * f - sum(c) for s, f, c in zip(y.shape[1:3], factors, crops, strict=True)]
    hypothesis.assume(min(full) > 0)
    if flat:
        y = reshaped(y, (y.shape[0], *y.shape[2:]))
    z = d.output(shape(n, *full, y.shape[-1]), **like(y))
    d.b.op("BATCH_TO_SPACE_ND", [y, block, d.b.const(crops[flat:])], z)
    nothing = factors == (1, 1) and not (pads.any() or crops.any())  # to spread: then these go anyway
    return finish(d, z, convolved, miss), nothing or (stride == 1 and miss in ("", "numbers"))


CASES = [(make, dtype) for make in (padded_conv, activated, spread_conv) for dtype in TYPES]
CASES.remove((spread_conv, "int16"))  # which TFLM cannot spread


@pytest.mark.parametrize(("make", "dtype"), CASES, ids=lambda v: getattr(v, "__name__", v))
def test_the_bytes_are_tflms(make: Callable, dtype: str) -> None:
    @hypothesis.settings(max_examples=60)
    @hypothesis.given(st.data())
    def run(data: st.DataObject) -> None:
        case, fused = make(Draw(data.draw, dtype))
        steps = compile_tflite(case.tflite).lowered.steps
        assert (len(steps) == 1) == fused, [s.name for s in steps]
        for engine in ENGINES:
            check(case, engine)

    run()


def dilated(factor: int, batches: int, pad: bool, explicit: bool) -> bytes:
    """A causal convolution of a sequence, as Keras has it; `explicit`: padding and taps as they are meant."""
    chance = np.random.default_rng(5)
    b = Builder()
    before, zero = (2 * factor if pad else 0), -30
    x = b.tensor((1, 1, 12, 4), "int8", scale=0.1, zero_point=zero)
    w = b.const(chance.integers(-127, 128, (6, 1, 3, 4), np.int8), scale=0.01)
    y = b.tensor((1, 1, 12 + before - 2 * factor, 6), "int8", scale=0.2, zero_point=3)
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "dilation_h_factor": 1}
    if explicit:
        padded = b.tensor((1, 1, 12 + before, 4), "int8", scale=0.1, zero_point=zero)
        b.op("PAD", [x, b.const(np.array([[0, 0], [0, 0], [before, 0], [0, 0]], np.int32))], padded)
        b.op("CONV_2D", [padded, w, None], y, version=3, dilation_w_factor=factor, **options)
        return b.build([x], [y])
    width = (12 + before) // factor
    split = b.tensor((batches, 1, width, 4), "int8", scale=0.1, zero_point=zero)
    conv = b.tensor((batches, 1, width - 2, 6), "int8", scale=0.2, zero_point=3)
    block = b.const(np.array([1, factor], np.int32))
    b.op("SPACE_TO_BATCH_ND", [x, block, b.const(np.array([[0, 0], [before, 0]], np.int32))], split)
    b.op("CONV_2D", [split, w, None], conv, version=3, dilation_w_factor=1, **options)
    b.op("BATCH_TO_SPACE_ND", [conv, block, b.const(np.zeros((2, 2), np.int32))], y)
    return b.build([x], [y])


@pytest.mark.parametrize(("batches", "pad"), [(1, False), (1, True), (2, True)])
def test_what_tflm_gets_wrong_is_as_in_tensorflow(batches: int, pad: bool) -> None:
    """The batch size that a converter did not know, and padding with a zero point that is not 0."""
    compiled = compile_tflite(dilated(2, batches, pad, explicit=False))
    assert len(compiled.undefined) == 1 and "TFLM" in compiled.undefined[0]
    meant = dilated(2, batches, pad, explicit=True)
    x = np.random.default_rng(1).integers(-128, 128, (1, 1, 12, 4), np.int8)
    (right,) = Oracle(meant).run([x])
    for engine in ENGINES:
        (ours,) = run(compiled.hog, engine, [x], [right])
        assert_same(ours, right, engine)


def test_verify_says_that_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(dilated(2, 2, True, explicit=False))
    assert cli.main(["verify", str(path)]) == 2


def test_a_batch_size_that_is_not_fixed_is_named_where_layers_are_looked_at() -> None:
    with pytest.raises(UserError, match="fixed batch size"):
        compile_graph(read_tflite(dilated(2, 1, False, explicit=False)), whole=True)


def test_what_is_defined_has_no_note() -> None:
    assert compile_tflite(dilated(2, 2, False, explicit=False)).undefined == []
