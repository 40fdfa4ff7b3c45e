# SPDX-License-Identifier: MIT
"""Quantization keeps what the model says: order, names and types of inputs and outputs, and the answers."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hognose
from hognose_tools import cli, files
from hognose_tools.analysis import fidelity
from hognose_tools.compiler import carry_tflite, compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.compiler.reader import read_tflite
from hognose_tools.data import samples
from hognose_tools.errors import UserError
from hognose_tools.training import converter_process, representative
from hognose_tools.training.quantize import TYPES, convert, quantize

pytest.importorskip("tensorflow", reason="no TensorFlow: pip install 'hognose[train]'")

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras on newer NumPy, and on keys of dictionaries

X = np.random.default_rng(0).normal(size=(40, 20, 3)).astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def one_process() -> Iterator[None]:
    yield
    converter_process.close()


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
    said = str(e.value)
    assert said.isprintable() and len(said) < 600
    return said


# A zoo of random models. Each has inputs and heads of several kinds, under names that are in no order.

NAMES = "temperature humidity co2 pm25 zeta alpha Beta x9 out_1 abc wave b2".split()  # noqa: SIM905
# By kind of input: its shape, type, and one past the largest of its integers.
KINDS = {
    "window": ((12, 3), "float32", 0),
    "vector": ((5,), "float32", 0),
    "tokens": ((6,), "int32", 20),
    "hour": ((1,), "int32", 24),
    "flags": ((4,), "bool", 2),
    "image": ((8, 8, 3), "uint8", 256),
}
Structure = Callable[[list[Any]], Any]


def structures(names: list[str], how: str) -> Structure:
    """Nests a list of as many things as there are names."""

    def nested(things: list[Any]) -> Any:
        match how:
            case "dict":
                return dict(zip(names, things, strict=True))
            case "tuple":
                return tuple(things)
            case "nested" if len(things) > 1:
                return {"zz": tuple(things[:2]), **({"aa": things[2:]} if things[2:] else {})}
            case "deep" if len(things) > 1:
                return [things[0], {"q": things[1:]}]
        return things if how != "single" or len(things) > 1 else things[0]

    return nested


def feature(kind: str, x):
    from keras import layers, ops

    match kind:
        case "window":
            return layers.GlobalAveragePooling1D()(layers.Conv1D(6, 3, activation="relu")(x))
        case "tokens":
            return layers.GlobalAveragePooling1D()(layers.Embedding(20, 4)(x))
        case "hour":
            return layers.Rescaling(1 / 24)(x)
        case "flags":
            return ops.cast(x, "float32")
        case "image":
            x = layers.Rescaling(1 / 127.5, offset=-1)(x)
            return layers.Flatten()(layers.Conv2D(3, 3, strides=3, activation="relu")(x))
    return x


class Zoo:
    """The model number `seed`: `model`, the names that its inputs and outputs must have, and data for it."""

    def __init__(self, seed: int):
        import keras
        from keras import layers

        keras.utils.set_random_seed(seed)
        self.chance = chance = np.random.default_rng(seed)
        names = [str(n) for n in chance.permutation(NAMES)]
        self.kinds = [str(k) for k in chance.permutation(list(KINDS))[: 1 + seed % 4]]
        inputs, heads = names[: len(self.kinds)], names[len(self.kinds) :][: 1 + seed % 6]
        how = ["list", "dict", "single", "nested", "deep", "tuple"]
        self.nest_inputs = structures(inputs, how[seed % 6])
        nest_outputs = structures(heads, how[(seed + 1 + seed // 6) % 6])
        shapes = [KINDS[kind][:2] for kind in self.kinds]
        xs = [keras.Input(shape, dtype=t, name=n) for (shape, t), n in zip(shapes, inputs, strict=True)]
        features = [feature(kind, x) for kind, x in zip(self.kinds, xs, strict=True)]
        h = features[0] if len(features) == 1 else layers.Concatenate()(features)
        h = layers.Dense(8, activation="relu", bias_initializer="random_normal")(h)
        spread = keras.initializers.RandomNormal(stddev=2.0)  # heads of one shape give different answers
        ends = [
            layers.Dense(2 + seed % 2 * int(chance.integers(3)), bias_initializer=spread, name=name)(h)
            for name in heads
        ]
        ends[0] = layers.Softmax(name=f"{heads[0]}_")(ends[0]) if seed % 3 == 0 else ends[0]
        named = [f"{heads[0]}_" if seed % 3 == 0 else heads[0], *heads[1:]]
        self.model = keras.Model(self.nest_inputs(xs), nest_outputs(ends))
        by_key = isinstance(nest_outputs(heads), dict) and "zz" not in nest_outputs(heads)
        self.outputs = keras.tree.flatten(nest_outputs(heads if by_key else named))
        self.inputs = keras.tree.flatten(self.nest_inputs(inputs))
        self.dtypes = [t for _, t in keras.tree.flatten(self.nest_inputs([_Leaf(s) for s in shapes]))]

    def data(self, count: int) -> Any:
        arrays = []
        for kind in self.kinds:
            shape, dtype, end = KINDS[kind]
            if dtype == "float32":
                arrays.append(self.chance.normal(size=(count, *shape)).astype(np.float32))
            else:
                arrays.append(self.chance.integers(0, end, (count, *shape)).astype(dtype))
        return self.nest_inputs(arrays)

    def answers(self, data: Any) -> list[np.ndarray]:
        import keras

        return [np.asarray(a) for a in keras.tree.flatten(self.model(data, training=False))]


class _Leaf:
    """A tuple that is none to what flattens structures."""

    def __init__(self, shape_and_type):
        self.both = shape_and_type

    def __iter__(self):
        return iter(self.both)


@pytest.fixture(scope="module")
def zoo() -> Callable[[int], Zoo]:
    made: dict[int, Zoo] = {}
    return lambda seed: made.setdefault(seed, Zoo(seed)) if seed not in made else made[seed]


LARGEST = {"int8": 0.1, "16x8": 0.02, "float32": 1e-5}  # error, in parts of an output's range


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("seed", range(6))
def test_order_names_types_and_answers_are_keras(zoo, seed: int, type: str) -> None:
    import keras

    z = zoo(seed)
    data = z.data(60)
    result = convert(z.model, data, type)
    graph = read_tflite(result.tflite)
    assert graph.input_names == [t.name for t in graph.inputs] == z.inputs
    assert graph.output_names == [t.name for t in graph.outputs] == z.outputs
    activations = {"16x8": "int16"}.get(type, type)
    assert [t.dtype for t in graph.inputs] == [t.replace("float32", activations) for t in z.dtypes]
    assert {t.dtype for t in graph.outputs} == {activations}
    model = hognose.Model(compile_tflite(result.tflite).hog)
    assert (model.input_names, model.output_names) == (z.inputs, z.outputs)
    exact = [a[:20] for a in z.answers(data)]
    flat = keras.tree.flatten(data)
    got = []
    for example in zip(*(a[:20] for a in flat), strict=True):
        answer = model.predict([a.tolist() for a in example] if len(flat) > 1 else example[0].tolist())
        got.append(answer if len(exact) > 1 else [answer])
    for i, right in enumerate(exact):
        ours = np.array([answer[i] for answer in got]).reshape(right.shape)
        assert np.abs(ours - right).max() <= LARGEST[type] * np.ptp(right)
        others = [np.abs(ours - other).mean() for other in exact if other.shape == right.shape]
        assert np.abs(ours - right).mean() == min(others)  # not another head's
    found = fidelity.compare(result.tflite, result.inputs, result.keras, result.lite)
    assert [e.name for e in found.errors] == z.outputs and found.examples == 60
    assert all(e.max_error <= LARGEST[type] and not e.constant for e in found.errors)
    assert bool(found.refusal) == (type == "16x8" and "tokens" in z.kinds)  # GATHER of int16
    assert [e.same_class is not None for e in found.errors].count(True) == (seed % 3 == 0)


# Kinds of models that the zoo has not


def only(model, data, names: tuple[list[str], list[str]], type: str = "int8", error: float = 0.01):
    """The graph of a model that keeps its names, and whose outputs are Keras's."""
    result = convert(model, data, type)
    graph = read_tflite(result.tflite)
    assert (graph.input_names, graph.output_names) == names
    found = fidelity.compare(result.tflite, result.inputs, result.keras, result.lite)
    assert [e.name for e in found.errors] == names[1]
    assert max(e.mean_error for e in found.errors) < error, found
    model = hognose.Model(compile_tflite(result.tflite).hog)
    assert (model.input_names, model.output_names) == names
    assert len(model.output_shape) == len(names[1])
    return graph


