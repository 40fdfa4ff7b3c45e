# SPDX-License-Identifier: MIT
"""Damaged models that TFLM runs to something else, or not at all: refused in words, not packed."""

from collections.abc import Callable

import flatbuffers
import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from engines import ENGINES, check
from hognose_tools.compiler import compile_tflite
from hognose_tools.errors import UserError
from operators import Case
from test_compiler import changed
from tflite_builder import Builder, Tensor

Ends = tuple[list[Tensor], list[Tensor]]


def built(make: Callable[[Builder], Ends]) -> bytes:
    b = Builder()
    return b.build(*make(b))


def refused(tflite: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words) as e:
        compile_tflite(tflite)
    assert len(str(e.value)) < 600 and "\n" not in str(e.value)


# --- Tensors that have a value already ---------------------------------------------------------------------


def test_a_variable_with_data() -> None:
    """TFLM begins with zeros there, a reader of constants with the data."""

    def prelu(b: Builder) -> Ends:
        x, y = (b.tensor((1, 1, 1, 2), "int8", scale=0.05) for _ in range(2))
        b.op("PRELU", [x, b.const(np.int8([[[-59, 7]]]), scale=0.01)], y)
        return [x], [y]

    def damage(graph) -> None:
        graph.tensors[2].isVariable = True

    compile_tflite(built(prelu))
    refused(changed(built(prelu), damage), "tensor 2 is a variable with constant data")


def _twice(b: Builder) -> Ends:
    x, y, z = (b.tensor((1, 4)) for _ in range(3))
    b.op("RELU", [x], y)
    b.op("NEG", [y], z)
    return [x], [z]


@pytest.mark.parametrize("again", [0, 1])
def test_a_tensor_that_is_written_twice(again: int) -> None:
    """An input, or another operator's output."""

    def damage(graph) -> None:
        graph.operators[1].outputs = [again]

    refused(changed(built(_twice), damage), f"operator 1 writes tensor {again}, which has a value")


def test_an_operator_that_writes_a_variable() -> None:
    def damage(graph) -> None:
        graph.tensors[1].isVariable = True

    refused(changed(built(_twice), damage), "operator 0 writes tensor 1, which has a value")


def test_an_input_twice() -> None:
    def damage(graph) -> None:
        graph.inputs = [0, 0]

    refused(changed(built(_twice), damage), "a tensor is an input twice")


def test_the_model_again_as_a_subgraph() -> None:
    """Two entries of the list, one subgraph: it would run itself, or nobody runs it."""
    model = schema.ModelT.InitFromPackedBuf(built(_twice))
    b = flatbuffers.Builder()
    # Packed by hand: the schema's classes write a subgraph once for each entry.
    graph = model.subgraphs[0].Pack(b)
    packed = [buffer.Pack(b) for buffer in model.buffers]
    codes = [code.Pack(b) for code in model.operatorCodes]

    def listed(offsets: list[int], start: Callable) -> int:
        start(b, len(offsets))
        for offset in reversed(offsets):
            b.PrependUOffsetTRelative(offset)
        return b.EndVector()

    graphs = listed([graph, graph], schema.ModelStartSubgraphsVector)
    buffers = listed(packed, schema.ModelStartBuffersVector)
    operators = listed(codes, schema.ModelStartOperatorCodesVector)
    schema.ModelStart(b)
    schema.ModelAddVersion(b, 3)
    schema.ModelAddOperatorCodes(b, operators)
    schema.ModelAddSubgraphs(b, graphs)
    schema.ModelAddBuffers(b, buffers)
    b.Finish(schema.ModelEnd(b), b"TFL3")
    refused(bytes(b.Output()), "subgraph 1 is the first one again")


# --- Options -----------------------------------------------------------------------------------------------


def _variable(b: Builder) -> Ends:
    handle, x, y = b.tensor((), "resource"), b.tensor((1,)), b.tensor((1,))
    b.op("VAR_HANDLE", [], handle, container=b"", shared_name=b"name")
    b.op("ASSIGN_VARIABLE", [handle, x], [])
    b.op("READ_VARIABLE", [handle], y)
    return [x], [y]


