# SPDX-License-Identifier: MIT
"""The functions of `_hognose` on CPython: what they do, and what they say to mistakes."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from hognose import hogfile
from hognose_tools.compiler import compile_tflite
from tflite_builder import Builder

engine = pytest.importorskip("_hognose", reason="the CPython extension is not built")


class Loaded:
    """A model with its buffers."""

    def __init__(self, tflite: bytes):
        self.file = compile_tflite(tflite).hog
        self.state = bytearray(engine.STATE_SIZE)
        self.arena = bytearray(engine.load(self.file, self.state))
        self.operators = len(hogfile.operators(memoryview(self.file)))

    def __call__(self, name: str, *args: object) -> object:
        return getattr(engine, name)(self.state, self.arena, *args)

    def invoke(self, inputs: object, outputs: object) -> None:
        self("enter", inputs, outputs)
        self("run", 0, self.operators)
        self("leave", outputs)


def double(dtype: str = "int8") -> bytes:
    """y = x + x on three numbers; int8 has scale 0.5 and zero point 3."""
    quantization = {"scale": 0.5, "zero_point": 3} if dtype == "int8" else {}
    b = Builder()
    x, y = (b.tensor((1, 3), dtype, **quantization) for _ in range(2))
    return b.build([x], [b.op("ADD", [x, x], y)])


def two_inputs() -> bytes:
    b = Builder()
    x = [b.tensor((1, n), "int8", scale=0.5) for n in (2, 3)]
    y = b.tensor((1, 5), "int8", scale=0.5)
    b.op("CONCATENATION", x, y, axis=1)
    return b.build(x, [y])


@pytest.fixture
def model() -> Loaded:
    return Loaded(double())


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("typecode", "fdbBhHiIlLqQ")
def test_numbers_of_every_type(dtype: str, typecode: str) -> None:
    model = Loaded(double(dtype))
    model("write", 0, array(typecode, [1, 2, 30]))
    model.invoke(None, None)
    floats = array("f", [0, 0, 0])
    model("read", 0, floats)
    assert floats.tolist() == [2, 4, 60]


def test_write_takes_numpy_and_rounds_and_saturates(model: Loaded) -> None:
    x = np.array([[0.25, -0.25, 0.74]])
    model("write", 0, x)
    raw = bytearray(3)
    model("run", 0, 0)
    model.invoke(None, raw)
    # 0.5 rounds away from zero: 1, -1, 1 above the zero point of 3; then doubled.
    assert np.frombuffer(raw, np.int8).tolist() == [5, 1, 5]
    for value, expected in [(np.inf, 62.0), (-np.inf, -65.5), (1e38, 62.0), (-1e38, -65.5)]:
        model("write", 0, np.full(3, value, np.float32))
        model("run", 0, 1)
        floats = array("f", [9, 9, 9])
        model("read", 0, floats)
        assert floats.tolist() == [expected] * 3, value


def test_one_buffer_or_several(model: Loaded) -> None:
    out = bytearray(3)
    model.invoke(bytes([3, 4, 5]), out)
    assert out == bytes([3, 5, 7])
    model.invoke([memoryview(b"\x04\x04\x04")], (out,))
    assert out == bytes([5, 5, 5])
    pair = Loaded(two_inputs())
    joined = bytearray(5)
    pair.invoke((b"ab", b"cde"), joined)
    assert joined == b"abcde"


def test_loading_into_any_buffers() -> None:
    file = compile_tflite(double()).hog
    for given in (file, bytearray(file), memoryview(file), np.frombuffer(file, np.uint8)):
        state = bytearray(engine.STATE_SIZE + 5)
        assert engine.load(given, state) > 0
    moved = bytearray(b" ") + file
    with pytest.raises(ValueError, match="the file is not at an address divisible by 4"):
        engine.load(memoryview(moved)[1:], bytearray(engine.STATE_SIZE))


def test_mistakes(model: Loaded) -> None:
    three = array("f", [1, 2, 3])

    def refused(words: str, name: str, *args: object) -> None:
        with pytest.raises(ValueError, match=words):
            getattr(engine, name)(*args)

    state, arena, n = model.state, model.arena, len(model.arena)
    refused("state has 3 bytes, it needs", "load", model.file, bytearray(3))
    refused("state is not a writable buffer", "load", model.file, bytes(engine.STATE_SIZE))
    refused("the file is not a buffer", "load", "gesture.hog", bytearray(engine.STATE_SIZE))
    refused("state holds no loaded model", "write", bytearray(engine.STATE_SIZE), arena, 0, three)
    refused(f"arena has {n - 1} bytes, the model needs {n}", "write", state, bytearray(n - 1), 0, three)
    refused("arena is not a writable buffer", "write", state, bytes(n), 0, three)
    refused("arena is not aligned", "write", state, memoryview(bytearray(n + 1))[1:], 0, three)
    refused("2 numbers given, the input takes 3", "write", state, arena, 0, three[:2])
    refused("no input 1: the model has 1", "write", state, arena, 1, three)
    refused("no input -1: the model has 1", "write", state, arena, -1, three)
    refused("numbers are not a buffer", "write", state, arena, 0, [1, 2, 3])
    refused("numbers of an unknown type", "write", state, arena, 0, np.zeros(3, np.float16))
    refused("numbers of an unknown type", "write", state, arena, 0, np.zeros(3, ">f4"))
    refused("numbers of an unknown type", "write", state, arena, 0, np.zeros(3, "S1"))
    refused("number 2 is NaN", "write", state, arena, 0, np.array([1, 2, np.nan]))
    refused("numbers are not aligned", "write", state, arena, 0, memoryview(bytearray(13))[1:].cast("f"))
    refused("floats are not an array of type f", "read", state, arena, 0, bytearray(12))
    refused("floats are not a writable buffer", "read", state, arena, 0, memoryview(three).toreadonly())
    refused("room for 2 floats, the output has 3", "read", state, arena, 0, three[:2])
    refused("no output 1: the model has 1", "read", state, arena, 1, three)
    refused("2 bytes given, the input takes 3", "enter", state, arena, b"ab", None)
    refused("2 inputs given, the model has 1", "enter", state, arena, (b"abc", b"abc"), None)
    refused("room for 4 bytes, the output has 3", "enter", state, arena, None, bytearray(4))
    refused("output is not a writable buffer", "enter", state, arena, None, b"abc")
    refused("operators 0 to 2: no such range", "run", state, arena, 0, 2)
    refused("operators -1 to 1: no such range", "run", state, arena, -1, 1)
    refused("operators 1 to 0: no such range", "run", state, arena, 1, 0)
    with pytest.raises(TypeError):
        engine.enter(state, arena, 5, None)
    with pytest.raises(TypeError):
        engine.run(state, arena, 0)


def test_a_wrong_output_is_found_before_anything_runs(model: Loaded) -> None:
    before = bytes(model.arena)
    with pytest.raises(ValueError):
        model.invoke(b"abc", bytearray(2))
    assert bytes(model.arena) == before


def test_a_model_is_entered_once(model: Loaded) -> None:
    model("enter", None, None)
    with pytest.raises(ValueError, match="the model is at work: one Model a thread"):
        model("enter", None, None)
    model("leave", None)
    with pytest.raises(ValueError, match="2 bytes given"):
        model("enter", b"ab", None)
    model("enter", None, None)  # a mistake has not taken it
    with pytest.raises(ValueError, match="room for 2 bytes"):
        model("leave", bytearray(2))
    model.invoke(b"abc", None)


def test_any_changed_byte_of_the_state_is_noticed(model: Loaded) -> None:
    for i in range(4, engine.STATE_SIZE):  # behind the mark of a model that is entered
        state = bytearray(model.state)
        state[i] ^= 1
        with pytest.raises(ValueError, match="state holds no loaded model"):
            engine.run(state, model.arena, 0, 1)


def test_buffers_must_be_apart(model: Loaded) -> None:
    n = len(model.arena)
    shared = bytearray(model.file) + bytes(4 + n)
    state = bytearray(engine.STATE_SIZE)
    engine.load(memoryview(shared)[: len(model.file)], state)
    start = (len(model.file) - 1) // 4 * 4
    with pytest.raises(ValueError, match="arena overlaps the file or the state"):
        engine.run(state, memoryview(shared)[start : start + n], 0, 1)


def test_layers_one_by_one_are_the_whole(models) -> None:
    tflite = (models / "kws_ref_model.tflite").read_bytes()
    whole, steps = Loaded(tflite), Loaded(tflite)
    for x in (0.0, 1.5, 30.0, 60.0):
        for model in (whole, steps):
            model("write", 0, array("f", [x] * 490))
        whole.invoke(None, None)
        for i in range(12):
            steps("run", i, i + 1)
        assert steps.arena == whole.arena
    with pytest.raises(ValueError, match="operators 12 to 13: no such range"):
        steps("run", 12, 13)
