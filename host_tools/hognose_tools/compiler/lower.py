# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 3: the graph's operators into the engine's records, with all numbers computed.

One function per TFLite operator. Arithmetic that the board repeats for every value (multipliers, tables,
clamp bounds, folded zero points) is done here once, as TFLM's Prepare functions do it (tflite-micro,
tensorflow/lite/micro/kernels), so that the results are the same to the bit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from . import fixedpoint as fx
from .graph import Graph, Operator, Tensor
from .planner import Buffer, Pairs
from .records import ITEMSIZE, MAX_LOOPS, TYPECODE, Loop

ACTIVATIONS = {0: None, 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
_BOUNDS = {"RELU": (0.0, None), "RELU_N1_TO_1": (-1.0, 1.0), "RELU6": (0.0, 6.0)}
_SAME = 0  # tflite.Padding
FLT_MAX = float(np.finfo(np.float32).max)


class Unsupported(Exception):
    """What the engine cannot run, and what to do about it."""


@dataclass(frozen=True)
class View:
    """Where a tensor lies: a buffer of the arena, and bytes into it."""

    buffer: Buffer
    offset: int = 0


@dataclass(frozen=True)
class Const:
    """Bytes in DATA."""

    data: bytes


@dataclass(eq=False)
class Step:
    """A record to be: fields still hold Views and Consts. `tensor` is what it completes."""

    name: str
    type: str
    fields: dict[str, Any]
    loops: list[Loop]
    operator: Operator
    tensor: Tensor
    macs: int = 0


@dataclass
class Lowered:
    """The steps in order, the buffers they use, and which may share their place."""

    graph: Graph
    steps: list[Step] = field(default_factory=list)
    places: dict[int, View | Const] = field(default_factory=dict)  # by tensor index
    buffers: list[Buffer] = field(default_factory=list)
    inplace: Pairs = field(default_factory=set)
    problems: dict[str, list[str]] = field(default_factory=dict)  # what is wrong: where
    _candidates: list[tuple[int, Buffer, Buffer]] = field(default_factory=list)

    def new_buffer(self, size: int) -> View:
        buffer = Buffer(max(size, 1))
        self.buffers.append(buffer)
        return View(buffer)

    def place(self, t: Tensor) -> View | Const:
        """Where `t` is, or where it will be."""
        if t.index not in self.places:
            if t.data is not None:
                self.places[t.index] = Const(t.data.tobytes())
            else:
                self.places[t.index] = self.new_buffer(t.size * ITEMSIZE[typecode(t)])
        return self.places[t.index]

    def alias(self, source: Tensor, result: Tensor) -> None:
        """`result` is `source` under another shape."""
        self.places[result.index] = self.place(source)

    def emit(
        self,
        name: str,
        op: Operator,
        fields: dict[str, Any],
        loops: Sequence[Loop] = (),
        *,
        kind: str,
        macs: int = 0,
        inplace: Sequence[Tensor] = (),
    ) -> None:
        """Adds a step. `inplace`: inputs whose place the output may take."""
        if len(loops) > MAX_LOOPS:
            raise Unsupported(
                f"it needs {len(loops)} nested loops, {MAX_LOOPS} is the limit: "
                "use tensors of fewer dimensions"
            )
        out = fields["out"]
        for t in inplace:
            view = self.place(t)
            if isinstance(view, View) and view.offset == out.offset == 0:
                self._candidates.append((len(self.steps), view.buffer, out.buffer))
        self.steps.append(Step(name, kind, fields, list(loops), op, op.outputs[0], macs))

    def finish(self) -> None:
        """Lifetimes of all buffers, and the pairs that may share their place."""
        for i, step in enumerate(self.steps):
            for value in step.fields.values():
                if isinstance(value, View):
                    value.buffer.touch(i)
        for t in self.graph.inputs:
            _buffer(self.place(t)).touch(-1)
        for t in self.graph.outputs:
            _buffer(self.place(t)).touch(len(self.steps))
        self.inplace = {
            (id(source), id(result))
            for i, source, result in self._candidates
            if source is not result and source.last == i == result.first
        }


def _buffer(place: View | Const) -> Buffer:
    assert isinstance(place, View)
    return place.buffer


def lower(graph: Graph) -> Lowered:
    """All operators of `graph` as steps; what cannot be is listed in `problems`, all of it."""
    low = Lowered(graph)
    for t in (*graph.inputs, *graph.outputs):
        if t.dtype not in TYPECODE:
            low.problems.setdefault(f"{t.dtype} inputs and outputs: {_ASK_TYPE}", []).append(t.label)
    if low.problems:
        return low
    for t in graph.inputs:
        if t.data is None:
            low.place(t)
    for op in graph.operators:
        try:
            if op.kind not in LOWER:
                raise Unsupported("this operator is not supported: replace the layer")
            LOWER[op.kind](low, op)
        except Unsupported as e:
            low.problems.setdefault(str(e), []).append(op.label)
    if not low.problems:
        _ground_outputs(low)
        low.finish()
    return low


def _ground_outputs(low: Lowered) -> None:
    """A constant output is copied into the arena: an output is always there."""
    for t in low.graph.outputs:
        place = low.place(t)
        if isinstance(place, Const):
            op = Operator(len(low.graph.operators), "constant", 1, [], [t])
            low.places[t.index] = low.new_buffer(len(place.data))
            low.emit("MOVE", op, {"in": place, "out": low.place(t), "run": len(place.data)}, kind=typecode(t))


# --- helpers ------------------------------------------------------------------------------------

_ASK_TYPE = "only int8 and float32 are supported; convert with `hognose quantize` (full int8) or as float32"


def typecode(*tensors: Tensor) -> str:
    """The one element type of all `tensors`."""
    kinds = {t.dtype for t in tensors}
    if kinds == {"float32", "int8"} and tensors[0].dtype == "float32":
        raise Unsupported(
            "int8 weights with float32 values (dynamic-range quantization) are not supported, "
            "nor by TFLM: convert the model to full int8 with `hognose quantize`, or as float32"
        )
    odd = kinds - TYPECODE.keys()
    if odd:
        raise Unsupported(f"{' and '.join(sorted(odd))} tensors are not supported: {_ASK_TYPE}")
    if len(kinds) > 1:
        raise Unsupported(f"{' with '.join(sorted(kinds))} in one operator is not supported: {_ASK_TYPE}")
    kind = TYPECODE[kinds.pop()]
    if kind == "b" and any(not len(t.scales) for t in tensors):
        raise Unsupported("an int8 tensor has no scale: quantize the model again")
    return kind


def constant(op: Operator, i: int, what: str) -> np.ndarray:
    """The data of input `i`, which must be constant."""
    t = op.inputs[i] if i < len(op.inputs) else None
    if t is None or t.data is None:
        raise Unsupported(f"its {what} must be a constant: give the model fixed shapes (batch size 1)")
    return t.data


def activation(op: Operator) -> str | None:
    code = op.options.get("fused_activation_function", 0)
    if code not in ACTIVATIONS:
        raise Unsupported(f"fused activation number {code} is not supported: use a layer of its own")
    return ACTIVATIONS[code]


def clamp(op: Operator, kind: str, act: str | None = None, in_zp: int = 0) -> dict[str, int | float]:
    """The clamp fields: the activation's bounds in the output's own numbers."""
    low, high = _BOUNDS[act] if act else (None, None)
    if kind == "f":
        # Without an activation TFLM still clamps to what is finite.
        return {"min": -FLT_MAX if low is None else low, "max": FLT_MAX if high is None else high}
    t = op.outputs[0]
    return {
        "in_zp": in_zp,
        "out_zp": t.zero_point,
        "min": -128 if low is None else max(-128, quantized(low, t)),
        "max": 127 if high is None else min(127, quantized(high, t)),
    }


def quantized(value: float, t: Tensor) -> int:
    """`value` in t's numbers: a float32 division, rounded half away from zero."""
    ratio = float(np.float32(value) / t.scale)
    return t.zero_point + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))


