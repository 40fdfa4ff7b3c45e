# SPDX-License-Identifier: MIT
"""Operators that only copy and that TFLM lacks: compared with others that it has, and with NumPy."""

from collections.abc import Callable

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engines import ENGINES, run
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.errors import UserError
from tflite_builder import Builder, Tensor

DTYPES = ("int8", "int16", "int32", "int64", "float32", "bool", "uint8")
SCALES = {"int8": {"scale": 0.1, "zero_point": -3}, "int16": {"scale": 0.1}}


def values(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Any bytes; of floats those that are numbers."""
    chance = np.random.default_rng(seed)
    if dtype == "float32":
        return chance.normal(size=shape).astype(dtype)
    if dtype == "bool":
        return chance.integers(0, 2, shape).astype(bool)
    bounds = np.iinfo(dtype)
    return chance.integers(bounds.min, bounds.max, shape, dtype, endpoint=True)


def tensor(b: Builder, shape: tuple[int, ...], dtype: str) -> Tensor:
    return b.tensor(shape, dtype, **SCALES.get(dtype, {}))


def made(dtype: str, shapes: list[tuple[int, ...]], make: Callable) -> bytes:
    """A model whose inputs have these shapes; `make(b, inputs)` gives the output."""
    b = Builder()
    inputs = [tensor(b, shape, dtype) for shape in shapes]
    return b.build(inputs, [make(b, inputs)])


def tiled(b: Builder, x: Tensor, multiples: list[int]) -> Tensor:
    y = tensor(b, tuple(n * m for n, m in zip(x.shape, multiples, strict=True)), x.dtype)
    b.op("TILE", [x, b.const(np.array(multiples, np.int32))], y)
    return y


def joined(b: Builder, x: Tensor, multiples: list[int]) -> Tensor:
    """The same by concatenations."""
    for axis, m in enumerate(multiples):
        shape = tuple(n * m if i == axis else n for i, n in enumerate(x.shape))
        y = tensor(b, shape, x.dtype)
        b.op("CONCATENATION", [x] * m, y, axis=axis)
        x = y
    return x


shapes = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tile(dtype: str) -> None:
    """Up to four axes, all of which may repeat: eight loops, of which a record has six."""

    @hypothesis.given(shapes, st.integers(0, 99))
    @hypothesis.example([(2, 2), (3, 2), (2, 3), (3, 2)], 1)
    def compare(axes: list[tuple[int, int]], seed: int) -> None:
        shape, multiples = tuple(n for n, _ in axes), [m for _, m in axes]
        x = values(shape, dtype, seed)
        expected = np.tile(x, multiples)
        if dtype != "uint8":  # which TFLM's CONCATENATION has not
            twin = Oracle(made(dtype, [shape], lambda b, i: joined(b, i[0], multiples)))
            np.testing.assert_array_equal(twin.run([x])[0], expected)
        hog = compile_tflite(made(dtype, [shape], lambda b, i: tiled(b, i[0], multiples))).hog
        for engine in ENGINES:
            np.testing.assert_array_equal(run(hog, engine, [x], [expected])[0], expected)

    compare()


def test_tile_by_nothing_and_by_too_much() -> None:
    with pytest.raises(UserError, match="no elements"):
        compile_tflite(made("int8", [(2, 3)], lambda b, i: tiled(b, i[0], [0, 1])))

    def wrong(b: Builder, inputs: list[Tensor]) -> Tensor:
        y = tensor(b, (4, 6), "int8")
        b.op("TILE", [inputs[0], b.const(np.array([2, 3], np.int32))], y)
        return y

    with pytest.raises(UserError, match=r"\[2, 3\] does not become \[4, 6\]"):
        compile_tflite(made("int8", [(2, 3)], wrong))


def chosen(kind: str, dtype: str, shape: tuple[int, ...], condition: tuple[int, ...]) -> bytes:
    b = Builder()
    which = b.tensor(condition, "bool")
    x, other, y = (tensor(b, shape, dtype) for _ in range(3))
    b.op(kind, [which, x, other], y)
    return b.build([which, x, other], [y])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "condition"), [((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (2,)), ((5,), (5,)), ((3, 2), ())]
)
def test_select(dtype: str, shape: tuple[int, ...], condition: tuple[int, ...]) -> None:
    """The first version: its condition is of the same shape, or chooses rows, or all."""
    which = np.asarray(np.random.default_rng(1).integers(0, 2, condition).astype(bool))
    x, other = values(shape, dtype, 1), values(shape, dtype, 2)
    wide = condition if len(condition) != 1 else condition + (1,) * (len(shape) - 1)
    expected = np.where(which.reshape(wide), x, other)
    if dtype in ("int8", "int16", "float32"):
        twin = Oracle(chosen("SELECT_V2", dtype, shape, wide))
        np.testing.assert_array_equal(twin.run([which.reshape(wide), x, other])[0], expected)
    hog = compile_tflite(chosen("SELECT", dtype, shape, condition)).hog
    for engine in ENGINES:
        np.testing.assert_array_equal(run(hog, engine, [which, x, other], [expected])[0], expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_bitcast_and_rank(engine: str) -> None:
    b = Builder()
    x, bits, rank = b.tensor((2, 3)), b.tensor((2, 3), "int32"), b.tensor((), "int32")
    b.op("BITCAST", [x], bits)
    b.op("RANK", [x], rank)
    given = values((2, 3), "float32", 1)
    expected = [given.view(np.int32), np.array(2, np.int32)]
    got = run(compile_tflite(b.build([x], [bits, rank])).hog, engine, [given], expected)
    assert all(np.array_equal(a, e) for a, e in zip(got, expected, strict=True))


# --- Unsigned integers -------------------------------------------------------------------------------------


def unsigned(dtype: str, port: bool = False) -> bytes:
    """int32 values that become unsigned, are moved, and become int32 again; `port`: an input instead."""
    b = Builder()
    x = b.tensor((2, 3), dtype if port else "int32")
    table = b.const(np.array([[1, 2, 3], [2**31, 2**32 - 1, 7]], np.uint32).astype(dtype))
    u, turned, both = b.tensor((2, 3), dtype), b.tensor((3, 2), dtype), b.tensor((4, 3), dtype)
    y = b.tensor((4, 3), "int32")
    if port:
        u = x
    else:
        b.op("CAST", [x], u)
    b.op("TRANSPOSE", [u, b.const(np.array([1, 0], np.int32))], turned)
    back = b.tensor((2, 3), dtype)
    b.op("TRANSPOSE", [turned, b.const(np.array([1, 0], np.uint32))], back)
    b.op("CONCATENATION", [back, table], both, axis=0)
    b.op("CAST", [both], y)
    return b.build([x], [y])


@pytest.mark.parametrize("engine", ENGINES)
def test_uint32_that_is_only_moved(engine: str) -> None:
    x = values((2, 3), "int32", 1)
    expected = np.concatenate([x, np.array([[1, 2, 3], [2**31, 2**32 - 1, 7]], np.uint32).view(np.int32)])
    assert np.array_equal(run(compile_tflite(unsigned("uint32")).hog, engine, [x], [expected])[0], expected)


def test_uint32_that_is_more_than_moved_is_refused() -> None:
    with pytest.raises(UserError, match="uint32 inputs and outputs"):
        compile_tflite(unsigned("uint32", port=True))
    b = Builder()
    x, u, v, y = (b.tensor((2, 3), t) for t in ("int32", "uint32", "uint32", "float32"))
    b.op("CAST", [x], u)
    b.op("ADD", [u, u], v)
    b.op("CAST", [v], y)
    with pytest.raises(UserError, match=r"operator 0 CAST .*uint32 tensors are not supported"):
        compile_tflite(b.build([x], [y]))