V = np.random.default_rng(5).normal(size=(50, 8)).astype(np.float32)
TOKENS = np.random.default_rng(6).integers(0, 20, (50, 6))


@pytest.mark.parametrize("type", TYPES)
def test_one_head_twice_and_an_input_that_is_an_output(type: str) -> None:
    import keras

    x = keras.Input((8,), name="x")
    hour = keras.Input((1,), dtype="int32", name="hour")
    y = keras.layers.Dense(3, name="head")(keras.layers.Concatenate()([x, keras.layers.Rescaling(0.1)(hour)]))
    hours = np.arange(50) % 24
    names = ["x", "hour"], ["head", "x", "head_1", "hour"]
    graph = only(keras.Model([x, hour], [y, x, y, hour]), [V, hours], names, type)
    assert graph.outputs[0] is graph.outputs[2] and graph.outputs[1] is graph.inputs[0]
    assert graph.outputs[3].dtype == "int32"


def test_layers_of_one_name_in_nested_models() -> None:
    import keras
    from keras import layers

    x = keras.Input((8,), name="x")
    inner = keras.Model(x, [layers.Dense(2, name="dense")(x), layers.Dense(2, name="b")(x)], name="inner")
    z = keras.Input((8,), name="z")
    p, q = inner(z)
    outer = keras.Model(z, [q, p, layers.Dense(1, name="dense")(p)])
    only(outer, V, (["z"], ["inner", "inner_1", "dense"]))


