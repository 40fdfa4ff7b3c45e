# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 2, too: what depends on no input is computed here, and int8 functions of one value become tables.

Both by the engine that will run the rest, so that no byte changes.
"""

from dataclasses import replace

import numpy as np

import hognose

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
_WRONG = (ArithmeticError, AssertionError, LookupError, MemoryError, TypeError, UserError, ValueError)

_UNARY = {"ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "QUANTIZE", "RELU", "RELU6", "RSQRT", "TANH"}
_BINARY = {"ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB"}
_REDUCTIONS = {"MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"}  # of axes of one element


def fold(graph: Graph) -> None:
    """Operators whose inputs are all constants go, and their outputs become constants.

    `graph`: not its subgraphs. What cannot be computed stays; lowering says why.
    """
    for op in graph.operators:
        if op.kind == "SHAPE":
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
    low = lower(Graph("", [], [copy], [x], outputs))
    if low.problems or sum(s.macs for s in low.steps) > _MAX_MACS:
        return None
    results = [np.zeros(t.shape, t.dtype) for t in outputs]
    try:
        blocks.fit(low)
        names = {"inputs": ["x"], "outputs": [str(i) for i in range(len(outputs))]}
        hog = write_hog(low, plan(low.buffers, low.inplace), {"name": "", **names})
        raw = [r.reshape(-1).view(np.uint8) for r in results]
        assert operand.data is not None
        given = np.ascontiguousarray(operand.data).reshape(-1).view(np.uint8)
        hognose.Model(hog).invoke(given, raw[0] if len(raw) == 1 else raw)
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


def _argument(op: Operator) -> Tensor | None:
    """The int8 tensor of which each value gives one value of the output, whatever its place."""
    varying = {id(t): t for t in op.inputs if t is not None and t.data is None}
    if len(op.outputs) != 1 or len(varying) != 1:
        return None
    (x,), y = varying.values(), op.outputs[0]
    if any(t.dtype != "int8" or len(t.scales) != 1 for t in (x, y)) or x.size != y.size or y.variable:
        return None
    constants = [t for t in op.inputs if t is not None and t.data is not None]
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
