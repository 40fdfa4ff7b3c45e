# SPDX-License-Identifier: MIT
"""Channels that are constant or unused are left out, and no byte of the result changes."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engines import ENGINES, check
from hognose_tools.compiler import compile_tflite
from operators import Case
from tflite_builder import Builder, Tensor

CONV = {"dilation_h_factor": 1, "dilation_w_factor": 1}


class _Network:
    """Convolutions one after another, of whose weights many channels are 0."""

    def __init__(self, seed: int, dead: float):
        self.rng = np.random.default_rng(seed)
        self.b = Builder()
        self.dead = dead

    def _tensor(self, shape: tuple[int, ...], relu: bool) -> Tensor:
        zero_point = -128 if relu else int(self.rng.integers(-20, 20))
        return self.b.tensor(shape, "int8", scale=0.05, zero_point=zero_point)

    def _zeros(self, n: int) -> np.ndarray:
        return self.rng.random(n) < self.dead

    def conv(
        self, x: Tensor, channels: int, k: int, relu: bool, same: bool, depthwise: bool = False
    ) -> Tensor:
        rng, b = self.rng, self.b
        size = x.shape[1] if same else x.shape[1] - k + 1
        y = self._tensor((1, size, size, channels), relu)
        shape = (1, k, k, channels) if depthwise else (channels, k, k, x.shape[3])
        w = rng.integers(-127, 128, shape)
        w = np.moveaxis(w, 3, 0) if depthwise else w  # a view
        w[self._zeros(channels)] = 0
        if not depthwise:
            w[..., self._zeros(x.shape[3])] = 0
        w = (np.moveaxis(w, 0, 3) if depthwise else w).astype(np.int8)
        scales = rng.uniform(0.001, 0.01, channels)
        weights = b.const(w, scale=scales, axis=3 if depthwise else 0)
        bias = b.const(rng.integers(-3000, 3000, channels).astype(np.int32), scale=0.05 * scales)
        options = {"stride_h": 1, "stride_w": 1, "padding": "SAME" if same else "VALID", **CONV}
        options |= {"activation": "RELU" if relu else "NONE"}
        if depthwise:
            b.op("DEPTHWISE_CONV_2D", [x, weights, bias], y, version=3, depth_multiplier=1, **options)
        else:
            b.op("CONV_2D", [x, weights, bias], y, version=3, **options)
        return y

    def mean(self, x: Tensor, keep_dims: bool) -> Tensor:
        """Of each channel: [1, channels] or [1, 1, 1, channels]."""
        b, channels = self.b, x.shape[3]
        shape = (1, 1, 1, channels) if keep_dims else (1, channels)
        y = b.tensor(shape, "int8", scale=0.03, zero_point=int(self.rng.integers(-128, 128)))
        b.op("MEAN", [x, b.const(np.array([1, 2], np.int32))], y, version=2, keep_dims=keep_dims)
        return y

    def dense(self, x: Tensor, channels: int) -> Tensor:
        """Of a vector, which `x` is made first."""
        rng, b, n = self.rng, self.b, int(np.prod(x.shape))
        if len(x.shape) != 2:
            flat = b.tensor((1, n), "int8", x.scale, x.zero_point)
            b.op("RESHAPE", [x, b.const(np.array([1, n], np.int32))], flat, new_shape=[1, n])
            x = flat
        w = rng.integers(-127, 128, (channels, n)).astype(np.int8)
        w[:, self._zeros(n)] = 0
        y = self._tensor((1, channels), False)
        bias = b.const(rng.integers(-3000, 3000, channels).astype(np.int32), scale=0.0001)
        b.op("FULLY_CONNECTED", [x, b.const(w, scale=0.002), bias], y, version=4, activation="NONE")
        return y

    def pool(self, x: Tensor, name: str) -> Tensor:
        y = self.b.tensor((1, *(n // 2 for n in x.shape[1:3]), x.shape[3]), "int8", x.scale, x.zero_point)
        strides = {"stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
        self.b.op(name, [x], y, padding="VALID", **strides)
        return y


@pytest.mark.parametrize("engine", ENGINES)
def test_random_networks(engine: str) -> None:
    removed = 0

    @hypothesis.given(
        st.integers(0, 2**32 - 1), st.lists(st.tuples(*[st.booleans()] * 2), min_size=4, max_size=4)
    )
    def compare(seed, styles):
        nonlocal removed
        n = _Network(seed, 0.6)
        size, channels = int(n.rng.integers(7, 10)), [int(c) for c in n.rng.integers(1, 20, 3)]
        x = y = n.b.tensor((1, size, size, 3), "int8", scale=0.05, zero_point=int(n.rng.integers(-128, 128)))
        if n.rng.random() < 0.7:
            y = n.conv(y, channels[0], 3, *styles[0])
        y = n.conv(y, y.shape[3], 3, *styles[1], depthwise=True)
        y = n.conv(y, channels[1], int(n.rng.choice([1, 1, 2])), *styles[2])
        if n.rng.random() < 0.5:
            y = n.pool(y, str(n.rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"])))
        y = n.conv(y, channels[2], 1, *styles[3])
        if n.rng.random() < 0.7:
            y = n.mean(y, bool(n.rng.random() < 0.5)) if n.rng.random() < 0.8 else y
            y = n.dense(n.dense(y, int(n.rng.integers(1, 12))), 3)
        tflite = n.b.build([x], [y])
        removed += compile_tflite(tflite).removed
        check(Case(tflite, [n.rng.integers(-128, 128, x.shape).astype(np.int8)]), engine)

    compare()
    assert removed


@pytest.mark.parametrize("keep_dims", [False, True])
def test_up_to_the_classes(keep_dims: bool) -> None:
    """A last convolution's dead channels are gone from the mean and from the dense layer, too."""
    n = _Network(1, 0)
    x = n.b.tensor((1, 4, 4, 8), "int8", scale=0.05)
    n.dead = 1
    y = n.conv(x, 16, 1, True, True)  # all of it is dead, and four channels are kept
    n.dead = 0
    y = n.dense(n.mean(y, keep_dims), 2)
    tflite = n.b.build([x], [y])
    compiled = compile_tflite(tflite)
    assert compiled.removed == 12 * (3 if keep_dims else 2)
    assert compiled.macs == 4 * 4 * 4 * 8 + 2 * 8  # a dense layer reads a multiple of 8
    check(Case(tflite, [n.rng.integers(-128, 128, x.shape).astype(np.int8)]), "native")


def test_what_is_left() -> None:
    """In a network like MobileNet a channel that is 0 before and behind is gone from both layers."""
    n = _Network(1, 0)
    x = n.b.tensor((1, 8, 8, 4), "int8", scale=0.05)
    y = n.conv(x, 16, 1, True, True)
    y = n.conv(y, 16, 3, True, True, depthwise=True)
    y = n.conv(y, 8, 1, True, True)
    whole = compile_tflite(n.b.build([x], [y]))
    assert whole.removed == 0
    n = _Network(1, 0)
    x = n.b.tensor((1, 8, 8, 4), "int8", scale=0.05)
    y = n.conv(x, 16, 1, True, True)
    n.dead = 1
    y = n.conv(y, 16, 3, True, True, depthwise=True)
    n.dead = 0
    y = n.conv(y, 8, 1, True, True)
    less = compile_tflite(n.b.build([x], [y]))
    assert less.removed == 24  # four of each are kept: kernels work on so many
    assert less.macs == whole.macs * 4 // 16
