# SPDX-License-Identifier: MIT
"""Step 2: chains of int8 functions of one value become one table."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .evaluate import evaluate, program
from .fold import LEFT
from .graph import Edges, Graph, Operator, Tensor
from .records import TYPECODE
from .simplify import data_inputs

_LONGEST = 64  # operators that become one table
_UNARY = {"ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "QUANTIZE", "RELU", "RELU6", "RSQRT", "TANH"}
_BINARY = {"ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB"}
_REDUCTIONS = {"MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"}  # of axes of one element


def tabulate(graph: Graph) -> None:
    """Consecutive int8 functions of one value, also with a constant operand, become one table."""
    edges = Edges.of(graph)
    for op in list(graph.operators):
        x = _argument(op)
        first = edges.source(x)
        first = first if first and _argument(first) else None
        if x is None or (op.kind in _UNARY and first is None):
            continue  # lowering makes a table of a single one
        table, inner = _table(op, x), first and _table(first, _argument(first))
        if table is None or (first is not None and inner is None):
            continue
        if first is not None and inner is not None:
            table, x = table[inner.astype(np.int64) + 128], _argument(first)
            graph.operators.remove(first)
        op.table, op.inputs = table.tobytes(), [x]
        edges = Edges.of(graph)


def shorten(graph: Graph) -> None:
    """All operators between two tensors of one int8 value become one table, if nothing else reads them."""
    for op in reversed(graph.operators):
        if op not in graph.operators or not all(_is_value(t) for t in op.outputs):
            continue
        *_, (x, stretch) = (None, []), *_stretches(graph, op)
        table = _every(stretch, x, op.outputs) if x else None
        if table:
            op.table, op.inputs = table, [x]
            graph.operators = [o for o in graph.operators if o is op or o not in stretch]


def _is_value(t: Tensor) -> bool:
    return t.dtype == "int8" and t.size == 1 and len(t.scales) == 1 and t.data is None and not t.variable


def _stretches(graph: Graph, last: Operator) -> Iterator[tuple[Tensor, list[Operator]]]:
    """Ever longer stretches of operators from one value to the outputs of `last`, each with that value."""
    writer = Edges.of(graph).writer
    place = {id(op): i for i, op in enumerate(graph.operators)}
    stretch: list[Operator] = []
    wanted = {t.index: t for t in last.outputs}
    while wanted and len(stretch) < _LONGEST:
        # The one that is written last: all its readers are in the stretch by now, or will never be.
        op = max((writer[i] for i in wanted if i in writer), key=lambda op: place[id(op)], default=None)
        if op is None or op.kind in LEFT or any(t.dtype not in TYPECODE or t.variable for t in op.outputs):
            return
        for t in op.outputs:
            wanted.pop(t.index, None)
        stretch.insert(0, op)
        wanted.update((t.index, t) for t in data_inputs(op) if t.data is None)
        x = next(iter(wanted.values())) if len(wanted) == 1 else None
        if x and _is_value(x) and not _seen_elsewhere(graph, stretch[:-1], stretch):
            yield x, list(stretch)


def _seen_elsewhere(graph: Graph, inner: list[Operator], stretch: list[Operator]) -> bool:
    """Whether what `inner` operators make is read outside the stretch."""
    made = {t.index for op in inner for t in op.outputs}
    others = [t for op in graph.operators if op not in stretch for t in op.inputs if t is not None]
    return any(t.index in made for t in (*others, *graph.outputs))


def _every(stretch: list[Operator], x: Tensor, outputs: list[Tensor]) -> bytes | None:
    """The results of a stretch for -128 … 127, where it takes more than one step."""
    found = program(stretch, x, outputs, times=256)
    if found is None or found.steps < 2:
        return None
    results = [found.run(np.array([q], np.int8)) for q in range(-128, 128)]
    return b"".join(r[0].tobytes() for r in results) if all(results) else None  # type: ignore[index]


def _argument(op: Operator) -> Tensor | None:
    """The int8 input of an operator whose every output value depends on one input value alone."""
    varying = {id(t): t for t in op.inputs if t is not None and t.data is None}
    if len(op.outputs) != 1 or len(varying) != 1:
        return None
    (x,), y = varying.values(), op.outputs[0]
    if any(t.dtype != "int8" or len(t.scales) != 1 for t in (x, y)) or x.size != y.size or y.variable:
        return None
    constants = [t for t in op.inputs if t is not None and t.data is not None]
    if any(t.dtype not in TYPECODE for t in constants):
        return None
    if op.table or (op.kind in _UNARY and len(op.inputs) == 1) or (op.kind in _REDUCTIONS and constants):
        return x
    if op.kind not in _BINARY or len(op.inputs) != 2 or x.shape != y.shape:
        return None
    alike = all(t.size and len(np.unique(t.data)) == 1 for t in constants)  # type: ignore[arg-type]
    return x if alike else None


def _table(op: Operator, x: Tensor | None) -> np.ndarray | None:
    """The results of `op` for -128 … 127."""
    if op.table:
        return np.frombuffer(op.table, np.int8)
    assert x is not None
    values = np.arange(-128, 128, dtype=np.int8)
    options, shape = op.options, (256,)
    if op.kind in _REDUCTIONS:
        shape, options = (256, 1), {**options, "keep_dims": False}
    every = replace(x, shape=shape, data=values.reshape(shape))
    inputs = [every if t is x else _one(op, t) for t in op.inputs]
    y = replace(op.outputs[0], shape=(256,))
    results = evaluate(replace(op, inputs=inputs, outputs=[y], options=options), every)
    return results[0] if results else None


def _one(op: Operator, t: Tensor | None) -> Tensor | None:
    """A constant operand of equal values as one value; axes of a reduction as the axis of `_table`."""
    if t is None or t.data is None:
        return t
    one = np.array([1], t.dtype) if op.kind in _REDUCTIONS else t.data.reshape(-1)[:1]
    return replace(t, shape=(1,), data=one)