def test_models_of_a_class_of_their_own() -> None:
    import keras
    from keras import layers

    class Arguments(keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = layers.Dense(3), layers.Dense(1)

        def call(self, wave, extra, training=False):
            return {"zz": self.a(wave), "aa": self.b(extra)}

    class Nested(keras.Model):
        def __init__(self):
            super().__init__()
            self.e, self.f, self.b, self.c = (
                layers.Embedding(20, 3),
                layers.Flatten(),
                layers.Dense(2),
                layers.Dense(4),
            )

        def call(self, inputs):
            return [self.b(self.f(self.e(inputs["tok"]))), (self.c(inputs["v"]),)]

    names = ["wave", "extra"], ["aa", "zz"]
    only(Arguments(), [V, V[:, :5]], names)
    only(Arguments(), {"extra": V[:, :5], "wave": V}, names)
    graph = only(Nested(), {"v": V, "tok": TOKENS}, (["tok", "v"], ["output_0", "output_1"]))
    assert [t.dtype for t in graph.inputs] == ["int32", "int8"]
    assert "give representative data" in refusal(Arguments(), type="float32")
    assert "takes wave, extra" in refusal(Arguments(), [V])


def test_small_integers_take_no_detour_through_float() -> None:
    import keras
    from keras import layers

    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    scaled = [layers.Rescaling(1 / 255)(image), layers.Rescaling(1 / 127.5, offset=-1)(image)]
    features = [layers.Flatten()(layers.Conv2D(3, 3)(x)) for x in scaled]
    model = keras.Model(image, layers.Dense(2, name="y")(layers.Concatenate()(features)))
    pixels = np.random.default_rng(1).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
    graph = only(model, pixels, (["image"], ["y"]))
    assert graph.inputs[0].dtype == "uint8" and [graph.inputs[0].scale, graph.inputs[0].zero_point] == [1, 0]
    assert {t.dtype for o in graph.operators for t in o.outputs} == {"int8"}
    graph = only(model, pixels, (["image"], ["y"]), "float32")
    assert graph.operators[0].kind == "DEQUANTIZE" and graph.inputs[0].dtype == "uint8"


def test_index_of_the_largest_and_integers_beyond_int32() -> None:
    import keras
    from keras import layers

    x = keras.Input((8,), name="x")
    scores = layers.Dense(5, activation="softmax", name="scores")(x)
    model = keras.Model(x, {"größter Wert": keras.ops.argmax(scores, -1), "scores": scores})
    graph = only(model, V, (["x"], ["größter Wert", "scores"]), error=0.05)
    assert graph.outputs[0].dtype == "int32"
    tokens = keras.Input((6,), dtype="int64", name="tokens")
    model = keras.Model(tokens, layers.Dense(2)(layers.Flatten()(layers.Embedding(20, 4)(tokens))))
    result = convert(model, TOKENS)
    assert read_tflite(result.tflite).inputs[0].dtype == "int64"
    found = fidelity.compare(result.tflite, result.inputs, result.keras, result.lite)
    assert "INT64" in found.refusal and found.errors[0].max_error < 0.01
    said = fidelity.warnings(result.tflite, found)
    assert "`hognose pack` will refuse" in said[0] and "use int32" in said[0]


def test_an_index_that_is_a_float_is_refused() -> None:
    import keras
    from keras import layers

    tokens = keras.Input((6,), name="tokens")
    model = keras.Model(tokens, layers.Flatten()(layers.Embedding(20, 4)(tokens)))
    for type in ("int8", "16x8"):
        said = refusal(model, TOKENS, type=type)
        assert "miss it by one" in said and 'dtype="int32"' in said


# One input, one output


def test_int8_is_wholly_int8(int8: bytes) -> None:
    graph = read_tflite(int8)
    assert [t.shape for t in graph.inputs + graph.outputs] == [(1, 20, 3), (1, 2)]
    assert {t.dtype for o in graph.operators for t in o.outputs} == {"int8"}
    absent = {"SHAPE", "STRIDED_SLICE", "PACK", "QUANTIZE", "DEQUANTIZE"}
    assert not {o.kind for o in graph.operators} & absent
    compile_tflite(int8)


def test_same_bytes_from_a_file_and_again(saved: Path, int8: bytes) -> None:
    assert quantize(str(saved), [X]) == int8
    assert quantize(saved, X) == int8


def test_float32_and_16x8(model) -> None:
    import keras

    graph = read_tflite(quantize(model, type="float32"))
    assert {t.dtype for t in graph.inputs + graph.outputs} == {"float32"}
    graph = read_tflite(quantize(network(keras.layers.Dense(2)), X, "16x8"))
    assert {t.dtype for t in graph.inputs + graph.outputs} == {"int16"}
    assert "int8" in {t.dtype for t in graph.tensors if t.data is not None}


def test_names_in_a_file_that_carries_the_model(int8: bytes) -> None:
    facts = disassemble(carry_tflite(int8))
    graph = read_tflite(int8)
    assert [p.name for p in facts.inputs + facts.outputs] == graph.input_names + graph.output_names


def test_layer_without_int8_is_named() -> None:
    from keras import layers

    for type in ("int8", "16x8"):
        said = refusal(network(layers.Dense(4), layers.ELU(name="bent"), layers.Dense(2)), X, type=type)
        assert f"{type} version of" in said and "ELU" in said and "bent" in said


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


# What the converted model's answers are compared with


def test_errors_are_those_of_the_output() -> None:
    exact = np.array([[0.0, 1.0], [0.8, 0.2], [0.4, 0.6]])
    got = exact + np.array([[0.1, -0.1], [0, 0], [0.2, -0.2]])
    found = fidelity.error("y", exact, got)
    assert (found.low, found.high, found.constant, found.not_finite) == (0, 1, False, 0)
    assert found.max_error == pytest.approx(0.2) and found.mean_error == pytest.approx(0.1)
    assert found.same_class == pytest.approx(2 / 3)
    assert fidelity.error("y", exact * 3 - 1, got * 3 - 1).max_error == pytest.approx(0.2)
    assert fidelity.error("y", exact * 3 - 1, got).same_class is None
    dead = fidelity.error("y", exact, np.full((3, 2), 0.5))
    assert dead.constant and not fidelity.error("y", exact[:1], exact[:1]).constant
    broken = fidelity.error("y", np.array([[1.0], [np.nan]]), np.array([[np.nan], [1.0]]))
    assert broken.not_finite == 1 and json.loads(json.dumps(broken.max_error)) > 1


def test_far_and_dead_outputs_are_told(int8: bytes) -> None:
    def said(**facts: Any) -> str:
        error = fidelity.Error("y", 0, 1, 0.3, facts.pop("mean", 0.01), facts.pop("same", None), **facts)
        return " ".join(fidelity.warnings(int8, fidelity.Fidelity([error], 9, "")))

    assert said(constant=False) == said(constant=False, same=0.95) == ""
    assert "dead" in said(constant=True) and "trained" not in said(constant=True)
    for far in (said(constant=False, mean=0.06), said(constant=False, same=0.85)):
        assert "far from Keras's" in far and "--type 16x8" in far
    assert "Keras itself gives NaN" in said(constant=False, not_finite=3)
    nobody = fidelity.warnings(int8, fidelity.Fidelity([], 9, "no such operator"))
    assert "not compared with Keras's" in nobody[-1] and "no such operator" in nobody[0]
    assert fidelity.warnings(int8, fidelity.Fidelity([], 0, "")) == []  # no examples, nothing to compare


def test_what_pack_and_tflm_refuse_is_said_beforehand(tmp_path: Path, capsys) -> None:
    from keras import layers

    model = network(layers.Dense(2, activation="softplus"))
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "d.npz", x=X)
    arguments = ["quantize", str(tmp_path / "m.keras"), "-o", str(tmp_path / "m.tflite")]
    assert cli.main([*arguments, "--representative", str(tmp_path / "d.npz")]) == 0
    said = capsys.readouterr().err
    assert "warning: `hognose pack` will refuse this model: " in said and "EXP" in said
    assert "warning: TensorFlow Lite Micro will not run this model: " in said
    assert all(len(line) < 600 for line in said.splitlines())
    assert cli.main(["pack", str(tmp_path / "m.tflite"), "-o", str(tmp_path / "m.hog")]) == 2