def test_options_of_another_operator() -> None:
    def damage(graph) -> None:
        graph.operators[0].builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        graph.operators[0].builtinOptions = schema.FullyConnectedOptionsT()

    compile_tflite(built(_variable))
    refused(changed(built(_variable), damage), "operator 0 VAR_HANDLE has FullyConnectedOptions")


def test_a_variable_without_a_name() -> None:
    def damage(graph) -> None:
        graph.operators[0].builtinOptionsType = 0
        graph.operators[0].builtinOptions = None

    refused(changed(built(_variable), damage), "operator 0 VAR_HANDLE .*a variable without a name")


@pytest.mark.parametrize("end", [b"\1", b"\0"])
def test_a_name_without_end(end: bytes) -> None:
    """TFLM compares up to the first 0, wherever it is."""
    whole = built(_variable)
    assert whole.count(b"name\0") == 1
    damaged = whole.replace(b"name\0", b"name" + end if end != b"\0" else b"na\0e\0")
    refused(damaged, "a name of a variable or an operator has no end")


# --- Sizes that are said twice, and differ -----------------------------------------------------------------


def _moved(kind: str, shapes: tuple, consts: tuple = (), outputs: int = 1, **options: object) -> bytes:
    """An operator that moves int8 values; `shapes`: of input and outputs."""
    b = Builder()
    x = b.tensor(shapes[0], "int8", scale=0.1)
    ys = [b.tensor(shapes[1], "int8", scale=0.1) for _ in range(outputs)]
    b.op(kind, [x, *(b.const(np.array(c, np.int32)) for c in consts)], ys, version=2, **options)
    return b.build([x], ys)


IMAGE = (1, 4, 4, 2)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (
            ("RESIZE_NEAREST_NEIGHBOR", (IMAGE, (1, 8, 8, 2)), ([8, 8],)),
            ("RESIZE_NEAREST_NEIGHBOR", (IMAGE, (1, 8, 9, 2)), ([8, 8],)),
        ),
        (
            ("RESIZE_BILINEAR", (IMAGE, (1, 8, 8, 2)), ([8, 8],)),
            ("RESIZE_BILINEAR", (IMAGE, (1, 9, 8, 2)), ([8, 8],)),
        ),
        (("SLICE", ((8, 4), (4, 4)), ([4, 0], [4, -1])), ("SLICE", ((8, 4), (4, 4)), ([4, 0], [150, 4]))),
        (("SLICE", ((8, 4), (4, 3)), ([4, 1], [4, -1])), ("SLICE", ((8, 4), (4, 3)), ([4, 0], [4, -1]))),
        (
            ("BATCH_TO_SPACE_ND", ((4, 2, 2, 1), (1, 3, 4, 1)), ([2, 2], [[1, 0], [0, 0]])),
            ("BATCH_TO_SPACE_ND", ((4, 2, 2, 1), (1, 4, 4, 1)), ([2, 2], [[1, 0], [0, 0]])),
        ),
        (
            ("SPACE_TO_BATCH_ND", ((1, 3, 4, 1), (4, 2, 2, 1)), ([2, 2], [[1, 0], [0, 0]])),
            ("SPACE_TO_BATCH_ND", ((1, 4, 4, 1), (4, 2, 2, 1)), ([2, 2], [[1, 0], [0, 0]])),
        ),
        (
            ("SPACE_TO_BATCH_ND", ((1, 4, 4, 3), (4, 2, 2, 3)), ([2, 2], [[0, 0], [0, 0]])),
            ("SPACE_TO_BATCH_ND", ((1, 4, 4, 3), (4, 2, 2, 2)), ([2, 2], [[0, 0], [0, 0]])),
        ),
    ],
    ids=lambda case: case[0],
)
def test_sizes(right: tuple, wrong: tuple) -> None:
    compile_tflite(_moved(*right))
    refused(_moved(*wrong), "does not become")


