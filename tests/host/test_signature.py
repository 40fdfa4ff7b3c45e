# SPDX-License-Identifier: MIT
"""Files with several signatures: each is a model of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines import ENGINES, check
from hognose_tools import cli
from hognose_tools.compiler import compile_tflite, signature
from hognose_tools.errors import UserError
from operators import Case
from tflite_builder import Builder


@pytest.fixture(scope="module")
def tflite(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """TensorFlow's own: one adds, one has a loop."""
    import tensorflow as tf

    class Both(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 4))])
        def grow(self, x):
            turns = lambda i, x: (i + 1, tf.nn.relu(x) * 1.5 + 0.1)  # noqa: E731
            return {"y": tf.while_loop(lambda i, x: i < 5, turns, (tf.constant(0), x))[1]}

        @tf.function(input_signature=[tf.TensorSpec((1, 3)), tf.TensorSpec((1, 3))])
        def add(self, a, b):
            return {"sum": a + b}

    both = Both()
    functions = [both.grow.get_concrete_function(), both.add.get_concrete_function()]
    folder = tmp_path_factory.mktemp("signatures")
    tf.saved_model.save(both, str(folder), signatures={"grow": functions[0], "add": functions[1]})
    return tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=["add", "grow"]).convert()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["add", "grow"])
def test_each(tflite: bytes, name: str, engine: str) -> None:
    shapes = {"add": [(1, 3)] * 2, "grow": [(1, 4)]}[name]
    chance = np.random.default_rng(1)
    inputs = [chance.normal(size=shape).astype(np.float32) for shape in shapes]
    chosen = signature.choose(tflite, name)
    check(Case(chosen, inputs), engine)
    graph = compile_tflite(chosen).graph
    assert len(graph.inputs) == len(inputs) and name in signature.names(chosen)
    names = {"add": (["a", "b"], ["sum"]), "grow": (["x"], ["y"])}[name]
    assert (sorted(graph.input_names), graph.output_names) == names  # the converter exchanges a and b


def test_command(tflite: bytes, tmp_path: Path, capsys) -> None:
    path, hog = tmp_path / "both.tflite", str(tmp_path / "one.hog")
    path.write_bytes(tflite)
    assert cli.main(["pack", str(path), "-o", hog]) == 0
    assert "--signature takes " in capsys.readouterr().out
    for name in ("add", "grow"):
        assert cli.main(["pack", str(path), "-o", hog, "--signature", name]) == 0
        assert cli.main(["verify", str(path), "--signature", name]) == 0
        assert " are TFLM's" in capsys.readouterr().out
    assert cli.main(["pack", str(path), "-o", hog, "--signature", "shrink"]) != 0
    said = capsys.readouterr().err
    assert "no signature shrink" in said and "add" in said and "grow" in said


def test_none() -> None:
    b = Builder()
    x, y = b.tensor((1, 2)), b.tensor((1, 2))
    b.op("NEG", [x], y)
    tflite = b.build([x], [y])
    assert signature.names(tflite) == [] and signature.choose(tflite, None) == tflite
    with pytest.raises(UserError, match="it has none"):
        signature.choose(tflite, "serving_default")


def test_damaged(tflite: bytes) -> None:
    """Words, or a file that the reader then looks at."""
    chance = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(tflite)
        for at in chance.integers(8, len(damaged), 20):
            damaged[at] = chance.integers(256)
        try:
            signature.names(bytes(damaged))
            compile_tflite(signature.choose(bytes(damaged), "grow"))
        except UserError:
            pass