# Data


def test_representative_data_that_cannot_be_used(model) -> None:
    assert "needs representative data" in refusal(model)
    assert "at least one" in refusal(model, X[:0])
    assert "[examples, 20, 3]" in refusal(model, X[:, :19])
    assert "for 2 inputs; the model has 1" in refusal(model, [X, X])
    assert "at least one" in refusal(model, np.array(["a", "b"]))
    for bad, words in ((np.nan, "nan at [3, 1]"), (-np.inf, "-inf at [3, 1]"), (1e300, "1e+300 at [3, 1]")):
        hole = X.astype(float)
        hole[7, 3, 1] = bad
        assert f"example 7 has {words}" in refusal(model, hole)
    assert "choose int8" in refusal(model, X, type="int4")


@pytest.fixture
def two():
    import keras
    from keras import layers

    a, b = keras.Input((20, 3), name="z"), keras.Input((1,), dtype="uint8", name="file")
    both = layers.Concatenate()([layers.Flatten()(a), layers.Rescaling(1)(b)])
    return keras.Model([a, b], layers.Dense(2)(both))


def test_data_of_several_inputs(two, tmp_path: Path) -> None:
    b = np.arange(len(X))
    right = quantize(two, [X, b])
    assert quantize(two, {"file": b, "z": X}) == quantize(two, (X, b[:, None])) == right
    for arrays in ({"z": X, "file": b, "labels": np.array(["x"])}, {"1": b, "0": X}):
        (tmp_path / "d.npz").write_bytes(files.npz(arrays))
        assert quantize(two, representative.load(str(tmp_path / "d.npz"))) == right
    assert "39 examples, z has 40" in refusal(two, [X, b[1:]])
    assert "the model's inputs are z, file" in refusal(two, {"z": X, "b": b})
    assert "array is [40]" in refusal(two, [b, X]) and "names of the inputs" in refusal(two, [b, X])
    assert "example 3 has 256 at [0]: the input takes uint8" in refusal(two, [X, np.where(b == 3, 256, b)])
    assert "example 2 has 2.5 at [0]" in refusal(two, [X, np.where(b == 2, 2.5, b)])


