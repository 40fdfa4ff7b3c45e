# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 2, too: what depends on no input is computed here, and int8 functions of one value become tables.

Both by the engine that will run the rest, so that no byte changes.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

import hognose
from hognose import hogfile

from ..errors import UserError
from . import blocks
from .graph import Edges, Graph, Operator, Tensor
from .lower import RECURRENT, lower
from .lower.buffer import KIND as CIRCULAR_BUFFER
from .lower.detect import KIND as DETECTION
from .passes import data_inputs, remove_dead
from .planner import plan
from .records import ITEMSIZE, TYPECODE
from .writer import write_hog

_STATE = {"CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", CIRCULAR_BUFFER, *RECURRENT}
_LEFT = _STATE | {"IF", "WHILE", DETECTION}
# Of an operator, the input that the engine computes with; the others may be constants.
_OPERAND = {"FILL": 1, "SPLIT": 1, "TRANSPOSE_CONV": 2}
# A constant may take more room in the file than what it is made from: so many times, or so many bytes.
_GROWS, _SMALL = 4, 4096
_MAX_MACS = 1 << 26
_LONGEST = 64  # operators that become one table
_WRONG = (ArithmeticError, AssertionError, LookupError, MemoryError, TypeError, UserError, ValueError)

_UNARY = {"ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "QUANTIZE", "RELU", "RELU6", "RSQRT", "TANH"}
_BINARY = {"ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB"}
_REDUCTIONS = {"MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"}  # of axes of one element


def fold(graph: Graph) -> None:
    """Operators whose inputs are all constants go, and their outputs become constants.

    `graph`: not its subgraphs. What cannot be computed stays; lowering says why.
    """
    for op in graph.operators:
        if op.kind == "SHAPE" and op.inputs and op.outputs:
            x, y = op.inputs[0], op.outputs[0]
            if x is not None and y.size == len(x.shape) and y.dtype in ("int32", "int64"):
                y.data = np.array(x.shape, y.dtype).reshape(y.shape)
        elif _constant(op):
            results = _evaluate(op, data_inputs(op)[_OPERAND.get(op.kind, 0)])
            for t, data in zip(op.outputs, results or [], strict=False):
                t.data = data
    remove_dead(graph)


def _constant(op: Operator) -> bool:
    given = data_inputs(op)
    if op.kind in _LEFT or len(given) <= _OPERAND.get(op.kind, 0) or any(t.data is None for t in given):
        return False
    if any(t.size == 0 or t.variable or t.dtype not in TYPECODE for t in (*given, *op.outputs)):
        return False
    room = max(_SMALL, _GROWS * sum(t.data.nbytes for t in given if t.data is not None))
    return 0 < sum(t.size * ITEMSIZE[TYPECODE[t.dtype]] for t in op.outputs) <= room


def _evaluate(op: Operator, operand: Tensor) -> list[np.ndarray] | None:
    """The outputs of `op`, whose inputs have data; None where it cannot run, or not soon."""
    x = replace(operand, data=None)
    outputs = [replace(t, data=None) for t in op.outputs]
    copy = replace(op, inputs=[x if t is operand else t for t in op.inputs], outputs=outputs)
    model = _ready([copy], x, outputs)
    assert operand.data is not None
    given = np.ascontiguousarray(operand.data).reshape(-1).view(np.uint8)
    return _invoke(model, given, outputs) if model else None


def _ready(
    operators: list[Operator], x: Tensor, outputs: list[Tensor], *, times: int = 1
) -> hognose.Model | None:
    """A model of these operators, to be run so many times; None where it cannot, or not soon."""
    low = lower(Graph("", [], operators, [x], outputs))
    if low.problems or sum(s.macs for s in low.steps) * times > _MAX_MACS:
        return None
    try:
        blocks.fit(low)
        names = {"inputs": ["x"], "outputs": [str(i) for i in range(len(outputs))]}
        return hognose.Model(write_hog(low, plan(low.buffers, low.inplace), {"name": "", **names}))
    except _WRONG:
        return None


def _invoke(model: hognose.Model, given: np.ndarray, outputs: list[Tensor]) -> list[np.ndarray] | None:
    results = [np.zeros(t.shape, t.dtype) for t in outputs]
    raw = [r.reshape(-1).view(np.uint8) for r in results]
    try:
        model.invoke(given, raw[0] if len(raw) == 1 else raw)
    except _WRONG:
        return None
    return results


# --- tables -------------------------------------------------------------------------------------


def tabulate(graph: Graph) -> None:
    """int8 functions of one value that follow each other, or that have a constant operand, as one table."""
    edges = Edges.of(graph)
    for op in list(graph.operators):
        x = _argument(op)
        first = edges.source(x)
        first = first if first and _argument(first) else None
        if x is None or (op.kind in _UNARY and first is None):
            continue  # lowering has a table for one alone
        table, inner = _table(op, x), first and _table(first, _argument(first))
        if table is None or (first is not None and inner is None):
            continue
        if first is not None and inner is not None:
            table, x = table[inner.astype(np.int64) + 128], _argument(first)
            graph.operators.remove(first)
        op.table, op.inputs = table.tobytes(), [x]
        edges = Edges.of(graph)


def shorten(graph: Graph) -> None:
    """All that lies between two tensors of one int8 value becomes one table, if nobody else needs it."""
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
    """Operators up to `last`, more and more, that compute from one value, and which."""
    writer = Edges.of(graph).writer
    place = {id(op): i for i, op in enumerate(graph.operators)}
    stretch: list[Operator] = []
    wanted = {t.index: t for t in last.outputs}
    while wanted and len(stretch) < _LONGEST:
        # The one that is written last: all its readers are in the stretch, or never will be.
        op = max((writer[i] for i in wanted if i in writer), key=lambda op: place[id(op)], default=None)
        if op is None or op.kind in _LEFT or any(t.dtype not in TYPECODE or t.variable for t in op.outputs):
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
    """What a stretch makes of -128 … 127, where that is more than one look-up."""
    model = _ready(stretch, x, outputs, times=256)
    if model is None or len(list(hogfile.operators(model._file))) < 2:
        return None
    results = [_invoke(model, np.array([q], np.int8), outputs) for q in range(-128, 128)]
    return b"".join(r[0].tobytes() for r in results) if all(results) else None  # type: ignore[index]


def _argument(op: Operator) -> Tensor | None:
    """The int8 tensor of which each value gives one value of the output, whatever its place."""
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
    """What `op` makes of -128 … 127."""
    if op.table:
        return np.frombuffer(op.table, np.int8)
    assert x is not None
    if lower(Graph("", [], [op], [x], op.outputs)).problems:  # which other shapes would hide
        return None
    values = np.arange(-128, 128, dtype=np.int8)
    options, shape = op.options, (256,)
    if op.kind in _REDUCTIONS:
        shape, options = (256, 1), {**options, "keep_dims": False}
    every = replace(x, shape=shape, data=values.reshape(shape))
    inputs = [every if t is x else _one(op, t) for t in op.inputs]
    y = replace(op.outputs[0], shape=(256,))
    results = _evaluate(replace(op, inputs=inputs, outputs=[y], options=options), every)
    return results[0] if results else None


def _one(op: Operator, t: Tensor | None) -> Tensor | None:
    """A constant operand of equal values as one value; the axes of a reduction as the one of `_table`."""
    if t is None or t.data is None:
        return t
    one = np.array([1], t.dtype) if op.kind in _REDUCTIONS else t.data.reshape(-1)[:1]
    return replace(t, shape=(1,), data=one)
