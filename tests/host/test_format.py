# SPDX-License-Identifier: MIT
"""native_module/FORMAT.md: what it says is what the engine does.

The page's example is loaded and run, its functions in Python are compared with the kernels, byte by byte, on
random records, and what it says of tensors, work and memory is what the loader checks.
"""

from __future__ import annotations

import math
import os
import re
import struct
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import format_page as page
import hognose
import tflite_builder
from format_cases import (
    BINARY_SCALES,
    MAKERS,
    PORT,
    Built,
    Case,
    Make,
    assemble,
    build,
    contiguous,
    pack_record,
)
from format_page import TYPE_NAME
from hognose import hogfile
from hognose.reference import Reference
from hognose_tools.compiler import compile_tflite, fixedpoint
from hognose_tools.compiler.layouts import (
    ERRORS,
    FIELDS,
    FUNCTIONS,
    IN_DATA,
    ITEMSIZE,
    NONE,
    OPERATORS,
    TYPECODE,
)

native = pytest.importorskip("_hognose", reason="the CPython extension is not built")

Engine = Any  # what _hognose offers
SEEDS = int(os.environ.get("HOGNOSE_EXAMPLES") or 8)
CASES = [pytest.param(*made, id="-".join(part for part in made[:3] if part)) for made in MAKERS]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """float32 may overflow, and NaN are made on purpose."""
    with np.errstate(all="ignore"):
        yield