def test_data_that_makes_a_dead_model() -> None:
    def said(x: np.ndarray, type: str = "int8", dtype: Any = np.float32) -> str:
        from hognose_tools.training.keras_ports import Input

        port = Input(["imu"], x.shape[1:], np.dtype(dtype))
        lines = representative.warnings([x], [port], type)
        assert all(len(line) < 600 and line.isprintable() for line in lines)
        return " ".join(lines)

    chance = np.random.default_rng(3)
    x = chance.normal(size=(60, 30, 3))
    assert said(x) == said(x, "float32") == said(x[:1]) == ""
    assert "the input imu is 0 in all 60 examples" in said(x * 0) and "dead" not in said(x)
    assert "is 9.81 in all 60" in said(x * 0 + 9.81, "float32")
    assert "is the same in all 60 examples" in said(np.repeat(x[:1], 60, 0))
    assert "is 3 in all 60" in said(np.full((60, 1), 3), dtype=np.int32)
    assert said(chance.integers(0, 255, (60, 1)), dtype=np.uint8) == ""
    # As in recordings of appliances: most are small beside the largest.
    amplitudes = np.where(np.arange(60) % 3 == 0, 400, 0.3)
    faint = said(x * amplitudes[:, None, None])
    assert "40 of 60 examples of the input imu" in faint and "scale each example" in faint
    assert said(x * amplitudes[:, None, None], "16x8") == said(x * amplitudes[:, None, None], "float32") == ""
    spike = x.copy()
    spike[5, 0, 0] = 1e4
    assert "the largest value is in example 5" in said(spike)
    mild = x * 10 ** chance.uniform(-1, 0, 60)[:, None, None]
    assert said(mild) == said(x + np.array([0, 0, 50])) == ""
    assert "channel 1 of the input imu" in said(x * [1, 0.001, 1])


