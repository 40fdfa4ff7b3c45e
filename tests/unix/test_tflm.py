# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""TFLM inside MicroPython: the unix port with native_module/tflm, linked to the judge itself."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from targets import ROOT, Target

from hognose_tools.oracle import Oracle

import operators_more  # noqa: F401 isort: skip  (adds to OPERATORS)
from operators import OPERATORS, cases  # isort: skip
from tflite_builder import Builder  # isort: skip

TFLM = ROOT / "native_module" / "tflm"
WHEEL = ROOT / "tests" / "unix" / "tflm_wheel"
TARGET = Target("unix-tflm", ROOT / ".build" / "unix-tflm" / "micropython", "tflm")
SCRIPT = Path(__file__).with_name("tflm_tests.py")
PUBLISHED = ("hello_world_int8", "kws_ref_model", "pretrainedResnet_quant", "ad01_int8", "ad01_fp32")
DAMAGED = int(os.environ.get("HOGNOSE_MUTATIONS", "20000"))


def run_test(folder: Path, test: str, heap: str = "4m") -> None:
    done = TARGET.run(SCRIPT, folder, test, heap=heap)
    # Nothing else is printed: neither TFLM nor the module writes anywhere.
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def write(stem: Path, tflite: bytes, inputs: list[np.ndarray]) -> None:
    """The model, inputs, and TFLM's answer."""
    stem.with_suffix(".tflite").write_bytes(tflite)
    for i, array in enumerate(inputs):
        stem.with_suffix(f".in{i}").write_bytes(np.ascontiguousarray(array).tobytes())
    for i, array in enumerate(Oracle(tflite).run(inputs)):
        stem.with_suffix(f".out{i}").write_bytes(array.tobytes())


def random_inputs(tflite: bytes) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    oracle = Oracle(tflite)
    return [
        rng.normal(size=shape).astype(dtype)
        if dtype.kind == "f"
        else rng.integers(-128, 128, shape).astype(dtype)
        for shape, dtype in zip(oracle.input_shapes, oracle.input_dtypes, strict=True)
    ]


