# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The engine as it is built for small boards, with HOG_FULL=0, and the element types of the full one."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import struct
import subprocess
import sysconfig
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from device_models import window

import operators_more  # noqa: F401  (adds to OPERATORS)
from engines import ENGINES, assert_same, open_model
from hognose import hogfile
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.lower.types import types_of
from operators import FOUNDATION, cases
from tflite_builder import Builder

NATIVE = Path(__file__).parents[2] / "native_module"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory):
    """The CPython binding around the small engine."""
    path = tmp_path_factory.mktemp("small") / "_hognose.so"
    sources = [
        *NATIVE.glob("cpython/*.c"),
        *NATIVE.glob("engine/*.c"),
        *NATIVE.glob("engine/kernels/*.c"),
    ]
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-shared", "-fPIC"]
    includes = [f"-I{NATIVE / 'engine'}", f"-I{sysconfig.get_paths()['include']}"]
    command = ["gcc", *flags, *includes, "-DHOG_FULL=0", *map(str, sources), "-o", str(path)]
    subprocess.run(command, check=True)
    loader = importlib.machinery.ExtensionFileLoader("_hognose", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_hognose", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "dtype"), sorted((n, t) for n, t in FOUNDATION if types_of(n)[t] == "small")
)
def test_it_runs_the_foundation(small, name: str, dtype: str) -> None:
    @hypothesis.settings(max_examples=10)
    @hypothesis.given(cases(name, dtype))
    def run(case) -> None:
        hog = compile_tflite(case.tflite).hog
        hypothesis.assume(struct.unpack_from("<I", hog, 20)[0] < 4)
        state = bytearray(small.STATE_SIZE)
        file = bytearray(hog)
        arena = bytearray(small.load(file, state))
        expected = Oracle(case.tflite).run(case.inputs)
        outputs = [bytearray(e.nbytes) for e in expected]
        small.invoke(state, arena, tuple(a.tobytes() for a in case.inputs), tuple(outputs))
        for got, right in zip(outputs, expected, strict=True):
            assert_same(np.frombuffer(got, right.dtype).reshape(right.shape), right, name)

    run()


def test_it_keeps_state(small) -> None:
    """A streaming model of int8 layers needs no more than copies."""
    hog = bytearray(compile_tflite(window(first=9)).hog)
    state = bytearray(small.STATE_SIZE)
    arena = bytearray(small.load(hog, state))
    out = bytearray(12)
    for _ in range(2):
        small.run(state, arena, 0, hogfile.initial(hog))
        small.invoke(state, arena, bytes([5] * 4), out)
        assert list(out) == [9] * 8 + [5] * 4


def _moved(dtype: str, scale: float | None = None, zero_point: int = 0) -> bytes:
    b = Builder()
    quantization = {} if scale is None else {"scale": scale, "zero_point": zero_point}
    x, y = (b.tensor(shape, dtype, **quantization) for shape in ((2, 3), (3, 2)))
    b.op("RESHAPE", [x, b.const(np.array([3, 2], np.int32))], y)
    return compile_tflite(b.build([x], [y])).hog


def test_it_refuses_what_needs_the_full_one(small) -> None:
    b = Builder()
    x, y = b.tensor((4,)), b.tensor((4,))
    b.op("SIN", [x], y)
    sine = b.build([x], [y])
    b = Builder()
    x, y = b.tensor((4,)), b.tensor((4,))
    b.op("SOFTMAX", [x], y, beta=1.0)
    for hog in (compile_tflite(sine).hog, compile_tflite(b.build([x], [y])).hog, _moved("int32")):
        with pytest.raises(ValueError, match="full engine"):
            small.load(bytearray(hog), bytearray(small.STATE_SIZE))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "given", "taken"),
    [
        ("int16", 0.5, 0, [1.2, -1.25, 1e9, -1e9, 0, float("nan")], [1, -1.5, 16383.5, -16384, 0, 0]),
        ("uint8", 0.5, 10, [1.2, -3, 1e9, -1e9, 0, float("nan")], [1, -3, 122.5, -5, 0, 0]),
        ("int32", None, 0, [1.4, -1.5, 1e6, -1e6, 0, float("nan")], [1, -2, 1e6, -1e6, 0, 0]),
        ("int64", None, 0, [1.4, -1.5, 1e6, -1e6, 0, 7], [1, -2, 1e6, -1e6, 0, 7]),
        ("bool", None, 0, [1, 0, 5, -1, 0.0, 1], [1, 0, 1, 1, 0, 1]),
    ],
)
def test_numbers_of_other_types(dtype, scale, zero_point, given, taken, engine: str) -> None:
    """What predict() takes is rounded and saturates; what it gives are numbers again."""
    model = open_model(_moved(dtype, scale, zero_point), engine)
    assert list(model.predict(given)) == taken
    assert dtype in repr(model)
