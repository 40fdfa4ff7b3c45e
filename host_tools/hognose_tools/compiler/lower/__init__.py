# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 3: the graph's operators into the engine's records, with all numbers computed.

One function per TFLite operator. Arithmetic that the board repeats for every value (multipliers, tables,
clamp bounds, folded zero points) is done here once, as TFLM's Prepare functions do it (tflite-micro,
tensorflow/lite/micro/kernels), so that the results are the same to the bit.
"""

from collections.abc import Callable

import numpy as np

from .. import fixedpoint as fx
from ..graph import Graph, Operator, Tensor
from ..passes import data_inputs, simplify
from ..records import TYPECODE
from . import (
    apply,
    buffer,
    combine,
    detect,
    elementwise,
    flow,
    matrix,
    recurrent,
    reduction,
    shape,
    variables,
    window,
)
from .core import ASK_TYPE, Const, Label, Lowered, Step, Unsupported, View, typecode

__all__ = ["ASK_TYPE", "LOWER", "Const", "Label", "Lowered", "Step", "View", "lower"]

MAX_PORTS = 64  # inputs, and as many outputs, that an engine takes
# What is raised where an option, an input or a shape is not there that every real model has.
NONSENSE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


@np.errstate(all="ignore")  # scales at the ends of float32 give infinities, which are refused in words
def lower(graph: Graph) -> Lowered:
    """All operators of `graph` as steps; what cannot be is listed in `problems`, all of it."""
    low = Lowered(graph)
    for what, count in (("inputs", len(graph.inputs)), ("outputs", len(graph.outputs))):
        if not 1 <= count <= MAX_PORTS:
            low.problems[f"a model has 1 to {MAX_PORTS} {what}"] = [str(count)]
    for t in (*graph.inputs, *graph.outputs):
        if t.dtype not in TYPECODE:
            low.problems.setdefault(f"{t.dtype} inputs and outputs: {ASK_TYPE}", []).append(t.label)
        if t.size == 0:
            shape = list(t.shape)
            low.problems.setdefault(f"no elements in {shape}: fix each dimension", []).append(t.label)
    if low.problems:
        return low
    for t in graph.inputs:
        if t.data is not None:
            low.problems.setdefault("a constant cannot be an input: damaged model", []).append(t.label)
        low.place(t)
    _lower_graph(low, graph)
    if not low.problems:
        _ground_outputs(low)
        low.stop_here()
        variables.shorten(low)
        low.finish()
    return low


def _lower_graph(low: Lowered, graph: Graph) -> None:
    """The operators of the model, or of a subgraph that one of them calls."""
    written = {t.index for t in graph.inputs}
    for op in graph.operators:
        try:
            if op.kind not in LOWER:
                raise Unsupported("this operator is not supported: replace the layer")
            _check_written([t for t in data_inputs(op) if not (t.variable and op.kind in RECURRENT)], written)
            (elementwise.tabulated if op.table else LOWER[op.kind])(low, op)
        except Unsupported as e:
            low.problems.setdefault(str(e), []).append(op.label)
        except NONSENSE:
            low.problems.setdefault("its options or inputs make no sense: damaged model", []).append(op.label)
        written |= {t.index for t in op.outputs}
    try:
        _check_written(graph.outputs, written)
    except Unsupported as e:
        low.problems.setdefault(str(e), []).append("the model's outputs")


def _call_once(low: Lowered, op: Operator) -> None:
    """The subgraph that gives variables their first values runs at a reset. (TFLM: at the first run.)"""
    init = low.graph.subgraphs[op.options["init_subgraph_index"]]
    if init.inputs or low.depth or {"CALL_ONCE", "IF", "WHILE"} & {o.kind for o in init.operators}:
        raise Unsupported("what it calls has inputs or control flow: export the model again")
    if any(s.operator.kind in (variables.READ, variables.ASSIGN) for s in low.steps):
        raise Unsupported("variables are used before it gives them their first value: export the model again")
    simplify(init)
    with low.at_reset():
        _lower_graph(low, init)


def _check_written(tensors: list[Tensor], written: set[int]) -> None:
    """What nobody writes would be whatever lies in the arena."""
    for t in tensors:
        if t.data is None and t.size and t.index not in written:
            raise Unsupported(
                f"nothing writes {t.label or 'one of them'}: a variable is only supported as the state of "
                f"{' and '.join(sorted(RECURRENT))}, or the model is damaged"
            )


def _ground_outputs(low: Lowered) -> None:
    """A constant output is copied into the arena: an output is always there."""
    for t in low.graph.outputs:
        place = low.place(t)
        if isinstance(place, Const):
            op = Operator(len(low.graph.operators), "constant", 1, [], [t])
            low.places[t.index] = low.new_buffer(len(place.data))
            low.emit("MOVE", op, {"in": place, "out": low.place(t), "run": len(place.data)}, kind=typecode(t))


# Operators that read and write the variables that they are given as inputs.
RECURRENT = {"SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"}

LOWER: dict[str, Callable[[Lowered, Operator], None]] = {
    "ABS": apply.unary,
    "ADD": combine.binary,
    "ADD_N": reduction.add_n,
    "ASSIGN_VARIABLE": variables.assign_variable,
    "ARG_MAX": reduction.extreme,
    "ARG_MIN": reduction.extreme,
    "AVERAGE_POOL_2D": lambda low, op: window.pool(low, op, name="AVERAGE_POOL"),
    "BATCH_MATMUL": matrix.batch_matmul,
    "BATCH_TO_SPACE_ND": shape.batch_to_space,
    "BROADCAST_ARGS": combine.broadcast_args,
    "BROADCAST_TO": shape.broadcast_to,
    "CALL_ONCE": _call_once,
    "CAST": apply.cast,
    "CEIL": apply.unary,
    "CONCATENATION": shape.concatenation,
    "CONV_2D": lambda low, op: window.convolution(low, op, depthwise=False),
    "COS": apply.unary,
    "CUMSUM": reduction.cumsum,
    "DEPTHWISE_CONV_2D": lambda low, op: window.convolution(low, op, depthwise=True),
    "DEPTH_TO_SPACE": shape.depth_to_space,
    "DEQUANTIZE": apply.dequantize,
    "DIV": combine.binary,
    "DYNAMIC_UPDATE_SLICE": shape.dynamic_update_slice,
    "ELU": apply.unary,
    "EMBEDDING_LOOKUP": shape.embedding_lookup,
    "EQUAL": combine.comparison,
    "EXP": apply.unary,
    "EXPAND_DIMS": shape.reshape,
    "FILL": shape.fill_with,
    "FLOOR": apply.unary,
    "FLOOR_DIV": lambda low, op: combine.of_one_type(low, op, kinds="f"),
    "FLOOR_MOD": lambda low, op: combine.of_one_type(low, op, kinds="f"),
    "FULLY_CONNECTED": matrix.fully_connected,
    "GATHER": shape.gather,
    "GATHER_ND": shape.gather_nd,
    "GREATER": combine.comparison,
    "GREATER_EQUAL": combine.comparison,
    "HARD_SWISH": apply.unary,
    "IF": lambda low, op: flow.branch(low, op, _lower_graph),
    "L2_NORMALIZATION": reduction.normalization,
    "L2_POOL_2D": reduction.l2_pool,
    "LEAKY_RELU": apply.unary,
    "LESS": combine.comparison,
    "LESS_EQUAL": combine.comparison,
    "LOG": apply.unary,
    "LOGICAL_AND": lambda low, op: combine.of_one_type(low, op, kinds="?"),
    "LOGICAL_NOT": apply.logical_not,
    "LOGICAL_OR": lambda low, op: combine.of_one_type(low, op, kinds="?"),
    "LOGISTIC": lambda low, op: elementwise.sigmoid(
        low, op, name="LOGISTIC", function=fx.logistic, fraction_bits=8, zero_point=-128
    ),
    "LOG_SOFTMAX": reduction.normalization,
    "MAXIMUM": lambda low, op: combine.of_one_type(low, op, kinds="bhiqf"),
    "MAX_POOL_2D": lambda low, op: window.pool(low, op, name="MAX_POOL"),
    "MEAN": reduction.mean,
    "MINIMUM": lambda low, op: combine.of_one_type(low, op, kinds="bhiqf"),
    "MIRROR_PAD": shape.mirror_pad,
    "MUL": combine.binary,
    "NEG": apply.unary,
    "NOT_EQUAL": combine.comparison,
    "PACK": shape.pack,
    "PAD": shape.pad,
    "PADV2": shape.pad,
    "PRELU": combine.prelu,
    "QUANTIZE": apply.quantize,
    "READ_VARIABLE": variables.read_variable,
    "REDUCE_MAX": reduction.extreme,
    "REDUCE_MIN": reduction.extreme,
    "RELU": apply.relu,
    "RELU6": apply.relu,
    "RESHAPE": shape.reshape,
    "RESIZE_BILINEAR": matrix.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": shape.resize_nearest,
    "REVERSE_V2": shape.reverse,
    "ROUND": apply.unary,
    "RSQRT": apply.unary,
    "SELECT_V2": combine.select,
    "SHAPE": shape.shape_of,
    "SIN": apply.unary,
    "SLICE": shape.slice_,
    "SOFTMAX": reduction.softmax,
    "SPACE_TO_BATCH_ND": shape.space_to_batch,
    "SPACE_TO_DEPTH": shape.space_to_depth,
    "SPLIT": lambda low, op: shape.split(low, op, data=1, axis=0),
    "SPLIT_V": lambda low, op: shape.split(low, op, data=0, axis=2),
    "SQRT": apply.unary,
    "SQUARE": apply.unary,
    "SQUARED_DIFFERENCE": combine.binary,
    "SQUEEZE": shape.reshape,
    "STRIDED_SLICE": shape.strided_slice,
    "SUB": combine.binary,
    "SUM": reduction.mean,
    "SVDF": recurrent.svdf,
    buffer.KIND: buffer.circular_buffer,
    detect.KIND: detect.detection,
    "TANH": lambda low, op: elementwise.sigmoid(
        low, op, name="TANH", function=fx.tanh, fraction_bits=7, zero_point=0
    ),
    "TRANSPOSE_CONV": matrix.transpose_conv,
    "TRANSPOSE": shape.transpose,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent.lstm,
    "UNPACK": shape.unpack,
    "VAR_HANDLE": variables.var_handle,
    "WHILE": lambda low, op: flow.loop(low, op, _lower_graph),
    "ZEROS_LIKE": shape.zeros_like,
}