@pytest.fixture(params=["native", "reference"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return native if request.param == "native" else Reference()


def seeds(*words: str, engine: Engine = native) -> Iterator[np.random.Generator]:
    """The same random numbers on every run; fewer for the slow engine."""
    for n in range(SEEDS if engine is native else 2):
        yield np.random.default_rng([n, *"".join(words).encode()])


def load(engine: Engine, file: bytes) -> bytearray:
    """The engine's state, for which the file must stay in memory."""
    state = bytearray(engine.STATE_SIZE)
    engine.load(memoryview(file), state)
    return state


def invoke(engine: Engine, state: bytearray, arena: bytearray, file: bytes) -> None:
    view = memoryview(file)
    engine.run(state, arena, hogfile.initial(view), hogfile.count(view))


# The example.


def between(start: str, end: str) -> str:
    return page.text().split(start)[1].split(end)[0]


def numbers(text: str) -> list[float]:
    return [float(v) for v in re.findall(r"-?\d+(?:\.\d+)?", text)]


EXAMPLE = between("## A file, byte by byte\n", "\n## ")
STRUCT_CODES = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "ref": "I"}


def test_the_example_is_explained_byte_by_byte():
    file, at = page.example(), 0
    for offset, kind, name, value, *_ in page.table("| offset | type | field | value | |", EXAMPLE):
        assert int(offset, 16) == at, name
        code, _, count = kind.rstrip("]").partition("[")
        form = f"<{count or 1}{STRUCT_CODES[code]}"
        found = struct.unpack_from(form, file, at)
        if value.startswith("`"):
            start, _, end = value.strip("`").partition("…")
            text = bytes(found).decode().rstrip()
            assert text.startswith(start) and text.endswith(end) and ("…" in value or text == start), name
        elif code == "f32":
            assert found == (float(value),), name
        else:
            base = 16 if name.startswith("weights") else 0
            assert list(found) == [int(v, base) for v in value.split()], name
        at += struct.calcsize(form)
    assert at == len(file)


def example_weights() -> list[list[float]]:
    """As the section of DENSE repeats them."""
    text = page.sections()["DENSE"].replace("\n", " ")
    return [numbers(row) for row in re.findall(r"weights ((?:-?\d+, )+-?\d+) are", text)]


def test_the_example_runs_as_the_page_says():
    model = hognose.Model(page.example(), engine="native")
    result = EXAMPLE.split("The outputs are")[1]
    given, raw_in, sums, raw_out, scores = (
        numbers(result.split(start)[1].split(end)[0])
        for start, end in (
            ("distances", " is\n"),
            (" is\n", "and both"),
            ("bias, are", ". "),
            ("output bytes", "which"),
            ("scores", ":"),
        )
    )
    assert (len(given), len(raw_in), len(sums), len(raw_out), len(scores)) == (8, 8, 2, 2, 2)
    assert model.predict(given) == scores
    assert f"the label is `{model.labels[scores.index(max(scores))]}`" in result
    outputs = array("b", [0, 0])
    model.invoke(array("b", map(int, raw_in)), outputs)
    assert list(outputs) == raw_out
    bias = struct.unpack_from("<2i", page.example(), 0x10C)
    rows = zip(example_weights(), bias, strict=True)
    assert [b + np.dot(row, raw_in) for row, b in rows] == sums


# The operators.


def run_page(built: Built) -> dict[str, np.ndarray]:
    """What the page's function makes of the memory: by tensor in the arena, the numbers."""
    arena, case, functions = bytearray(built.arena), built.case, page.functions()
    tensors, name = built.tensors(arena), case.name.lower()
    op = case.op()
    function = next(functions[f] for f in (f"{name}_{op.type}", f"{name}_op", name) if f in functions)
    names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    function(op, **{n: tensors.get(n) for n in names})
    return results(built, arena)


def results(built: Built, arena: bytearray) -> dict[str, np.ndarray]:
    found = {}
    for name, tensor in built.tensors(arena).items():
        if tensor and tensor.sizes and not built.places[name][2] and name not in ("x", "scratch"):
            found[name] = tensor.numbers()
    return found


def run_engine(engine: Engine, built: Built) -> tuple[dict[str, np.ndarray], bytearray]:
    state, arena = load(engine, built.file), bytearray(built.arena)
    invoke(engine, state, arena, built.file)
    return results(built, arena), arena


def assert_same(ours: dict[str, np.ndarray], engines: dict[str, np.ndarray], case: Case) -> None:
    assert ours.keys() == engines.keys()
    for name, expected in engines.items():
        assert np.array_equal(ours[name], expected, equal_nan=expected.dtype.kind == "f"), (name, case)
        if expected.dtype.kind == "f":
            zeros = expected == 0
            assert np.array_equal(np.signbit(ours[name][zeros]), np.signbit(expected[zeros])), (name, case)


def assert_untouched(built: Built, arena: bytearray, written: set[str]) -> None:
    """Nothing is written outside of these tensors."""
    before, after = (np.frombuffer(memory, np.uint8).copy() for memory in (built.arena, arena))
    for name in written & built.places.keys():
        row, at, in_data, sizes = built.places[name]
        if at >= 0 and not in_data:
            size = math.prod(sizes or ()) * struct.calcsize(f"<{row.code(built.case.op())}")
            before[at : at + size] = after[at : at + size]
    assert np.array_equal(before, after), built.case


@pytest.mark.parametrize("name, function, kind, make", CASES)
def test_the_functions_compute_what_the_engine_computes(
    engine: Engine, name: str, function: str, kind: str, make: Make
):
    for rng in seeds(name, function, kind, engine=engine):
        case = make(rng, name, kind)
        built = build(case, rng)
        after, arena = run_engine(engine, built)
        assert after or name == "MOVE"
        assert_same(run_page(built), after, case)
        if name == "MOVE":
            other = bytearray(built.arena)
            page.functions()["move"](case.op(), **built.tensors(other))
            assert arena == other
        else:
            assert_untouched(built, arena, set(after) | {"scratch"})


WIDE = ("EXP", "LOG", "SIN", "COS", "ELU", "SQRT", "RSQRT", "FLOOR", "CEIL", "ROUND", "HARD_SWISH")


@pytest.mark.parametrize(
    "name, function, kind, make", [c for c in CASES if c.values[0] == "APPLY" and c.values[1] in WIDE]
)
def test_functions_of_any_float32(engine: Engine, name: str, function: str, kind: str, make: Make):
    (rng, *_) = seeds(name, function, kind)
    case = make(rng, name, kind)
    case.fields["count"] = 1500
    bits = rng.integers(0, 1 << 32, 750, np.uint32).view(np.float32)
    case.values["x"] = np.concatenate([bits, rng.normal(0, 30, 750).astype(np.float32)])
    built = build(case, rng)
    assert_same(run_page(built), run_engine(engine, built)[0], case)


def test_the_shared_integer_functions_are_the_compilers():
    of_page = SimpleNamespace(**page.functions())
    (rng, *_) = seeds("integers")
    for _ in range(3000):
        x, y = (int(v) >> int(rng.integers(0, 31)) for v in rng.integers(-(2**31), 2**31, 2))
        multiplier, shift = abs(y + 1), int(rng.integers(-31, 15))
        assert of_page.wrap(3 * x) == fixedpoint.wrap32(3 * x)
        assert of_page.multiply_high(x, multiplier) == fixedpoint.doubling_high_mul(x, multiplier)
        assert of_page.shift_right(x, -min(shift, 0)) == fixedpoint.rounding_shift(x, -min(shift, 0))
        assert of_page.requantize(x, multiplier, shift) == fixedpoint.mbqm(x, multiplier, shift)
        wide = x * y >> 20  # what does not wrap
        shift = min(shift, -12)
        assert of_page.requantize64(wide, multiplier, shift) == fixedpoint.mbqm64(wide, multiplier, shift)
        assert of_page.inverse_sqrt(x) == fixedpoint.inverse_sqrt(x)
        assert of_page.reciprocal(multiplier) == fixedpoint.reciprocal_1p(multiplier)


# What a loader checks.


def refusal(engine: Engine, file: bytes) -> str:
    """What the loader says of the file, without the number of the operator; empty if it takes it."""
    try:
        load(engine, file)
    except ValueError as e:
        return re.sub(r"^operator \d+: ", "", str(e))
    return ""


@pytest.mark.parametrize("name, function, kind, make", CASES)
def test_tensors_lie_where_the_tables_say(engine: Engine, name: str, function: str, kind: str, make: Make):
    rng, *_ = seeds(name, function, kind)
    case = make(rng, name, kind)
    tested = 0
    for row in page.section(name).tensors(case.op()):
        places = build(case, rng).places
        at, sizes = places[row.name][1], places[row.name][3]
        if row.is_after or at < 0 or (sizes and 0 in sizes) or row.place not in ("arena", "DATA", "either"):
            continue
        for case.in_data in (False, True):
            assert refusal(engine, build(case, rng, last=row.name).file) == ""
            assert refusal(engine, build(case, rng, last=row.name, cut=1).file) == ERRORS[row.error], row
            aligned = ERRORS[row.error] if row.alignment(case.op()) > 1 else ""
            assert refusal(engine, build(case, rng, last=row.name, move=1).file) == aligned, row
        tested += 1
    assert tested
    assert refusal(engine, build(case, rng, work=-1).file) == ERRORS["WORK"]


@pytest.mark.parametrize("name, function, kind, make", CASES)
def test_in_place(engine: Engine, name: str, function: str, kind: str, make: Make):
    for rng in seeds(name, function, kind, "in place", engine=engine):
        case = make(rng, name, kind)
        if name in ("ADD", "MUL", "COMBINE"):
            case.loops = contiguous(case.loops)
        case.in_data = False
        rows = page.section(name).tensors(case.op())
        for x in [row.name for row in rows if row.name.startswith("x")]:
            place = build(case, rng, at={"out": 0}, last=x).places[x][1]
            same = build(case, rng, at={"out": place}, last=x)
            allowed = x in page.section(name).in_place and (name, function) != ("NORMALIZE", "SOFTMAX")
            if function == "SELECT" and x == "x1":
                allowed = kind in "b?B"
            said = refusal(engine, same.file)
            if not allowed:
                assert said == ERRORS["OVERLAP"], (x, case)
                continue
            assert said == ""
            apart = build(case, np.random.default_rng(0))
            for row in rows:  # the same numbers in both places
                _copy(row.name, same, apart)
            expected = run_page(apart)["out"]
            if function == "SELECT":
                continue  # its third operand is the output, which differs
            assert_same({"out": expected}, {"out": run_engine(engine, same)[0]["out"]}, case)


def _copy(name: str, source: Built, target: Built) -> None:
    """Of one tensor the contents."""
    row, at, in_data, sizes = source.places[name]
    if at < 0 or name == "out":
        return
    to = target.places[name][1]
    size = math.prod(sizes) if sizes else math.prod(loop.n for loop in source.case.loops)
    size *= struct.calcsize(f"<{row.code(source.case.op())}")
    old, new = (b.data if in_data else b.arena for b in (source, target))
    new[to : to + size] = old[at : at + size]


@pytest.mark.parametrize("name", ["CONV_TILED", "DEPTHWISE_TILED", "CONV4", "DEPTHWISE4"])
def test_trailing_outputs(engine: Engine, name: str):
    make = next(m for n, _, _, m in MAKERS if n == name)
    depthwise = name.startswith("DEPTHWISE")
    for rng in seeds(name, "trailing", engine=engine):
        case = make(rng, name, "b")
        f = case.fields
        f.update(batch=1, in_h=6, in_w=5, in_c=2, groups=2 if depthwise else 1, k_h=3, k_w=3)
        f.update(dilation_h=1, dilation_w=1, out_c=int(rng.choice([2, 4])), scales=1)
        for axis in "hw":
            room = f[f"in_{axis}"] + f[f"pad_{axis}"] - 1
            f[f"out_{axis}"] = min(room // f[f"stride_{axis}"], f[f"in_{axis}"])
        f["tile"] = int(rng.integers(1, 3)) if depthwise else f["out_c"]
        f.update(min=-128, max=127)
        case.values.pop("scratch", None)
        op, at = case.op(), 4096
        lead = page.functions()["depthwise_lead" if depthwise else "conv_lead"](op)
        places = {"x": at + lead, "out": at}
        assert refusal(engine, build(case, rng, at=places).file) == ""
        if 0 < lead < f["out_h"] * f["out_w"] * f["out_c"]:  # else it lies before the input
            assert (
                refusal(engine, build(case, rng, at={**places, "x": at + lead - 1}).file) == ERRORS["OVERLAP"]
            )
        shared, apart = build(case, rng, at=places), build(case, rng)
        for row in page.section(name).tensors(op):
            _copy(row.name, shared, apart)
        assert np.array_equal(run_engine(engine, shared)[0]["out"], run_page(apart)["out"])


# Operator, function, type, fields that are changed, and the error that the page names.
REFUSED: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("CONV", "", "b", {"batch": 0}, "ZERO"),
    ("CONV", "", "b", {"in_c": 5, "groups": 2}, "GROUPS"),
    ("CONV", "", "b", {"stride_h": 65535, "out_h": 65535}, "WINDOW"),
    ("CONV", "", "b", {"tile": 2}, "TILE"),
    ("CONV", "", "b", {"out_c": 6, "groups": 1, "scales": 2}, "SCALES"),
    ("CONV", "", "b", {"scratch": NONE, "pad_h": 1}, "NO_SCRATCH"),
    ("CONV", "", "b", {"min": 3, "max": 2}, "CLAMP"),
    ("CONV", "", "b", {"in_zp": 128}, "ZERO_POINT"),
    ("CONV", "", "f", {"scales": 1}, "SCALES"),
    ("CONV", "", "f", {"scratch": 0}, "SCRATCH"),
    ("CONV", "", "f", {"min": math.nan}, "CLAMP"),
    ("DEPTHWISE", "", "b", {"groups": 1, "in_c": 2}, "GROUPS"),
    ("DEPTHWISE", "", "b", {"tile": 1}, "TILE"),
    ("DEPTHWISE", "", "b", {"scratch": 0}, "SCRATCH"),
    ("CONV_TILED", "", "b", {"tile": 0}, "TILE"),
    ("CONV_TILED", "", "b", {"tile": 1}, "TILE"),
    ("CONV_TILED", "", "b", {"tile": 1000}, "TILE"),
    ("CONV_TILED", "", "b", {"out_zp": 3, "min": 2, "max": 100}, "CLAMP"),
    ("DEPTHWISE_TILED", "", "b", {"k_h": 2}, "WINDOW"),
    ("DEPTHWISE_TILED", "", "b", {"dilation_w": 2}, "WINDOW"),
    ("DEPTHWISE_TILED", "", "b", {"out_h": 2, "tile": 3}, "TILE"),
    ("CONV16", "", "h", {"wide_sums": 2}, "RESERVED"),
    ("CONV16", "", "h", {"scratch": 0}, "RESERVED"),
    ("CONV16", "", "h", {"tile": 1}, "RESERVED"),
    ("DENSE", "", "b", {"layout": 3}, "LAYOUT"),
    ("DENSE", "", "b", {"inputs": 12}, "INPUTS"),
    ("DENSE", "", "b", {"outputs": 6, "scales": 5}, "SCALES"),
    ("MATMUL", "", "b", {"depth1": 0}, "OPERAND"),
    ("MATMUL", "", "b", {"row1": 1 << 31}, "OPERAND"),
    ("MATMUL", "", "h", {"shift": 15}, "MULTIPLIER"),
    ("MATMUL", "", "b", {"multiplier": -1}, "MULTIPLIER"),
    ("MATMUL", "", "b", {"shift": 31}, "MULTIPLIER"),
    ("AVERAGE_POOL", "", "b", {"k_h": 2, "pad_h": 2}, "EMPTY_WINDOW"),
    ("AVERAGE_POOL", "", "b", {"in_w": 2, "pad_w": 0, "out_w": 2, "stride_w": 2}, "EMPTY_WINDOW"),
    ("AVERAGE_POOL", "", "b", {"reserved": 1}, "RESERVED"),
    ("RESIZE", "", "b", {"half_pixel": 2}, "RESERVED"),
    ("RESIZE", "", "b", {"step_h": -1}, "SCALE"),
    ("RESIZE", "", "f", {"step_w": math.inf}, "SCALE"),
    ("RESIZE", "", "f", {"step_w": math.nan}, "SCALE"),
    ("ADD", "", "b", {"left_shift": 31}, "MULTIPLIER"),
    ("ADD", "", "b", {"function": 1}, "RESERVED"),
    ("MUL", "", "f", {"function": 1}, "RESERVED"),
    ("ADD", "", "b", {"loops": 0}, "RECORD"),
    ("MUL", "", "b", {"multiplier": -1}, "MULTIPLIER"),
    ("COMBINE", "ADD", "b", {"function": 18}, "FUNCTION"),
    ("COMBINE", "MAXIMUM", "h", {"shift1": -32}, "MULTIPLIER"),
    ("QUANTIZE", "", "b", {"scale": 0.0}, "SCALE"),
    ("QUANTIZE", "", "b", {"scale": math.inf}, "SCALE"),
    ("DEQUANTIZE", "", "b", {"zero_point": -129}, "ZERO_POINT"),
    ("CLAMP", "", "f", {"min": 7.0, "max": 6.0}, "CLAMP"),
    ("LUT", "", "b", {"count": 0}, "ZERO"),
    ("APPLY", "ABS", "f", {"out_type": ord("b")}, "FUNCTION"),
    ("APPLY", "ABS", "f", {"reserved": 1}, "RESERVED"),
    ("APPLY", "CAST", "i", {"out_type": ord("q")}, "FUNCTION"),
    ("APPLY", "QUANTIZE", "f", {"alpha": -1.0}, "SCALE"),
    ("APPLY", "DEQUANTIZE", "h", {"zero_point": 32768}, "ZERO_POINT"),
    ("RESCALE", "SIGN", "b", {"out_type": ord("f")}, "FUNCTION"),
    ("RESCALE", "SIGN", "b", {"multiplier": -(2**31)}, "MULTIPLIER"),
    ("RESCALE", "SIGN", "b", {"negative_shift": 31}, "MULTIPLIER"),
    ("RESCALE", "SIGN", "b", {"in_zp": 40000}, "ZERO_POINT"),
    ("RESCALE", "SIGN", "b", {"min": 1, "max": 0}, "CLAMP"),
    ("MEAN", "", "b", {"function": 1}, "RESERVED"),
    ("MEAN", "", "b", {"left_shift": 1}, "RESERVED"),
    ("MEAN", "", "b", {"multiplier": -1}, "MULTIPLIER"),
    ("REDUCE", "SUM", "h", {"left_shift": 31}, "MULTIPLIER"),
    ("REDUCE", "SUM", "h", {"function": 2}, "FUNCTION"),
    ("SCAN", "", "b", {"exclusive": 2}, "RESERVED"),
    ("SCAN", "", "b", {"left_shift": 31}, "MULTIPLIER"),
    ("NORMALIZE", "SOFTMAX", "b", {"function": 4}, "FUNCTION"),
    ("NORMALIZE", "L2", "f", {"function": 3}, "FUNCTION"),
    ("NORMALIZE", "LOG_SOFTMAX", "b", {"reverse_multiplier": -1}, "MULTIPLIER"),
    ("CURVE", "TANH", "h", {"shift": 32}, "MULTIPLIER"),
    ("CURVE", "TANH", "h", {"multiplier": 32768}, "MULTIPLIER"),
    ("CURVE", "SOFTMAX", "h", {"shift": 31}, "MULTIPLIER"),
    ("CURVE", "SOFTMAX", "h", {"reserved": 1}, "RESERVED"),
    ("FILL", "", "b", {"size": 8}, "FILL"),
    ("UPDATE", "", "b", {"loops": 0}, "RECORD"),
    ("SVDF", "", "b", {"state_type": ord("f")}, "TYPE"),
    ("SVDF", "", "f", {"state_type": ord("b")}, "TYPE"),
    ("SVDF", "", "f", {"multiplier": -1}, "MULTIPLIER"),
    ("LSTM", "", "b", {"time_major": 2}, "RESERVED"),
    ("LSTM", "", "b", {"reserved": 1}, "RESERVED"),
    ("LSTM", "", "h", {"cell_shift": 15}, "MULTIPLIER"),
    ("LSTM", "", "b", {"cell_shift": -31}, "MULTIPLIER"),
    ("LSTM", "", "b", {"out_zp": 128}, "ZERO_POINT"),
    ("LSTM", "", "h", {"min": 1, "max": 0}, "CLAMP"),
    ("DETECT", "", "f", {"classes": 0}, "COUNTS"),
    ("DETECT", "", "f", {"columns": 9, "classes": 7}, "COUNTS"),
    ("DETECT", "", "f", {"coordinates": 3}, "COUNTS"),
    ("DETECT", "", "f", {"scale2": 0.0}, "SCALE"),
    ("DETECT", "", "f", {"overlap_threshold": 1.5}, "SCALE"),
]


@pytest.mark.parametrize("name, function, kind, changes, error", REFUSED)
def test_what_must_hold(engine: Engine, name: str, function: str, kind: str, changes: dict, error: str):
    make = next(m for n, f, k, m in MAKERS if (n, f, k) == (name, function, kind))
    rng, *_ = seeds(name)
    case = make(rng, name, kind)
    built = build(case, rng)
    assert refusal(engine, built.file) == ""
    assert refusal(engine, changed(built, changes)) == ERRORS[error]
    words = page.sections()[name] + GENERAL
    words += "".join(
        page.sections()[other] for other in re.findall(r"\(#(\w+)\)", words.upper()) if other in OPERATORS
    )
    assert f"`{error}`" in words


GENERAL = between("## Records\n", "\n## Running") + between("### Windows\n", "\n### CONV\n")


def changed(built: Built, changes: dict[str, Any]) -> bytes:
    """The file with other fields in its record."""
    case = built.case
    names = [
        (n, c) for n, c in next(v for k, v in FIELDS[OPERATORS[case.name].record].items() if case.type in k)
    ]
    at = struct.unpack_from("<I", built.file, 48)[0] + 8 + 2 * len(PORT) + 4
    file = bytearray(built.file)
    for name, code in names:
        if name in changes:
            struct.pack_into(f"<{code}", file, at, changes[name])
        at += struct.calcsize(f"<{code}")
    struct.pack_into("<I", file, 24, 2**32 - 1)  # enough work for any
    return sealed(bytes(file))


def sealed(file: bytes) -> bytes:
    return file[:12] + struct.pack("<I", zlib.crc32(file[16:])) + file[16:]


def test_functions_of_combine_take_the_types_that_the_page_says():
    listed = {
        (function, kind)
        for functions, types in page.table("| function | types |", page.sections()["COMBINE"])
        for function in functions.split(", ")
        for kind in types.split(", ")
    }
    assert listed == {(f, kind) for n, f, kind in ACCEPTED if n == "COMBINE"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_takes_another_type(engine: Engine, name: str):
    any_make = next(make for n, _, _, make in MAKERS if n == name)
    for kind in OPERATORS[name].types:
        (rng, *_) = seeds(name, kind)
        make = next((make for n, _, k, make in MAKERS if (n, k) == (name, kind)), any_make)
        case = make(rng, name, kind)
        case.in_data, case.values = False, {}
        built = build(case, rng)
        for function, number in FUNCTIONS[name].items():
            tried = [{"function": number}]
            if name == "APPLY":
                tried = [{**tried[0], "out_type": ord(code)} for code in TYPE_NAME]
            refused = all(refusal(engine, changed(built, changes)) == ERRORS["FUNCTION"] for changes in tried)
            assert refused == ((name, function, TYPE_NAME[kind]) not in ACCEPTED), (function, kind)


ACCEPTED = {(name, function, TYPE_NAME[kind]) for name, function, kind, _ in MAKERS}


def test_work_that_cannot_be_stated(engine: Engine):
    """The sum of the steps saturates: whatever the header says, it is too much."""
    fill = Case("FILL", "b", {"count": 2**31 - 16, "size": 1, "value": 0})
    plan = struct.pack("<HHHH", 1, 1, 3, 0) + 2 * PORT + 3 * pack_record(fill, {"out": 0})
    assert refusal(engine, assemble(plan, b"", 2**31 - 1, 2**32 - 1)) == ERRORS["TOO_MUCH_WORK"]
    plan = struct.pack("<HHHH", 1, 1, 2, 0) + 2 * PORT + 2 * pack_record(fill, {"out": 0})
    assert refusal(engine, assemble(plan, b"", 2**31 - 1, 2**32 - 1)) == ""
    assert refusal(engine, assemble(plan, b"", 2**31 - 1, 2**32 - 1, 2)) == ERRORS["TOO_MUCH_WORK"]


# Inputs, outputs, jumps.


@pytest.mark.parametrize("kind", TYPECODE)
def test_numbers_become_elements_and_elements_numbers(engine: Engine, kind: str):
    functions, size = page.functions(), ITEMSIZE[TYPECODE[kind]]
    (rng, *_) = seeds("numbers", kind)
    given = np.concatenate([rng.normal(0, 200, 40), [np.inf, -np.inf, 1e20, -1e20, 0.5, -1.5, 2.5]])
    ends = {"int16": (-32768, 32767), "uint8": (0, 255)}.get(kind, (-128, 127))
    for scale, zero_point in ((0.0, 0), (0.37, 11), (1.0, -3), (0.5, ends[0]), (0.5, ends[1])):
        port = struct.pack("<IBBHfiI", 0, ord(TYPECODE[kind]), 1, 0, scale, zero_point, len(given))
        plan = struct.pack("<HHHH", 1, 1, 0, 0) + 2 * port
        arena = bytearray(size * len(given))
        file = assemble(plan, b"", len(arena), 0)  # used where it lies
        state = load(engine, file)
        op = SimpleNamespace(type=kind, scale=np.float32(scale), zero_point=zero_point)
        engine.write(state, arena, 0, array("f", given))
        with pytest.raises(ValueError, match="number 3 is NaN"):
            engine.write(state, arena, 0, array("f", [*given[:3], math.nan, *given[4:]]))
        elements = page.Tensor(arena, 0, TYPECODE[kind], (len(given),))
        expected = [functions["write_number"](op, v) for v in given.astype(np.float32)]
        assert np.array_equal(elements.numbers(), expected, equal_nan=kind == "float32")
        floats = array("f", bytes(4 * len(given)))
        engine.read(state, arena, 0, floats)
        expected = [functions["read_number"](op, v) for v in elements]
        assert np.array_equal(floats, np.array(expected, np.float32), equal_nan=True)


@pytest.mark.parametrize("turns", [0, 3, 4, 5])
def test_jumps(engine: Engine, turns: int):
    """A loop that counts to 5: the page's run() and the engine agree, also where `turns` ends it."""
    same = {**dict.fromkeys(BINARY_SCALES, 0), "min": -(2**31), "max": 2**31 - 1, "loops": 1}
    add, less = ({**same, "function": FUNCTIONS["COMBINE"][name]} for name in ("ADD", "LESS"))
    once = [SimpleNamespace(n=1, a=1, b=1)]
    cases = [  # the count is at 0, its next value at 4, whether it is below 5 at 8
        (Case("COMBINE", "i", add, once), {"in1": 0, "in2": IN_DATA, "out": 4}),
        (Case("MOVE", "i", {"run": 4, "loops": 0}), {"in": 4, "out": 0}),
        (Case("COMBINE", "i", less, once), {"in1": 0, "in2": IN_DATA + 4, "out": 8}),
        (Case("JUMP", "?", {"target": 5}), {"condition": 8}),
        (Case("JUMP", "?", {"target": 0}), {"condition": NONE}),
    ]
    plan = struct.pack("<HHHH", 1, 1, len(cases), 0) + 2 * PORT
    plan += b"".join(pack_record(case, refs) for case, refs in cases)
    file = assemble(plan, struct.pack("<ii", 1, 5), 12, 100, turns)
    state, arena, ours, words = load(engine, file), bytearray(12), bytearray(12), ""
    try:
        invoke(engine, state, arena, file)
    except ValueError as e:
        words = str(e)

    def execute(op: SimpleNamespace) -> None:
        if op.number == 0:
            ours[4] = ours[0] + 1
        elif op.number == 1:
            ours[:4] = ours[4:8]
        else:
            ours[8] = ours[0] < 5

    operators = [SimpleNamespace(name=case.name, number=i) for i, (case, _) in enumerate(cases)]
    operators[3].condition, operators[3].target = 8, 5
    operators[4].condition, operators[4].target = None, 0
    run = page.functions()["run"]
    ended = run(operators, 0, len(cases), turns, lambda ref: ours[ref] != 0, execute)
    assert ended == (not words) == (turns >= 4)
    assert ours == arena
    assert ended or f'"{words}"' in page.text().replace("N turns", f"{turns} turns")


# The page itself.


def test_every_operator_has_a_section_with_its_record():
    assert page.sections().keys() == OPERATORS.keys()
    assert {name for name, *_ in MAKERS} == OPERATORS.keys() - {"JUMP"}  # see test_jumps
    tried = {(name, function) for name, function, *_ in MAKERS}
    assert {(name, f) for name, functions in FUNCTIONS.items() for f in functions} <= tried
    fields_of = dict(re.findall(r"<!-- fields (\w+) -->(.*?)<!-- /fields -->", page.text(), re.S))
    for name, operator in OPERATORS.items():
        words = page.sections()[name]
        assert operator.record in words, name
        for variant in FIELDS[operator.record].values():
            for field_, _ in variant:
                shown = (
                    words
                    + fields_of[operator.record]
                    + (fields_of["hog_conv_t"] if "conv" in operator.record else "")
                )
                if field_ not in ("in_zp", "out_zp", "min", "max"):
                    assert f"`{field_.rstrip('0123')}" in shown, (name, field_)
        refs = {field_ for field_, _ in next(iter(FIELDS[operator.record].values()))}
        rows = page.section(name).rows
        assert {row.start for row in rows if not row.is_after} <= refs, name


def test_links_of_the_page_lead_to_headings():
    seen: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.text(), flags=re.M | re.S), re.M):
        slug = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    links = re.findall(r"\]\(#([\w-]+)\)", page.text())
    assert links and not [link for link in links if link not in anchors]
    contents = between("## Contents\n", "\n## ")
    assert not [name for name in OPERATORS if f"[{name}](#" not in contents]


def test_the_example_is_what_the_packer_writes():
    b = tflite_builder.Builder()
    weights = [[int(v) for v in row] for row in example_weights()]
    x = b.tensor((1, 8), "int8", scale=0.5, zero_point=-3, name="distances")
    w = b.const(np.array(weights, np.int8), scale=[0.02, 0.25], axis=0)
    bias = b.const(np.array([100, -20], np.int32), scale=[0.01, 0.125])
    y = b.tensor((1, 2), "int8", scale=1.0, zero_point=-1, name="scores")
    b.op("FULLY_CONNECTED", [x, w, bias], y)
    compiled = compile_tflite(b.build([x], [y]), labels=["door", "cat"], name="ping")
    assert compiled.hog == page.example()
