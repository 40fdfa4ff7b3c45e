# SPDX-License-Identifier: MIT
"""Models that keep state: what the commands make of sequences, and what no single operator's test shows."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from device_models import stream, window

from engines import ENGINES, open_model
from hognose_tools import cli
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.analysis.verify import verify
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.data import samples
from hognose_tools.errors import UserError
from tflite_builder import Builder


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """A folder with stream.tflite and stream.hog, in which the test is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stream.tflite").write_bytes(stream())
    assert cli.main(["pack", "stream.tflite", "-o", "stream.hog"]) == 0
    return tmp_path


def test_pack_and_inspect_say_so(packed, capsys) -> None:
    assert cli.main(["pack", "stream.tflite", "-o", "stream.hog"]) == 0
    assert cli.main(["inspect", "stream.hog"]) == 0
    assert capsys.readouterr().out.count("keeps state from run to run") == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sequence", [0, 1, 3])
def test_verify(packed, engine: str, sequence: int) -> None:
    command = ["verify", "stream.tflite", "--engine", engine, "--samples", "7", "--sequence", str(sequence)]
    assert cli.main(command) == 0


def test_run_takes_samples_as_sequences(packed) -> None:
    frames = np.random.default_rng(0).integers(-128, 128, (7, 1, 4)).astype(np.int8)
    np.savez("in.npz", **{"0": frames})
    oracle = Oracle(stream())
    for sequence in (0, 1, 3):
        oracle.reset()
        expected = []
        for i, frame in enumerate(frames):
            if sequence and i % sequence == 0:
                oracle.reset()
            expected.append(oracle.run([frame])[0])
        command = ["run", "stream.hog", "--inputs", "in.npz", "--outputs", "out.npz", "--raw"]
        assert cli.main([*command, "--sequence", str(sequence)]) == 0
        with np.load("out.npz") as out:
            np.testing.assert_array_equal(out["0"], expected)


def test_a_negative_length_is_refused(packed, capsys) -> None:
    assert cli.main(["verify", "stream.tflite", "--sequence", "-1"]) != 0
    assert "--sequence" in capsys.readouterr().err


def test_verify_finds_the_layer_in_a_sequence() -> None:
    """A model whose weights were changed is caught at the layer that keeps the state, in its own sequence."""
    tflite = stream()
    compiled = compile_tflite(tflite)
    time = next(s for s in compiled.lowered.steps if s.name == "SVDF").fields["time"].data
    hog = bytearray(compiled.hog)
    at = hog.index(time)
    hog[at : at + len(time)] = bytes(len(time))
    hog[12:16] = zlib.crc32(hog[16:]).to_bytes(4, "little")
    compiled.hog = bytes(hog)
    inputs = samples.random(disassemble(compiled.hog).inputs, 6)
    said = verify(tflite, compiled, inputs, "native", "cpython")
    assert said is not None and "First layer that differs" in said and "SVDF" in said


def test_states_lie_apart_from_all_else() -> None:
    """No other buffer ever has a place that keeps state."""
    low = compile_tflite(stream()).lowered
    states = [step.fields["out"].buffer for step in low.steps[: low.initial]]
    assert len(states) == 3
    for state in states:
        for other in low.buffers:
            assert other is state or other.end <= state.offset or state.end <= other.offset


def test_a_variable_of_another_operator_is_refused() -> None:
    b = Builder()
    x, state, y = b.tensor((4,)), b.tensor((4,), variable=True), b.tensor((4,))
    b.op("ADD", [x, state], y)
    with pytest.raises(UserError, match="a variable is only supported as the state of SVDF"):
        compile_tflite(b.build([x], [y]))


