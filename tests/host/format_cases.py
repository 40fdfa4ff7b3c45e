# SPDX-License-Identifier: MIT
"""Random records of each operator for tests of native_module/FORMAT.md; the file and memory around each."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from format_page import TYPE_NAME, Row, Tensor, section
from hognose_tools.compiler.fixedpoint import sigmoid_table
from hognose_tools.compiler.layouts import DENSE, FIELDS, FUNCTIONS, IN_DATA, NONE, OPERATORS

Rng = np.random.Generator
Values = dict[str, np.ndarray | None]  # None: the ref is NONE


@dataclass
class Case:
    """A record without its refs, and what lies at them where that is not any random number."""

    name: str
    type: str
    fields: dict[str, Any]
    loops: list[SimpleNamespace] = field(default_factory=list)
    values: Values = field(default_factory=dict)
    in_data: bool = False  # what may lie in either place

    def op(self) -> SimpleNamespace:
        """As the page's functions have it."""
        op = SimpleNamespace(**self.fields, type=TYPE_NAME[self.type], loop=self.loops)
        for name in ("out_type", "state_type"):
            if name in self.fields:
                setattr(op, name, TYPE_NAME[chr(self.fields[name])])
        if names := FUNCTIONS.get(self.name):
            op.function = {number: name for name, number in names.items()}[op.function]
        if "layout" in self.fields:
            op.layout = {number: name for name, number in DENSE.items()}[op.layout]
        for name, code in layout(self):
            if code == "f":
                setattr(op, name, np.float32(self.fields[name]))
        if self.name == "DETECT":
            op.scale = [getattr(op, f"scale{i}") for i in range(4)]
        return op


def layout(case: Case) -> list[tuple[str, str]]:
    """Names and struct's codes of the fields."""
    record = FIELDS[OPERATORS[case.name].record]
    (fields,) = (fields for types, fields in record.items() if case.type in types)
    return list(fields)


@dataclass
class Built:
    """A file of one operator, and the memory that it begins with."""

    case: Case
    file: bytes
    arena: bytearray
    data: bytearray
    places: dict[str, tuple[Row, int, bool, tuple[int, ...] | None]]  # row, offset, in DATA, sizes

    def tensors(self, arena: bytearray) -> dict[str, Tensor | None]:
        op = self.case.op()
        result: dict[str, Tensor | None] = {}
        for name, (row, at, in_data, sizes) in self.places.items():
            memory = self.data if in_data else arena
            result[name] = Tensor(memory, at, row.code(op), sizes) if at >= 0 else None
        return result


def assemble(plan: bytes, data: bytes, arena: int, work: int, turns: int = 0) -> bytes:
    """A file with the sections META, PLAN, DATA."""
    body, table = b"", b""
    start = 32 + 3 * 12
    for tag, content, align in ((b"META", b"{}  ", 4), (b"PLAN", plan, 4), (b"DATA", data, 16)):
        body += bytes(-(start + len(body)) % align)
        table += struct.pack("<4sII", tag, start + len(body), len(content))
        body += content
    length = start + len(body)
    checked = struct.pack("<IIII", arena, 0, work, turns) + table + body
    return struct.pack("<4sHHII", b"HOGN", 2, 3, length, zlib.crc32(checked)) + checked


# The fields of a binary operator that only quantized numbers need.
BINARY_SCALES = (
    *("multiplier1", "multiplier2", "multiplier", "shift1", "shift2", "shift"),
    *("in2_zp", "left_shift"),
)

PORT = struct.pack("<IBBHfiI", 0, ord("B"), 1, 0, 0.0, 0, 1)  # a byte: operators read what the arena holds


