# SPDX-License-Identifier: MIT
"""Writes the models that the device tests know, each with inputs and what TFLM makes of them.

What `predict` is to return is computed here from TFLM's bytes and the tensors' scales, without our engine.
"""

import struct
from collections.abc import Sequence
from pathlib import Path

import hypothesis
import numpy as np
from mpremote.romfs import VfsRomWriter
from on_device import damage

from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble, needs
from hognose_tools.compiler.lower import LOWER
from hognose_tools.compiler.ports import Port
from hognose_tools.data.samples import float32, quantized
from operators import FOUNDATION, OPERATORS, cases
from tflite_builder import Builder, Tensor

CASES = 6  # of each operator and type
# Of every typecode the extremes and some between: of 8-byte integers what floats of any kind round alike.
TYPECODES = {
    "b": [-128, -127, -64, -1, 0, 1, 2, 63, 64, 127],
    "B": [0, 1, 2, 63, 64, 127, 128, 129, 254, 255],
    "h": [-32768, -129, -128, -64, -1, 0, 64, 127, 128, 32767],
    "H": [0, 1, 60, 127, 128, 255, 256, 32767, 32768, 65535],
    "i": [-(2**31), -32769, -63, -1, 0, 1, 64, 32768, 16777216, 2**31 - 1],
    "I": [0, 1, 60, 255, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1],
    "q": [-(2**63), -(2**32), -(2**31) - 256, -1, 0, 60, 2**31, 2**32, 2**40 + 2**20, 2**63 - 1],
    "Q": [0, 1, 60, 2**31, 2**32 - 1, 2**32, 2**32 + 512, 2**40, 2**63, 2**64 - 1],
    "f": [0.25, -0.25, 0.24, 0.75, -0.75, 62.5, 65.0, 1e30, -1e30, 1e-30],
    "d": [0.25, -0.25, 0.1, 1 / 3, -0.75, 62.75, 65.0, 1e300, -1e300, 1e-300],
}
TYPES = {
    "uint8": {"scale": 0.5, "zero_point": 128},
    "int16": {"scale": 0.25, "zero_point": 0},
    "int32": {},
    "int64": {},
    "bool": {},
    "float32": {},
    "int8": {"scale": 0.5, "zero_point": -3},
}


def write_all(folder: Path) -> None:
    """The models that the tests know by name, and in `cases/` random ones of each operator."""
    write_known(folder)
    (folder / "cases").mkdir()
    for name, dtype in sorted(FOUNDATION):
        for i, case in enumerate(examples(name, dtype)):
            write(folder / "cases" / f"{name}_{dtype}_{i}", case.tflite, case.inputs)


def write_known(folder: Path) -> None:
    """The models that the tests know by name."""
    write(folder / "gestures", classifier(), labels=["rest", "wave", "circle"], meta={"rate": 50})
    write(folder / "regression", float_network())
    write(folder / "branches", branches())
    write(folder / "copy_int8", copy("int8", scale=0.5, zero_point=-3))
    write(folder / "copy_float32", copy("float32"))
    write(folder / "types", types())
    makers = {"gestures": classifier, "regression": float_network, "branches": branches, "types": types}
    for name, make in makers.items():
        write_numbers(folder / name, make())
    (folder / "streams").mkdir()
    write_sequence(folder / "streams" / "stream", stream())
    write_sequence(folder / "streams" / "window", window(first=9))
    (folder / "gestures.tflite").write_bytes(classifier())
    write_typecodes(folder / "typecodes")
    write_decisions(folder / "sensor", classifier())
    write_romfs(folder / "models.romfs", (folder / "gestures.hog").read_bytes())
    hogs = [(folder / f"{name}.hog").read_bytes() for name in damage.MODELS]
    (folder / "damaged.txt").write_text("".join(f"{line}\n" for line in damage.outcomes(hogs, 600, "native")))


def write_others(folder: Path) -> None:
    """One random model of each operator and type beyond the first ones."""
    (folder / "cases").mkdir()
    for name, dtype in sorted(OPERATORS.keys() - FOUNDATION):
        if name in LOWER:
            case = examples(name, dtype)[-1]
            write(folder / "cases" / f"{name}_{dtype}", case.tflite, case.inputs)


def needed(folder: Path) -> set[tuple[str, str]]:
    """What a native module needs for all models in the folder."""
    return set().union(*(needs(disassemble(p.read_bytes())) for p in folder.rglob("*.hog")))


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


def write_numbers(path: Path, tflite: bytes) -> None:
    """PATH.numbers0 … and what `predict` makes of them, PATH.floats0 …, all float32. Some saturate."""
    oracle = Oracle(tflite)
    facts = disassemble(compile_tflite(tflite).hog)
    rng = np.random.default_rng(11)
    numbers = []
    for port in facts.inputs:
        low, high = dequantized(extremes(port), port)
        x = rng.uniform(low, high, port.size)
        x[:2] = 1.5 * low - 1, 1.5 * high + 1
        if port.type == "?":
            x = np.round(x)
        numbers.append(x.astype(np.float32))
    raw = oracle.run([quantized(x, p).reshape(p.shape) for x, p in zip(numbers, facts.inputs, strict=True)])
    floats = [dequantized(x, p) for x, p in zip(raw, facts.outputs, strict=True)]
    for what, arrays in (("numbers", numbers), ("floats", floats)):
        for i, array in enumerate(arrays):
            path.with_suffix(f".{what}{i}").write_bytes(array.tobytes())


