# SPDX-License-Identifier: MIT
"""Random valid models of one operator each, as real .tflite files with inputs to go with them.

`OPERATORS` maps (operator, type) to a function that draws one `Case`; `cases` wraps it for hypothesis. Each
module has the cases of a family.
"""

from collections.abc import Callable

from hypothesis import strategies as st

from . import detection, elementwise, flow, layers, recurrent, reductions, shapes
from .draw import ACTIVATIONS, Case, Draw, Operators

__all__ = ["ACTIVATIONS", "FOUNDATION", "OPERATORS", "RECURRENT", "Case", "Draw", "cases"]

OPERATORS = Operators()
for family in (layers, elementwise, reductions, shapes, detection, flow, recurrent):
    OPERATORS |= family.OPERATORS

# What most models are made of.
_FOUNDATION = {
    *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "MAX_POOL_2D", "ADD", "MUL"),
    *(
        "RELU",
        "RELU6",
        "LOGISTIC",
        "TANH",
        "SOFTMAX",
        "QUANTIZE",
        "DEQUANTIZE",
        "MEAN",
        "PAD",
        "RESHAPE",
        "SQUEEZE",
    ),
    *("EXPAND_DIMS", "CONCATENATION"),
}
FOUNDATION = frozenset(key for key in OPERATORS if key[0] in _FOUNDATION and key[1] in ("int8", "float32"))
RECURRENT = frozenset(key for key in OPERATORS if key[0] in ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"))


@st.composite
def cases(draw: Callable, name: str, dtype: str) -> Case:
    """One random case of an operator and type."""
    return OPERATORS[name, dtype](Draw(draw, dtype))