def test_coarse_channels() -> None:
    assert representative.coarse_channels(X) == []
    assert representative.coarse_channels(X * [1, 1000, 0.001]) == [0, 2]
    assert representative.coarse_channels(X * [1, 0, 1]) == []  # one that never moves is not missed


def test_which_array_of_a_file_is_meant(tmp_path: Path) -> None:
    from hognose_tools.training.keras_ports import Input

    y = np.arange(40) % 2
    one = [Input(["acc"], (20, 3), np.dtype(np.float32))]
    for arrays in ({"x": X, "y": y}, {"x_train": X, "y": y}, {"0": X}, {"acc": X, "x": y}, {"recorded": X}):
        np.savez(tmp_path / "d.npz", **arrays)
        assert (representative.prepare(representative.load(str(tmp_path / "d.npz")), one)[0] == X).all()
    for arrays in ({"a": X, "b": X}, {}):
        np.savez(tmp_path / "d.npz", **arrays)
        with pytest.raises(UserError, match="the model's inputs are acc"):
            representative.prepare(representative.load(str(tmp_path / "d.npz")), one)


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    """A header that no parser ends, a pickle, members that are no arrays: one line."""
    path = tmp_path / "d.npz"
    header = b"\x93NUMPY\1\0" + (9000).to_bytes(2, "little") + b"(" * 9000
    cut = io.BytesIO()
    np.lib.format.write_array(cut, X)
    pickle = io.BytesIO()
    np.save(pickle, np.array([{}], object), allow_pickle=True)
    for name, content in {
        "0.npy": header,
        "1.npy": cut.getvalue()[:-9],
        "2.npy": pickle.getvalue(),
        "3": b"\x80\4no array",
        "4.npy": b"",
    }.items():
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)
        with pytest.raises(UserError, match=r"no \.npz file|is no array"):
            representative.load(str(path))