def test_the_state_of_int8_begins_at_its_zero_point() -> None:
    """A memory of two frames, of which the output is the older one, shows it."""
    b = Builder()
    x = b.tensor((1, 1), "int8", scale=1.0)
    one = {"scale": 1.0}
    tensors = [x, b.const(np.array([[1]], np.int8), **one), b.const(np.array([[1, 0]], np.int8), **one)]
    tensors += [b.const(np.array([0], np.int32), **one)]
    tensors += [b.tensor((1, 2), "int8", variable=True, scale=1.0, zero_point=10)]
    y = b.tensor((1, 1), "int8", scale=1.0)
    b.op("SVDF", tensors, y, version=3, rank=1)
    tflite = b.build([x], [y])
    oracle = Oracle(tflite)
    for engine in ENGINES:
        model = open_model(compile_tflite(tflite).hog, engine)
        model.reset()
        oracle.reset()
        for value in (7, 3, -4):
            out = bytearray(1)
            frame = np.array([[value]], np.int8)
            model.invoke(frame.tobytes(), out)
            assert out == oracle.run([frame])[0].tobytes()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_window_in_a_variable(engine: str) -> None:
    model = open_model(compile_tflite(window(first=9)).hog, engine)
    expected = [9, 9]
    for n in range(7):
        if n == 4:
            model.reset()
            expected = [9, 9]
        expected = [*expected, n][-3:]
        out = bytearray(12)
        model.invoke(bytes([n] * 4), out)
        assert list(out) == [x for x in expected for _ in range(4)]


def test_a_variable_is_read_and_written_in_place() -> None:
    """A window costs no copies but those that make it, and no memory but its own and the variable's."""
    low = compile_tflite(window()).lowered
    assert [s.operator.kind for s in low.steps[low.initial :]] == ["CONCATENATION", "CONCATENATION", "SLICE"]
    assert sum(b.size for b in low.buffers) == 4 + 12 + 8


def test_first_values_of_zeros_take_no_room() -> None:
    """A variable's first value is in the file only where it is not one byte again and again."""
    b = Builder()
    x, y = b.tensor((1000,)), b.tensor((1000,))
    b.op("CALL_ONCE", [], [], init_subgraph_index=1)
    handle = b.op("VAR_HANDLE", [], b.tensor((), "resource"), shared_name=b"v")
    b.op("READ_VARIABLE", [handle], y)
    b.op("ASSIGN_VARIABLE", [handle, x], [])
    b.end_subgraph([x], [y])
    handle = b.op("VAR_HANDLE", [], b.tensor((), "resource"), shared_name=b"v")
    b.op("ASSIGN_VARIABLE", [handle, b.const(np.zeros(1000, np.float32))], [])
    assert len(compile_tflite(b.build([], [])).hog) < 500


@pytest.mark.parametrize("quantized", [False, True])
def test_a_streaming_model_of_tensorflow(tmp_path, quantized: bool) -> None:
    """Variables that TensorFlow's converter made of tf.Variable."""
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)

    class Stream(tf.Module):
        def __init__(self):
            self.ring = tf.Variable(np.zeros((1, 4, 1, 8), np.float32))
            self.weights = tf.constant(rng.normal(0, 0.2, (5, 1, 8, 3)).astype(np.float32))

        @tf.function(input_signature=[tf.TensorSpec([1, 1, 1, 8], tf.float32)])
        def call(self, x):
            frames = tf.concat([self.ring, x], axis=1)
            self.ring.assign(frames[:, 1:])
            return tf.nn.conv2d(frames, self.weights, 1, "VALID")

    stream = Stream()
    tf.saved_model.save(stream, str(tmp_path), signatures=stream.call)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path))
    converter.experimental_enable_resource_variables = True
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        converter._experimental_variable_quantization = True
        frames = rng.normal(size=(50, 1, 1, 1, 8)).astype(np.float32)
        converter.representative_dataset = lambda: ([frame] for frame in frames)
    tflite = converter.convert()
    compiled = compile_tflite(tflite)
    kinds = [step.operator.kind for step in compiled.lowered.steps[compiled.lowered.initial :]]
    assert not {"READ_VARIABLE", "ASSIGN_VARIABLE"} & set(kinds)
    inputs = samples.random(disassemble(compiled.hog).inputs, 9)
    for engine in ENGINES:
        assert verify(tflite, compiled, inputs, engine, "cpython", sequence=6) is None
