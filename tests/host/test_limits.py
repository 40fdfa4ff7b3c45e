# SPDX-License-Identifier: MIT
"""Files that ask for too much, or for what makes no sense: refused in words, in little time and memory."""

import struct
import subprocess
import sys
import warnings

import numpy as np
import pytest

import hognose
from engines import ENGINES
from hognose_tools.compiler import carry_tflite, compile_tflite
from hognose_tools.compiler.reader import MAX_OPERATORS, read_tflite
from hognose_tools.compiler.records import Loop, Record
from hognose_tools.compiler.strip import write
from hognose_tools.errors import UserError
from test_cli import fails
from test_engine_load import VALID, seal, write_hog
from tflite_builder import Builder

# --- .hog ----------------------------------------------------------------------------------------------

FILL = VALID["fill"].pack()
HUGE = 0x7FFFFFF0


def test_huge_arena(tmp_path) -> None:
    """Where there is no room for it: MemoryError that says how much. To look at the file needs none."""
    path = tmp_path / "huge.hog"
    path.write_bytes(write_hog(FILL, arena=HUGE))
    code = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
import hognose
for engine in {ENGINES}:
    try:
        hognose.Model({str(path)!r}, engine=engine)
    except MemoryError as e:
        print(e)
from hognose_tools.cli import main
sys.exit(main(["inspect", {str(path)!r}]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.count(f"needs {HUGE} bytes in one piece") == 2, done
    assert done.returncode == 0 and f"arena {HUGE:,} bytes" in done.stdout


@pytest.mark.parametrize("engine", ENGINES)
def test_arena_beyond_31_bits(engine: str) -> None:
    with pytest.raises(ValueError, match="arena"):
        hognose.Model(write_hog(FILL, arena=0x80000000), engine=engine, arena=bytearray(4096))


@pytest.mark.parametrize("engine", ENGINES)
def test_many_operators(engine: str) -> None:
    """As many as the format can count are read once, and one more than there are is noticed."""
    file = write_hog(*[FILL] * 65535)
    assert hognose.Model(file, engine=engine).arena_size == 4096
    short = write_hog(*[FILL] * 10)
    plan = struct.unpack_from("<I", short, 32 + 12 + 4)[0]
    struct.pack_into("<H", short, plan + 4, 65535)
    seal(short)
    with pytest.raises(ValueError, match="the plan is cut short"):
        hognose.Model(short, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "record",
    [
        Record("MOVE", "b", {"in": 0, "out": 0, "run": 1}, [Loop(1 << 31), Loop(1 << 31)]),
        Record(
            "GATHER", "b",
            {"in": 0, "indices": 0, "out": 64, "outer": HUGE, "axis": 1, "count": HUGE, "run": 1},
        ),
        Record(
            "MATMUL", "f",
            {"in1": 0, "in2": 0, "out": 64, "rows": 1, "columns": 1, "depth": HUGE,
             "bias": 0xFFFFFFFF, "row1": 0, "depth1": 0, "column2": 0, "depth2": 0, "min": -1.0, "max": 1.0,
             "multiplier": 0, "shift": 0, "in2_zp": 0},
        ),
    ],
    ids=lambda r: r.name,
)  # fmt: skip
def test_endless_loops(engine: str, record: Record) -> None:
    """A record of a few bytes cannot ask for years of work."""
    with pytest.raises(ValueError, match="operator 0: "):
        hognose.Model(write_hog(record.pack()), engine=engine)


# --- .tflite -------------------------------------------------------------------------------------------


def refused(tflite: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words) as e:
        compile_tflite(tflite)
    assert "\n" not in str(e.value) and len(str(e.value)) < 600


def ints(*values: int) -> tuple[int, int, bytes]:
    return 4, len(values), struct.pack(f"<{len(values)}i", *values)


def flat(tensors: list, operators: list, subgraphs: int = 1, inputs=(0,), outputs=(1,)) -> bytes:
    """A .tflite with RELU as its only operator code; equal parts are one part of the file."""
    graph = {0: tensors, 1: ints(*inputs), 2: ints(*outputs), 3: operators}
    codes = [{0: b"\x13", 2: struct.pack("<i", 1), 3: struct.pack("<i", 19)}]
    return write({0: struct.pack("<I", 3), 1: codes, 2: [graph] * subgraphs, 4: [{}]})


def tensor(*shape: int) -> dict:
    return {0: ints(*shape), 1: b"\0", 2: struct.pack("<I", 0)}


RELU = {0: struct.pack("<I", 0), 1: ints(0), 2: ints(1)}


def test_the_smallest_file_is_packed() -> None:
    """What the others below are made from is no damaged file by itself."""
    compile_tflite(flat([tensor(1, 4)] * 2, [RELU]))


@pytest.mark.parametrize(
    ("tflite", "words"),
    [
        (lambda: flat([tensor(1, 4)] * 2, [RELU] * 1_000_000), "1000000 operators are too many"),
        (lambda: flat([tensor(1, 4)] * 100_000, [RELU]), "repeated"),
        (lambda: flat([tensor(1, 4)] * 2, [RELU], subgraphs=50_000), "repeated"),
        (lambda: flat([tensor(*[1] * 100_000)] * 50, [RELU]), "repeated"),
        (lambda: flat([tensor(1, 4)] * 2, [{**RELU, 1: ints(*[0] * 100_000)}] * 50), "repeated"),
        (lambda: flat([tensor(2**31 - 1, 2)] * 2, [RELU]), "has the shape"),
        (lambda: flat([tensor(2**15, 2**15, 2**15, 2**15)] * 2, [RELU]), "has the shape"),
        (lambda: flat([tensor(-1, 4)] * 2, [RELU]), "has the shape"),
        (lambda: flat([tensor(2**30)] * 2, [RELU]), "2\\^31 is the limit"),
        (lambda: flat([tensor(1, 4)] * 2, [{**RELU, 1: ints(7)}]), "tensor 7 of 2"),
        (lambda: flat([tensor(1, 4)] * 2, [{**RELU, 1: ints(-1)}]), "make no sense"),
        (lambda: flat([tensor(1, 4)] * 2, [{**RELU, 0: struct.pack("<I", 9)}]), "operator code 9"),
        (lambda: flat([tensor(1, 4)] * 2, [RELU], inputs=[0] * 65), "1 to 64 inputs"),
        (lambda: flat([tensor(1, 4)] * 2, [RELU], outputs=[]), "1 to 64 outputs"),
    ],
)  # fmt: skip
def test_absurd_files(tflite, words: str) -> None:
    refused(tflite(), words)


def test_as_many_operators_as_are_allowed() -> None:
    chain = [{**RELU, 1: ints(i), 2: ints(i + 1)} for i in range(300)]
    tensors = [tensor(1, 4)] * 301
    assert len(read_tflite(flat(tensors, chain, outputs=(300,))).operators) == 300 < MAX_OPERATORS
    compile_tflite(flat(tensors, chain, outputs=(300,)))


def test_many_tensors_at_once() -> None:
    """The planner gives up looking for a better plan in time: 300 branches that are all alive in the end."""
    b = Builder()
    x = b.tensor((1, 8))
    branches = [b.tensor((1, 1 + i % 8)) for i in range(300)]
    for y in branches:
        begin, size = b.const(np.array([0, 0], np.int32)), b.const(np.array(y.shape, np.int32))
        b.op("SLICE", [x, begin, size], y)
    total = b.tensor((1, sum(y.shape[1] for y in branches)))
    b.op("CONCATENATION", branches, total, axis=1)
    compile_tflite(b.build([x], [total]))


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([(2, 1), (1, 2)], "nothing writes"),  # each reads what the other one writes
        ([(1, 1)], "nothing writes"),
        ([(2, 1), (0, 2)], "nothing writes"),  # in the wrong order
    ],
)
def test_cycles(order: list[tuple[int, int]], words: str) -> None:
    operators = [{**RELU, 1: ints(a), 2: ints(b)} for a, b in order]
    refused(flat([tensor(1, 4)] * 3, operators, outputs=(1,)), words)


