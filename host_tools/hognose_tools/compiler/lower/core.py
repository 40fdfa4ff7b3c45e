# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""What all lowering functions share: the steps they add to, and the checks they make."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from ..graph import Graph, Operator, Tensor
from ..planner import Buffer, Pairs
from ..records import ITEMSIZE, MAX_LOOPS, TYPECODE, Loop

ACTIVATIONS = {0: None, 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
_BOUNDS = {"RELU": (0.0, None), "RELU_N1_TO_1": (-1.0, 1.0), "RELU6": (0.0, 6.0)}
FLT_MIN = float(np.finfo(np.float32).tiny)
FLT_MAX = float(np.finfo(np.float32).max)
INT32 = (-(2**31), 2**31 - 1)
LIMITS = {"b": (-128, 127), "h": (-(2**15), 2**15 - 1), "i": INT32, "q": INT32, "?": INT32, "B": INT32}


_READS_DATA = ("MOVE", "GATHER", "UPDATE")  # records whose `in` may be a constant


class Unsupported(Exception):
    """What the engine cannot run, and what to do about it."""


@dataclass(frozen=True)
class View:
    """Where a tensor lies: a buffer of the arena, and bytes into it."""

    buffer: Buffer
    offset: int = 0


@dataclass(frozen=True)
class Const:
    """Bytes in DATA, from `offset` on."""

    data: bytes
    offset: int = 0


@dataclass(eq=False)
class Label:
    """A place between steps: `at` is the number of the step behind it, known after finish()."""

    at: int = -1


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
    inplace: Pairs = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)  # what is wrong: where
    handles: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)  # of variables, by tensor index
    variables: dict[tuple[bytes, bytes], View] = field(default_factory=dict)  # by container and name
    initial: int = 0  # of the steps, the first ones that only a reset runs; known after finish()
    _at_reset: list[Step] = field(default_factory=list)
    _state: list[Buffer] = field(default_factory=list)  # what keeps its content between runs
    _candidates: list[tuple[Step, Buffer, Buffer]] = field(default_factory=list)
    depth: int = 0  # of the subgraph that is being lowered
    calls: int = 0  # of subgraphs
    ends: list[Label] = field(default_factory=list)  # of the run, to which some operators jump
    _labels: list[Label] = field(default_factory=list)
    _kept: list[tuple[Buffer, Label, Label]] = field(default_factory=list)
    _made: int = 0  # tensors

    def new_buffer(self, size: int) -> View:
        buffer = Buffer(max(size, 1))
        self.buffers.append(buffer)
        return View(buffer)

    def new_index(self) -> int:
        """For a tensor that the model does not have."""
        self._made += 1
        return -self._made

    def place(self, t: Tensor) -> View | Const:
        """Where `t` is, or where it will be."""
        if t.index not in self.places:
            if t.data is not None:
                self.places[t.index] = Const(t.data.tobytes())
            else:
                zero = t.zero_point % 256 if t.dtype == "int8" and len(t.zero_points) else 0
                size = t.size * ITEMSIZE[typecode(t)]
                self.places[t.index] = self.new_state(t, zero) if t.variable else self.new_buffer(size)
        return self.places[t.index]

    def new_state(self, t: Tensor, value: int) -> View:
        """A buffer that keeps values like `t` from run to run; a reset sets all its bytes to `value`."""
        size = t.size * ITEMSIZE[typecode(t)]
        view = self.new_buffer(size)
        self._keep_from_run_to_run(view, t, value)
        return view

    def _keep_from_run_to_run(self, view: View, t: Tensor, value: int) -> None:
        self._state.append(view.buffer)
        fields = {"out": view, "count": t.size * ITEMSIZE[typecode(t)], "size": 1, "value": value}
        variable = Operator(t.index, "variable", 1, [], [t])
        self._at_reset.append(Step("FILL", TYPECODE[t.dtype], fields, [], variable, t))

    def set_label(self, label: Label) -> None:
        """Here it is."""
        label.at = len(self.steps)
        self._labels.append(label)

    def stop_here(self) -> None:
        """The run ends here. Where it may have ended before, the outputs are those of an earlier one."""
        for label in self.ends:
            self.set_label(label)
        for t in self.graph.outputs if self.ends else ():
            view = self.place(t)
            if isinstance(view, View) and view.buffer not in self._state:
                self._keep_from_run_to_run(view, t, 0)

    def keep(self, buffer: Buffer, start: Label, end: Label) -> None:
        """The steps from `start` to `end` repeat: what they share with the next turn must stay."""
        self._kept.append((buffer, start, end))

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
        tensor: Tensor | None = None,
    ) -> None:
        """Adds a step. `inplace`: inputs whose place the output may take; `tensor`: what it makes."""
        if len(loops) > MAX_LOOPS:
            raise Unsupported(
                f"it needs {len(loops)} nested loops, {MAX_LOOPS} is the limit: "
                "use tensors of fewer dimensions"
            )
        out, source = fields["out"], fields.get("in")
        if isinstance(source, Const) and name not in _READS_DATA:
            fields = {**fields, "in": self._copied(source, kind, op)}
        step = Step(name, kind, fields, list(loops), op, tensor or op.outputs[0], macs)
        for t in inplace:
            view = self.place(t)
            if isinstance(view, View) and view.offset == out.offset == 0:
                self._candidates.append((step, view.buffer, out.buffer))
        self.steps.append(step)

    def _copied(self, constant: Const, kind: str, op: Operator) -> View:
        """A constant in the arena, where the engine reads what it computes with."""
        copy = self.new_buffer(len(constant.data))
        fields = {"in": Const(constant.data), "out": copy, "run": len(constant.data)}
        self.emit("MOVE", op, fields, kind=kind)
        return View(copy.buffer, constant.offset)

    @contextmanager
    def at_reset(self) -> Iterator[None]:
        """Steps that are added meanwhile run only at a reset."""
        steps, self.steps = self.steps, self._at_reset
        try:
            yield
        finally:
            self.steps = steps

    def finish(self) -> None:
        """Lifetimes of all buffers, and the pairs that may share their place."""
        self.initial = len(self._at_reset)
        self.steps[:0] = self._at_reset
        for label in self._labels:
            label.at += self.initial
        for buffer in self._state:
            buffer.touch(-1)
            buffer.touch(len(self.steps))
        for i, step in enumerate(self.steps):
            for value in step.fields.values():
                if isinstance(value, View):
                    value.buffer.touch(i)
        for buffer, start, end in self._kept:
            buffer.touch(start.at)
            buffer.touch(end.at - 1)
        for t in self.graph.inputs:
            _buffer(self.place(t)).touch(-1)
        for t in self.graph.outputs:
            _buffer(self.place(t)).touch(len(self.steps))
        index = {id(step): i for i, step in enumerate(self.steps)}
        self.inplace = {
            (id(source), id(result)): 0
            for step, source, result in self._candidates
            if source is not result and source.last == index[id(step)] == result.first
        }


