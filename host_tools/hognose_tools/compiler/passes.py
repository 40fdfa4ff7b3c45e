# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 2: what can be left out before anything is lowered."""

from .graph import Graph, Operator, Tensor

# Operators whose later inputs only repeat what the shapes in the file say.
_SHAPE_INPUTS = {"RESHAPE": 1, "EXPAND_DIMS": 1, "SQUEEZE": 1}


def data_inputs(op: Operator) -> list[Tensor]:
    """The inputs whose values matter."""
    return [t for t in op.inputs[: _SHAPE_INPUTS.get(op.kind)] if t is not None]


def simplify(graph: Graph) -> None:
    """Removes operators that no output depends on, such as those that compute a static shape."""
    needed = {t.index for t in graph.outputs}
    alive = []
    for op in reversed(graph.operators):
        if any(t.index in needed for t in op.outputs):
            alive.append(op)
            needed |= {t.index for t in data_inputs(op)}
    graph.operators = alive[::-1]
