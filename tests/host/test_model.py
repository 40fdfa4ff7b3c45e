# SPDX-License-Identifier: MIT
"""hognose.Model on CPython: what CPython alone has (numpy, paths), and native against reference.

What every interpreter has in common is tested by tests/unix/on_device.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
import subprocess
import sys
import zlib
from array import array
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import hognose
from engines import ENGINES, open_model
from hognose import hogfile
from hognose.reference import floats
from hognose_tools.compiler import compile_tflite
from operators import FOUNDATION, RECURRENT, cases
from tflite_builder import Builder

ROOT = Path(__file__).parents[2]
WORK_LIMIT = 200_000  # multiplications that the reference engine is asked for


def copy_model(shape: tuple[int, ...], dtype: str = "int8", **quantization) -> bytes:
    """A `.hog` that only reshapes: what goes in comes out."""
    b = Builder()
    n = math.prod(shape)
    x = b.tensor(shape, dtype, **quantization)
    y = b.tensor((1, n), dtype, **quantization)
    b.op("RESHAPE", [x, b.const(np.array([1, n], np.int32))], y, new_shape=[1, n])
    return compile_tflite(b.build([x], [y])).hog


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


DTYPES = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "int32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    ">f4",
)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_windows(engine: str, dtype: str) -> None:
    model = open_model(copy_model((2, 3, 4), scale=0.5, zero_point=-3), engine)
    window = np.arange(24).reshape(2, 3, 4).astype(dtype)
    expected = [float(x) for x in window.reshape(-1)]
    frozen = window.copy()
    frozen.flags.writeable = False
    for form in (
        window,
        frozen,
        np.asfortranarray(window),
        np.repeat(window, 2, axis=1)[:, ::2],
        window[None, ..., None],
        list(window),
        [window],
        window.tolist(),
        [[list(row) for row in plane] for plane in window],
    ):
        assert model.predict(form) == expected
    out = np.zeros(24, np.float32)
    assert model.predict(window, out=out) is out
    assert out.tolist() == expected


def test_numpy_scalar(engine: str) -> None:
    model = open_model(copy_model((1, 1), "float32"), engine)
    for number in (
        1,
        1.5,
        True,
        np.float32(1.5),
        np.float64(1.5),
        np.int8(1),
        np.array(1.5),
        [np.float32(1.5)],
    ):
        assert model.predict(number) == [float(np.ravel(number)[0])]


def test_sources(engine: str, tmp_path: Path) -> None:
    hog = copy_model((1, 6), scale=1.0, zero_point=0)
    path = tmp_path / "copy.hog"
    path.write_bytes(hog)
    words = np.frombuffer(hog + bytes(-len(hog) % 4), np.uint32)
    odd = np.frombuffer(b"x" + hog, np.uint8)[1:]
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for source in (path, str(path), mapped, odd, odd.copy(), memoryview(odd)):
            assert hognose.Model(source, engine=engine).predict(range(6)) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    if words.nbytes == len(hog):
        assert hognose.Model(words, engine=engine).len == len(hog)


def test_unknown_to_operating_system(engine: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        hognose.Model(tmp_path / "nowhere.hog", engine=engine)
    with pytest.raises(OSError, match="cannot open"):
        hognose.Model(tmp_path, engine=engine)


# Native against reference: the same bytes, to the last bit of a float.


@hypothesis.given(
    st.floats(2**-20, 2**10, width=32),
    st.integers(-128, 127),
    st.lists(
        st.floats(width=32) | st.floats() | st.integers(-300, 300).map(lambda n: n / 2),
        min_size=8,
        max_size=8,
    ),
    st.sampled_from("fdbhiqBHIQ"),
)
def test_numbers_agree(scale: float, zero_point: int, numbers: list[float], typecode: str) -> None:
    hog = copy_model((1, 8), scale=scale, zero_point=zero_point)
    if typecode in "fd":
        with np.errstate(over="ignore"):
            given = np.array([x * scale for x in numbers], typecode)
    else:
        low, high = np.iinfo(typecode).min, np.iinfo(typecode).max
        given = np.array([min(max(int(x), low), high) if math.isfinite(x) else 0 for x in numbers], typecode)
    for window in (given, given.tolist()):
        raw = []
        for name in ENGINES:
            model = open_model(hog, name)
            floats = model.predict(window)
            out = bytearray(8)
            model.invoke(None, out)
            raw.append((floats, bytes(out)))
        assert raw[0] == raw[1]


@pytest.mark.parametrize(
    "name", [name for name, dtype in sorted(FOUNDATION | RECURRENT) if dtype == "float32"]
)
def test_floats_agree(name: str) -> None:
    @hypothesis.given(cases(name, "float32"))
    def compare(case):
        hog = compile_tflite(case.tflite).hog
        inputs = [a.tobytes() for a in case.inputs]
        assert_agree(open_model(hog, "native"), open_model(hog, "reference"), inputs)

    compare()


def assert_agree(native: hognose.Model, other: hognose.Model, inputs: list[bytes]) -> None:
    results = []
    for model in (native, other):
        model._arena[:] = bytes(len(model._arena))
        model.reset()
        outputs = [bytearray(t.nbytes()) for t in model._outputs]
        model.invoke(inputs, outputs)
        results.append(outputs)
    for dtype, ours, theirs in zip(native.output_dtype, *results, strict=True):
        if dtype == "f":
            a, b = np.frombuffer(ours, np.float32), np.frombuffer(theirs, np.float32)
            same = (a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))
            assert same.all(), (a[~same][0], b[~same][0])
        else:
            assert ours == theirs


# libm's functions in float32 steps.


def tflms_logistic(x: float) -> float:
    """What TFLM computes: below -9 it leaves the sum away."""
    return math.exp(x) if x < -9 else 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("ours", "true", "low", "high"),
    [
        (floats.exp, math.exp, -87.0, 88.7),
        (floats.tanh, math.tanh, -20.0, 20.0),
        (floats.logistic, tflms_logistic, -87.0, 30.0),
    ],
    ids=["exp", "tanh", "logistic"],
)
def test_function(ours, true, low: float, high: float) -> None:
    small = [s * 2.0**-e for e in range(1, 60) for s in (-1, 1)]
    for x in np.concatenate([np.linspace(low, high, 20_001), small]).astype(np.float32).tolist():
        assert abs(ours(x) - true(x)) <= 3e-7 * abs(true(x)), x


def test_function_ends() -> None:
    inf, nan = math.inf, math.nan
    assert [floats.exp(x) for x in (inf, 89.5, -inf, -105.0)] == [inf, inf, 0.0, 0.0]
    assert [floats.tanh(x) for x in (inf, -inf)] == [1.0, -1.0]
    assert [floats.logistic(x) for x in (inf, 17.0, -inf)] == [1.0, 1.0, 0.0]
    assert all(math.isnan(f(nan)) for f in (floats.exp, floats.tanh, floats.logistic))
    assert 0 < floats.exp(-100.0) < 1e-43  # a denormal


# Damaged files.


@pytest.fixture(scope="module")
def hogs() -> list[bytes]:
    """A few small models of every operator and type."""
    found: list[bytes] = []

    def collect(name: str, dtype: str) -> None:
        @hypothesis.settings(max_examples=5, derandomize=True, phases=[hypothesis.Phase.generate])
        @hypothesis.given(cases(name, dtype))
        def add(case) -> None:
            found.append(compile_tflite(case.tflite).hog)

        add()

    for name, dtype in sorted(FOUNDATION | RECURRENT):
        collect(name, dtype)
    return found


def mutant(hog: bytes, rng: np.random.Generator) -> bytes:
    """A damaged copy with the right checksum, so that the damage gets through to the inner checks."""
    damaged = bytearray(hog)
    plan, size = hogfile.section(memoryview(hog), b"PLAN")
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(plan, plan + size) if rng.random() < 0.8 else rng.integers(16, len(hog)))
        form, values = (
            ("B", [0, 1, 2, 127, 128, 255, damaged[at] ^ 1 << int(rng.integers(8))]),
            ("H", [0, 1, 2, 0x8000, 0xFFFF, int(rng.integers(2**16))]),
            (
                "I",
                [0, 1, 0x80000000, 0x7FFFFFFF, 0xFFFFFFFF, int(rng.integers(300)), int(rng.integers(2**32))],
            ),
        )[rng.integers(3)]
        at -= at % struct.calcsize(form)
        if at + struct.calcsize(form) <= len(damaged):
            struct.pack_into("<" + form, damaged, at, values[rng.integers(len(values))])
    struct.pack_into("<I", damaged, 12, zlib.crc32(damaged[16:]))
    return bytes(damaged)


def verdict(hog: bytes, name: str, arena: bytearray) -> hognose.Model | str:
    """The model, or why there is none."""
    try:
        return hognose.Model(hog, engine=name, arena=arena)
    except ValueError as e:
        return str(e)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_damaged_files(seed: int, hogs: list[bytes]) -> None:
    """Both engines refuse the same files, and make the same of those that they take."""
    rng = np.random.default_rng(seed)
    arenas = bytearray(100_000), bytearray(100_000)
    ran = refused = 0
    for i in range(2000):
        hog = mutant(hogs[i % len(hogs)], rng)
        native, other = (verdict(hog, *pair) for pair in zip(ENGINES, arenas, strict=True))
        if isinstance(native, str) or isinstance(other, str):
            assert native == other
            refused += 1
        elif work(other) < WORK_LIMIT:
            inputs = [rng.bytes(t.nbytes()) for t in native._inputs]
            if not reads_unwritten(other, inputs):
                assert_agree(native, other, inputs)
                ran += 1
    assert ran > 200
    assert refused > 200


def reads_unwritten(model: hognose.Model, inputs: list[bytes]) -> bool:
    """Whether outputs depend on what nothing has written, where the native engine may have its scratch."""
    results = []
    for seed in (1, 2):
        model._arena[:] = np.random.default_rng(seed).bytes(len(model._arena))
        results.append([bytearray(t.nbytes()) for t in model._outputs])
        model.reset()
        model.invoke(inputs, results[-1])
    return results[0] != results[1]


def work(model: hognose.Model) -> int:
    """Steps that the reference engine takes, and what it copies."""
    return model._engine.file.work + model._engine.file.count * model.arena_size


def test_stubs() -> None:
    """The .pyi files say what the modules are."""
    command = [sys.executable, "-m", "mypy.stubtest", "hognose.model"]
    environment = {**os.environ, "MYPYPATH": str(ROOT / "device_lib")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_package_lists_all_files() -> None:
    """mip installs what package.json lists."""
    library = ROOT / "device_lib"
    listed = (library / "package.json").read_text()
    for path in (library / "hognose").rglob("*.py"):
        name = path.relative_to(library).as_posix()
        assert f'["{name}", "{name}"]' in listed


def test_out_of_numbers(engine: str) -> None:
    """Integers too large for a float are refused or saturate, as the language has it."""
    model = open_model(copy_model((1, 1), scale=1.0, zero_point=0), engine)
    with pytest.raises((ValueError, OverflowError)):
        model.predict([10**400])
    assert model.predict(array("d", [1e300])) == [127.0]
