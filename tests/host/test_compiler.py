# SPDX-License-Identifier: MIT
"""The compiler: what it refuses and how, what it leaves out, and how well it plans memory."""

import itertools
import json
import struct
import subprocess
import sys
import zlib

import flatbuffers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from engines import ENGINES, check, run
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.planner import ALIGN, Buffer, lower_bound, plan
from hognose_tools.compiler.reader import read_tflite
from hognose_tools.errors import UserError
from operators import Case
from tflite_builder import Builder


def dense_chain(widths: list[int]) -> bytes:
    """Dense int8 layers, one after another."""
    chance = np.random.default_rng(0)
    b = Builder()
    x = first = b.tensor((1, widths[0]), "int8", scale=0.1)
    for inputs, outputs in itertools.pairwise(widths):
        w = b.const(chance.integers(-127, 128, (outputs, inputs), np.int8), scale=0.01)
        y = b.tensor((1, outputs), "int8", scale=0.1)
        b.op("FULLY_CONNECTED", [x, w, None], y)
        x = y
    return b.build([first], [x])


def test_the_compiler_does_not_import_tensorflow():
    code = "import sys, hognose_tools.compiler; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_plan_at_the_lower_bound_for_the_reference_models(models):
    packed = 0
    for path in sorted(models.glob("*.tflite")):
        try:
            compiled = compile_tflite(path.read_bytes())
        except UserError:
            continue
        packed += 1
        assert compiled.arena_size == compiled.lower_bound, path.name
    assert packed


@st.composite
def lifetimes(draw) -> list[Buffer]:
    """Buffers of a graph: each operator makes one, which some later operators read."""
    count = draw(st.integers(1, 14))
    buffers = []
    for i in range(count):
        b = Buffer(draw(st.integers(1, 3000)))
        b.touch(i - 1)
        b.touch(min(count, i + draw(st.integers(0, 4))))
        buffers.append(b)
    return buffers


@settings(max_examples=200, deadline=None, derandomize=True)
@given(lifetimes(), st.data())
def test_no_two_buffers_that_live_together_share_bytes(buffers, data):
    pairs = {
        (id(a), id(b)): ALIGN * data.draw(st.integers(0, 3))
        for a in buffers
        for b in buffers
        if a.last == b.first and a is not b and data.draw(st.booleans())
    }
    size = plan(buffers, pairs)
    for a in buffers:
        assert a.offset >= 0 and a.offset % ALIGN == 0 and a.end <= size
        for b in buffers:
            apart = a.last < b.first or b.last < a.first or a.end <= b.offset or b.end <= a.offset
            shared = pairs.get((id(a), id(b))) == a.offset - b.offset
            shared = shared or pairs.get((id(b), id(a))) == b.offset - a.offset
            assert a is b or apart or shared
    assert lower_bound(buffers, pairs) <= size <= sum(b.rounded for b in buffers)


def test_random_plans_are_near_the_lower_bound():
    chance = np.random.default_rng(7)
    gaps = []
    for _ in range(100):
        buffers = []
        for i in range(12):
            b = Buffer(int(chance.integers(1, 5000)))
            b.touch(i - 1)
            b.touch(i + int(chance.integers(0, 3)))
            buffers.append(b)
        bound = lower_bound(buffers, {})
        gaps.append(plan(buffers, {}) / bound - 1)
    assert np.mean(gaps) < 0.005 and max(gaps) < 0.1


def test_the_arena_of_a_dense_chain_is_two_layers():
    compiled = compile_tflite(dense_chain([640, 128, 8, 128, 640]))
    assert compiled.arena_size == 640 + 128 == compiled.lower_bound
    assert compiled.macs == 2 * (640 * 128 + 128 * 8)


def test_all_that_is_unsupported_is_named_at_once():
    b = Builder()
    x = b.tensor((1, 4), "float32", name="in")
    one, two = b.tensor((1, 4), name="first/Diag"), b.tensor((1, 4), name="second/Unique")
    b.op("MATRIX_DIAG", [x], one)
    b.op("UNIQUE", [one], two)
    with pytest.raises(UserError) as e:
        compile_tflite(b.build([x], [two]))
    message = str(e.value)
    assert "\n" not in message
    for words in (
        "operator 0 MATRIX_DIAG (first/Diag)",
        "operator 1 UNIQUE (second/Unique)",
        "`hognose ops`",
    ):
        assert words in message


def test_a_refusal_is_short():
    """However many problems there are, and wherever: names and shapes come from the file."""
    b = Builder()
    x = first = b.tensor((1,) * 200, "float32", name="x" * 200)
    for i in range(60):
        y = b.tensor((1,) * 200, name="y" * 200)
        b.op(("MATRIX_DIAG", "UNIQUE", "RELU")[i % 3], [x], y)
        x = y
    y = b.tensor((2,) * 20, name="z" * 200)
    b.op("NEG", [x], y)
    with pytest.raises(UserError, match=r"operator 0 MATRIX_DIAG .* and \d+ more") as e:
        compile_tflite(b.build([first], [y]))
    assert len(str(e.value)) < 600


