# SPDX-License-Identifier: MIT
"""The steps that a graph is lowered to: records to be, whose operands are not placed yet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..graph import Graph, Operator, Tensor
from ..planner import Buffer, Pairs
from ..records import ITEMSIZE, MAX_LOOPS, TYPECODE, Loop
from .tensors import Unsupported, typecode

_READS_DATA = ("MOVE", "GATHER", "UPDATE")  # records whose `in` may be a constant


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
    """A place between steps: `at` is the number of the step that follows, known after finish()."""

    at: int = -1


@dataclass(eq=False)
class Step:
    """A record to be: its fields still hold Views, Consts and Labels, or None for no ref.

    `tensor` is what it completes.
    """

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
        """Jumps to `label` lead to the step that is added next."""
        label.at = len(self.steps)
        self._labels.append(label)

    def stop_here(self) -> None:
        """The run ends here. If it can end earlier, the outputs then keep the values of an earlier run."""
        for label in self.ends:
            self.set_label(label)
        for t in self.graph.outputs if self.ends else ():
            view = self.place(t)
            if isinstance(view, View) and view.buffer not in self._state:
                self._keep_from_run_to_run(view, t, 0)

    def keep(self, buffer: Buffer, start: Label, end: Label) -> None:
        """The steps from `start` to `end` are a loop: `buffer` must last from one iteration to the next."""
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
        """A copy of a constant in the arena: this operator does not read DATA."""
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