# Files


def test_models_that_cannot_be_loaded(model, int8: bytes, tmp_path: Path) -> None:
    import keras

    assert "cannot read" in refusal(tmp_path / "none.keras", X)
    assert "is a folder" in refusal(tmp_path, X)
    for name, content, words in (
        ("text.keras", b"no archive", "no Keras model"),
        ("m.tflite", int8, "`hognose pack` makes a .hog"),
        ("m.hog", compile_tflite(int8).hog, "give the Keras model"),
        ("model.onnx", b"any", ".keras or .h5"),
    ):
        (tmp_path / name).write_bytes(content)
        assert words in refusal(tmp_path / name, X)
    inputs = keras.Input((None, 3))
    assert "left open" in refusal(keras.Model(inputs, keras.layers.Dense(2)(inputs)), X)
    assert "no Keras model, but builtins.int" in refusal(3, X)
    other = network(keras.layers.Lambda(lambda x: x * 2))
    other.save(tmp_path / "code.keras")
    said = refusal(tmp_path / "code.keras", X)
    assert "cannot be loaded" in said and "quantize(model, data)" in said
    (tmp_path / "m.keras").write_bytes(b"")
    for path, words in ((tmp_path / "code.keras", "hognose quantize"), (tmp_path / "m.keras", "no .tflite")):
        with pytest.raises(UserError, match=words):
            compile_tflite(path.read_bytes())


def test_files_of_keras_2(tmp_path: Path) -> None:
    """It wrote settings that Keras 3 does not know. Where they ask for nothing, they can go."""
    import h5py
    from keras import layers

    path = tmp_path / "old.h5"
    model = network(layers.Reshape((20, 3, 1)), layers.DepthwiseConv2D(3), layers.Flatten(), layers.Dense(2))
    model.save(path)
    expected = quantize(path, X)

    def with_setting(**settings: Any) -> None:
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            for layer in config["config"]["layers"]:
                if layer["class_name"] == "DepthwiseConv2D":
                    layer["config"].update(settings)
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["keras_version"] = "2.15.0"

    with_setting(groups=1)
    assert quantize(path, X) == expected
    with_setting(groups=2)
    said = refusal(path, X)
    assert "saved by Keras 2.15.0" in said and "TFLiteConverter" in said and "hognose pack" in said