def extremes(port: Port) -> np.ndarray:
    """Between what random numbers for the input lie; tensors of 32 bits and more hold more than floats do."""
    if port.dtype.kind == "b":
        return np.array([0, 1])
    if port.dtype.itemsize > 2:
        return np.array([-1000, 1000])
    return np.array([np.iinfo(port.dtype).min, np.iinfo(port.dtype).max])


def dequantized(raw: np.ndarray, port: Port) -> np.ndarray:
    """An output's elements as the floats that `predict` returns."""
    offset = raw.astype(np.float32).reshape(-1) - np.float32(port.zero_point)
    return offset * np.float32(port.scale or 1)


def write_romfs(path: Path, hog: bytes) -> None:
    """A read-only file system with the model at addresses of every remainder."""
    writer = VfsRomWriter()
    for n in range(1, 5):
        writer.mkfile("m" * n + ".hog", hog)
    path.write_bytes(writer.finalise())


def write_typecodes(folder: Path) -> None:
    """For each typecode ten numbers, X.array, and as float32 what copy_int8 and copy_float32 make of them.

    l and L have 4 bytes on a board and 8 on a computer: the tests make them of i and I.
    """
    folder.mkdir()
    port = disassemble(compile_tflite(copy("int8", scale=0.5, zero_point=-3)).hog).inputs[0]
    for code, values in TYPECODES.items():
        numbers = float32(np.array(values, code))
        # (A file system may not tell b from B.)
        name = f"small_{code}" if code.islower() else f"large_{code.lower()}"
        (folder / f"{name}.array").write_bytes(struct.pack(f"<10{code}", *values))
        (folder / f"{name}.int8").write_bytes(dequantized(quantized(numbers, port), port).tobytes())
        (folder / f"{name}.float32").write_bytes(numbers.tobytes())


def write_decisions(path: Path, tflite: bytes, length=20, hop=5, need=2, of=3) -> None:
    """PATH.samples of three numbers, and in PATH.decided a byte for each: what a window and a vote decide.

    0 while there is nothing to decide, 255 nothing decided yet, else the class + 1.
    """
    oracle = Oracle(tflite)
    facts = disassemble(compile_tflite(tflite).hog)
    rng = np.random.default_rng(5)
    level = np.repeat(rng.normal(scale=2, size=(12, 3)), 25, axis=0)
    samples = (level + rng.normal(scale=0.5, size=level.shape)).astype(np.float32)
    decided, votes, answer = [], [], 255
    for n in range(1, len(samples) + 1):
        if n < length or (n - length) % hop:
            decided.append(0)
            continue
        raw = quantized(samples[n - length : n].reshape(-1), facts.inputs[0])
        scores = dequantized(oracle.run([raw.reshape(facts.inputs[0].shape)])[0], facts.outputs[0])
        best = int(np.argmax(scores))
        votes.append(best + 1 if scores[best] >= 0.5 else 0)
        if votes[-1] and votes[-of:].count(votes[-1]) >= need:
            answer = votes[-1]
        decided.append(answer)
    path.with_suffix(".samples").write_bytes(samples.tobytes())
    path.with_suffix(".decided").write_bytes(bytes(decided))


def write_sequence(path: Path, tflite: bytes, frames: int = 12) -> None:
    """PATH.hog, and one after another the raw inputs PATH.frames and what TFLM makes of them, PATH.scores.

    The same as float32: PATH.numbers, PATH.floats.
    """
    oracle = Oracle(tflite)
    rng = np.random.default_rng(7)
    inputs = [rng.integers(-128, 128, oracle.input_shapes[0]).astype(np.int8) for _ in range(frames)]
    outputs = [oracle.run([a])[0] for a in inputs]
    hog = compile_tflite(tflite, name=path.name).hog
    facts = disassemble(hog)
    path.with_suffix(".hog").write_bytes(hog)
    path.with_suffix(".frames").write_bytes(b"".join(a.tobytes() for a in inputs))
    path.with_suffix(".scores").write_bytes(b"".join(a.tobytes() for a in outputs))
    for what, arrays, port in (("numbers", inputs, facts.inputs[0]), ("floats", outputs, facts.outputs[0])):
        path.with_suffix(f".{what}").write_bytes(b"".join(dequantized(a, port).tobytes() for a in arrays))


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


def types() -> bytes:
    """An input of each element type, and a copy of each as output."""
    b = Builder()
    pairs = []
    for dtype, quantization in TYPES.items():
        x = b.tensor((1, 2, 3), dtype, **quantization)
        y = b.tensor((1, 6), dtype, **quantization)
        b.op("RESHAPE", [x, b.const(np.array([1, 6], np.int32))], y, new_shape=[1, 6])
        pairs.append((x, y))
    return b.build([x for x, _ in pairs], [y for _, y in pairs])


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