SEED = """
import sys
import numpy as np
from hognose_tools import quiet_tensorflow
import tensorflow as tf
import keras

keras.utils.set_random_seed(1)
layers = [keras.Input(batch_shape=(1, 4)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3, "softmax")]
tflite = tf.lite.TFLiteConverter.from_keras_model(keras.Sequential(layers)).convert()
x = np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)
interpreter = tf.lite.Interpreter(model_content=tflite)
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
interpreter.invoke()
y = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
for suffix, content in (("tflite", tflite), ("in0", x.tobytes()), ("litert", y.tobytes())):
    open(sys.argv[1] + "/seed." + suffix, "wb").write(content)
"""


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 4-8-3 dense float model, made by TensorFlow; its input, and LiteRT's output."""
    folder = tmp_path_factory.mktemp("seed")
    done = subprocess.run([sys.executable, "-c", SEED, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    x = np.frombuffer((folder / "seed.in0").read_bytes(), np.float32).reshape(1, 4)
    write(folder / "seed", (folder / "seed.tflite").read_bytes(), [x])
    return folder


@pytest.fixture(scope="module")
def published(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    for name in PUBLISHED:
        tflite = (models / f"{name}.tflite").read_bytes()
        write(folder / name, tflite, random_inputs(tflite))
    return folder


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some random models of every operator and type that TFLM has."""
    folder = tmp_path_factory.mktemp("operators")
    count = 0

    def collect(name: str, dtype: str) -> None:
        @hypothesis.settings(max_examples=5, phases=[hypothesis.Phase.generate])
        @hypothesis.given(cases(name, dtype))
        def one(case) -> None:
            nonlocal count
            count += 1
            write(folder / f"{count:04}_{name}_{dtype}", case.tflite, case.inputs)

        one()

    for name, dtype in sorted(OPERATORS):
        collect(name, dtype)
    assert count > 500
    return folder


@pytest.fixture(scope="module")
def made(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that are made for one test each."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(seed, folder, dirs_exist_ok=True)
    for name, build in MODELS.items():
        b = Builder()
        inputs, outputs = build(b)
        (folder / f"{name}.tflite").write_bytes(b.build(inputs, outputs))
    return folder


def _numbers(b: Builder):
    x, y = (b.tensor((1, 8), "int8", scale=0.5, zero_point=3) for _ in range(2))
    b.op("RELU", [x], y)
    return [x], [y]


def _unsupported(b: Builder):
    x, y, z = (b.tensor((1, 8)) for _ in range(3))
    b.op("HASHTABLE_FIND", [x], y, version=2)
    b.op("CUSTOM", [y], z, version=7, custom="Mystery")
    return [x], [z]


def _refused(b: Builder):
    x, y = (b.tensor((1, 8), "int8", scale=0.5) for _ in range(2))
    b.op("EXP", [x], y)
    return [x], [y]


def _large(b: Builder):
    x, y, z = (b.tensor((1, 400, 400)) for _ in range(3))
    b.op("RELU", [x], y)
    b.op("RELU", [y], z)
    return [x], [z]


def _state(b: Builder):
    """Adds its input to a variable."""
    handle = b.tensor((), "resource")
    x, old, new = (b.tensor((1,)) for _ in range(3))
    b.op("VAR_HANDLE", [], handle, container=b"", shared_name=b"sum")
    b.op("READ_VARIABLE", [handle], old)
    b.op("ADD", [x, old], new)
    b.op("ASSIGN_VARIABLE", [handle, new], [])
    return [x], [new]


def _branches(b: Builder, then: int = 1):
    """RELU or NEG, as the first input says."""
    condition, x, y = b.tensor((1,), "bool"), b.tensor((1, 2)), b.tensor((1, 2))
    b.op("IF", [condition, x], y, then_subgraph_index=then, else_subgraph_index=2)
    b.end_subgraph([condition, x], [y])
    x, y = b.tensor((1, 2)), b.tensor((1, 2))
    b.op("RELU", [x], y)
    b.end_subgraph([x], [y])
    x, y = b.tensor((1, 2)), b.tensor((1, 2))
    b.op("NEG", [x], y)
    return [x], [y]


def _circle(b: Builder):
    return _branches(b, then=0)


MODELS = {
    "numbers": _numbers,
    "unsupported": _unsupported,
    "refused": _refused,
    "large": _large,
    "state": _state,
    "branches": _branches,
    "circle": _circle,
}


def test_seed_example(seed: Path) -> None:
    run_test(seed, "seed_example")


@pytest.mark.parametrize(
    "test", ["bytes_are_tflms", "lite_is_tflm", "arenas", "profile", "dropped_interpreters"]
)
def test_published(published: Path, test: str) -> None:
    run_test(published, test)


def test_every_operator(operators: Path) -> None:
    run_test(operators, "bytes_are_tflms")


@pytest.mark.parametrize(
    "test",
    [
        "numbers",
        "ten_thousand_invocations",
        "damage",
        "unsupported_operators",
        "state",
        "subgraphs",
        "deinit",
    ],
)
def test_made(made: Path, test: str) -> None:
    run_test(made, test)


def test_no_memory(made: Path) -> None:
    run_test(made, "no_memory", heap="200k")


def test_operators_are_complete() -> None:
    """operators.h adds every operator that the linked TFLM registers."""
    runtime = re.search(
        r"\S+_runtime\.so", (ROOT / ".build/tflm-wheel/libtensorflow-microlite.a").read_text()
    )
    assert runtime
    symbols = subprocess.run(["nm", "-DC", runtime[0]], check=True, capture_output=True, text=True).stdout
    registered = {n.replace("_", "") for n in re.findall(r"Register_(\w+)\(\)", symbols)}
    # Variants of another operator, which only a firmware's own resolver can choose.
    registered -= {"L2NORMREF"} | {
        n for n in registered if re.fullmatch("(I?RFFT|OVERLAPADD)(FLOAT|INT16|INT32)", n)
    }
    added = {n.upper() for n in re.findall(r"Add(\w+)\)", (TFLM / "operators.h").read_text())}
    assert registered - added == set()


# --- The shim without Python -----------------------------------------------------------------------------


def _build(folder: Path, flags: list[str]) -> Path:
    """tflm_wheel/stress.c with the shim."""
    library = ROOT / ".build" / "tflm-wheel"
    if not (library / "libtensorflow-microlite.a").exists():
        pytest.skip(".build/tflm-wheel is not made: make unix")
    program = folder / "stress"
    objects = []
    for compiler, source in (
        (["gcc", "-std=c11"], WHEEL / "stress.c"),
        (["gcc", "-std=c99"], TFLM / "tflite.c"),
        (["gcc", "-std=c99"], TFLM / "shapes.c"),
        (["g++", "-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"], TFLM / "shim.cpp"),
    ):
        objects.append(folder / f"{source.stem}.o")
        common = ["-g", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{TFLM}", f"-I{library}", *flags]
        subprocess.run([*compiler, *common, "-c", source, "-o", objects[-1]], check=True)
    archive = library / "libtensorflow-microlite.a"
    subprocess.run(
        ["gcc", *flags, "-Wl,--wrap=abort", "-o", program, *objects, archive, "-lstdc++"], check=True
    )
    return program


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """Sees what the shim does wrong, and memory that is left over."""
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-sanitize=vptr"]
    return [_build(tmp_path_factory.mktemp("sanitized"), flags)]


@pytest.fixture(scope="module")
def valgrind(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """Slower; sees what TFLM does wrong, too."""
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    program = _build(tmp_path_factory.mktemp("valgrind"), [])
    return ["valgrind", "--quiet", "--leak-check=full", "--error-exitcode=9", program]


def stress(command: list[str | Path], *arguments: str | Path) -> str:
    done = subprocess.run([*map(str, command), *map(str, arguments)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-500:] + done.stderr[-3000:]
    return done.stdout


def models_of(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(folder.glob(f"{pattern}.tflite"))


def test_hundred_interpreters(sanitized, published: Path) -> None:
    assert "100 at once" in stress(sanitized, "interpreters", 100, *models_of(published))


def test_ten_thousand_invocations(sanitized, seed: Path, published: Path) -> None:
    stress(
        sanitized,
        "invoke",
        10000,
        *models_of(seed),
        *models_of(published, "hello*"),
        *models_of(published, "ad01*"),
    )


def test_small_arenas(sanitized, valgrind, seed: Path, published: Path) -> None:
    stress(sanitized, "memory", *models_of(seed), *models_of(published))
    stress(valgrind, "memory", *models_of(seed), *models_of(published, "hello*"))


def test_damaged_files(sanitized, valgrind, seed: Path, published: Path) -> None:
    small = [*models_of(seed), *models_of(published, "hello*")]
    report = stress(sanitized, "damage", DAMAGED, 1, *small)
    refused, ran = (int(re.search(rf"(\d+) {words}", report)[1]) for words in ("refused by the check", "ran"))
    assert refused > DAMAGED / 4 and ran > DAMAGED / 20, report
    stress(sanitized, "damage", 500, 2, *models_of(published))
    stress(valgrind, "damage", DAMAGED // 10, 3, *small)


# --- Firmware --------------------------------------------------------------------------------------------


def test_shim_compiles_for_the_rp2040(tmp_path: Path) -> None:
    """With the wheel's declarations: no package has TFLM's headers, and nobody a TFLM for Armv6-M here."""
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("arm-none-eabi-g++ is not installed")
    flags = ["-mcpu=cortex-m0plus", "-mthumb", "-Os", "-Wall", "-Wextra", "-Werror", f"-I{TFLM}"]
    flags += [f"-I{ROOT / '.build' / 'tflm-wheel'}"]
    cxx = ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-DTF_LITE_STATIC_MEMORY"]
    objects = []
    for source, extra in (("tflite.c", ["-std=c99"]), ("shapes.c", ["-std=c99"]), ("shim.cpp", cxx)):
        objects.append(tmp_path / f"{source}.o")
        compiler = "arm-none-eabi-g++" if source.endswith("cpp") else "arm-none-eabi-gcc"
        subprocess.run([compiler, *flags, *extra, "-c", TFLM / source, "-o", objects[-1]], check=True)
    nm = subprocess.run(
        ["arm-none-eabi-nm", "-uC", *objects], check=True, capture_output=True, text=True
    ).stdout
    assert "MicroInterpreter::AllocateTensors" in nm
    assert "__cxa_throw" not in nm and "operator new" not in nm


@pytest.mark.parametrize("fragment", ["micropython.mk", "micropython.cmake"])
@pytest.mark.parametrize("missing", ["headers", "library"])
def test_tflm_dir_is_explained(tmp_path: Path, fragment: str, missing: str) -> None:
    """The build of a firmware stops with a sentence that says what TFLM_DIR must hold."""
    if missing == "library":
        header = tmp_path / "tensorflow/lite/micro/micro_interpreter.h"
        header.parent.mkdir(parents=True)
        header.touch()
    if fragment.endswith("mk"):
        (tmp_path / "Makefile").write_text(f"USERMOD_DIR := {TFLM}\ninclude {TFLM / fragment}\nall:\n")
        command = ["make", "-C", tmp_path]
    else:
        if shutil.which("cmake") is None:
            pytest.skip("cmake is not installed")
        head = "cmake_minimum_required(VERSION 3.13)\nproject(x C CXX)\nadd_library(usermod INTERFACE)\n"
        (tmp_path / "CMakeLists.txt").write_text(f"{head}include({TFLM / fragment})\n")
        command = ["cmake", "-B", tmp_path / "build", "-S", tmp_path]
    environment = {**os.environ, "TFLM_DIR": str(tmp_path)}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    words = " ".join(done.stderr.split())
    assert done.returncode != 0
    assert (
        f"TFLM_DIR={tmp_path}" in words and "libtensorflow-microlite.a" in words and "processor" in words
    ), words