def test_command(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture, int8: bytes) -> None:
    data, output = tmp_path / "data.npz", tmp_path / "small.tflite"
    np.savez(data, x=X)
    arguments = ["quantize", str(saved), "-o", str(output), "--representative", str(data)]
    assert cli.main(arguments) == 0
    assert output.read_bytes() == int8
    name, head, line = capsys.readouterr().out.splitlines()
    assert name == f"{output}: {len(int8)} bytes, int8"
    assert "range in Keras" in head and "same class: 100%" in line
    assert cli.main([*arguments, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["bytes"] == len(int8) and facts["examples"] == 40 and facts["warnings"] == []
    assert 0 < facts["errors"][0]["mean_error"] < facts["errors"][0]["max_error"] < 0.05
    output.unlink()
    np.savez(data, a=X, b=X)
    for wrong in ([], ["--representative", str(data)], ["--representative", str(tmp_path / "none.npz")]):
        assert cli.main(["quantize", str(saved), "-o", str(output), *wrong]) == 2
        said = capsys.readouterr()
        assert said.err.splitlines()[-1].startswith("hognose: ") and not said.out
    assert not output.exists()


# Models as people have them, by the command


def by_command(model, arrays: dict[str, Any], folder: Path, capsys) -> tuple[hognose.Model, str, str]:
    """The packed model, and what `quantize` printed to stdout and stderr."""
    files_of = [str(folder / name) for name in ("m.keras", "m.tflite", "m.hog", "d.npz")]
    model.save(files_of[0])
    Path(files_of[3]).write_bytes(files.npz(arrays))
    assert cli.main(["quantize", files_of[0], "-o", files_of[1], "--representative", files_of[3]]) == 0
    said = capsys.readouterr()
    assert "\x1b" not in said.out and all(len(line) < 600 for line in said.err.splitlines())
    assert cli.main(["pack", files_of[1], "-o", files_of[2]]) == 0
    capsys.readouterr()
    return hognose.Model(files_of[2]), said.out, said.err


def test_heads_that_say_which_one_they_are(tmp_path: Path, capsys) -> None:
    import keras

    x = keras.Input((4,), name="x")
    heads = [
        keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer=constant, name=name)(x)
        for name, constant in (
            (name, keras.initializers.Constant(i + 1))
            for i, name in enumerate(("temperature", "humidity", "co2"))
        )
    ]
    model, said, _ = by_command(keras.Model(x, heads), {"x": V[:, :4]}, tmp_path, capsys)
    assert model.output_names == ["temperature", "humidity", "co2"] and model.input_names == ["x"]
    assert np.allclose(model.predict(V[0, :4].tolist()), [[1], [2], [3]], atol=0.02)
    assert [line.split()[0] for line in said.splitlines()[2:]] == model.output_names
    with hognose.Model(str(tmp_path / "m.hog"), engine="reference") as reference:
        assert reference.output_names == model.output_names and reference.input_names == ["x"]


def test_an_hour_and_tokens_and_a_dictionary(tmp_path: Path, capsys) -> None:
    import keras
    from keras import layers

    imu, hour = keras.Input((8,), name="zimu"), keras.Input((1,), dtype="int32", name="hour")
    tokens = keras.Input((6,), dtype="int32", name="atok")
    text = layers.GlobalAveragePooling1D()(layers.Embedding(20, 4)(tokens))
    h = layers.Concatenate()([imu, layers.Rescaling(1 / 24)(hour), text])
    outputs = {"zcls": layers.Dense(3, activation="softmax")(h), "areg": layers.Dense(1)(h)}
    net = keras.Model({"zimu": imu, "hour": hour, "atok": tokens}, outputs)
    arrays = {"zimu": V, "hour": np.arange(50) % 24, "atok": TOKENS}
    model, said, warned = by_command(net, arrays, tmp_path, capsys)
    assert model.input_names == ["atok", "hour", "zimu"] and model.input_dtype == ["i", "i", "b"]
    assert model.output_names == ["areg", "zcls"] and not warned.count("warning")
    assert [line.split()[0] for line in said.splitlines()[2:]] == ["areg", "zcls"]


def test_data_of_zeros_is_told_and_tflm_may_die_of_it(tmp_path: Path, capsys) -> None:
    """Scales that are measured on it are so small that TFLM aborts."""
    from keras import layers

    net = network(
        layers.Conv1D(8, 3, activation="relu"), layers.GlobalAveragePooling1D(), layers.Dense(3, "softmax")
    )
    _, said, warned = by_command(net, {"x": np.zeros_like(X[:10])}, tmp_path, capsys)
    assert "is 0 in all 10 examples" in warned and "record what the sensor really gives" in warned
    assert "will not run this model" in warned and "SIGABRT" in warned
    assert "100%" in said  # compared with TensorFlow Lite's answers then


def test_samples_for_run_may_have_names_too(tmp_path: Path, two) -> None:
    ports = disassemble(compile_tflite(quantize(two, [X, np.arange(40)])).hog).inputs
    (tmp_path / "d.npz").write_bytes(files.npz({"file": np.arange(40)[:, None], "z": X}))
    found = samples.load(tmp_path / "d.npz", ports)
    assert [a.shape for a in found] == [(40, 1, 20, 3), (40, 1, 1)]
