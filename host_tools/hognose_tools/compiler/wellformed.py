# SPDX-License-Identifier: MIT
"""What every model keeps to that a converter wrote, and TFLM takes on trust: damaged files break it.

TFLM computes something with such a file, or crashes on it. The compiler would make something else of it.
"""

import tflite

from .graph import Graph, Operator

# BuiltinOptions of operators whose table has another name than they.
_OTHERS = {
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), "POOL2D"),
    **dict.fromkeys(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"), "REDUCER"
    ),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), "MAXIMUMMINIMUM"),
    "L2_NORMALIZATION": "L2NORM",
}
_TABLES = {name.removesuffix("Options").upper() for name in vars(tflite.BuiltinOptions)}


def check_options(op: Operator, table: str) -> None:
    """ValueError where `table`, the type of an operator's options, is another operator's."""
    own = _OTHERS.get(op.kind, op.kind.replace("_", ""))
    if table != "NONE" and own in _TABLES and table.removesuffix("Options").upper() != own:
        raise ValueError(f"operator {op.index} {op.kind} has {table}")


def check(graph: Graph) -> None:
    """ValueError where a tensor is written twice, or has a value already that an operator writes."""
    for t in graph.tensors:
        if t.variable and t.data is not None:
            raise ValueError(f"tensor {t.index} is a variable with constant data")
    written = {t.index for t in graph.inputs}
    if len(written) < len(graph.inputs):
        raise ValueError("a tensor is an input twice")
    for op in graph.operators:
        for t in op.outputs:
            if t.index in written or t.variable or t.data is not None:
                raise ValueError(f"operator {op.index} writes tensor {t.index}, which has a value")
            written.add(t.index)
