# SPDX-License-Identifier: MIT
"""Step 2: decodes stored constants and removes dead operators."""

import numpy as np

from .graph import Graph, Operator, Tensor

# Operators whose later inputs only repeat the shapes in the file.
_SHAPE_INPUTS = {"RESHAPE": 1, "EXPAND_DIMS": 1, "SQUEEZE": 1}


def data_inputs(op: Operator) -> list[Tensor]:
    """The inputs that the result depends on."""
    return [t for t in op.inputs[: _SHAPE_INPUTS.get(op.kind)] if t is not None]


def simplify(graph: Graph) -> None:
    """Dequantizes constants that are stored in few bits, and removes operators that no output depends on."""
    for op in graph.operators:
        if op.kind == "DEQUANTIZE" and op.inputs and op.outputs:
            _dequantize_constant(op)
    remove_dead(graph)


def _dequantize_constant(op: Operator) -> None:
    """Weights that are stored as float16, which TFLM lacks, or quantized by themselves."""
    x, y = op.inputs[0], op.outputs[0]
    if x is None or x.data is None or y.dtype != "float32":
        return
    if x.dtype == "float16":
        y.data = x.data.astype(np.float32).reshape(y.shape)
    elif x.dtype in ("int8", "int16", "uint8") and len(x.scales) == 1:
        steps = x.data.astype(np.float64) - x.zero_point
        y.data = (float(x.scale) * steps).astype(np.float32).reshape(y.shape)


def remove_dead(graph: Graph) -> None:
    """Removes operators that no output depends on, such as those that compute a static shape.

    Those with another effect stay: ASSIGN_VARIABLE and others without outputs, and calls of subgraphs with
    such operators.
    """
    kinds = {o.kind for g in graph.subgraphs for o in g.operators}
    calls = {"IF", "WHILE"} if "ASSIGN_VARIABLE" in kinds else set()
    needed = {t.index for t in graph.outputs}
    alive = []
    for op in reversed(graph.operators):
        used = any(t.index in needed and t.data is None for t in op.outputs)
        if used or not op.outputs or op.kind in calls:
            alive.append(op)
            needed |= {t.index for t in data_inputs(op)}
    graph.operators = alive[::-1]
