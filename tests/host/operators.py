# SPDX-License-Identifier: MIT
"""Random valid models of one operator each, as real .tflite files with inputs to go with them.

`OPERATORS` maps (operator, type) to a function that draws one `Case`; `cases` wraps it for
hypothesis. Shapes and parameters are drawn by hypothesis (so that failures shrink); the many values
of a tensor come from one drawn seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import assume
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


OPERATORS: dict[tuple[str, str], Callable[[Draw], Case]] = {}


def operator(names: str, types: str) -> Callable:
    """Register a function `f(draw, name)` for operators and types, both separated by spaces."""

    def register(f: Callable[[Draw, str], Case]) -> Callable[[Draw, str], Case]:
        for name in names.split():
            for dtype in types.split():
                OPERATORS[name, dtype] = lambda draw, name=name: f(draw, name)
        return f

    return register


@st.composite
def cases(draw: Callable, name: str, dtype: str) -> Case:
    """One random case of an operator and type."""
    return OPERATORS[name, dtype](Draw(draw, dtype))


# Convolutions, pooling, dense


def _window(d: Draw, size: int, dilated: bool = True) -> tuple[int, int, int]:
    """Kernel, stride and dilation along one dimension."""
    kernel = d.int(1, min(size, 5))
    stride = d.of((1, 1, 1, 2, 2, 3, 4))
    dilation = d.of((1, 1, 1, 2, 3)) if dilated else 1
    return kernel, stride, dilation


def _out_size(size: int, kernel: int, stride: int, dilation: int, same: bool) -> int:
    if same:
        return -(-size // stride)
    return (size - (kernel - 1) * dilation - 1) // stride + 1


def _image(d: Draw) -> tuple[int, int, int, int]:
    height = 1 if d.int(0, 3) == 3 else d.int(1, 11)  # Keras's 1D convolutions have H = 1
    return d.of((1, 1, 1, 2)), height, d.int(1, 14), d.of((1, 2, 3, 4, 5, 8, 9, 16))


@operator("CONV_2D DEPTHWISE_CONV_2D", "int8 float32")
def _conv(d: Draw, name: str) -> Case:
    depthwise = name == "DEPTHWISE_CONV_2D"
    n, height, width, channels = _image(d)
    (kh, sh, dh), (kw, sw, dw) = _window(d, height), _window(d, width)
    fits = (kh - 1) * dh < height and (kw - 1) * dw < width
    same = d.flag() if fits else True
    out_channels = channels * d.int(1, 3) if depthwise else d.int(1, 9)
    shape = (1, kh, kw, out_channels) if depthwise else (out_channels, kh, kw, channels)
    x = d.input((n, height, width, channels), **d.quantization())
    taps = kh * kw * (1 if depthwise else channels)
    if d.dtype == "int16" and not depthwise and d.flag():
        d.bias = np.int32
    w, bias, near = _weights(d, x, shape, taps, axis=3 if depthwise else 0)
    # TFLM does not survive a depthwise convolution without bias.
    bias = bias if bias is not None or not depthwise else _bias(d, x, w, out_channels, taps)
    if np.ndim(w.scale or 0) == 0 and d.weights != "int4" and d.int(0, 3) == 3:  # that the model computes
        w = d.input(shape, d.weights, **_same_quantization(w))
    y = d.output(
        (n, _out_size(height, kh, sh, dh, same), _out_size(width, kw, sw, dw, same), out_channels),
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


def _weights(
    d: Draw, x: Tensor, shape: Sequence[int], taps: int, axis: int
) -> tuple[Tensor, Tensor | None, float]:
    """Weights, perhaps a bias, and a fitting scale for the result."""
    channels = shape[axis]
    if d.dtype == "float32":
        w = d.b.const(d.values(shape))
        return w, _bias(d, x, w, channels, taps) if d.flag() else None, 0.0
    near = 0.01
    whole = d.flag() or (d.weights == "int4" and len(shape) == 2)  # TFLM has no dense int4 by row
    scale = d.scale(near) if whole else [d.scale(near) for _ in range(channels)]
    values = d.values(shape, d.weights)
    if len(shape) == 2 and d.weights == "int8" and d.flag():
        values[d.rng.random(channels) < 0.5] >>= 4  # rows that take 4 bits
    w = d.b.const(values, dtype=d.weights, scale=scale, axis=axis)
    bias = _bias(d, x, w, channels, taps) if d.flag() else None
    return w, bias, float(np.mean(scale)) * x.scale * np.sqrt(taps) * 60


def _bias(d: Draw, x: Tensor, w: Tensor, channels: int, taps: int) -> Tensor:
    if d.dtype == "float32":
        return d.b.const(d.values((channels,)))
    reach = int(5000 * np.sqrt(taps))
    values = d.rng.integers(-reach, reach, channels, endpoint=True)
    scale = np.float32(x.scale) * np.array(w.scale, np.float32)
    return d.b.const(values.astype(d.bias), scale=scale)


@operator("FULLY_CONNECTED", "int8 float32")
def _fully_connected(d: Draw, name: str) -> Case:
    depth, units = d.int(1, 70), d.int(1, 12)
    lead = d.shape(1, 3, 4)
    if d.flag():  # one row has kernels of its own, in blocks of 32 channels and 128 inputs
        depth, units, lead = 8 * d.int(1, 40), d.of((units, d.int(1, 70))), d.of(((1,), (1, 1)))
    x = d.input((*lead, depth), **d.quantization())
    w, bias, near = _weights(d, x, (units, depth), depth, axis=0)
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


@operator("AVERAGE_POOL_2D MAX_POOL_2D", "int8 float32")
def _pool(d: Draw, name: str) -> Case:
    n, height, width, channels = _image(d)
    (kh, sh, _), (kw, sw, _) = _window(d, height, False), _window(d, width, False)
    if d.int(0, 3) == 3:
        kh, kw = height, width  # global pooling
    same = d.flag()
    x = d.input((n, height, width, channels), **d.quantization())
    shape = (n, _out_size(height, kh, sh, 1, same), _out_size(width, kw, sw, 1, same), channels)
    y = d.output(shape, **_same_quantization(x))
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


def _same_quantization(x: Tensor) -> dict[str, Any]:
    return {} if x.scale is None else {"scale": x.scale, "zero_point": x.zero_point}


# Element by element


@operator("ADD MUL", "int8 float32")
def _binary(d: Draw, name: str) -> Case:
    first, second = _broadcastable(d)
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


def _broadcastable(d: Draw) -> tuple[tuple[int, ...], tuple[int, ...]]:
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


@operator("RELU RELU6 LOGISTIC TANH", "int8 float32")
def _activation(d: Draw, name: str) -> Case:
    shape = d.shape(1, 4, 9)
    x = d.input(shape, **d.quantization())
    if name in ("LOGISTIC", "TANH"):
        if d.dtype == "int16":
            assume(x.scale < 2)  # beyond, TFLM's own multiplier does not fit into 16 bits
        y = d.output(shape, **_unit(d, 1 if name == "LOGISTIC" else 2))
    else:
        other = d.flag() and x.scale is not None
        y = d.output(shape, **(d.quantization(x.scale) if other else _same_quantization(x)))
    d.b.op(name, [x], y, version=2)
    return d.case(y)


def _unit(d: Draw, span: int) -> dict[str, Any]:
    """The fixed quantization of results within [0, 1] (span 1) or [-1, 1] (span 2)."""
    if d.dtype == "int8":
        return {"scale": span / 256, "zero_point": -128 if span == 1 else 0}
    return {"scale": 1 / 32768} if d.dtype == "int16" else {}


@operator("SOFTMAX", "int8 float32")
def _softmax(d: Draw, name: str) -> Case:
    shape = (*d.shape(0, 3, 4), d.of((1, 2, 3, 10, 12, 100, 300)))
    x = d.input(shape, **d.quantization())
    y = d.output(shape, **_unit(d, 1))
    if d.dtype == "int8" and d.flag():
        y = d.output(shape, "int16", scale=1 / 65536, zero_point=-32768)
    d.b.op(name, [x], y, version=2, beta=d.of((1.0, 1.0, 0.5, 2.0, 0.1)))
    return d.case(y)


@operator("QUANTIZE", "float32")
def _quantize(d: Draw, name: str) -> Case:
    shape = d.shape(1, 4, 9)
    x = d.input(shape)
    y = d.output(shape, "int8", scale=d.scale(), zero_point=d.int(-128, 127))
    if d.flag():  # ties: x + 1/2 steps
        d.inputs[0] = (x, (d.rng.integers(-300, 300, shape) + 0.5).astype(np.float32))
        d.inputs[0] = (x, d.inputs[0][1] * np.float32(y.scale))
    d.b.op(name, [x], y)
    return d.case(y)


@operator("QUANTIZE", "int8")
def _requantize(d: Draw, name: str) -> Case:
    shape = d.shape(1, 4, 9)
    x = d.input(shape, **(d.quantization() or {"scale": d.scale()}))
    dtype = "int8" if d.dtype != "int16" else d.of(("int8", "int16", "int32"))
    zero_point = d.int(-128, 127) if dtype == "int8" else 0
    y = d.output(shape, dtype, scale=d.scale(x.scale), zero_point=zero_point)
    d.b.op(name, [x], y, version=2)
    return d.case(y)


@operator("DEQUANTIZE", "int8")
def _dequantize(d: Draw, name: str) -> Case:
    shape = d.shape(1, 4, 9)
    x = d.input(shape, **d.quantization())
    y = d.output(shape, "float32")
    d.b.op(name, [x], y, version=2)
    return d.case(y)


# Reductions


@operator("MEAN", "int8 float32")
def _mean(d: Draw, name: str) -> Case:
    x = d.input(d.shape(largest=12), **d.quantization())
    y, axes = _reduced(d, x, d.quantization(x.scale or 0) if d.flag() else _same_quantization(x))
    d.b.op(name, [x, axes], y, version=2, keep_dims=len(y.shape) == len(x.shape))
    return d.case(y)


def _reduced(d: Draw, x: Tensor, quantization: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The output of a reduction, and its axes as a constant."""
    rank = len(x.shape)
    axes = [1, 2] if rank == 4 and d.flag() else [i for i in range(rank) if d.flag()] or [rank - 1]
    keep = d.flag()
    shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keep or i not in axes]
    y = d.output(shape, **quantization)
    signed = [a - rank if d.flag() else a for a in axes]
    return y, d.b.const(np.array(signed, np.int32))