def check_zero_points(*tensors: Tensor) -> None:
    for t in tensors:
        if not -128 <= t.zero_point <= 127:
            raise Unsupported(f"the zero point {t.zero_point} is not an int8: quantize the model again")


def contiguous(shape: Sequence[int]) -> list[int]:
    """Strides in elements of a row-major tensor."""
    return [prod(shape[i + 1 :]) for i in range(len(shape))]


def nest(sizes: Sequence[int], a: Sequence[int], b: Sequence[int]) -> list[Loop]:
    """A loop nest over `sizes`: levels of one step go, levels that continue each other become one."""
    loops: list[Loop] = []
    for n, sa, sb in zip(sizes, a, b, strict=True):
        if n == 1:
            continue
        top = loops[-1] if loops else None
        if top and top.a == sa * n and top.b == sb * n:
            top.n, top.a, top.b = top.n * n, sa, sb
        else:
            loops.append(Loop(n, sa, sb))
    return loops


# --- convolutions -------------------------------------------------------------------------------


@dataclass
class Window:
    """How a kernel slides along one axis."""

    size: int
    out: int
    k: int
    stride: int
    dilation: int
    pad: int

    @property
    def inside(self) -> bool:
        """No position of the window reaches over a border."""
        return self.pad == 0 and (self.out - 1) * self.stride + (self.k - 1) * self.dilation < self.size


