# SPDX-License-Identifier: MIT
"""Step 2: constant folding. What depends on no input of the model is computed here."""

import numpy as np

from .evaluate import evaluate
from .graph import Graph, Operator
from .lower import RECURRENT
from .lower.circular_buffer import KIND as CIRCULAR_BUFFER
from .lower.detect import KIND as DETECTION
from .records import ITEMSIZE, TYPECODE
from .simplify import data_inputs, remove_dead

_STATE = {"CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", CIRCULAR_BUFFER, *RECURRENT}
LEFT = _STATE | {"IF", "WHILE", DETECTION}  # operators that stay
# Of an operator, the input that the engine computes with; the others may be constants.
_OPERAND = {"FILL": 1, "SPLIT": 1, "TRANSPOSE_CONV": 2}
# A constant may take more room in the file than what it is made from: this factor, or these bytes.
_GROWS, _SMALL = 4, 4096


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
            results = evaluate(op, data_inputs(op)[_OPERAND.get(op.kind, 0)])
            for t, data in zip(op.outputs, results or [], strict=False):
                t.data = data
    remove_dead(graph)


def _constant(op: Operator) -> bool:
    given = data_inputs(op)
    if op.kind in LEFT or len(given) <= _OPERAND.get(op.kind, 0) or any(t.data is None for t in given):
        return False
    if any(t.size == 0 or t.variable or t.dtype not in TYPECODE for t in (*given, *op.outputs)):
        return False
    room = max(_SMALL, _GROWS * sum(t.data.nbytes for t in given if t.data is not None))
    return 0 < sum(t.size * ITEMSIZE[TYPECODE[t.dtype]] for t in op.outputs) <= room