def pack_record(case: Case, refs: dict[str, int]) -> bytes:
    fields = {**case.fields, **refs}
    names = layout(case)
    assert set(fields) == {name for name, _ in names}, set(fields) ^ {name for name, _ in names}
    body = struct.pack("<" + "".join(code for _, code in names), *(fields[name] for name, _ in names))
    body += b"".join(struct.pack("<Iii", v.n, v.a, v.b) for v in case.loops)
    head = struct.pack("<BBH", OPERATORS[case.name].code, ord(case.type), len(body) // 4 + 1)
    return head + body


@dataclass
class _Blob:
    """A tensor and those that lie behind it."""

    rows: list[Row]
    sizes: list[tuple[int, ...] | None]
    origin: int  # of the first one, from the beginning: of a tensor that is read by strides not always 0
    length: int
    align: int
    in_data: bool


def reach(case: Case, row: Row, unit: int) -> tuple[int, int]:
    """Bytes before and behind a tensor's ref that its strides lead to."""
    which = "b" if "`b`" in row.shape_text else "a"
    steps = [(loop.n, getattr(loop, which)) for loop in case.loops]
    run = unit
    if case.name == "MATMUL":
        f, second = case.fields, row.name == "x2"
        steps += [(f["columns"], f["column2"])] if second else [(f["rows"], f["row1"])]
        steps.append((f["depth"], f["depth2" if second else "depth1"]))
    if case.name == "MOVE":
        run = case.fields["run"]
    ends = [(n - 1) * stride * unit for n, stride in steps]
    return -sum(e for e in ends if e < 0), sum(e for e in ends if e > 0) + run


def blobs(case: Case) -> list[_Blob]:
    op = case.op()
    result: list[_Blob] = []
    for row in section(case.name).tensors(op):
        value = case.values.get(row.name)
        if value is None and row.name in case.values:
            continue
        item = struct.calcsize(f"<{row.code(op)}")
        in_data = row.place == "DATA" or (row.place == "either" and case.in_data)
        if row.shape:
            sizes = row.sizes(op)
        elif value is not None:
            sizes = (value.size,)
        else:
            before, behind = reach(case, row, item)
            result.append(_Blob([row], [None], before, before + behind, row.alignment(op), in_data))
            continue
        length = math.prod(sizes) * item
        if row.is_after:
            (blob,) = (b for b in result if b.rows[-1].name == row.start)
            blob.rows.append(row)
            blob.sizes.append(sizes)
            blob.length += length
        else:
            result.append(_Blob([row], [sizes], 0, length, row.alignment(op), in_data))
    return result


def build(
    case: Case,
    rng: Rng,
    *,
    last: str = "",
    cut: int = 0,
    move: int = 0,
    at: dict[str, int] | None = None,
    work: int = 0,
) -> Built:
    """A file that runs the record, and the memory that it starts with.

    `last`: this tensor lies at the end of its memory, which is `cut` bytes too short, and `move` bytes
    further on. `at`: offsets in the arena of tensors that may overlap others. `work`: added to the header's.
    """
    op, at = case.op(), at or {}
    found = sorted(blobs(case), key=lambda b: b.rows[0].name == last)
    ends = {False: 4, True: 0}
    refs = {n: NONE for n, _ in layout(case) if n not in case.fields}
    places: dict[str, tuple[Row, int, bool, tuple[int, ...] | None]] = {}
    for blob in sorted(found, key=lambda b: b.rows[0].name in at):
        first = blob.rows[0]
        begin = -(-ends[blob.in_data] // 4) * 4 + -blob.origin % 4
        begin = at.get(first.name, begin + (move if first.name == last else 0))
        ref = begin + blob.origin
        refs[first.start] = ref | (IN_DATA if blob.in_data else 0)
        for row, sizes in zip(blob.rows, blob.sizes, strict=True):
            places[row.name] = row, ref, blob.in_data, sizes
            ref += math.prod(sizes or ()) * struct.calcsize(f"<{row.code(op)}")
        ends[blob.in_data] = max(ends[blob.in_data], begin + blob.length)
    for row in section(case.name).tensors(op):
        places.setdefault(row.name, (row, -1, False, None))
    short = {places[last][2]: cut} if last else {}
    arena = bytearray(rng.integers(0, 256, ends[False] - short.get(False, 0), np.uint8).tobytes())
    data = bytearray(rng.integers(0, 256, ends[True], np.uint8).tobytes())
    for blob in found:
        for row in blob.rows:
            _fill(case, row, places[row.name], data if blob.in_data else arena, rng)
    del data[len(data) - short.get(True, 0) :]
    plan = struct.pack("<HHHH", 1, 1, 1, 0) + 2 * PORT + pack_record(case, refs)
    steps = 1 + section(case.name).work_of(op) + work
    return Built(case, assemble(plan, bytes(data), len(arena), steps), arena, data, places)


def _fill(case: Case, row: Row, place: tuple, memory: bytearray, rng: Rng) -> None:
    """Puts plausible numbers to where random bytes are none."""
    _, at, _, sizes = place
    code, op = row.code(case.op()), case.op()
    value = case.values.get(row.name)
    room = (len(memory) - at) // struct.calcsize(f"<{code}")
    count = room if sizes is None else math.prod(sizes)
    if value is None:
        value = _numbers(row, code, op, count, rng)
    if value is not None:
        packed = np.asarray(value).astype(np.dtype(code)).tobytes()
        packed = packed[: max(0, len(memory) - at)]
        memory[at : at + len(packed)] = packed


def _numbers(row: Row, code: str, op: Any, count: int, rng: Rng) -> np.ndarray | None:
    if code == "f":
        return floats(rng, count)
    if row.name == "multiplier":
        return rng.integers(1 << 30, 1 << 31, count)
    if row.name == "shift":
        return rng.integers(-12, -4, count)
    if row.name in ("bias", "feature_bias", "hidden_bias"):
        return rng.integers(-2000, 2000, count)
    if row.name == "indices" or row.name == "starts":
        return rng.integers(-2, 8, count)
    if code == "?":
        return rng.integers(0, 2, count)
    if row.name == "table" and code == "H":
        return np.array(sigmoid_table())
    if row.name == "table" and code == "i":
        return np.floor(np.exp(-np.arange(count) * 0.11) * (2**31 - 1))
    if row.name == "weights" and code == "b":
        return rng.integers(-127, 128, count)
    return None


def floats(rng: Rng, count: int) -> np.ndarray:
    """Small and large ones; some that are no ordinary numbers."""
    values = (rng.normal(0, 3, count) * 10.0 ** rng.integers(-3, 3, count)).astype(np.float32)
    if rng.random() < 0.3 and count:
        values[rng.integers(0, count)] = rng.choice([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-42, 3e38])
    return values


# Fields that many records have.


def clamps(rng: Rng, kind: str) -> dict[str, Any]:
    if kind == "f":
        low = float(rng.choice([-np.inf, -1.0, 0.0]))
        return {"min": low, "max": float(rng.choice([np.inf, 6.0]))}
    if kind not in "bh":
        return {"min": int(rng.integers(-(2**31), 0)), "max": int(rng.integers(0, 2**31))}
    size = 128 if kind == "b" else 32768
    low, high = sorted(int(v) for v in rng.integers(-size, size, 2))
    low, high = (-size, size - 1) if rng.random() < 0.5 else (low, high)
    zeros = {name: int(rng.integers(-size, size)) for name in ("in_zp", "out_zp")}
    return {**zeros, "min": low, "max": high}


def scaled(rng: Rng, *names: str) -> dict[str, int]:
    """A multiplier and its shift, for names like multiplier1."""
    result = {}
    for name in names:
        result[name] = int(rng.integers(1 << 30, 1 << 31))
        result[name.replace("multiplier", "shift")] = int(rng.integers(-8, 2))
    return result


def small(rng: Rng, *names: str, most: int = 4) -> dict[str, int]:
    return {name: int(rng.integers(1, most + 1)) for name in names}


def nest(rng: Rng, most: int = 3, *, least: int = 1) -> list[SimpleNamespace]:
    """Loops that read in any direction."""
    count = int(rng.integers(least, most + 1))
    loops: list[SimpleNamespace] = []
    for _ in range(count):
        a, b = (int(v) for v in rng.integers(-6, 7, 2))
        loops.append(SimpleNamespace(n=int(rng.integers(1, 5)), a=a, b=b))
    return loops


def contiguous(loops: list[SimpleNamespace]) -> list[SimpleNamespace]:
    """The same loops, both operands read like the output."""
    step = 1
    result: list[SimpleNamespace] = []
    for loop in reversed(loops):
        result.insert(0, SimpleNamespace(n=loop.n, a=step, b=step))
        step *= loop.n
    return result


# The operators.


def _window(rng: Rng) -> dict[str, int]:
    return {
        **small(rng, "batch", "stride_h", "stride_w", most=2),
        **small(rng, "in_h", "in_w", "out_h", "out_w"),
        **small(rng, "k_h", "k_w", most=3),
        "pad_h": int(rng.integers(0, 2)),
        "pad_w": int(rng.integers(0, 2)),
    }


def conv(rng: Rng, name: str, kind: str) -> Case:
    tiled, depthwise = name.endswith("_TILED"), name.startswith("DEPTHWISE")
    groups, inputs, outputs = (int(v) for v in rng.integers(1, 4, 3))
    if depthwise:
        groups, inputs = groups * inputs, 1
    fields = {
        **_window(rng),
        **small(rng, "dilation_h", "dilation_w", most=2),
        **clamps(rng, kind),
        **{"groups": groups, "in_c": groups * inputs, "out_c": groups * (outputs + 1), "tile": 0},
    }
    fields["scales"] = 0 if kind == "f" else int(rng.choice([1, fields["out_c"]]))
    if tiled or (name.endswith("4") and rng.random() < 0.5):
        if depthwise:
            fields.update(k_h=3, k_w=3, dilation_h=1, dilation_w=1)
        fields["tile"] = int(rng.integers(1, fields["out_h"] + 1)) if depthwise else 2
        if rng.random() < 0.5:
            fields.update(min=-128, max=127)
        else:
            fields["max"] = max(fields["max"], fields["out_zp"])
            fields["min"] = fields["out_zp"]
    values: Values = {}
    if name == "CONV16":
        fields["wide_sums"] = int(rng.integers(0, 2))
    if (depthwise and not fields["tile"]) or kind != "b":
        values["scratch"] = None
    return Case(name, kind, fields, values=values, in_data=bool(rng.random() < 0.5))


def dense(rng: Rng, name: str, kind: str) -> Case:
    inputs, outputs = 8 * int(rng.integers(1, 4)), int(rng.integers(1, 12))
    narrow, size = rng.random(outputs) < 0.5, outputs * inputs
    layout_ = int(rng.integers(1, 3))
    if layout_ == DENSE["MIXED"]:
        size = sum(inputs // 2 if n else inputs for n in narrow)
    fields = {
        **clamps(rng, kind),
        **{"inputs": inputs, "outputs": outputs, "scales": int(rng.choice([1, outputs])), "layout": layout_},
    }
    values: Values = {"weights": rng.integers(1, 256, size)}
    if layout_ == DENSE["MIXED"]:
        values["narrow"] = np.packbits(narrow, bitorder="little")
    return Case(name, kind, fields, values=values)


def matmul(rng: Rng, name: str, kind: str) -> Case:
    fields = {
        **clamps(rng, kind),
        **small(rng, "rows", "depth", "columns", "row1", "depth1", "column2", "depth2"),
        **scaled(rng, "multiplier"),
        "in2_zp": int(rng.integers(-128, 128)),
    }
    loops = nest(rng, least=0)
    values: Values = {"bias": None} if rng.random() < 0.5 else {}
    return Case(name, kind, {**fields, "loops": len(loops)}, loops, values, bool(rng.random() < 0.5))


def pool(rng: Rng, name: str, kind: str) -> Case:
    fields = {**_window(rng), **small(rng, "channels"), **clamps(rng, kind), "reserved": 0}
    for axis in "hw":
        fields[f"pad_{axis}"] = min(fields[f"pad_{axis}"], fields[f"k_{axis}"] - 1)
        most = (fields[f"in_{axis}"] + fields[f"pad_{axis}"] - 1) // fields[f"stride_{axis}"] + 1
        fields[f"out_{axis}"] = min(fields[f"out_{axis}"], most)
    return Case(name, kind, fields)


def resize(rng: Rng, name: str, kind: str) -> Case:
    fields: dict[str, Any] = {
        **small(rng, "batch", "channels", most=2),
        **small(rng, "in_h", "in_w", "out_h", "out_w", most=6),
        "half_pixel": int(rng.integers(0, 2)),
    }
    for axis in "hw":
        step = float(rng.random() * 2)
        fields[f"step_{axis}"] = step if kind == "f" else int(step * 1024)
    return Case(name, kind, fields)


def binary(rng: Rng, name: str, kind: str, function: str = "") -> Case:
    loops = nest(rng)
    if rng.random() < 0.4:
        loops = contiguous(loops)
    fields = {
        **clamps(rng, kind),
        **scaled(rng, "multiplier1", "multiplier2", "multiplier"),
        "loops": len(loops),
        "left_shift": int(rng.integers(0, 21)),
        "function": FUNCTIONS["COMBINE"][function] if function else 0,
        "in2_zp": int(rng.integers(-128, 128)),
    }
    if function == "DIV":
        fields["shift"] = int(rng.integers(-31, 31))
    return Case(name, kind, fields, loops, in_data=bool(rng.random() < 0.5))


def combine(function: str) -> Callable[[Rng, str, str], Case]:
    return lambda rng, name, kind: binary(rng, name, kind, function)


def elements(rng: Rng, name: str, kind: str) -> Case:
    fields: dict[str, Any] = {"count": int(rng.integers(1, 40))}
    if name.endswith("QUANTIZE"):
        fields |= {"scale": float(rng.random() + 0.01), "zero_point": int(rng.integers(-128, 128))}
    if name == "CLAMP":
        fields |= clamps(rng, "f")
    if name == "FILL":
        fields |= {"size": int(rng.choice([1, 2, 4])), "value": int(rng.integers(0, 2**32))}
    return Case(name, kind, fields)


def apply(function: str, out_types: str) -> Callable[[Rng, str, str], Case]:
    def make(rng: Rng, name: str, kind: str) -> Case:
        fields = {
            "count": int(rng.integers(1, 40)),
            "function": FUNCTIONS["APPLY"][function],
            "out_type": ord(str(rng.choice(list(out_types)))),
            "reserved": 0,
            "alpha": float(rng.random() + 0.01),
            "zero_point": int(rng.integers(-200, 200)),
        }
        return Case(name, kind, fields)

    return make


def rescale(function: str) -> Callable[[Rng, str, str], Case]:
    def make(rng: Rng, name: str, kind: str) -> Case:
        low, high = sorted(int(v) for v in rng.integers(-300, 300, 2))
        fields = {
            **{
                name: int(rng.integers(-(2**31) + 1, 2**31)) for name in ("multiplier", "negative_multiplier")
            },
            **{name: int(rng.integers(-31, 31)) for name in ("shift", "negative_shift")},
            **{name: int(rng.integers(-128, 128)) for name in ("in_zp", "out_zp")},
            **{"min": low, "max": high, "count": int(rng.integers(1, 40))},
            "function": FUNCTIONS["RESCALE"][function],
            "out_type": ord(str(rng.choice(list("bhiB")))),
        }
        return Case(name, kind, fields)

    return make


def reduce(function: str) -> Callable[[Rng, str, str], Case]:
    def make(rng: Rng, name: str, kind: str) -> Case:
        loops = nest(rng, 4, least=1)
        for i, loop in enumerate(loops):  # an element is read once
            loop.a = math.prod(v.n for v in loops[i + 1 :]) * int(rng.choice([-1, 1]))
        keep = int(rng.integers(0, len(loops)))
        fields = {
            **clamps(rng, kind),
            **scaled(rng, "multiplier"),
            **{"keep": keep, "reduce": len(loops) - keep},
            "function": FUNCTIONS["REDUCE"][function] if function else 0,
            "left_shift": int(rng.integers(0, 16)) if function else 0,
        }
        return Case(name, kind, fields, loops)

    return make


def scan(rng: Rng, name: str, kind: str) -> Case:
    fields = {
        **clamps(rng, kind),
        **small(rng, "outer", "depth", "inner"),
        **scaled(rng, "multiplier"),
        **{n: int(rng.integers(0, 2)) for n in ("exclusive", "reverse")},
        "left_shift": int(rng.integers(0, 16)),
    }
    return Case(name, kind, fields)


def softmax(rng: Rng, name: str, kind: str) -> Case:
    fields = {**small(rng, "rows", most=3), **small(rng, "depth", most=12)}
    values: Values = {} if kind == "b" else {"table": None}
    return Case(
        name,
        kind,
        {**fields, "entries": int(rng.integers(0, 257)), "beta": float(rng.random())},
        values=values,
    )


def normalize(function: str) -> Callable[[Rng, str, str], Case]:
    def make(rng: Rng, name: str, kind: str) -> Case:
        fields = {
            **small(rng, "rows", most=3),
            **small(rng, "depth", most=12),
            **scaled(rng, "multiplier", "reverse_multiplier"),
            "in_zp": int(rng.integers(-128, 128)),
            "entries": int(rng.integers(0, 257)),
            "function": FUNCTIONS["NORMALIZE"][function],
        }
        fields["shift"], fields["reverse_shift"] = int(rng.integers(10, 27)), int(rng.integers(-25, 0))
        values: Values = {"table": None} if kind == "f" or function == "L2" else {}
        return Case(name, kind, fields, values=values)

    return make


def curve(function: str) -> Callable[[Rng, str, str], Case]:
    def make(rng: Rng, name: str, kind: str) -> Case:
        fields = {
            **small(rng, "rows", most=3),
            **small(rng, "depth", most=12),
            **{"function": FUNCTIONS["CURVE"][function], "reserved": 0},
        }
        if function != "SOFTMAX":
            fields |= {"multiplier": int(rng.integers(0, 32768)), "shift": int(rng.integers(0, 32))}
            return Case(name, kind, fields)
        fields |= scaled(rng, "multiplier")
        values: Values = {}
        if rng.random() < 0.7:  # the true functions, else anything
            exp = np.exp(np.linspace(-10, 0, 513)) * 32767
            values["table"] = np.round(np.concatenate([exp, 32767 / np.linspace(1, 2, 513)]))
        return Case(name, kind, fields, values=values)

    return make


def move(rng: Rng, name: str, kind: str) -> Case:
    loops = nest(rng, least=0)
    for loop in loops:
        loop.a, loop.b = loop.a * 3, loop.b * 3
    # No more bytes than the arena has: its output is at least as large as what is written once.
    step, run = 1, int(rng.integers(1, 9))
    for loop in reversed(loops):
        loop.b = step * run * int(rng.choice([-1, 1]))
        step *= loop.n
    return Case(name, kind, {"run": run, "loops": len(loops)}, loops, in_data=bool(rng.random() < 0.5))


def gather(rng: Rng, name: str, kind: str) -> Case:
    fields = small(rng, "outer", "axis", "count", "run")
    return Case(name, kind, fields, in_data=bool(rng.random() < 0.5))


def update(rng: Rng, name: str, kind: str) -> Case:
    loops = nest(rng)
    for loop in loops:
        loop.a, loop.b = abs(loop.a), abs(loop.b)
    return Case(name, kind, {"loops": len(loops)}, loops, in_data=bool(rng.random() < 0.5))


def svdf(rng: Rng, name: str, kind: str) -> Case:
    state = "f" if kind == "f" else str(rng.choice(["b", "h"]))
    fields = {
        **clamps(rng, kind),
        **small(rng, "batch", "inputs", "units", "rank", "memory"),
        **scaled(rng, "feature_multiplier", "multiplier"),
        **{"state_type": ord(state), "state_zp": int(rng.integers(-128, 128))},
    }
    return Case(name, kind, fields)


def lstm(rng: Rng, name: str, kind: str) -> Case:
    fields = {
        **clamps(rng, "f" if kind == "f" else "h"),
        **small(rng, "batch", "steps", "inputs", "units", most=3),
        **{"time_major": int(rng.integers(0, 2)), "cell_shift": int(rng.integers(-4, 3)), "reserved": 0},
    }
    if kind != "f":
        fields["out_zp"] = int(rng.integers(-128, 128))
    return Case(name, kind, fields, values={"table": None} if kind == "f" else {})


def detect(rng: Rng, name: str, kind: str) -> Case:
    boxes, classes = int(rng.integers(1, 12)), int(rng.integers(1, 4))
    fields: dict[str, Any] = {
        **{"boxes": boxes, "coordinates": int(rng.integers(4, 6)), "classes": classes},
        **{"columns": classes + int(rng.integers(0, 2)), "detections": int(rng.integers(1, 6))},
        **{"max_per_class": int(rng.integers(0, 4)), "score_threshold": 0.3},
        **{"overlap_threshold": float(rng.random() * 0.9 + 0.05)},
        **{f"scale{i}": float(rng.random() * 10 + 1) for i in range(4)},
    }
    anchors = rng.random((boxes, 4)) + 0.05 * (rng.random() < 0.9)
    scores = np.round(rng.random((boxes, fields["columns"])), 1)  # equal ones are frequent
    values: Values = {
        "anchors": anchors,
        "scores": scores,
        "x": rng.normal(0, 2, (boxes, fields["coordinates"])),
    }
    return Case(name, kind, fields, values=values, in_data=bool(rng.random() < 0.5))


_FLOATS = (
    "ABS", "NEG", "SQUARE", "SQRT", "RSQRT", "EXP", "LOG", "SIN", "COS", "FLOOR", "CEIL", "ROUND", "ELU",
    "LEAKY_RELU", "HARD_SWISH",
)  # fmt: skip
_COMBINE = {
    **dict.fromkeys(("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"), "bhif"),
    "DIV": "bif",
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), "bhiqf"),
    **dict.fromkeys(("FLOOR_DIV", "FLOOR_MOD"), "f"),
    "PRELU": "bf",
    "SELECT": "bhiqf?B",
    **dict.fromkeys(("LOGICAL_AND", "LOGICAL_OR"), "?"),
    **dict.fromkeys(("EQUAL", "NOT_EQUAL"), "biqf?"),
    **dict.fromkeys(("LESS", "LESS_EQUAL"), "biqf"),
}
_CONVOLUTIONS = ("CONV", "DEPTHWISE", "CONV_TILED", "DEPTHWISE_TILED", "CONV4", "DEPTHWISE4", "CONV16")
_ELEMENTS = ("LUT", "QUANTIZE", "DEQUANTIZE", "CLAMP", "LOGISTIC", "TANH", "FILL")
_OTHERS = {
    **dict.fromkeys(_CONVOLUTIONS, conv),
    **dict.fromkeys(("AVERAGE_POOL", "MAX_POOL", "L2_POOL"), pool),
    **dict.fromkeys(("ADD", "MUL"), binary),
    **dict.fromkeys(_ELEMENTS, elements),
    **{"DENSE": dense, "MATMUL": matmul, "RESIZE": resize, "SCAN": scan, "SOFTMAX": softmax, "MOVE": move},
    **{"GATHER": gather, "UPDATE": update, "SVDF": svdf, "LSTM": lstm, "DETECT": detect},
    "MEAN": reduce(""),
}

Make = Callable[[Rng, str, str], Case]
# Operator, function, type, and what makes a random record of them.
MAKERS: list[tuple[str, str, str, Make]] = [
    *((name, "", kind, make) for name, make in _OTHERS.items() for kind in OPERATORS[name].types),
    *(("COMBINE", f, kind, combine(f)) for f, kinds in _COMBINE.items() for kind in kinds),
    *(("APPLY", f, "f", apply(f, "f")) for f in _FLOATS),
    *(("APPLY", "CAST", kind, apply("CAST", "bhif?")) for kind in "bhif?"),
    ("APPLY", "LOGICAL_NOT", "?", apply("LOGICAL_NOT", "?")),
    ("APPLY", "QUANTIZE", "f", apply("QUANTIZE", "hB")),
    *(("APPLY", "DEQUANTIZE", kind, apply("DEQUANTIZE", "f")) for kind in "hB"),
    *(("RESCALE", f, kind, rescale(f)) for f in FUNCTIONS["RESCALE"] for kind in "bhiB"),
    *(("REDUCE", "SUM", kind, reduce("SUM")) for kind in "bhf"),
    *(("REDUCE", f, kind, reduce(f)) for f in FUNCTIONS["REDUCE"] if f != "SUM" for kind in "bf"),
    *(("NORMALIZE", f, kind, normalize(f)) for f in ("L2", "LOG_SOFTMAX") for kind in "bf"),
    ("NORMALIZE", "SOFTMAX", "b", normalize("SOFTMAX")),
    *(("CURVE", f, "h", curve(f)) for f in FUNCTIONS["CURVE"]),
]
