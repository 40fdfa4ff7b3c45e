# SPDX-License-Identifier: MIT
"""Random networks of several operators: what one operator alone cannot show, the memory plan.

Tensors are used more than once and at a distance, operators may work in place, reshapes alias,
branches are joined, and some intermediate tensors are outputs as well.
"""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engines import ENGINES, assert_same, check, open_model, run_on
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from operators import ACTIVATIONS, Case, Draw
from operators.draw import draw_weights, out_size, same_quantization, unit_quantization
from tflite_builder import Tensor

# Without functions that differ in the last bit, float32 too is exact: sums keep TFLM's order.
EXACT_LAYERS = ("conv", "depthwise", "pool", "relu", "pad", "reshape", "add", "mul", "concat")
LAYERS = {
    "int8": (*EXACT_LAYERS, "sigmoid"),
    "int16": (*EXACT_LAYERS, "sigmoid"),
    "float32": EXACT_LAYERS,
}


class Network:
    """A network under construction; every layer takes any tensor that there is so far."""

    def __init__(self, d: Draw):
        self.d = d
        self.tensors: list[Tensor] = [d.input(self._shape(), **d.quantization())]
        if d.flag():
            self.tensors.append(d.input(self.tensors[0].shape, **d.quantization()))

    def _shape(self) -> tuple[int, ...]:
        return (1, self.d.int(1, 6), self.d.int(1, 6), self.d.int(1, 5))

    def layer(self, kind: str) -> None:
        x = self.d.of(self.tensors)
        self.tensors.append(getattr(self, f"_{kind}")(x))

    def _new(self, shape, near: float) -> Tensor:
        # Products of products would leave the range in which TFLM can quantize a 6.
        return self.d.output(shape, **self.d.quantization(float(np.clip(near, 1e-3, 10))))

    def _conv(self, x: Tensor, depthwise: bool = False) -> Tensor:
        channels = x.shape[3] * self.d.int(1, 2) if depthwise else self.d.int(1, 6)
        kh, kw = self.d.int(1, min(3, x.shape[1])), self.d.int(1, min(3, x.shape[2]))
        stride, same = self.d.int(1, 2), self.d.flag()
        shape = (1, kh, kw, channels) if depthwise else (channels, kh, kw, x.shape[3])
        taps = kh * kw * (1 if depthwise else x.shape[3])
        w, bias, near = draw_weights(self.d, x, shape, taps, axis=3 if depthwise else 0)
        if bias is None and depthwise:
            bias = self.d.b.const(np.zeros(channels, self.d.bias))
        size = [out_size(n, k, stride, 1, same) for n, k in zip(x.shape[1:3], (kh, kw), strict=True)]
        y = self._new((1, *size, channels), near)
        options = {"depth_multiplier": channels // x.shape[3]} if depthwise else {}
        self.d.b.op(
            "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
            [x, w, bias],
            y,
            version=3,
            padding="SAME" if same else "VALID",
            stride_h=stride,
            stride_w=stride,
            activation=self.d.of(ACTIVATIONS),
            dilation_h_factor=1,
            dilation_w_factor=1,
            **options,
        )
        return y

    def _depthwise(self, x: Tensor) -> Tensor:
        return self._conv(x, depthwise=True)

    def _pool(self, x: Tensor) -> Tensor:
        size = [out_size(n, 2, 2, 1, True) for n in x.shape[1:3]]
        y = self.d.output((1, *size, x.shape[3]), **same_quantization(x))
        name = self.d.of(("MAX_POOL_2D", "AVERAGE_POOL_2D"))
        sizes = {"stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
        self.d.b.op(name, [x], y, version=2, padding="SAME", activation="NONE", **sizes)
        return y

    def _relu(self, x: Tensor) -> Tensor:
        y = self.d.output(x.shape, **same_quantization(x))
        self.d.b.op(self.d.of(("RELU", "RELU6")), [x], y, version=2)
        return y

    def _sigmoid(self, x: Tensor) -> Tensor:
        fixed = unit_quantization(self.d, 1)
        y = self.d.output(x.shape, **fixed)
        options = {"SOFTMAX": {"beta": 1.0}}
        name = self.d.of(("LOGISTIC", "SOFTMAX"))
        self.d.b.op(name, [x], y, version=2, **options.get(name, {}))
        return y

    def _pad(self, x: Tensor) -> Tensor:
        pads = np.array([(0, 0), (1, 0), (0, 1), (0, 0)], np.int32)
        shape = [n + int(p.sum()) for n, p in zip(x.shape, pads, strict=True)]
        y = self.d.output(shape, **same_quantization(x))
        self.d.b.op("PAD", [x, self.d.b.const(pads)], y, version=2)
        return y

    def _reshape(self, x: Tensor) -> Tensor:
        shape = self.d.of([(1, *s) for s in {x.shape[1:], x.shape[:0:-1], (1, 1, x.size)}])
        y = self.d.output(shape, **same_quantization(x))
        self.d.b.op("RESHAPE", [x, self.d.b.const(np.array(shape, np.int32))], y, new_shape=shape)
        return y

    def _add(self, x: Tensor, name: str = "ADD") -> Tensor:
        # The other operand: the same tensor, one of its shape, or one that broadcasts.
        others = [t for t in self.tensors if t.shape in (x.shape, (1, 1, 1, x.shape[3]))]
        other = self.d.of(others)
        near = (x.scale or 0) * (80 * (other.scale or 0) if name == "MUL" else 1)
        y = self._new(x.shape, near)
        operands = [x, other] if self.d.flag() else [other, x]
        self.d.b.op(name, operands, y, version=2, activation=self.d.of(ACTIVATIONS))
        return y

    def _mul(self, x: Tensor) -> Tensor:
        return self._add(x, "MUL")

    def _concat(self, x: Tensor) -> Tensor:
        parts = [t for t in self.tensors if t.shape[1:3] == x.shape[1:3]]
        chosen = [self._requantized(self.d.of(parts), x) for _ in range(self.d.int(1, 3))]
        shape = (*x.shape[:3], x.shape[3] + sum(t.shape[3] for t in chosen))
        y = self.d.output(shape, **same_quantization(x))
        self.d.b.op("CONCATENATION", [x, *chosen], y, axis=3, activation="NONE")
        return y

    def _requantized(self, t: Tensor, like: Tensor) -> Tensor:
        """TFLM joins only tensors of one scale and zero point."""
        if (t.scale, t.zero_point) == (like.scale, like.zero_point):
            return t
        y = self.d.output(t.shape, **same_quantization(like))
        self.d.b.op("QUANTIZE", [t], y)
        return y


@st.composite
def networks(draw, dtype: str) -> Case:
    d = Draw(draw, dtype)
    net = Network(d)
    inputs = len(net.tensors)
    for _ in range(d.int(2, 10)):
        net.layer(d.of(LAYERS[dtype]))
    made = net.tensors[inputs:]
    return d.case(made[-1], *(t for t in made[:-1] if d.int(0, 4) == 4))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", LAYERS)
def test_network(dtype: str, engine: str, cases_run) -> None:
    @hypothesis.settings(max_examples=3 * hypothesis.settings().max_examples)
    @hypothesis.given(networks(dtype))
    def compare(case):
        cases_run["(networks)", dtype, engine] += 1
        check(case, engine)

    compare()


@pytest.mark.parametrize("engine", ENGINES)
def test_runs_do_not_affect_each_other(engine: str) -> None:
    """One model object, several runs: what a run leaves in the arena does not matter."""

    @hypothesis.settings(max_examples=20)
    @hypothesis.given(networks("int8"), st.integers(0, 2**32 - 1))
    def compare(case, seed):
        model = open_model(compile_tflite(case.tflite).hog, engine)
        oracle = Oracle(case.tflite)
        rng = np.random.default_rng(seed)
        for _ in range(3):
            inputs = [rng.integers(-128, 128, a.shape).astype(np.int8) for a in case.inputs]
            expected = oracle.run(inputs)
            for ours, tflm in zip(run_on(model, inputs, expected), expected, strict=True):
                assert_same(ours, tflm, "a later run")

    compare()
