# SPDX-License-Identifier: MIT
"""Control flow: subgraphs in subgraphs, TensorFlow's own, loops without end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines import ENGINES, assert_same, check, open_model
from hognose_tools import cli
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.errors import UserError
from operators import Case
from tflite_builder import Builder


def _counter(limit: int, step: int, condition: int = 1, body: int = 2) -> bytes:
    """WHILE x < limit: x += step."""
    b = Builder()
    x, y = b.tensor((1,), "int32"), b.tensor((1,), "int32")
    b.op("WHILE", [x], y, cond_subgraph_index=condition, body_subgraph_index=body)
    b.end_subgraph([x], [y])
    x, more = b.tensor((1,), "int32"), b.tensor((1,), "bool")
    b.op("LESS", [x, b.const(np.array([limit], np.int32))], more)
    b.end_subgraph([x], [more])
    x, y = b.tensor((1,), "int32"), b.tensor((1,), "int32")
    b.op("ADD", [x, b.const(np.array([step], np.int32))], y)
    return b.build([x], [y])


def _circle(times: int) -> bytes:
    """A subgraph that calls itself, so many times."""
    b = Builder()
    more, x, y = b.tensor((1,), "bool"), b.tensor((1,)), b.tensor((1,))
    b.op("IF", [more, x], y, then_subgraph_index=1, else_subgraph_index=1)
    b.end_subgraph([more, x], [y])
    x = y = b.tensor((1,))
    more = b.tensor((1,), "bool")
    b.op("EQUAL", [x, x], more)
    for _ in range(times):
        given, y = y, b.tensor((1,))
        b.op("IF", [more, given], y, then_subgraph_index=1, else_subgraph_index=1)
    return b.build([x], [y])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loop_without_end_is_stopped(engine: str) -> None:
    model = open_model(compile_tflite(_counter(10, 0)).hog, engine)
    with pytest.raises(ValueError, match="does not end: stopped after 65536 turns"):
        model.invoke(np.array([1], np.int32), np.zeros(1, np.int32))
    out = np.zeros(1, np.int32)
    model.invoke(np.array([10], np.int32), out)
    assert out == [10]


def test_a_jump_has_no_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(_counter(9, 2))
    assert cli.main(["inspect", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if " WHILE " in line and " bool " in line] == ["-", "-"]


@pytest.mark.parametrize("engine", ENGINES)
def test_many_turns(engine: str) -> None:
    check(Case(_counter(1000, 1), [np.array([0], np.int32)]), engine)


@pytest.mark.parametrize(
    ("tflite", "words"),
    [
        (_counter(10, 1, body=3), "there is no subgraph 3"),
        (_counter(10, 1, condition=0), "there is no subgraph 0"),
        (_counter(10, 1, condition=2), "a condition of 1 values of int32"),
        (_circle(1), "calls itself"),
        (_circle(9), "calls itself"),
    ],
)
def test_what_makes_no_sense(tflite: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        compile_tflite(tflite)


def _collatz() -> bytes:
    """WHILE x > 1: x = x / 2 if x is even, else 3x + 1; with IF in WHILE, and a count of the turns."""
    b = Builder()

    def scalars(n: int = 1, dtype: str = "float32"):
        return [b.tensor((1,), dtype) for _ in range(n)]

    def number(x: float):
        return b.const(np.array([x], np.float32))

    given, taken = scalars(2), scalars(2)
    b.op("WHILE", given, taken, cond_subgraph_index=1, body_subgraph_index=2)
    b.end_subgraph(given, taken)
    state, (more,) = scalars(2), scalars(1, "bool")
    b.op("GREATER", [state[0], number(1)], more)
    b.end_subgraph(state, [more])
    state, (half, whole, rest, after, count), (even,) = scalars(2), scalars(5), scalars(1, "bool")
    b.op("MUL", [state[0], number(0.5)], half)
    b.op("FLOOR", [half], whole)
    b.op("SUB", [half, whole], rest)
    b.op("EQUAL", [rest, number(0)], even)
    b.op("IF", [even, state[0]], after, then_subgraph_index=3, else_subgraph_index=4)
    b.op("ADD", [state[1], number(1)], count)
    b.end_subgraph(state, [after, count])
    (x, y), _ = scalars(2), None
    b.op("MUL", [x, number(0.5)], y)
    b.end_subgraph([x], [y])
    x, three, y = scalars(3)
    b.op("MUL", [x, number(3)], three)
    b.op("ADD", [three, number(1)], y)
    return b.build([x], [y])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_branch_in_a_loop(engine: str) -> None:
    hog = compile_tflite(_collatz()).hog
    model = open_model(hog, engine)
    oracle = Oracle(_collatz())
    for start in (1, 2, 7, 27):
        inputs = [np.array([start], np.float32), np.array([0], np.float32)]
        expected = oracle.run(inputs)
        got = [np.zeros(1, np.float32), np.zeros(1, np.float32)]
        model.invoke(inputs, got)
        assert [float(x[0]) for x in got] == [float(x[0]) for x in expected]
    assert got[1] == [111]


@pytest.mark.parametrize("engine", ENGINES)
def test_tensorflows_own(engine: str) -> None:
    """tf.cond and tf.while_loop, as TensorFlow's converter writes them."""
    import tensorflow as tf

    weights = tf.constant(np.random.default_rng(1).normal(size=(4, 4)).astype(np.float32) / 2)

    @tf.function(input_signature=[tf.TensorSpec((1, 4))])
    def network(x):
        _, x = tf.while_loop(
            lambda i, x: i < 5,
            lambda i, x: (i + 1, tf.nn.relu(tf.matmul(x, weights)) + 0.1),
            (tf.constant(0), x),
            shape_invariants=(tf.TensorShape(()), tf.TensorShape((1, 4))),
        )
        return tf.cond(tf.reduce_max(x) > 0.5, lambda: x * 2.0, lambda: x - 1.0)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], network)
    tflite = converter.convert()
    model = open_model(compile_tflite(tflite).hog, engine)
    oracle = Oracle(tflite)
    for x in ([[1, 2, 3, 4]], [[-9, 0, 0, 0]]):
        given = np.array(x, np.float32)
        (expected,) = oracle.run([given])
        got = np.zeros_like(expected)
        model.invoke(given, got)
        assert_same(got, expected, "output")


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
def test_keras_recurrent_layers(kind: str) -> None:
    """Layers that are not unrolled: WHILE, with a step of the input in each turn."""
    import keras
    import tensorflow as tf

    def convert(**options: bool) -> bytes:
        x = keras.Input(batch_shape=(1, 8, 4))
        layer = getattr(keras.layers, kind)(6, **options)
        model = keras.Model(x, keras.layers.Dense(3, activation="softmax")(layer(x)))
        return tf.lite.TFLiteConverter.from_keras_model(model).convert()

    tflite = convert()
    for engine in ENGINES:
        check(Case(tflite, [np.random.default_rng(1).normal(size=(1, 8, 4)).astype(np.float32)]), engine)
    with pytest.raises(UserError, match="unroll=True"):
        compile_tflite(convert(return_sequences=True))  # TFLM takes it and gives something else
