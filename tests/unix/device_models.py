# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Writes the models of this rung, each with raw inputs and what TFLM makes of them."""

from collections.abc import Sequence
from pathlib import Path

import hypothesis
import numpy as np

import operators_flow  # noqa: F401  (adds to OPERATORS)
import operators_more  # noqa: F401
import operators_recurrent  # noqa: F401
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.lower import LOWER
from operators import FOUNDATION, OPERATORS, cases
from tflite_builder import Builder, Tensor

CASES = 6  # of each operator and type


def write_all(folder: Path) -> None:
    """The models that the tests know by name, and in `cases/` random ones of each operator."""
    write(folder / "gestures", classifier(), labels=["rest", "wave", "circle"], meta={"rate": 50})
    write(folder / "regression", float_network())
    write(folder / "branches", branches())
    write(folder / "copy_int8", copy("int8", scale=0.5, zero_point=-3))
    write(folder / "copy_float32", copy("float32"))
    (folder / "streams").mkdir()
    write_sequence(folder / "streams" / "stream", stream())
    write_sequence(folder / "streams" / "window", window(first=9))
    (folder / "gestures.tflite").write_bytes(classifier())
    (folder / "cases").mkdir()
    for name, dtype in sorted(FOUNDATION):
        for i, case in enumerate(examples(name, dtype)):
            write(folder / "cases" / f"{name}_{dtype}_{i}", case.tflite, case.inputs)


def write_others(folder: Path) -> None:
    """One random model of each operator and type beyond the first ones."""
    (folder / "cases").mkdir()
    for name, dtype in sorted(OPERATORS.keys() - FOUNDATION):
        if name in LOWER:
            case = examples(name, dtype)[-1]
            write(folder / "cases" / f"{name}_{dtype}", case.tflite, case.inputs)


def write(path: Path, tflite: bytes, inputs: Sequence[np.ndarray] | None = None, **options) -> None:
    """PATH.hog, PATH.in0 …, PATH.out0 …; random inputs where none are given."""
    oracle = Oracle(tflite)
    if inputs is None:
        rng = np.random.default_rng(7)
        drawn = [rng.integers(-128, 128, s) for s in oracle.input_shapes]
        inputs = [
            (x if dtype == np.int8 else x / 32).astype(dtype)
            for x, dtype in zip(drawn, oracle.input_dtypes, strict=True)
        ]
    path.with_suffix(".hog").write_bytes(compile_tflite(tflite, name=path.name, **options).hog)
    for i, array in enumerate(inputs):
        path.with_suffix(f".in{i}").write_bytes(np.ascontiguousarray(array).tobytes())
    for i, array in enumerate(oracle.run(inputs)):
        path.with_suffix(f".out{i}").write_bytes(array.tobytes())


def write_sequence(path: Path, tflite: bytes, frames: int = 12) -> None:
    """PATH.hog, and one after another the raw inputs PATH.frames and what TFLM makes of them, PATH.scores."""
    oracle = Oracle(tflite)
    rng = np.random.default_rng(7)
    inputs = [rng.integers(-128, 128, oracle.input_shapes[0]).astype(np.int8) for _ in range(frames)]
    path.with_suffix(".hog").write_bytes(compile_tflite(tflite, name=path.name).hog)
    path.with_suffix(".frames").write_bytes(b"".join(a.tobytes() for a in inputs))
    path.with_suffix(".scores").write_bytes(b"".join(oracle.run([a])[0].tobytes() for a in inputs))


def examples(name: str, dtype: str) -> list:
    """The same random cases on every run."""
    found = []

    # The first ones are the simplest ones; later ones are as random as they get.
    @hypothesis.settings(max_examples=2 * CASES, derandomize=True, database=None)
    @hypothesis.given(cases(name, dtype))
    def collect(case):
        found.append(case)

    collect()
    return found[-CASES:]


def classifier() -> bytes:
    """int8 [1, 20, 3] to 3 probabilities: convolution over time, mean, dense, softmax."""
    b = Builder()
    rng = np.random.default_rng(1)
    x = b.tensor((1, 20, 3), "int8", scale=0.05, zero_point=4, name="window")
    image = b.tensor((1, 1, 20, 3), "int8", scale=0.05, zero_point=4)
    b.op("RESHAPE", [x, b.const(np.array([1, 1, 20, 3], np.int32))], image, new_shape=[1, 1, 20, 3])
    w = b.const(rng.integers(-127, 128, (8, 1, 5, 3)).astype(np.int8), scale=[0.01] * 8, axis=0)
    bias = b.const(rng.integers(-999, 999, 8).astype(np.int32), scale=[0.0005] * 8)
    y = b.tensor((1, 1, 10, 8), "int8", scale=0.1, zero_point=-128)
    strides = {"stride_h": 1, "stride_w": 2, "dilation_h_factor": 1, "dilation_w_factor": 1}
    b.op("CONV_2D", [image, w, bias], y, version=3, padding="SAME", activation="RELU", **strides)
    z = b.tensor((1, 8), "int8", scale=0.05, zero_point=-128)
    b.op("MEAN", [y, b.const(np.array([1, 2], np.int32))], z, version=2, keep_dims=False)
    logits = _dense(b, rng, z, 3, scale=0.2, zero_point=-60)
    out = b.tensor((1, 3), "int8", scale=1 / 256, zero_point=-128, name="probabilities")
    b.op("SOFTMAX", [logits], out, version=2, beta=0.25)
    return b.build([x], [out])


