# SPDX-License-Identifier: MIT
"""Resource variables: VAR_HANDLE names one, READ_VARIABLE and ASSIGN_VARIABLE copy.

They are state (Lowered.new_state), as in TFLM's micro_resource_variable.cc. CALL_ONCE is in `lower`.
"""

from dataclasses import replace

from ..graph import Operator, Tensor
from ..planner import Buffer
from ..records import ITEMSIZE
from .steps import Const, Lowered, Step, View
from .tensors import Unsupported, typecode

READ, ASSIGN = "READ_VARIABLE", "ASSIGN_VARIABLE"


def var_handle(low: Lowered, op: Operator) -> None:
    low.handles[op.outputs[0].index] = _key(op)


def read_variable(low: Lowered, op: Operator) -> None:
    y = op.outputs[0]
    _copy(low, op, _variable(low, op, y), low.place(y), y)


def assign_variable(low: Lowered, op: Operator) -> None:
    value = op.inputs[1]
    assert value is not None
    _copy(low, op, low.place(value), _variable(low, op, value), value)


def _key(handle: Operator) -> tuple[bytes, bytes]:
    return handle.options.get("container") or b"", handle.options.get("shared_name") or b""


def _copy(low: Lowered, op: Operator, source: View | Const, target: View | Const, t: Tensor) -> None:
    size = t.size * ITEMSIZE[typecode(t)]
    if isinstance(source, Const) and len(set(source.data)) == 1:  # no need to keep equal bytes in the file
        fields = {"out": target, "count": size, "size": 1, "value": source.data[0]}
        low.emit("FILL", op, fields, kind=typecode(t), tensor=t)
    else:
        low.emit("MOVE", op, {"in": source, "out": target, "run": size}, kind=typecode(t), tensor=t)


def _variable(low: Lowered, op: Operator, t: Tensor) -> View:
    """The place of the variable; `t` has its type and size."""
    handle = op.inputs[0]
    key = low.handles.get(handle.index) if handle else None
    if key is None:
        raise Unsupported("its variable has no VAR_HANDLE in the same subgraph: export the model again")
    first = _first_value(low, key)
    if first is None or t.size == 0 or (first.size, first.dtype) != (t.size, t.dtype):
        raise Unsupported(
            "its variable is never given a value: the converter left it out; assign it in the model, "
            "or make it a constant"
        )
    if key not in low.variables:
        # TFLM initializes every byte with this value, whatever the type.
        value = first.zero_point % 256 if len(first.zero_points) else 0
        low.variables[key] = low.new_state(first, value)
    return low.variables[key]


def _first_value(low: Lowered, key: tuple[bytes, bytes]) -> Tensor | None:
    """The first assignment that TFLM finds: it determines the variable's type and initial value."""
    for graph in low.graph.subgraphs:
        handles = {op.outputs[0].index: _key(op) for op in graph.operators if op.kind == "VAR_HANDLE"}
        for op in graph.operators:
            if op.kind == ASSIGN and op.inputs[0] and handles.get(op.inputs[0].index) == key:
                return op.inputs[1]
    return None


def shorten(low: Lowered) -> None:
    """Removes copies: operators read and write variables directly where they can.

    A copy stays where the variable would change too early, or where it is an input or output of the model.
    All stay where there are jumps, because the order of steps is then unknown.
    """
    if any(step.name == "JUMP" for step in low.steps):
        return
    ports = [low.place(t) for t in (*low.graph.inputs, *low.graph.outputs)]
    fixed = {id(p.buffer) for p in ports if isinstance(p, View)}
    fixed |= {id(view.buffer) for view in low.variables.values()}
    for kind, state, copy, can_go in ((READ, "in", "out", _can_read), (ASSIGN, "out", "in", _can_assign)):
        for step in [s for s in low.steps if s.operator.kind == kind and s.name == "MOVE"]:
            new, old = step.fields[state].buffer, step.fields[copy]
            if not isinstance(old, View) or id(old.buffer) in fixed or old.buffer.size != new.size:
                continue
            at = low.steps.index(step)
            if can_go(low.steps, at, new, old.buffer):
                _merge(low, old.buffer, new)
                del low.steps[at]


def _uses(step: Step, buffer: Buffer) -> bool:
    return any(isinstance(v, View) and v.buffer is buffer for v in step.fields.values())


def _writes(step: Step, buffer: Buffer) -> bool:
    return isinstance(step.fields["out"], View) and step.fields["out"].buffer is buffer


def _can_read(steps: list[Step], at: int, state: Buffer, copy: Buffer) -> bool:
    """Nothing else writes the copy, and nothing reads it after the variable changes."""
    changed = next((i for i in range(at + 1, len(steps)) if _writes(steps[i], state)), len(steps))
    others = [i for i, s in enumerate(steps) if i != at and _uses(s, copy)]
    return all(at < i < changed for i in others) and not any(_writes(steps[i], copy) for i in others)


def _can_assign(steps: list[Step], at: int, state: Buffer, value: Buffer) -> bool:
    """Nothing reads the variable once its new value is computed, and no later value follows."""
    made = next(i for i, s in enumerate(steps) if _uses(s, value))
    later = range(at + 1, len(steps))
    return (
        _writes(steps[made], value)
        and not any(_uses(s, state) for s in steps[made:at])
        and not any(_writes(steps[i], b) for i in later for b in (state, value))
    )


def _merge(low: Lowered, old: Buffer, new: Buffer) -> None:
    def moved(place: object) -> object:
        return replace(place, buffer=new) if isinstance(place, View) and place.buffer is old else place

    for step in low.steps:
        step.fields = {name: moved(value) for name, value in step.fields.items()}
    low.places = {index: moved(place) for index, place in low.places.items()}  # type: ignore[misc]
    low.buffers.remove(old)