# Shapes and copies


@operator("PAD", "int8 float32")
def _pad(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    pads = np.array([(d.int(0, 3), d.int(0, 3)) for _ in x.shape], np.int32)
    y = d.output([n + a + b for n, (a, b) in zip(x.shape, pads, strict=True)], **_same_quantization(x))
    d.b.op(name, [x, d.b.const(pads)], y, version=2)
    return d.case(y)


@operator("RESHAPE", "int8 float32")
def _reshape(d: Draw, name: str) -> Case:
    x = d.input(d.shape(), **d.quantization())
    shape = _other_shape(d, x.shape)
    y = d.output(shape, **_same_quantization(x))
    given = list(shape)
    if given and d.flag():
        given[d.int(0, len(given) - 1)] = -1
    d.b.op(name, [x, d.b.const(np.array(given, np.int32))], y, new_shape=list(shape))
    return d.case(y)


def _other_shape(d: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with as many elements: neighbours merged, then ones put in."""
    merged: list[int] = []
    for n in shape:
        if merged and d.flag():
            merged[-1] *= n
        else:
            merged.append(n)
    while len(merged) < 4 and d.flag():
        merged.insert(d.int(0, len(merged)), 1)
    return tuple(merged)


@operator("SQUEEZE", "int8 float32")
def _squeeze(d: Draw, name: str) -> Case:
    shape = tuple(1 if d.flag() else d.int(1, 6) for _ in range(d.int(1, 4)))
    ones = [i for i, n in enumerate(shape) if n == 1]
    dropped = [i for i in ones if d.flag()]
    x = d.input(shape, **d.quantization())
    left = [n for i, n in enumerate(shape) if i not in (dropped or ones)]
    y = d.output(left, **_same_quantization(x))
    d.b.op(name, [x], y, squeeze_dims=dropped)
    return d.case(y)


@operator("EXPAND_DIMS", "int8 float32")
def _expand_dims(d: Draw, name: str) -> Case:
    x = d.input(d.shape(1, 3), **d.quantization())
    axis = d.axis(len(x.shape) + 1)
    at = axis % (len(x.shape) + 1)
    y = d.output((*x.shape[:at], 1, *x.shape[at:]), **_same_quantization(x))
    d.b.op(name, [x, d.b.const(np.array([axis], np.int32))], y)
    return d.case(y)


@operator("CONCATENATION", "int8 float32")
def _concatenation(d: Draw, name: str) -> Case:
    shape = d.shape()
    axis = d.axis(len(shape))
    at = axis % len(shape)
    sizes = [d.int(1, 5) for _ in range(d.int(2, 5))]
    quantization = d.quantization()
    parts = [d.operand((*shape[:at], n, *shape[at + 1 :]), **quantization) for n in sizes]
    y = d.output((*shape[:at], sum(sizes), *shape[at + 1 :]), **quantization)
    d.b.op(name, parts, y, axis=axis, activation="NONE")
    return d.case(y)


FOUNDATION = frozenset(OPERATORS)  # operators_more.py adds others