def test_unsupported_types_are_named_with_a_remedy():
    b = Builder()
    x = b.tensor((1, 4), "float64", name="in")
    y = b.tensor((1, 4), "float64")
    b.op("ADD", [x, x], y)
    with pytest.raises(UserError, match=r"float64 .*hognose quantize"):
        compile_tflite(b.build([x], [y]))


def test_dynamic_range_models_are_explained():
    b = Builder()
    x, y = b.tensor((1, 4)), b.tensor((1, 2))
    b.op("FULLY_CONNECTED", [x, b.const(np.ones((2, 4), np.int8), scale=0.1), None], y)
    with pytest.raises(UserError, match="dynamic-range"):
        compile_tflite(b.build([x], [y]))


def test_what_only_computes_a_shape_is_left_out():
    b = Builder()
    x, y = b.tensor((1, 4)), b.tensor((2, 2))
    shape, doubled = b.tensor((2,), "int32"), b.tensor((2,), "int32")
    b.op("SHAPE", [x], shape)
    b.op("ADD", [shape, shape], doubled)
    b.op("RESHAPE", [x, doubled], y)
    compiled = compile_tflite(b.build([x], [y]))
    assert compiled.lowered.steps == []
    assert compiled.arena_size == 16


def test_a_tensor_that_nobody_writes_is_refused():
    """A variable, such as SVDF's state: its value would be whatever lies in the arena."""
    b = Builder()
    x, state, y = b.tensor((1, 4)), b.tensor((1, 4), name="state", variable=True), b.tensor((1, 4))
    b.op("ADD", [x, state], y)
    with pytest.raises(UserError, match=r"operator 0 ADD .*nothing writes state"):
        compile_tflite(b.build([x], [y]))


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0\0\0\0TFL3", b"HOGN" + bytes(100), bytes(10000)])
def test_what_is_no_tflite_is_refused(data):
    with pytest.raises(UserError):
        read_tflite(data)


def test_damaged_files_are_refused_or_packed():
    """Mutations of a .tflite either compile or raise UserError; nothing else escapes."""
    source = dense_chain([12, 7, 3])
    chance = np.random.default_rng(1)
    refused = 0
    for _ in range(3000):
        data = bytearray(source)
        for _ in range(int(chance.integers(1, 5))):
            data[int(chance.integers(len(data)))] = int(chance.integers(256))
        if chance.random() < 0.2:
            del data[int(chance.integers(len(data))) :]
        try:
            compile_tflite(bytes(data))
        except UserError as e:
            refused += 1
            assert "\n" not in str(e)
    assert refused > 500


def test_the_file_is_what_the_specification_says():
    compiled = compile_tflite(dense_chain([4, 3]), ["a", "b", "c"], {"rate": 10}, "small")
    hog = compiled.hog
    assert len(hog) % 16 == 0
    magic, version, sections, length, crc, arena, features, work, turns = struct.unpack_from("<4s2H6I", hog)
    assert (magic, version, sections, length) == (b"HOGN", 2, 3, len(hog))
    assert (crc, arena, features) == (zlib.crc32(hog[16:]), compiled.arena_size, 0)
    assert (work, turns) == (1 + 8 * 3, 0)  # one dense layer, of a multiple of 8 inputs
    table = [struct.unpack_from("<4s2I", hog, 32 + 12 * i) for i in range(3)]
    assert [tag for tag, _, _ in table] == [b"META", b"PLAN", b"DATA"]
    assert table[2][1] % 16 == 0 and table[2][1] + table[2][2] == len(hog)  # DATA is the last one
    _, offset, size = table[0]
    assert json.loads(hog[offset : offset + size]) == {
        "name": "small",
        "inputs": ["t0"],
        "outputs": ["t2"],
        "labels": ["a", "b", "c"],
        "rate": 10,
    }


@pytest.mark.parametrize("labels", [["a"], ["a", "b", "b"], ["a", "b", "c", "d"]])
def test_labels_must_fit_the_output(labels):
    with pytest.raises(UserError, match="label"):
        compile_tflite(dense_chain([4, 3]), labels)


def test_packing_is_deterministic():
    tflite = dense_chain([64, 32, 16])
    assert compile_tflite(tflite).hog == compile_tflite(tflite).hog


@pytest.mark.parametrize("stored", ["float16", "int8"])
def test_weights_that_are_stored_in_few_bits_are_unpacked(stored):
    """As a file with the float32 weights; so the oracle gives them to TFLM, which has no float16."""
    rng = np.random.default_rng(0)
    few = (
        rng.integers(-99, 99, (3, 4), np.int8) if stored == "int8" else rng.normal(0, 1, (3, 4)).astype("f2")
    )
    real = (few * np.float64(0.5) if stored == "int8" else few).astype(np.float32)
    given = rng.normal(0, 1, (1, 4)).astype(np.float32)
    outputs = []
    for dequantized in (False, True):
        b = Builder()
        x, y = b.tensor((1, 4)), b.tensor((1, 3))
        w = b.tensor((3, 4)) if dequantized else b.const(real)
        if dequantized:
            b.op("DEQUANTIZE", [b.const(few, **({"scale": 0.5} if stored == "int8" else {}))], w)
        b.op("FULLY_CONNECTED", [x, w, None], y)
        tflite = b.build([x], [y])
        like = [np.zeros((1, 3), np.float32)]
        outputs += [run(compile_tflite(tflite).hog, engine, [given], like)[0] for engine in ENGINES]
        if stored == "float16":
            outputs.append(Oracle(tflite).run([given])[0])
    assert all(np.array_equal(o, outputs[0]) for o in outputs) and np.any(outputs[0])