def _buffer(place: View | Const) -> Buffer:
    assert isinstance(place, View)
    return place.buffer


ASK_TYPE = "convert the model with `hognose quantize` (full int8) or as float32"


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
        raise Unsupported(f"{' and '.join(sorted(odd))} tensors are not supported: {ASK_TYPE}")
    if len(kinds) > 1:
        raise Unsupported(f"{' with '.join(sorted(kinds))} in one operator is not supported: {ASK_TYPE}")
    return TYPECODE[kinds.pop()]


def arithmetic(*tensors: Tensor, kinds: str = "bf") -> str:
    """The one element type, of `kinds`, of `tensors` that are computed with.

    Those of int8 have a scale and a zero point, those of int16 a scale.
    """
    kind = typecode(*tensors)
    if kind not in kinds:
        raise Unsupported(f"{tensors[0].dtype} is not supported here: {ASK_TYPE}")
    low, high = {"b": (-128, 127), "h": (0, 0)}.get(kind, (0, 0))
    for t in tensors if kind in "bh" else ():
        if len(t.scales) > 1:
            raise Unsupported(
                f"an {t.dtype} tensor has a scale for each channel, where TFLM and hognose take one for all: "
                "quantize these weights per tensor"
            )
        # (TFLM's arithmetic differs with scales that are not normal.)
        if not len(t.scales) or not t.scale >= FLT_MIN or not low <= t.zero_point <= high:
            raise Unsupported(
                f"an {t.dtype} tensor has no usable scale and zero point: quantize the model again"
            )
    return kind


def constant(op: Operator, i: int, what: str) -> np.ndarray:
    """The data of input `i`, which must be constant."""
    t = op.inputs[i] if i < len(op.inputs) else None
    if t is None or t.data is None:
        remedy = "give the model fixed shapes (batch size 1)"
        if what in ("weights", "bias"):
            remedy = "multiply with BATCH_MATMUL, or add with ADD, what the model computes"
        raise Unsupported(f"its {what} must be a constant: {remedy}")
    if t.dtype not in TYPECODE:
        raise Unsupported(f"its {what}, of {t.dtype}, cannot be read: damaged model")
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
    least, most = LIMITS[kind]
    if kind not in "bh":
        return {"min": least if low is None else int(low), "max": most if high is None else int(high)}
    return {
        "in_zp": in_zp,
        "out_zp": t.zero_point,
        "min": least if low is None else max(least, quantized(low, t)),
        "max": most if high is None else min(most, quantized(high, t)),
    }


def quantized(value: float, t: Tensor) -> int:
    """`value` in t's numbers: a float32 division, rounded half away from zero. OverflowError: infinite."""
    with np.errstate(over="ignore"):
        ratio = float(np.float32(value) / t.scale)
    return t.zero_point + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))


def contiguous(shape: Sequence[int]) -> list[int]:
    """Strides in elements of a row-major tensor."""
    return [prod(shape[i + 1 :]) for i in range(len(shape))]


def broadcast_strides(shape: tuple[int, ...], out: tuple[int, ...]) -> list[int]:
    """Strides of a tensor that is broadcast to the shape `out`: 0 where it repeats."""
    full = (1,) * (len(out) - len(shape)) + shape
    return [0 if n == 1 else s for n, s in zip(full, contiguous(full), strict=True)]


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


def same_size(op: Operator) -> tuple[Tensor, Tensor]:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    if x.size != y.size:
        raise Unsupported(
            f"its input {list(x.shape)} and output {list(y.shape)} differ in size: damaged model"
        )
    return x, y