def float_network() -> bytes:
    """float32 [1, 12] to [1, 2]: dense, tanh, dense."""
    b = Builder()
    rng = np.random.default_rng(2)
    x = b.tensor((1, 12), name="features")
    h = _dense(b, rng, x, 9)
    t = b.tensor((1, 9))
    b.op("TANH", [h], t)
    return b.build([x], [_dense(b, rng, t, 2)])


def branches() -> bytes:
    """Two int8 inputs [1, 4, 4, 2] and [1, 1, 1, 2], two outputs: their sum, and its logistic."""
    b = Builder()
    x = b.tensor((1, 4, 4, 2), "int8", scale=0.03, zero_point=10)
    y = b.tensor((1, 1, 1, 2), "int8", scale=0.02, zero_point=-7)
    total = b.tensor((1, 4, 4, 2), "int8", scale=0.04, zero_point=0)
    b.op("ADD", [x, y], total, version=2, activation="NONE")
    p = b.tensor((1, 4, 4, 2), "int8", scale=1 / 256, zero_point=-128)
    b.op("LOGISTIC", [total], p, version=2)
    return b.build([x, y], [total, p])


def stream() -> bytes:
    """int8 [1, 4] to [1, 1, 3]: SVDF over the last five runs, and an LSTM that goes on from run to run."""
    b = Builder()
    rng = np.random.default_rng(3)

    def weights(*shape: int, scale: float, dtype: str = "int8") -> Tensor:
        low, high = np.iinfo(dtype).min + 1, np.iinfo(dtype).max
        return b.const(rng.integers(low, high, shape, endpoint=True).astype(dtype), scale=scale)

    x = b.tensor((1, 4), "int8", scale=0.05, zero_point=4, name="frame")
    feature, time = weights(6, 4, scale=0.01), weights(6, 5, scale=2e-5, dtype="int16")
    bias = b.const(np.arange(3).astype(np.int32) * 1000, scale=1e-3 * 2e-5)
    state = b.tensor((1, 30), "int16", variable=True, scale=1e-3)
    features = b.tensor((1, 1, 3), "int8", scale=0.02, zero_point=-5)
    y = b.tensor((1, 3), "int8", scale=0.02, zero_point=-5)
    b.op("SVDF", [x, feature, time, bias, state], y, version=2, rank=2, activation="NONE")
    b.op("RESHAPE", [y, b.const(np.array([1, 1, 3], np.int32))], features, new_shape=[1, 1, 3])
    hidden = {"scale": 1 / 128, "zero_point": -3}
    gates = [weights(3, 3, scale=0.02) for _ in range(8)]
    biases = [b.const(rng.integers(-2000, 2000, 3).astype(np.int32), scale=0.0004) for _ in range(4)]
    states = [b.tensor((1, 3), "int8", variable=True, **hidden)]
    states.append(b.tensor((1, 3), "int16", variable=True, scale=2.0**-11))
    out = b.tensor((1, 1, 3), "int8", **hidden, name="scores")
    tensors = [features, *gates, *[None] * 3, *biases, *[None] * 2, *states, *[None] * 4]
    b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", tensors, out, version=3, activation="TANH")
    return b.build([x], [out])


def window(first: int = 0) -> bytes:
    """int8 [1, 1, 4] a run to the last three, [1, 3, 4]; a variable that begins with `first` keeps two."""
    b = Builder()
    q = {"scale": 0.5, "zero_point": 3}
    x, joined, y = (b.tensor((1, n, 4), "int8", **q) for n in (1, 3, 3))
    old, new = (b.tensor((1, 2, 4), "int8", **q) for _ in range(2))

    def handle():
        t = b.tensor((), "resource")
        b.op("VAR_HANDLE", [], t, container=b"", shared_name=b"ring")
        return t

    b.op("CALL_ONCE", [], [], init_subgraph_index=1)
    ring = handle()
    b.op("READ_VARIABLE", [ring], old)
    b.op("CONCATENATION", [old, x], joined, axis=1, activation="NONE")
    begin, size = (b.const(np.array(v, np.int32)) for v in ([0, 1, 0], [1, 2, 4]))
    b.op("SLICE", [joined, begin, size], new)
    b.op("ASSIGN_VARIABLE", [ring, new], [])
    b.op("RESHAPE", [joined, b.const(np.array([1, 3, 4], np.int32))], y, new_shape=[1, 3, 4])
    b.end_subgraph([x], [y])
    b.op("ASSIGN_VARIABLE", [handle(), b.const(np.full((1, 2, 4), first, np.int8), **q)], [])
    return b.build([], [])


def copy(dtype: str, **quantization) -> bytes:
    """[1, 2, 5] to [1, 10] and nothing else: shows what goes in and comes out."""
    b = Builder()
    x = b.tensor((1, 2, 5), dtype, **quantization)
    y = b.tensor((1, 10), dtype, **quantization)
    b.op("RESHAPE", [x, b.const(np.array([1, 10], np.int32))], y, new_shape=[1, 10])
    return b.build([x], [y])


def _dense(b: Builder, rng: np.random.Generator, x: Tensor, units: int, **quantization) -> Tensor:
    shape = (units, x.shape[-1])
    if x.dtype == "int8":
        w = b.const(rng.integers(-127, 128, shape).astype(np.int8), scale=0.02)
        bias = b.const(rng.integers(-999, 999, units).astype(np.int32), scale=0.02 * x.scale)
    else:
        w = b.const(rng.normal(size=shape).astype(np.float32))
        bias = b.const(rng.normal(size=units).astype(np.float32))
    y = b.tensor((1, units), x.dtype, **quantization)
    b.op("FULLY_CONNECTED", [x, w, bias], y, version=4, activation="NONE")
    return y