def test_shapes_that_only_have_the_right_number_of_elements() -> None:
    b = Builder()
    x, y = b.tensor((1, 3)), b.tensor(())
    b.op("FULLY_CONNECTED", [x, b.const(np.ones((1, 3), np.float32)), None], y)
    refused(b.build([x], [y]), r"\[1, 3\], \[1, 3\], \[\] of input, weights, output do not fit together")
    refused(_moved("ZEROS_LIKE", ((6, 3), (6, 6))), "differ in size")
    for kind, first, shape in (("FILL", [2, 3], (3, 2)), ("BROADCAST_TO", [2, 3], (3, 3))):
        b = Builder()
        x, y = b.tensor((1,) if kind == "BROADCAST_TO" else ()), b.tensor(shape)
        said = b.const(np.array(first, np.int32))
        b.op(kind, [x, said] if kind == "BROADCAST_TO" else [said, x], y)
        refused(b.build([x], [y]), "does not become")


def test_counts() -> None:
    """TFLM packs as many as the options say."""
    compile_tflite(_moved("PACK", ((4,), (1, 4)), axis=0, values_count=1))
    refused(_moved("PACK", ((4,), (1, 4)), axis=0, values_count=255), "does not become")
    compile_tflite(_moved("UNPACK", ((2, 4), (4,)), outputs=2, axis=0, num=2))
    refused(_moved("UNPACK", ((2, 4), (4,)), outputs=2, axis=0, num=0), "does not become")


def test_an_axis_that_a_table_would_hide() -> None:
    """A mean of one value is a function of it, whatever the axis."""
    for axis in (0, 1):
        tflite = _moved("MEAN", ((1,), (1,)), ([axis],), keep_dims=True)
        if axis:
            refused(tflite, "axis out of range")
        else:
            compile_tflite(tflite)


# --- Scales ------------------------------------------------------------------------------------------------


def _relu(b: Builder) -> Ends:
    x, y = (b.tensor((4,), "int16", scale=0.05) for _ in range(2))
    b.op("RELU", [x], y)
    return [x], [y]


def test_scales_without_zero_points() -> None:
    """TFLM takes such a tensor for one that is not quantized, of scale 0."""

    def damage(graph) -> None:
        graph.tensors[1].quantization.zeroPoint = None

    compile_tflite(built(_relu))
    refused(changed(built(_relu), damage), "int16 tensor has no usable scale")


def test_scales_that_are_not_normal() -> None:
    def damage(graph) -> None:
        graph.tensors[1].quantization.scale = [np.float32(1e-39)]

    refused(changed(built(_relu), damage), "int16 tensor has no usable scale")


def test_a_scale_for_each_channel_where_one_is_taken() -> None:
    """TFLM's BATCH_MATMUL reads the first one only."""
    b = Builder()
    x, y = b.tensor((1, 4), "int8", scale=0.1), b.tensor((1, 3), "int8", scale=0.1)
    b.op("BATCH_MATMUL", [x, b.const(np.ones((4, 3), np.int8), scale=[0.1, 0.2, 0.3], axis=1)], y)
    refused(b.build([x], [y]), "a scale for each channel, where TFLM .* take one .*per tensor")


# --- What looked like damage -------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_starts_beyond_32_bits_are_clamped(engine: str) -> None:
    b = Builder()
    x, update = b.tensor((6, 6), "int8", scale=0.1), b.tensor((2, 3), "int8", scale=0.1)
    starts, y = b.tensor((2,), "int64"), b.tensor((6, 6), "int8", scale=0.1)
    b.op("DYNAMIC_UPDATE_SLICE", [x, update, starts], y)
    tflite = b.build([x, update, starts], [y])
    zeros, ones = np.zeros((6, 6), np.int8), np.ones((2, 3), np.int8)
    limits = (2**63 - 1, -(2**63), 2**32 + 1, 2**31, -(2**31) - 1, -1, 0, 3, 4, 5)
    runs = [[zeros, ones, np.array([a, b], np.int64)] for a in limits for b in limits]
    check(Case(tflite, runs[0], then=runs[1:]), engine)