def changed(tflite: bytes, change) -> bytes:
    """The file after `change` of its first subgraph, as objects of the schema."""
    model = schema.ModelT.InitFromPackedBuf(tflite)
    change(model.subgraphs[0])
    b = flatbuffers.Builder()
    b.Finish(model.Pack(b), b"TFL3")
    return bytes(b.Output())


def test_sparse_weights_are_named():
    def sparse(graph):
        graph.tensors[1].sparsity = schema.SparsityParametersT()

    with pytest.raises(UserError, match=r"tensor 1 .*stored sparse.*without sparsity"):
        compile_tflite(changed(dense_chain([4, 3]), sparse))


def test_sizes_of_an_example_are_named():
    """Where shapes do not fit together, and the converter knew only examples of them."""

    def example(graph):
        graph.tensors[0].shapeSignature = [-1, -1]
        graph.tensors[0].shape = [1, 5]

    with pytest.raises(UserError, match=r"may have any size, here \[1, 5\]: convert the model for one"):
        compile_tflite(changed(dense_chain([4, 3]), example))


def test_a_batch_that_is_open_is_named():
    """Where shapes do not fit together, and the converter left them to be computed from the batch's size."""

    def open_batch(graph):
        for t in (graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]):
            t.shapeSignature = [-1, *t.shape[1:]]
        graph.tensors[0].shape = [1, 5]

    with pytest.raises(UserError, match=r"^the model was converted for any batch size, .*convert it for 1"):
        compile_tflite(changed(dense_chain([4, 3]), open_batch))


def test_a_root_whose_scale_no_shift_can_reach_is_refused():
    """TFLM shifts by 32 bits and more then, which is another number on each processor."""
    b = Builder()
    x = b.tensor((1, 4), "int8", scale=12.0, zero_point=-128)
    y = b.tensor((1, 4), "int8", scale=1200.0)
    b.op("RSQRT", [x], y)
    with pytest.raises(UserError, match="output scale is far too large"):
        compile_tflite(b.build([x], [y]))


@pytest.mark.filterwarnings("error")
def test_a_bound_that_no_number_holds_is_refused():
    """6 ÷ scale is infinite, in float32 as TFLM has it."""
    b = Builder()
    x, y = b.tensor((1, 4), "int8", scale=0.1), b.tensor((1, 2), "int8", scale=1e-39)
    w = b.const(np.ones((2, 4), np.int8), scale=0.1)
    b.op("FULLY_CONNECTED", [x, w, None], y, activation="RELU6")
    with pytest.raises(UserError, match="damaged"):
        compile_tflite(b.build([x], [y]))


def test_axes_of_an_unknown_type_are_refused():
    """Their bytes are no numbers that anybody knows."""

    def damaged(graph):
        graph.tensors[2].type = 60

    b = Builder()
    x, y = b.tensor((1, 4), "int8", scale=0.1), b.tensor((1, 1), "int8", scale=0.1)
    b.op("MEAN", [x, b.const(np.array([1], np.int32))], y, version=2, keep_dims=True)
    with pytest.raises(UserError, match="its axes, of type 60, cannot be read: damaged model"):
        compile_tflite(changed(b.build([x], [y]), damaged))


@pytest.mark.parametrize("kind", ["SHAPE", "DEQUANTIZE"])
@pytest.mark.parametrize("what", ["inputs", "outputs"])
def test_operators_that_lack_a_tensor_are_refused(kind, what):
    def without(graph):
        setattr(graph.operators[0], what, [])

    b = Builder()
    x, y, z, more = b.const(np.zeros((2, 2), np.int8), scale=1.0), *(b.tensor((2,)) for _ in range(3))
    b.op(kind, [x], y)
    b.op("ADD", [y, more], z, version=2)
    with pytest.raises(UserError, match="damaged"):
        compile_tflite(changed(b.build([more], [z]), without))


def test_what_is_computed_from_a_constant():
    """The engine reads it in the arena."""
    b = Builder()
    x = b.tensor((2, 3))
    y, z = b.tensor((2, 3)), b.tensor((2, 3))
    b.op("NEG", [b.const(np.arange(6, dtype=np.float32).reshape(2, 3))], y)
    b.op("ADD", [x, y], z, version=2, activation="NONE")
    case = Case(b.build([x], [z]), [np.ones((2, 3), np.float32)])
    for engine in ENGINES:
        check(case, engine)