def model_with(kind: str, inputs, output_shape, dtype: str = "float32", **options) -> bytes:
    """One operator on x [2, 3, 4]; inputs: "x" or constants."""
    b = Builder()
    x = b.tensor((2, 3, 4), dtype)
    shapes = output_shape if isinstance(output_shape, list) else [output_shape]
    outputs = [b.tensor(s, "int32" if kind.startswith("ARG") else dtype) for s in shapes]
    b.op(
        kind,
        [x if i is x or isinstance(i, str) else b.const(np.array(i, np.int32)) for i in inputs],
        outputs,
        **options,
    )
    return b.build([x], outputs)


AXES = {
    "CONCATENATION": lambda a: model_with("CONCATENATION", ["x", "x"], (4, 3, 4), axis=a),
    "SPLIT": lambda a: model_with("SPLIT", [a, "x"], [(1, 3, 4)] * 2, num_splits=2),
    "GATHER": lambda a: model_with("GATHER", ["x", [0, 1]], (2, 3, 4), axis=a),
    "MEAN": lambda a: model_with("MEAN", ["x", [a]], (3, 4)),
    "SUM": lambda a: model_with("SUM", ["x", [a]], (3, 4)),
    "REDUCE_MAX": lambda a: model_with("REDUCE_MAX", ["x", [a]], (3, 4)),
    "ARG_MAX": lambda a: model_with("ARG_MAX", ["x", a], (3, 4), output_type=2),
    "CUMSUM": lambda a: model_with("CUMSUM", ["x", a], (2, 3, 4)),
    "REVERSE_V2": lambda a: model_with("REVERSE_V2", ["x", [a]], (2, 3, 4)),
    "PACK": lambda a: model_with("PACK", ["x", "x"], (2, 2, 3, 4), axis=a, values_count=2),
    "UNPACK": lambda a: model_with("UNPACK", ["x"], [(3, 4)] * 2, axis=a, num=2),
    "TRANSPOSE": lambda a: model_with("TRANSPOSE", ["x", [a, 1, 2]], (2, 3, 4)),
}


