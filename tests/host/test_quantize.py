# SPDX-License-Identifier: MIT
"""Quantization: what comes out is wholly int8, and what cannot be quantized is named."""

from pathlib import Path

import numpy as np
import pytest

from hognose_tools import cli
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.reader import read_tflite
from hognose_tools.errors import UserError
from hognose_tools.training.quantize import coarse_channels, load_representative, quantize

pytest.importorskip("tensorflow", reason="no TensorFlow: pip install 'hognose[train]'")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras on newer NumPy

X = np.random.default_rng(0).normal(size=(40, 20, 3)).astype(np.float32)


def network(*layers):
    import keras

    x = inputs = keras.Input(X.shape[1:])
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


@pytest.fixture(scope="module")
def model():
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    return network(
        layers.Conv1D(4, 3, strides=2, activation="relu"),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2, activation="softmax"),
    )


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("quantize") / "small.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def int8(model) -> bytes:
    return quantize(model, X)


def refusal(*arguments, **options) -> str:
    with pytest.raises(UserError) as e:
        quantize(*arguments, **options)
    assert "\n" not in str(e.value)
    return str(e.value)


def test_int8_is_wholly_int8(int8: bytes) -> None:
    graph = read_tflite(int8)
    assert [t.shape for t in graph.inputs + graph.outputs] == [(1, 20, 3), (1, 2)]
    assert {t.dtype for o in graph.operators for t in o.outputs} == {"int8"}
    assert not {o.kind for o in graph.operators} & {
        "SHAPE",
        "STRIDED_SLICE",
        "PACK",
        "QUANTIZE",
        "DEQUANTIZE",
    }
    compile_tflite(int8)


def test_int8_is_near_float(model, int8: bytes) -> None:
    source, target = read_tflite(int8).inputs[0], read_tflite(int8).outputs[0]
    raw = np.clip(np.round(X / source.scale) + source.zero_point, -128, 127).astype(np.int8)
    oracle = Oracle(int8)
    scores = np.concatenate([oracle.run([x[None]])[0] for x in raw]).astype(float)
    scores = (scores - target.zero_point) * target.scale
    assert np.abs(scores - model.predict(X, verbose=0)).max() < 0.03


def test_same_bytes_from_a_file_and_again(saved: Path, int8: bytes) -> None:
    assert quantize(str(saved), [X]) == int8


def test_float32_and_16x8(model) -> None:
    import keras

    graph = read_tflite(quantize(model, type="float32"))
    assert {t.dtype for t in graph.inputs + graph.outputs} == {"float32"}
    graph = read_tflite(quantize(network(keras.layers.Dense(2)), X, "16x8"))
    assert {t.dtype for t in graph.inputs + graph.outputs} == {"int16"}
    assert "int8" in {t.dtype for t in graph.tensors if t.data is not None}


def test_representative_data_that_cannot_be_used(model) -> None:
    assert "needs representative data" in refusal(model)
    assert "at least one" in refusal(model, X[:0])
    assert "[examples, 20, 3]" in refusal(model, X[:, :19])
    assert "for 2 inputs; the model has 1" in refusal(model, [X, X])
    assert "39 examples" in refusal(model, [X, X[:39]])
    assert "at least one" in refusal(model, np.array(["a", "b"]))
    for bad in (np.nan, np.inf):
        hole = X.copy()
        hole[7, 3, 1] = bad
        assert "example 7" in refusal(model, hole)
    assert "choose int8" in refusal(model, X, type="int4")


def test_several_inputs_stay_in_order() -> None:
    import keras
    from keras import layers

    a, b = keras.Input((20, 3), name="z"), keras.Input((5,), name="a")
    two = keras.Model([a, b], layers.Dense(2)(layers.Concatenate()([layers.Flatten()(a), b])))
    graph = read_tflite(quantize(two, [X, np.ones((len(X), 5))]))
    assert [t.shape for t in graph.inputs] == [(1, 20, 3), (1, 5)]


def test_layer_without_int8_is_named() -> None:
    from keras import layers

    said = refusal(network(layers.Dense(4), layers.ELU(name="bent"), layers.Dense(2)), X)
    assert "int8 version of" in said and "ELU" in said and "bent" in said


def test_crash_of_the_converter_is_a_sentence() -> None:
    """Or no crash at all: with a TensorFlow that has mended it, the network is converted."""
    from keras import layers

    recurrent = network(layers.LSTM(3, name="memory"), layers.Dense(2))
    try:
        tflite = quantize(recurrent, X)
    except UserError as e:
        assert "crashed" in str(e) and "LSTM memory" in str(e) and "unroll=True" in str(e)
    else:
        assert read_tflite(tflite).operators


def test_models_that_cannot_be_loaded(tmp_path: Path) -> None:
    import keras

    assert "cannot read" in refusal(tmp_path / "none.keras", X)
    (tmp_path / "text.keras").write_text("no archive")
    assert "no Keras model" in refusal(tmp_path / "text.keras", X)
    assert ".keras or .h5" in refusal(tmp_path / "model.onnx", X)
    inputs = keras.Input((None, 3))
    assert "left open" in refusal(keras.Model(inputs, keras.layers.Dense(2)(inputs)), X)


def test_coarse_channels() -> None:
    assert coarse_channels(X) == []
    assert coarse_channels(X * [1, 1000, 0.001]) == [0, 2]
    assert coarse_channels(X * [1, 0, 1]) == []  # one that never moves is not missed


def test_names_of_representative_arrays(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    y = np.arange(40) % 2
    for arrays in ({"x": X}, {"x_train": X, "y_train": y}, {"0": X}, {"recorded": X}, {"x": X, "y": y}):
        np.savez(path, **arrays)
        (found,) = load_representative(str(path))
        assert (found == X).all()
    np.savez(path, **{"1": y, "0": X})
    assert [len(a.shape) for a in load_representative(str(path))] == [3, 1]
    for arrays in ({"a": X, "b": X}, {}):
        np.savez(path, **arrays)
        with pytest.raises(UserError, match="name the inputs"):
            load_representative(str(path))


def test_command(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture, int8: bytes) -> None:
    data, output = tmp_path / "data.npz", tmp_path / "small.tflite"
    np.savez(data, x=X)
    assert cli.main(["quantize", str(saved), "-o", str(output), "--representative", str(data)]) == 0
    assert output.read_bytes() == int8
    output.unlink()
    capsys.readouterr()
    np.savez(data, a=X, b=X)
    for wrong in ([], ["--representative", str(data)], ["--representative", str(tmp_path / "none.npz")]):
        assert cli.main(["quantize", str(saved), "-o", str(output), *wrong]) == 2
        said = capsys.readouterr()
        assert said.err.startswith("hognose: ") and len(said.err.splitlines()) == 1 and not said.out
    assert not output.exists()
