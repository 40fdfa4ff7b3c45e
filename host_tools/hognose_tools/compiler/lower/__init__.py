# SPDX-License-Identifier: MIT
"""Step 3: lowers the graph's operators to the engine's records, with all numbers computed.

One function per TFLite operator. Arithmetic that the board repeats for every value (multipliers, tables,
clamp bounds, folded zero points) is done here once, as TFLM's Prepare functions do it (tflite-micro,
tensorflow/lite/micro/kernels), so that the results are the same to the bit.
"""

from collections.abc import Callable

import numpy as np

from ..graph import Graph, Operator, Tensor
from ..records import TYPECODE
from ..simplify import data_inputs, simplify
from . import (
    binary,
    circular_buffer,
    convolution,
    detect,
    flow,
    gather,
    lookup,
    matmul,
    move,
    normalize,
    pool,
    recurrent,
    reduce,
    resize,
    slicing,
    space,
    transpose_conv,
    unary,
    variables,
)
from .steps import Const, Label, Lowered, Step, View
from .tensors import ASK_TYPE, Unsupported, typecode

__all__ = ["LOWER", "Const", "Label", "Lowered", "Step", "View", "lower"]

MAX_PORTS = 64  # inputs, and as many outputs, that an engine takes
# What is raised where an option, an input or a shape is missing that every real model has.
NONSENSE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


@np.errstate(all="ignore")  # scales at the ends of float32 give infinities, which are refused in words
def lower(graph: Graph) -> Lowered:
    """All operators of `graph` as steps; all that cannot be lowered is listed in `problems`."""
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
            (lookup.tabulated if op.table else LOWER[op.kind])(low, op)
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
    """A tensor that nothing writes would have any value."""
    for t in tensors:
        if t.data is None and t.size and t.index not in written:
            raise Unsupported(
                f"nothing writes {t.label or 'one of them'}: a variable is only supported as the state of "
                f"{' and '.join(sorted(RECURRENT))}, or the model is damaged"
            )


def _ground_outputs(low: Lowered) -> None:
    """Copies constant outputs into the arena, where outputs must lie."""
    for t in low.graph.outputs:
        place = low.place(t)
        if isinstance(place, Const):
            op = Operator(len(low.graph.operators), "constant", 1, [], [t])
            low.places[t.index] = low.new_buffer(len(place.data))
            low.emit("MOVE", op, {"in": place, "out": low.place(t), "run": len(place.data)}, kind=typecode(t))


# Operators that read and write the variables that they are given as inputs.
RECURRENT = {"SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"}

