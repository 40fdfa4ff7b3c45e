# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 3: the graph's operators into the engine's records, with all numbers computed.

One function per TFLite operator. Arithmetic that the board repeats for every value (multipliers, tables,
clamp bounds, folded zero points) is done here once, as TFLM's Prepare functions do it (tflite-micro,
tensorflow/lite/micro/kernels), so that the results are the same to the bit.
"""

from collections.abc import Callable

from .. import fixedpoint as fx
from ..graph import Graph, Operator
from ..records import TYPECODE
from . import combine, elementwise, reduction, shape, window
from .core import ASK_TYPE, Const, Lowered, Step, Unsupported, View, typecode

__all__ = ["LOWER", "Const", "Lowered", "Step", "View", "lower"]


def lower(graph: Graph) -> Lowered:
    """All operators of `graph` as steps; what cannot be is listed in `problems`, all of it."""
    low = Lowered(graph)
    for t in (*graph.inputs, *graph.outputs):
        if t.dtype not in TYPECODE:
            low.problems.setdefault(f"{t.dtype} inputs and outputs: {ASK_TYPE}", []).append(t.label)
    if low.problems:
        return low
    for t in graph.inputs:
        if t.data is None:
            low.place(t)
    for op in graph.operators:
        try:
            if op.kind not in LOWER:
                raise Unsupported("this operator is not supported: replace the layer")
            LOWER[op.kind](low, op)
        except Unsupported as e:
            low.problems.setdefault(str(e), []).append(op.label)
        except (KeyError, IndexError, ValueError, TypeError, OverflowError):
            # An option, an input, or a shape that every real model has is not there.
            low.problems.setdefault("its options or inputs make no sense: damaged model", []).append(op.label)
    if not low.problems:
        _ground_outputs(low)
        low.finish()
    return low


def _ground_outputs(low: Lowered) -> None:
    """A constant output is copied into the arena: an output is always there."""
    for t in low.graph.outputs:
        place = low.place(t)
        if isinstance(place, Const):
            op = Operator(len(low.graph.operators), "constant", 1, [], [t])
            low.places[t.index] = low.new_buffer(len(place.data))
            low.emit("MOVE", op, {"in": place, "out": low.place(t), "run": len(place.data)}, kind=typecode(t))


LOWER: dict[str, Callable[[Lowered, Operator], None]] = {
    "ABS": elementwise.absolute,
    "ADD": combine.binary,
    "ADD_N": combine.add_n,
    "BATCH_TO_SPACE_ND": shape.batch_to_space,
    "BROADCAST_TO": shape.broadcast_to,
    "AVERAGE_POOL_2D": lambda low, op: window.pool(low, op, name="AVERAGE_POOL"),
    "CONCATENATION": shape.concatenation,
    "CONV_2D": lambda low, op: window.convolution(low, op, depthwise=False),
    "DEPTHWISE_CONV_2D": lambda low, op: window.convolution(low, op, depthwise=True),
    "DEPTH_TO_SPACE": shape.depth_to_space,
    "DEQUANTIZE": elementwise.dequantize,
    "DIV": combine.binary,
    "ELU": elementwise.elu,
    "EQUAL": combine.comparison,
    "EXPAND_DIMS": shape.reshape,
    "FLOOR_DIV": combine.floor,
    "FLOOR_MOD": combine.floor,
    "FULLY_CONNECTED": window.fully_connected,
    "GATHER": shape.gather,
    "GREATER": combine.comparison,
    "GREATER_EQUAL": combine.comparison,
    "HARD_SWISH": elementwise.hard_swish,
    "LEAKY_RELU": elementwise.leaky_relu,
    "LESS": combine.comparison,
    "LESS_EQUAL": combine.comparison,
    "LOGICAL_AND": combine.logical,
    "LOGICAL_OR": combine.logical,
    "LOGISTIC": lambda low, op: elementwise.sigmoid(
        low, op, name="LOGISTIC", function=fx.logistic, fraction_bits=8, zero_point=-128
    ),
    "MAXIMUM": combine.extreme,
    "MAX_POOL_2D": lambda low, op: window.pool(low, op, name="MAX_POOL"),
    "MEAN": reduction.mean,
    "MINIMUM": combine.extreme,
    "MIRROR_PAD": shape.mirror_pad,
    "MUL": combine.binary,
    "NOT_EQUAL": combine.comparison,
    "PACK": shape.pack,
    "PAD": shape.pad,
    "PADV2": shape.pad,
    "PRELU": combine.prelu,
    "QUANTIZE": elementwise.quantize,
    "RELU": elementwise.relu,
    "RELU6": elementwise.relu6,
    "RESHAPE": shape.reshape,
    "RESIZE_NEAREST_NEIGHBOR": shape.resize_nearest,
    "REVERSE_V2": shape.reverse,
    "RSQRT": elementwise.rsqrt,
    "SELECT_V2": combine.select,
    "SLICE": shape.slice_,
    "SOFTMAX": reduction.softmax,
    "SPACE_TO_BATCH_ND": shape.space_to_batch,
    "SPACE_TO_DEPTH": shape.space_to_depth,
    "SPLIT": lambda low, op: shape.split(low, op, data=1, axis=0),
    "SPLIT_V": lambda low, op: shape.split(low, op, data=0, axis=2),
    "SQUARED_DIFFERENCE": combine.binary,
    "SQUEEZE": shape.reshape,
    "STRIDED_SLICE": shape.strided_slice,
    "SUB": combine.binary,
    "TANH": lambda low, op: elementwise.sigmoid(
        low, op, name="TANH", function=fx.tanh, fraction_bits=7, zero_point=0
    ),
    "TRANSPOSE": shape.transpose,
    "UNPACK": shape.unpack,
    "ZEROS_LIKE": shape.zeros_like,
}
