# SPDX-License-Identifier: MIT
"""IF and WHILE: the operators of their subgraphs are inlined, with jumps around them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..graph import Graph, Operator, Tensor
from ..records import ITEMSIZE
from ..simplify import simplify
from .steps import Const, Label, Lowered, Step, View
from .tensors import Unsupported, typecode

Place = View | Const
Run = Callable[[Lowered, Graph], None]
# One that calls itself has no end; each call is a copy of the subgraph.
_MAX_DEPTH, _MAX_CALLS = 16, 1000


def branch(low: Lowered, op: Operator, run: Run) -> None:
    """IF."""
    condition, *given = _all_there(op.inputs)
    _check_condition(condition)
    graphs = [_subgraph(low, op.options[f"{name}_subgraph_index"]) for name in ("then", "else")]
    for graph in graphs:
        _check_alike(given, graph.inputs)
        _check_alike(graph.outputs, op.outputs)
    place = low.place(condition)
    if isinstance(place, Const):
        results = _inline(low, graphs[0 if any(place.data) else 1], given, run)
        for t, result in zip(op.outputs, results, strict=True):
            low.places[t.index] = result
        return
    otherwise, end = Label(), Label()
    _jump(low, op, place, otherwise)
    _copy_results(low, op, _inline(low, graphs[0], given, run))
    _jump(low, op, None, end)
    low.set_label(otherwise)
    _copy_results(low, op, _inline(low, graphs[1], given, run))
    low.set_label(end)


def loop(low: Lowered, op: Operator, run: Run) -> None:
    """WHILE."""
    given = _all_there(op.inputs)
    condition = _subgraph(low, op.options["cond_subgraph_index"])
    body = _subgraph(low, op.options["body_subgraph_index"])
    for tensors in (condition.inputs, body.inputs, body.outputs, op.outputs):
        _check_alike(given, tensors)
    if len(condition.outputs) != 1:
        raise Unsupported("its condition has not one output: damaged model")
    _check_condition(condition.outputs[0])
    # A variable that the body does not change stays where it is, also as a constant.
    variables = [
        replace(t, index=low.new_index(), data=t.data if body.outputs[k] is body.inputs[k] else None)
        for k, t in enumerate(given)
    ]
    for k, (t, variable, result) in enumerate(zip(given, variables, op.outputs, strict=True)):
        if body.outputs[k] is body.inputs[k]:
            low.places[variable.index] = low.places[result.index] = low.place(t)
        else:
            low.places[result.index] = low.place(variable)
            _copy(low, op, t, low.place(t), low.place(variable))
    start, end = Label(), Label()
    low.set_label(start)
    (place,) = _inline(low, condition, variables, run)
    if isinstance(place, Const):
        if any(place.data):
            raise Unsupported("its condition is always true: the loop has no end")
        return
    _jump(low, op, place, end)
    results = _inline(low, body, variables, run)
    states = [low.place(v) for v in variables]
    buffers = {id(s.buffer) for s in states if isinstance(s, View)}
    for k, result in enumerate(results):  # all are read before one is written
        if result != states[k] and isinstance(result, View) and id(result.buffer) in buffers:
            results[k] = low.new_buffer(_bytes(variables[k]))
            _copy(low, op, variables[k], result, results[k])
    for variable, result, state in zip(variables, results, states, strict=True):
        if result != state:
            _copy(low, op, variable, result, state)
    _jump(low, op, None, start)
    low.set_label(end)
    for state in states:
        if isinstance(state, View):
            low.keep(state.buffer, start, end)


def _all_there(tensors: Sequence[Tensor | None]) -> list[Tensor]:
    found = [t for t in tensors if t is not None]
    if len(found) != len(tensors) or not found:
        raise Unsupported("an input is missing: damaged model")
    return found


def _subgraph(low: Lowered, index: int) -> Graph:
    if not 0 < index < len(low.graph.subgraphs):
        raise Unsupported(f"there is no subgraph {index}: damaged model")
    return low.graph.subgraphs[index]


def _check_condition(t: Tensor) -> None:
    if t.dtype != "bool" or t.size != 1:
        raise Unsupported(f"a condition of {t.size} values of {t.dtype}: one of bool is needed")


def _check_alike(given: Sequence[Tensor], taken: Sequence[Tensor]) -> None:
    if [(t.dtype, t.size) for t in given] != [(t.dtype, t.size) for t in taken]:
        raise Unsupported("a tensor changes its type or size between subgraphs: keep shapes fixed")


def _inline(low: Lowered, graph: Graph, given: Sequence[Tensor], run: Run) -> list[Place]:
    """The operators of `graph` on the tensors `given`, as steps; returns where its outputs are.

    Each call gets tensors of its own, because a subgraph may be called from several places.
    """
    low.calls += 1
    if low.depth >= _MAX_DEPTH or low.calls > _MAX_CALLS:
        raise Unsupported(
            f"subgraphs are nested more than {_MAX_DEPTH} deep or called more than {_MAX_CALLS} times, "
            "or one calls itself: use fewer"
        )
    new = {t.index: replace(t, index=low.new_index()) for t in graph.tensors}
    for t, outer in zip(graph.inputs, given, strict=True):
        new[t.index] = replace(new[t.index], data=outer.data)
        low.places[new[t.index].index] = low.place(outer)
    operators = [
        replace(
            o,
            inputs=[None if t is None else new[t.index] for t in o.inputs],
            outputs=[new[t.index] for t in o.outputs],
        )
        for o in graph.operators
    ]
    inputs, outputs = ([new[t.index] for t in ts] for ts in (graph.inputs, graph.outputs))
    copy = Graph(graph.name, list(new.values()), operators, inputs, outputs, graph.subgraphs)
    simplify(copy)
    low.depth += 1
    run(low, copy)
    low.depth -= 1
    return [low.place(t) for t in outputs]


def _bytes(t: Tensor) -> int:
    return t.size * ITEMSIZE[typecode(t)]


def _copy_results(low: Lowered, op: Operator, results: list[Place]) -> None:
    for t, result in zip(op.outputs, results, strict=True):
        _copy(low, op, t, result, low.place(t))


def _copy(low: Lowered, op: Operator, t: Tensor, source: Place, target: Place) -> None:
    if t.size:
        low.emit("MOVE", op, {"in": source, "out": target, "run": _bytes(t)}, kind=typecode(t), tensor=t)


def _jump(low: Lowered, op: Operator, condition: Place | None, target: Label) -> None:
    """To `target`: always, or where `condition` is false."""
    fields = {"condition": condition, "target": target}
    low.steps.append(Step("JUMP", "?", fields, [], op, op.outputs[0]))