@pytest.mark.parametrize("kind", AXES)
def test_axes_out_of_range(kind: str) -> None:
    compile_tflite(AXES[kind](0))
    for axis in (4, 7, -5, 2**31 - 1, -(2**31)):
        refused(AXES[kind](axis), f"operator 0 {kind}")


def test_what_fuzzing_found() -> None:
    """Each was another exception once, a warning, or minutes of work."""
    b = Builder()
    x, y = b.tensor((1, 4), "int8", scale=0.5, zero_point=2**40), b.tensor((1, 4), "int8", scale=0.5)
    b.op("RELU", [x], y)
    refused(b.build([x], [y]), "zero point beyond 32 bits")
    b = Builder()
    x, y = b.tensor((1, 4), "int8", scale=0.5), b.tensor((1, 4), "int8", scale=1e-40)
    b.op("RELU6", [x], y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile_tflite(b.build([x], [y]))
    b = Builder()
    x, y = b.tensor((1, 2, 2, 1)), b.tensor((1, 2**28, 2, 1))
    b.op("RESIZE_NEAREST_NEIGHBOR", [x, b.const(np.array([2**28, 2], np.int32))], y)
    refused(b.build([x], [y]), "65535 is the limit")
    b = Builder()
    x, y = b.const(np.zeros((1, 4), np.float32)), b.tensor((1, 4))
    b.op("RELU", [x], y)
    refused(b.build([x], [y]), "a constant cannot be an input")


def test_the_command_says_it_in_one_line(tmp_path) -> None:
    path = tmp_path / "many.tflite"
    path.write_bytes(flat([tensor(1, 4)] * 2, [RELU] * 100_000))
    for verb in ("inspect", "verify", "debug"):
        fails(verb, path, words="100000 operators are too many")
    with pytest.raises(UserError, match="too many"):
        carry_tflite(path.read_bytes())
