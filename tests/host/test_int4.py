# SPDX-License-Identifier: MIT
"""Weights of 4 bits stay that in the file."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engines import ENGINES, check
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from operators import Case
from tflite_builder import Builder

Q = {"scale": 0.05, "zero_point": -3}


def weights(b: Builder, chance: np.random.Generator, shape: tuple[int, ...]):
    """All sixteen values."""
    return b.const(chance.integers(-8, 8, shape, dtype=np.int8), dtype="int4", scale=0.02)


def dense(depth: int, units: int, seed: int = 0, scale: float = 0.05) -> Case:
    """Where `scale`, of the output, is below 0.001, sums grow: not stored as a layer of one row."""
    b, chance = Builder(), np.random.default_rng(seed)
    x, y = b.tensor((1, depth), "int8", **Q), b.tensor((1, units), "int8", scale=scale, zero_point=-3)
    bias = b.const(chance.integers(-3000, 3000, units, dtype=np.int32), scale=0.001)
    b.op("FULLY_CONNECTED", [x, weights(b, chance, (units, depth)), bias], y)
    return Case(b.build([x], [y]), [chance.integers(-128, 128, (1, depth), dtype=np.int8)])


def convolutions() -> Case:
    b, chance = Builder(), np.random.default_rng(0)
    x, y, z = (b.tensor((1, 8, 8, n), "int8", **Q) for n in (16, 16, 48))
    options = {"padding": "SAME", "stride_h": 1, "stride_w": 1}
    bias = b.const(np.zeros(16, np.int32), scale=0.001)  # TFLM does not survive a depthwise one without
    w = weights(b, chance, (1, 3, 3, 16))
    b.op("DEPTHWISE_CONV_2D", [x, w, bias], y, version=3, depth_multiplier=1, **options)
    b.op("CONV_2D", [y, weights(b, chance, (48, 3, 3, 16)), None], z, version=3, **options)
    return Case(b.build([x], [z]), [chance.integers(-128, 128, x.shape, dtype=np.int8)])


@pytest.mark.parametrize("engine", ENGINES)
@hypothesis.settings(max_examples=10)
@hypothesis.given(
    depth=st.integers(100, 2100),
    units=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.05, 0.0005]),
)
def test_large_dense_layers(engine: str, depth: int, units: int, seed: int, scale: float) -> None:
    """They are unpacked in parts, where they are unpacked."""
    check(dense(depth, units, seed, scale), engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_convolutions(engine: str) -> None:
    check(convolutions(), engine)


@pytest.mark.parametrize(
    ("case", "ratio", "names"),
    [
        (dense(256, 100), 0.98, {"DENSE"}),
        (dense(254, 100), 0.98, {"DENSE"}),
        (dense(254, 100, scale=0.0005), 1.0, {"CONV4"}),
        (convolutions(), 0.95, {"CONV4", "DEPTHWISE4"}),
    ],
)
def test_the_file_is_small(case: Case, ratio: float, names: set[str]) -> None:
    """Of these .tflite files nearly all is weights and biases; a converter's have more beside them."""
    compiled = compile_tflite(case.tflite)
    assert len(compiled.hog) <= ratio * len(case.tflite)
    assert disassemble(compiled.hog).operators == {(name, "b") for name in names}


@pytest.mark.parametrize(("scale", "room"), [(0.0005, 8192 + 512), (0.05, 512)])
def test_a_dense_layer_needs_little_room(scale: float, room: int) -> None:
    compiled = compile_tflite(dense(396, 100, scale=scale).tflite)
    assert compiled.arena_size <= room
    assert sum(layer.weights for layer in disassemble(compiled.hog).layers) < 400 * 100 / 2 + 1000