def window(op: Operator, axis: str, size: int, out: int, k: int) -> Window:
    """TFLite's ComputePadding, and the check that the model's output shape is what it gives."""
    stride = op.options[f"stride_{axis}"]
    dilation = op.options.get(f"dilation_{axis}factor", 1)
    if stride < 1 or dilation < 1 or k < 1:
        raise Unsupported(f"stride {stride}, dilation {dilation}, window {k}: each must be at least 1")
    reach = (k - 1) * dilation + 1
    same = op.options["padding"] == _SAME
    expected = -(-size // stride) if same else max(0, -(-(size - reach + 1) // stride))
    if out != expected:
        raise Unsupported(f"its output is {out} along {axis}, {expected} was expected: damaged model")
    return Window(size, out, k, stride, dilation, max(0, (out - 1) * stride + reach - size) // 2)


def shape4(t: Tensor) -> tuple[int, int, int, int]:
    if len(t.shape) != 4:
        raise Unsupported(f"a tensor of shape {list(t.shape)} where four dimensions are expected")
    return t.shape  # type: ignore[return-value]


def scales(op: Operator, x: Tensor, w: Tensor, channels: int) -> list[tuple[int, int]]:
    """The requantization multipliers: one, or one per output channel."""
    y = float(op.outputs[0].scale)
    if len(w.scales) == 1:
        # FULLY_CONNECTED multiplies the two scales as float32, the convolutions as double.
        dense = op.kind == "FULLY_CONNECTED"
        product = float(x.scale * w.scale) if dense else float(x.scale) * float(w.scale)
        return [fx.quantize_multiplier(product / y)]
    if len(w.scales) != channels:
        raise Unsupported(f"{len(w.scales)} weight scales for {channels} channels: damaged model")
    pairs = [fx.quantize_multiplier(float(x.scale) * float(s) / y) for s in w.scales]
    return pairs if len(set(pairs)) > 1 else pairs[:1]


def parameters(op: Operator, kind: str, weights: np.ndarray, out_axis: int) -> tuple[Const, int]:
    """Bias with the input's zero point folded in, multipliers and shifts; and how many of these."""
    x, w = op.inputs[0], op.inputs[1]
    assert x is not None and w is not None
    channels = weights.shape[out_axis]
    b = op.inputs[2] if len(op.inputs) > 2 else None
    bias = constant(op, 2, "bias").reshape(-1) if b is not None else np.zeros(channels, np.int32)
    if len(bias) != channels:
        raise Unsupported(f"{len(bias)} bias values for {channels} channels: damaged model")
    if kind == "f":
        return Const(bias.astype("<f4").tobytes()), 0
    if bias.dtype != np.int32:
        raise Unsupported(f"a bias of type {bias.dtype} is not supported: {_ASK_TYPE}")
    others = tuple(i for i in range(weights.ndim) if i != out_axis)
    bias = bias.astype(np.int64) - x.zero_point * weights.astype(np.int64).sum(axis=others)
    pairs = scales(op, x, w, channels)
    if any(shift > 30 for _, shift in pairs):
        raise Unsupported("its scales differ by more than 2^30: quantize the model again")
    multipliers = np.array([m for m, _ in pairs], "<i4")
    shifts = np.array([s for _, s in pairs], "i1")
    # Accumulators are 32 bits wide and wrap, in TFLM as here.
    data = bias.astype("<u4").tobytes() + multipliers.tobytes() + shifts.tobytes()
    return Const(data), len(pairs)


def symmetric(w: Tensor, data: np.ndarray, kind: str) -> np.ndarray:
    """Weights whose zero point is 0; one that is not is folded in where the result stays int8."""
    if kind == "f" or not w.zero_points.any():
        return data
    zero = w.zero_points if len(w.zero_points) == 1 else w.zero_points.reshape(-1, *[1] * (data.ndim - 1))
    folded = data.astype(np.int64) - zero
    if w.axis != 0 or folded.min() < -128 or folded.max() > 127:
        raise Unsupported("its weights have a zero point that is not 0: quantize them symmetrically")
    return folded.astype(np.int8)


def convolution(low: Lowered, op: Operator, *, depthwise: bool) -> None:
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and w is not None
    kind = typecode(x, w, y)
    weights = constant(op, 1, "weights")
    batch, in_h, in_w, in_c = shape4(x)
    out_batch, out_h, out_w, out_c = shape4(y)
    first, k_h, k_w, last = shape4(w)
    filters, depth = (last, in_c) if depthwise else (first, last)
    groups = in_c if depthwise else in_c // depth if depth and in_c % depth == 0 else 0
    if out_batch != batch or filters != out_c or not groups or out_c % groups or (depthwise and first != 1):
        raise Unsupported(
            f"the shapes {list(x.shape)}, {list(w.shape)}, {list(y.shape)} of input, "
            "weights, output do not fit together: damaged model"
        )
    rows, columns = window(op, "h", in_h, out_h, k_h), window(op, "w", in_w, out_w, k_w)
    _emit_conv(low, op, kind, weights, batch, rows, columns, in_c, out_c, groups, depthwise)


def fully_connected(low: Lowered, op: Operator) -> None:
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and w is not None
    kind = typecode(x, w, y)
    if op.options.get("weights_format", 0) != 0:
        raise Unsupported("shuffled weights are not supported: convert the model again")
    weights = symmetric(w, constant(op, 1, "weights"), kind)
    if (
        weights.ndim != 2
        or x.size % weights.shape[1]
        or y.size * weights.shape[1] != x.size * weights.shape[0]
    ):
        raise Unsupported(
            f"the shapes {list(x.shape)}, {list(w.shape)}, {list(y.shape)} of input, "
            "weights, output do not fit together: damaged model"
        )
    out_c, in_c = weights.shape
    row, rows = Window(1, 1, 1, 1, 1, 0), Window(x.size // in_c, x.size // in_c, 1, 1, 1, 0)
    _emit_conv(low, op, kind, weights.reshape(out_c, 1, 1, in_c), 1, row, rows, in_c, out_c, 1, False)


def _emit_conv(
    low: Lowered,
    op: Operator,
    kind: str,
    weights: np.ndarray,
    batch: int,
    rows: Window,
    columns: Window,
    in_c: int,
    out_c: int,
    groups: int,
    depthwise: bool,
) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    if kind == "b":
        check_zero_points(x, y)
    params, count = parameters(op, kind, weights, 3 if depthwise else 0)
    depth = 1 if depthwise else in_c // groups
    patch = rows.k * columns.k * depth
    macs = batch * rows.out * columns.out * out_c * patch
    scratch = None
    if not depthwise and not _patch_in_place(rows, columns, groups):
        scratch = low.new_buffer(patch * ITEMSIZE[kind])
    fields = {
        "in": low.place(x),
        "out": low.place(y),
        "weights": Const(weights.tobytes()),
        "params": params,
        "scratch": scratch,
        "in_c": in_c,
        "out_c": out_c,
        "batch": batch,
        "in_h": rows.size,
        "in_w": columns.size,
        "out_h": rows.out,
        "out_w": columns.out,
        "k_h": rows.k,
        "k_w": columns.k,
        "groups": groups,
        "stride_h": rows.stride,
        "stride_w": columns.stride,
        "dilation_h": rows.dilation,
        "dilation_w": columns.dilation,
        "pad_h": rows.pad,
        "pad_w": columns.pad,
        "scales": count,
        **clamp(op, kind, activation(op), x.zero_point if kind == "b" else 0),
    }
    low.emit("DEPTHWISE" if depthwise else "CONV", op, fields, kind=kind, macs=macs)


def _patch_in_place(rows: Window, columns: Window, groups: int) -> bool:
    """Whether every patch of a convolution lies in the input in one piece."""
    one_row = rows.k == 1 and (columns.k == 1 or columns.dilation == 1)
    whole_rows = columns.k == columns.size and columns.dilation == 1 and rows.dilation == 1
    return groups == 1 and rows.inside and columns.inside and (one_row or whole_rows)


def pool(low: Lowered, op: Operator, *, name: str) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    kind = typecode(x, y)
    batch, in_h, in_w, channels = shape4(x)
    out_batch, out_h, out_w, out_c = shape4(y)
    if (batch, channels) != (out_batch, out_c):
        raise Unsupported("batch or channels change in a pooling layer: damaged model")
    if kind == "b":
        check_zero_points(x, y)
        if abs(x.scale - y.scale) > 1e-6 or x.zero_point != y.zero_point:
            raise Unsupported("input and output are quantized differently: quantize the model again")
    rows = window(op, "h", in_h, out_h, op.options["filter_height"])
    columns = window(op, "w", in_w, out_w, op.options["filter_width"])
    fields = {
        "in": low.place(x),
        "out": low.place(y),
        "channels": channels,
        "batch": batch,
        "in_h": in_h,
        "in_w": in_w,
        "out_h": out_h,
        "out_w": out_w,
        "k_h": rows.k,
        "k_w": columns.k,
        "stride_h": rows.stride,
        "stride_w": columns.stride,
        "pad_h": rows.pad,
        "pad_w": columns.pad,
        **clamp(op, kind, activation(op)),
    }
    low.emit(name, op, fields, kind=kind)


# --- elementwise --------------------------------------------------------------------------------


def binary(low: Lowered, op: Operator) -> None:
    a, b, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert a is not None and b is not None
    kind = typecode(a, b, y)
    try:
        fits = np.broadcast_shapes(a.shape, b.shape) == y.shape
    except ValueError:
        fits = False
    if not fits:
        raise Unsupported(
            f"the shapes {list(a.shape)} and {list(b.shape)} do not give {list(y.shape)}: damaged model"
        )
    strides = [_broadcast_strides(t.shape, y.shape) for t in (a, b)]
    loops = nest(y.shape, *strides) or [Loop(1, 0, 0)]
    act = activation(op)
    fields: dict[str, Any] = {
        "in1": low.place(a),
        "in2": low.place(b),
        "out": low.place(y),
        "loops": len(loops),
        **clamp(op, kind, act),
    }
    if kind == "b":
        check_zero_points(a, b, y)
        fields |= {"in_zp": a.zero_point, "in2_zp": b.zero_point, **_binary_scales(op.kind, a, b, y)}
    whole = [t for t in (a, b) if t.shape == y.shape]
    low.emit(op.kind, op, fields, loops, kind=kind, inplace=whole)


def _broadcast_strides(shape: tuple[int, ...], out: tuple[int, ...]) -> list[int]:
    full = (1,) * (len(out) - len(shape)) + shape
    return [0 if n == 1 else s for n, s in zip(full, contiguous(full), strict=True)]


def _binary_scales(kind: str, a: Tensor, b: Tensor, y: Tensor) -> dict[str, int]:
    sa, sb, sy = float(a.scale), float(b.scale), float(y.scale)
    if kind == "MUL":
        multiplier, shift = fx.quantize_multiplier(sa * sb / sy)
        return {"multiplier": multiplier, "shift": shift}
    left = 20
    twice = 2 * max(sa, sb)
    out = twice / ((1 << left) * sy)
    if out >= 1:
        raise Unsupported("its output scale is far smaller than its input scales: quantize the model again")
    (m1, s1), (m2, s2), (m, s) = map(fx.quantize_multiplier, (sa / twice, sb / twice, out))
    return {
        "left_shift": left,
        "multiplier1": m1,
        "shift1": s1,
        "multiplier2": m2,
        "shift2": s2,
        "multiplier": m,
        "shift": s,
    }


def lookup(low: Lowered, op: Operator, function: Callable[[int], int]) -> None:
    """Any int8 function of one int8 value becomes a table."""
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    check_zero_points(x, y)
    table = bytes(max(-128, min(127, function(q))) & 255 for q in range(-128, 128))
    fields = {"in": low.place(x), "out": low.place(y), "count": x.size, "table": Const(table)}
    low.emit("LUT", op, fields, kind="b", inplace=[x])


def unary_float(low: Lowered, op: Operator, name: str, bounds: tuple[float, float] = (0.0, 0.0)) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    fields = {"in": low.place(x), "out": low.place(y), "count": x.size, "min": bounds[0], "max": bounds[1]}
    low.emit(name, op, fields, kind="f", inplace=[x])


def same_size(op: Operator) -> tuple[Tensor, Tensor]:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    if x.size != y.size:
        raise Unsupported(
            f"its input {list(x.shape)} and output {list(y.shape)} differ in size: damaged model"
        )
    return x, y


def relu(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    if typecode(x, y) == "f":
        return unary_float(low, op, "CLAMP", (0.0, math.inf))
    multiplier, shift = fx.quantize_multiplier(float(x.scale) / float(y.scale))
    lowest = max(-128, y.zero_point)
    return lookup(low, op, lambda q: max(lowest, y.zero_point + fx.mbqm(q - x.zero_point, multiplier, shift)))


def relu6(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    if typecode(x, y) == "f":
        return unary_float(low, op, "CLAMP", (0.0, 6.0))
    # TFLM clamps in the input's numbers and does not rescale.
    six = min(127, quantized(6.0, x))
    return lookup(low, op, lambda q: min(max(q, x.zero_point), six))


def sigmoid(
    low: Lowered,
    op: Operator,
    *,
    name: str,
    function: Callable[[int, int], int],
    fraction_bits: int,
    zero_point: int,
) -> None:
    """LOGISTIC and TANH: gemmlowp's fixed-point functions of the input in Q4.27."""
    x, y = same_size(op)
    if typecode(x, y) == "f":
        return unary_float(low, op, name)
    if y.zero_point != zero_point:
        raise Unsupported(
            f"its output's zero point is {y.zero_point}, {zero_point} is expected: quantize the model again"
        )
    multiplier, shift = fx.quantize_multiplier(float(x.scale) * (1 << 27))
    radius = math.floor((15 << 27) / 2.0**shift)  # beyond it, Q4.27 overflows

    def table(q: int) -> int:
        value = q - x.zero_point
        if abs(value) >= radius:
            return 127 if value > 0 else -128
        result = function(fx.mbqm(value, multiplier, shift), 4)
        return fx.rounding_shift(result, 31 - fraction_bits) + zero_point

    return lookup(low, op, table)


def softmax(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    kind = typecode(x, y)
    if not x.shape:
        raise Unsupported("softmax of a scalar: damaged model")
    depth, beta = x.shape[-1], op.options["beta"]
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "rows": x.size // max(1, depth),
        "depth": depth,
    }
    if kind == "f":
        fields["beta"] = beta
    else:
        if y.zero_point != -128 or y.scale != np.float32(1 / 256):
            raise Unsupported(
                "its output must have scale 1/256 and zero point -128: quantize the model again"
            )
        table = _exp_table(float(x.scale), beta)
        fields |= {"table": Const(np.array(table, "<i4").tobytes()), "entries": len(table)}
    low.emit("SOFTMAX", op, fields, kind=kind, inplace=[x])


def _exp_table(scale: float, beta: float) -> list[int]:
    """exp(-d·scale·beta) in Q0.31 for d = 0, 1, … 255; 0 at the end is left out."""
    real = min(beta * scale * (1 << 26), 2.0**31 - 1)
    multiplier, shift = fx.quantize_multiplier(real)
    last = min(255, math.floor((31 << 26) / 2.0**shift))
    table = [fx.exp_on_negative(fx.mbqm(-d, multiplier, shift), 5) for d in range(last + 1)]
    while len(table) > 1 and table[-1] == 0:
        table.pop()
    return table


def quantize(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    if x.dtype == y.dtype == "int8":
        typecode(x, y)
        multiplier, shift = fx.quantize_multiplier(float(x.scale) / float(y.scale))
        return lookup(low, op, lambda q: y.zero_point + fx.mbqm(q - x.zero_point, multiplier, shift))
    return _between(low, op, "QUANTIZE", x, y, "float32", y)


def dequantize(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    return _between(low, op, "DEQUANTIZE", y, x, "float32", x)


def _between(
    low: Lowered, op: Operator, name: str, real: Tensor, whole: Tensor, dtype: str, scaled: Tensor
) -> None:
    """QUANTIZE and DEQUANTIZE: `real` is the float side, `whole` the int8 side, which has the scale."""
    if real.dtype != dtype or whole.dtype != "int8":
        raise Unsupported(f"between {real.dtype} and {whole.dtype} is not supported: {_ASK_TYPE}")
    typecode(whole)
    check_zero_points(scaled)
    fields = {
        "in": low.place(op.inputs[0]),
        "out": low.place(op.outputs[0]),
        "count": real.size,  # type: ignore[arg-type]
        "scale": float(scaled.scale),
        "zero_point": scaled.zero_point,
    }
    inplace = [real] if name == "QUANTIZE" else []
    low.emit(name, op, fields, kind="b", inplace=inplace)


# --- reductions, copies, shapes -----------------------------------------------------------------


def mean(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    kind = typecode(x, y)
    rank = len(x.shape)
    axes = {int(a) + (rank if a < 0 else 0) for a in constant(op, 1, "axes").reshape(-1)}
    if not all(0 <= a < rank for a in axes):
        raise Unsupported(f"axis out of range for {rank} dimensions: damaged model")
    strides = contiguous(x.shape)
    kept = [i for i in range(rank) if i not in axes]
    count = prod(x.shape[i] for i in axes)
    if y.size != prod(x.shape[i] for i in kept) or count < 1:
        raise Unsupported(f"{list(x.shape)} does not reduce to {list(y.shape)}: damaged model")
    keep = nest([x.shape[i] for i in kept], [strides[i] for i in kept], [0] * len(kept))
    order = sorted(axes)
    reduce = nest([x.shape[i] for i in order], [strides[i] for i in order], [0] * len(order))
    reduce = reduce or [Loop(1, 0, 0)]
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "keep": len(keep),
        "reduce": len(reduce),
        **clamp(op, kind, None, x.zero_point if kind == "b" else 0),
    }
    if kind == "b":
        check_zero_points(x, y)
        multiplier, shift = fx.quantize_multiplier(float(x.scale) / float(y.scale))
        # The division by the count goes into the multiplier (TFLite's QuantizedMeanOrSum).
        bits = min(count.bit_length() - 1, 32, 31 + shift)
        fields |= {"multiplier": (multiplier << bits) // count, "shift": shift - bits}
    low.emit("MEAN", op, fields, keep + reduce, kind=kind)


def reshape(low: Lowered, op: Operator) -> None:
    x, y = same_size(op)
    typecode(x, y)
    low.alias(x, y)


def move(
    low: Lowered, op: Operator, x: Tensor, offset: int, sizes: Sequence[int], out_strides: Sequence[int]
) -> None:
    """Copies `x`, walked as `sizes`, to bytes `offset` on of the output, with strides in elements."""
    y = op.outputs[0]
    kind = typecode(y)
    item = ITEMSIZE[kind]
    loops = nest([*sizes, 1], [*contiguous(sizes), 1], [*out_strides, 1])
    run = 1
    if loops and (loops[-1].a, loops[-1].b) == (1, 1):
        run = loops.pop().n
    place = low.place(y)
    assert isinstance(place, View)
    low.emit(
        "MOVE",
        op,
        {
            "in": low.place(x),
            "out": View(place.buffer, place.offset + offset * item),
            "run": run * item,
            "loops": len(loops),
        },
        [Loop(v.n, v.a * item, v.b * item) for v in loops],
        kind=kind,
    )


def concatenation(low: Lowered, op: Operator) -> None:
    y = op.outputs[0]
    inputs = [t for t in op.inputs if t is not None]
    typecode(*inputs, y)
    rank = len(y.shape)
    axis = op.options["axis"] + (rank if op.options["axis"] < 0 else 0)
    if activation(op) is not None:
        raise Unsupported("a fused activation is not supported here: use a layer of its own")
    same = all(t.shape[:axis] + t.shape[axis + 1 :] == y.shape[:axis] + y.shape[axis + 1 :] for t in inputs)
    if not 0 <= axis < rank or not same or sum(t.shape[axis] for t in inputs) != y.shape[axis]:
        raise Unsupported(f"its inputs do not fit the output {list(y.shape)}: damaged model")
    at = 0
    for t in inputs:
        if t.size:
            move(low, op, t, at * prod(y.shape[axis + 1 :]), t.shape, contiguous(y.shape))
        at += t.shape[axis]


def pad(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    kind = typecode(x, y)
    amounts = constant(op, 1, "paddings").reshape(-1, 2).astype(int)
    grown = tuple(n + int(a) + int(b) for n, (a, b) in zip(x.shape, amounts, strict=False))
    if len(amounts) != len(x.shape) or grown != y.shape or amounts.min(initial=0) < 0:
        raise Unsupported(f"{list(x.shape)} does not pad to {list(y.shape)}: damaged model")
    strides = contiguous(y.shape)
    if x.shape != y.shape:
        value = y.zero_point & 255 if kind == "b" else 0
        low.emit(
            "FILL",
            op,
            {"out": low.place(y), "count": y.size, "size": ITEMSIZE[kind], "value": value},
            kind=kind,
        )
    offset = sum(int(a) * s for (a, _), s in zip(amounts, strides, strict=True))
    move(low, op, x, offset, x.shape, strides)


LOWER: dict[str, Callable[[Lowered, Operator], None]] = {
    "ADD": binary,
    "AVERAGE_POOL_2D": lambda low, op: pool(low, op, name="AVERAGE_POOL"),
    "CONCATENATION": concatenation,
    "CONV_2D": lambda low, op: convolution(low, op, depthwise=False),
    "DEPTHWISE_CONV_2D": lambda low, op: convolution(low, op, depthwise=True),
    "DEQUANTIZE": dequantize,
    "EXPAND_DIMS": reshape,
    "FULLY_CONNECTED": fully_connected,
    "LOGISTIC": lambda low, op: sigmoid(
        low, op, name="LOGISTIC", function=fx.logistic, fraction_bits=8, zero_point=-128
    ),
    "MAX_POOL_2D": lambda low, op: pool(low, op, name="MAX_POOL"),
    "MEAN": mean,
    "MUL": binary,
    "PAD": pad,
    "QUANTIZE": quantize,
    "RELU": relu,
    "RELU6": relu6,
    "RESHAPE": reshape,
    "SOFTMAX": softmax,
    "SQUEEZE": reshape,
    "TANH": lambda low, op: sigmoid(low, op, name="TANH", function=fx.tanh, fraction_bits=7, zero_point=0),
}
