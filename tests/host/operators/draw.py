# SPDX-License-Identifier: MIT
"""What random models are drawn with: shapes and parameters by hypothesis, so that failures shrink; the many
values of a tensor from one drawn seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tflite_builder import Builder, Tensor

ACTIVATIONS = ("NONE", "NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
SPECIAL_FLOATS = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e38, -1e38, 1e-40, 6.0, -1.0], np.float32)


@dataclass
class Case:
    """One model with one set of raw inputs; `then`: further runs of one with a state, None for a reset."""

    tflite: bytes = field(repr=False)
    inputs: list[np.ndarray] = field(repr=False)
    note: str = ""
    then: list[list[np.ndarray] | None] = field(default_factory=list, repr=False)
    unit: float = 0.0  # float32 results are compared to 1e-6 of their size, which counts as this at least


class Draw:
    """What the strategies below draw from; `b` is the model under construction."""

    def __init__(self, draw: Callable[[st.SearchStrategy], Any], dtype: str):
        self._draw = draw
        self.dtype = "int8" if dtype == "int4" else dtype  # int4 is a type of weights
        self.weights = dtype if dtype in ("int4", "float32") else "int8"
        self.b = Builder()
        self.rng = np.random.default_rng(self.int(0, 2**32 - 1))
        self.bias = {"float32": np.float32, "int16": np.int64}.get(dtype, np.int32)
        self.wild = self.int(0, 7) == 7  # scales with no regard for the range of the result
        self.inputs: list[tuple[Tensor, np.ndarray]] = []
        self.notes: list[str] = []

    def int(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def of(self, choices: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(list(choices)))

    def flag(self) -> bool:
        return self._draw(st.booleans())

    def shape(self, low: int = 1, high: int = 4, largest: int = 8) -> tuple[int, ...]:
        """A shape of `low` to `high` dimensions, rather many and large than few and small."""
        rank = max(self.int(low, high), self.int(low, high))
        return tuple(max(self.int(1, largest), self.int(1, largest)) for _ in range(rank))

    def scale(self, near: float = 0.05) -> float:
        """A scale about `near`, within a factor of four; far off in wild cases."""
        octaves = 8 if self.wild else 2
        exponent = self.int(-16 * octaves, 16 * octaves) / 16 + self.rng.uniform(0, 1 / 16)
        return float(np.float32(near * 2.0**exponent))

    def zero_point(self) -> int:
        if self.dtype != "int8":
            return 0
        return self.of((0, -128, 127, *[self.int(-100, 100)] * 8))

    def quantization(self, near: float = 0.05) -> dict[str, Any]:
        """Scale and zero point where the type is quantized, else nothing."""
        if self.dtype not in ("int8", "int16", "uint8"):
            return {}
        return {"scale": self.scale(near), "zero_point": self.zero_point()}

    def values(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        """Values over the whole range of the type, or only its ends, or few distinct ones."""
        dtype = dtype or self.dtype
        if dtype == "float32":
            return self._floats(shape)
        if dtype == "bool":
            return self.rng.integers(0, 2, shape).astype(bool)
        info = np.iinfo(np.int8 if dtype == "int4" else dtype)
        low, high = (-7, 7) if dtype == "int4" else (int(info.min), int(info.max))
        style = self.of(("any", "any", "any", "any", "any", "ends", "small"))
        if style == "ends":
            return self.rng.choice([low, high], shape).astype(info.dtype)
        if style == "small" or info.bits > 16:
            low, high = max(low, -5), min(high, 5)
        return self.rng.integers(low, high, shape, endpoint=True).astype(info.dtype)

    def _floats(self, shape: Sequence[int]) -> np.ndarray:
        values = self.rng.normal(0, 2.0 ** self.int(-3, 4), shape).astype(np.float32)
        if self.int(0, 5) == 5:
            odd = self.rng.random(shape) < 0.1
            values = np.where(odd, self.rng.choice(SPECIAL_FLOATS, shape), values)
        return values.astype(np.float32)

    def input(self, shape: Sequence[int], dtype: str | None = None, **quantization: Any) -> Tensor:
        """A model input with its values."""
        dtype = dtype or self.dtype
        tensor = self.b.tensor(shape, dtype, **quantization)
        self.inputs.append((tensor, self.values(shape, dtype)))
        return tensor

    def operand(self, shape: Sequence[int], **quantization: Any) -> Tensor:
        """An input of the model, or a constant."""
        if self.inputs and self.flag():
            return self.b.const(self.values(shape), **quantization)
        return self.input(shape, **quantization)

    def output(self, shape: Sequence[int], dtype: str | None = None, **quantization: Any) -> Tensor:
        return self.b.tensor(shape, dtype or self.dtype, **quantization)

    def axis(self, rank: int) -> int:
        return self.int(-rank, rank - 1)

    def case(self, *outputs: Tensor) -> Case:
        tflite = self.b.build([t for t, _ in self.inputs], outputs)
        return Case(tflite, [v for _, v in self.inputs], " ".join(self.notes))


class Operators(dict[tuple[str, str], Callable[[Draw], Case]]):
    """By operator and type, a function that draws one case."""

    def add(self, names: str, types: str) -> Callable:
        """Takes a function `f(draw, name)` for operators and types, both separated by spaces."""

        def register(f: Callable[[Draw, str], Case]) -> Callable[[Draw, str], Case]:
            for name in names.split():
                for dtype in types.split():
                    self[name, dtype] = lambda draw, name=name: f(draw, name)
            return f

        return register


def draw_window(d: Draw, size: int, dilated: bool = True) -> tuple[int, int, int]:
    """Kernel, stride and dilation along one dimension."""
    kernel = d.int(1, min(size, 5))
    stride = d.of((1, 1, 1, 2, 2, 3, 4))
    dilation = d.of((1, 1, 1, 2, 3)) if dilated else 1
    return kernel, stride, dilation


def out_size(size: int, kernel: int, stride: int, dilation: int, same: bool) -> int:
    if same:
        return -(-size // stride)
    return (size - (kernel - 1) * dilation - 1) // stride + 1


def draw_image(d: Draw) -> tuple[int, int, int, int]:
    height = 1 if d.int(0, 3) == 3 else d.int(1, 11)  # Keras's 1D convolutions have H = 1
    return d.of((1, 1, 1, 2)), height, d.int(1, 14), d.of((1, 2, 3, 4, 5, 8, 9, 16))


def draw_weights(
    d: Draw, x: Tensor, shape: Sequence[int], taps: int, axis: int
) -> tuple[Tensor, Tensor | None, float]:
    """Weights, perhaps a bias, and a fitting scale for the result."""
    channels = shape[axis]
    if d.dtype == "float32":
        w = d.b.const(d.values(shape))
        return w, draw_bias(d, x, w, channels, taps) if d.flag() else None, 0.0
    near = 0.01
    whole = d.flag() or (d.weights == "int4" and len(shape) == 2)  # TFLM has no dense int4 by row
    scale = d.scale(near) if whole else [d.scale(near) for _ in range(channels)]
    values = d.values(shape, d.weights)
    if len(shape) == 2 and d.weights == "int8" and d.flag():
        values[d.rng.random(channels) < 0.5] >>= 4  # rows that take 4 bits
    w = d.b.const(values, dtype=d.weights, scale=scale, axis=axis)
    bias = draw_bias(d, x, w, channels, taps) if d.flag() else None
    return w, bias, float(np.mean(scale)) * x.scale * np.sqrt(taps) * 60


def draw_bias(d: Draw, x: Tensor, w: Tensor, channels: int, taps: int) -> Tensor:
    if d.dtype == "float32":
        return d.b.const(d.values((channels,)))
    reach = int(5000 * np.sqrt(taps))
    values = d.rng.integers(-reach, reach, channels, endpoint=True)
    scale = np.float32(x.scale) * np.array(w.scale, np.float32)
    return d.b.const(values.astype(d.bias), scale=scale)


def same_quantization(x: Tensor) -> dict[str, Any]:
    return {} if x.scale is None else {"scale": x.scale, "zero_point": x.zero_point}


def broadcastable(d: Draw) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes: equal, or broadcasting against each other."""
    shape = d.shape()
    kind = d.of(("equal", "channels", "scalar", "any"))
    if kind == "equal":
        return shape, shape
    if kind == "channels":
        return shape, shape[-1:] if d.flag() else (1,) * (len(shape) - 1) + shape[-1:]
    if kind == "scalar":
        return shape, (1,)
    first = tuple(n if d.flag() else 1 for n in shape)
    second = tuple(n if d.flag() else 1 for n in shape)
    return first, second[d.int(0, len(shape) - 1) :]


def unit_quantization(d: Draw, span: int) -> dict[str, Any]:
    """The fixed quantization of results within [0, 1] (span 1) or [-1, 1] (span 2)."""
    if d.dtype == "int8":
        return {"scale": span / 256, "zero_point": -128 if span == 1 else 0}
    return {"scale": 1 / 32768} if d.dtype == "int16" else {}


def reduced_output(d: Draw, x: Tensor, quantization: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The output of a reduction, and its axes as a constant."""
    rank = len(x.shape)
    axes = [1, 2] if rank == 4 and d.flag() else [i for i in range(rank) if d.flag()] or [rank - 1]
    keep = d.flag()
    shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keep or i not in axes]
    y = d.output(shape, **quantization)
    signed = [a - rank if d.flag() else a for a in axes]
    return y, d.b.const(np.array(signed, np.int32))


def single(d: Draw, name: str, inputs: list, y, **options) -> Case:
    d.b.op(name, inputs, y, version=2, **options)
    return d.case(y)