LOWER: dict[str, Callable[[Lowered, Operator], None]] = {
    "ABS": unary.unary,
    "ADD": binary.binary,
    "ADD_N": reduce.add_n,
    "ASSIGN_VARIABLE": variables.assign_variable,
    "ARG_MAX": reduce.extreme,
    "ARG_MIN": reduce.extreme,
    "AVERAGE_POOL_2D": pool.pool,
    "BATCH_MATMUL": matmul.batch_matmul,
    "BATCH_TO_SPACE_ND": space.batch_to_space,
    "BROADCAST_ARGS": binary.broadcast_args,
    "BROADCAST_TO": move.broadcast_to,
    "CALL_ONCE": _call_once,
    "CAST": unary.cast,
    "CEIL": unary.unary,
    "CONCATENATION": move.concatenation,
    "CONV_2D": lambda low, op: convolution.convolution(low, op, depthwise=False),
    "COS": unary.unary,
    "CUMSUM": reduce.cumsum,
    "DEPTHWISE_CONV_2D": lambda low, op: convolution.convolution(low, op, depthwise=True),
    "DEPTH_TO_SPACE": space.depth_to_space,
    "DEQUANTIZE": unary.dequantize,
    "DIV": binary.binary,
    "DYNAMIC_UPDATE_SLICE": gather.dynamic_update_slice,
    "ELU": unary.unary,
    "EMBEDDING_LOOKUP": gather.embedding_lookup,
    "EQUAL": binary.comparison,
    "EXP": unary.unary,
    "EXPAND_DIMS": move.reshape,
    "FILL": move.fill_with,
    "FLOOR": unary.unary,
    "FLOOR_DIV": lambda low, op: binary.of_one_type(low, op, kinds="f"),
    "FLOOR_MOD": lambda low, op: binary.of_one_type(low, op, kinds="f"),
    "FULLY_CONNECTED": matmul.fully_connected,
    "GATHER": gather.gather,
    "GATHER_ND": gather.gather_nd,
    "GREATER": binary.comparison,
    "GREATER_EQUAL": binary.comparison,
    "HARD_SWISH": unary.unary,
    "IF": lambda low, op: flow.branch(low, op, _lower_graph),
    "L2_NORMALIZATION": normalize.normalization,
    "L2_POOL_2D": pool.pool,
    "LEAKY_RELU": unary.unary,
    "LESS": binary.comparison,
    "LESS_EQUAL": binary.comparison,
    "LOG": unary.unary,
    "LOGICAL_AND": lambda low, op: binary.of_one_type(low, op, kinds="?"),
    "LOGICAL_NOT": unary.logical_not,
    "LOGICAL_OR": lambda low, op: binary.of_one_type(low, op, kinds="?"),
    "LOGISTIC": unary.sigmoid,
    "LOG_SOFTMAX": normalize.normalization,
    "MAXIMUM": lambda low, op: binary.of_one_type(low, op, kinds="bhiqf"),
    "MAX_POOL_2D": pool.pool,
    "MEAN": reduce.mean,
    "MINIMUM": lambda low, op: binary.of_one_type(low, op, kinds="bhiqf"),
    "MIRROR_PAD": move.mirror_pad,
    "MUL": binary.binary,
    "NEG": unary.unary,
    "NOT_EQUAL": binary.comparison,
    "PACK": move.pack,
    "PAD": move.pad,
    "PADV2": move.pad,
    "PRELU": binary.prelu,
    "QUANTIZE": unary.quantize,
    "READ_VARIABLE": variables.read_variable,
    "REDUCE_MAX": reduce.extreme,
    "REDUCE_MIN": reduce.extreme,
    "RELU": unary.relu,
    "RELU6": unary.relu,
    "RESHAPE": move.reshape,
    "RESIZE_BILINEAR": resize.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize.resize_nearest,
    "REVERSE_V2": move.reverse,
    "ROUND": unary.unary,
    "RSQRT": unary.unary,
    "SELECT_V2": binary.select,
    "SHAPE": move.shape_of,
    "SIN": unary.unary,
    "SLICE": slicing.slice_,
    "SOFTMAX": normalize.softmax,
    "SPACE_TO_BATCH_ND": space.space_to_batch,
    "SPACE_TO_DEPTH": space.space_to_depth,
    "SPLIT": lambda low, op: move.split(low, op, data=1, axis=0),
    "SPLIT_V": lambda low, op: move.split(low, op, data=0, axis=2),
    "SQRT": unary.unary,
    "SQUARE": unary.unary,
    "SQUARED_DIFFERENCE": binary.binary,
    "SQUEEZE": move.reshape,
    "STRIDED_SLICE": slicing.strided_slice,
    "SUB": binary.binary,
    "SUM": reduce.mean,
    "SVDF": recurrent.svdf,
    circular_buffer.KIND: circular_buffer.circular_buffer,
    detect.KIND: detect.detection,
    "TANH": unary.sigmoid,
    "TRANSPOSE_CONV": transpose_conv.transpose_conv,
    "TRANSPOSE": move.transpose,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent.lstm,
    "UNPACK": move.unpack,
    "VAR_HANDLE": variables.var_handle,
    "WHILE": lambda low, op: flow.loop(low, op, _lower_graph),
    "ZEROS_LIKE": move.zeros_like,
}
