# SPDX-License-Identifier: MIT
"""A `.hog` back into its parts, to show them (native_module/FORMAT.md)."""

import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from hognose import stream

from ..errors import UserError
from . import engine
from .graph import Tensor
from .layouts import DENSE, FUNCTIONS
from .ports import Port
from .reader import read_tflite
from .records import IN_DATA, ITEMSIZE, NONE, TYPECODE, Record, unpack
from .tiling import scratch_size
from .work import steps
from .writer import CHECKED, HEADER, MAGIC, SECTION, VERSION

Fields = dict[str, Any]

IO = "IO"  # in needs(), as the operator that inputs and outputs need


@dataclass
class Layer:
    """One operator of the plan, in the terms of an inspection."""

    index: int
    name: str
    type: str
    output_shape: list[int]
    macs: int
    weights: int  # bytes in DATA
    output: int | None  # offset in the arena; a jump has none
    scratch: int  # bytes in the arena


@dataclass
class HogFile:
    """What a `.hog` holds."""

    size: int
    arena_size: int
    meta: dict[str, Any]
    inputs: list[Port]
    outputs: list[Port]
    layers: list[Layer] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    work: int = 0  # steps of one run; see work.py
    turns: int = 0  # jumps back that one run may take
    initial: int = 0  # of the layers, the first ones that run only at a reset
    streamed: int = 0  # bytes of RAM in place of the file's if it is streamed; its size if it cannot be

    @property
    def operators(self) -> set[tuple[str, str]]:
        """The operators that it uses, each with an element type."""
        return {(r.name, r.type) for r in self.records}

    @property
    def port_types(self) -> set[str]:
        """The element types of its inputs and outputs."""
        return {p.type for p in (*self.inputs, *self.outputs)}


def needs(hog: HogFile) -> set[tuple[str, str]]:
    """What an engine must have to run it: (operator, type), and (IO, type) for inputs and outputs."""
    return hog.operators | {(IO, kind) for kind in hog.port_types}


def disassemble(data: bytes) -> HogFile:
    """The parts of a `.hog`; UserError where the engine would refuse it. Nothing of it runs."""
    if data[4:8] == b"TFL3":
        raise UserError("this is a .tflite file: convert it with `hognose pack`")
    carried = data[:4] == MAGIC and b"TFLM" in _sections(data)
    try:
        return _carried(data) if carried else _planned(data)
    except ValueError as e:
        raise UserError(str(e)) from e


def _sections(data: bytes) -> dict[bytes, tuple[int, int]]:
    """Offset and length of each section, as the table states them."""
    start, size = struct.calcsize(HEADER), struct.calcsize(SECTION)
    count = struct.unpack_from("<H", data, 6)[0] if len(data) >= start else 0
    table = data[start : start + count * size]
    found = struct.iter_unpack(SECTION, table[: len(table) // size * size])
    return {tag: (offset, length) for tag, offset, length in found}


def _content(data: bytes, place: tuple[int, int]) -> bytes:
    return data[place[0] : place[0] + place[1]]


def _meta(text: bytes) -> dict[str, Any]:
    """The META section. ValueError: it is no JSON object, which no engine checks."""
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise ValueError(f"META is not JSON: {e}") from e
    if not isinstance(meta, dict):
        raise ValueError("META is not a JSON object")
    return meta


def _names(meta: dict[str, Any]) -> list[str]:
    """The names of the inputs, then those of the outputs."""
    lists = [meta.get(key) for key in ("inputs", "outputs")]
    return [str(name) for names in lists if isinstance(names, list) for name in names]


def _planned(data: bytes) -> HogFile:
    engine.check(data)
    sections = _sections(data)
    text, plan, constants = (_content(data, sections[tag]) for tag in (b"META", b"PLAN", b"DATA"))
    arena_size, _, work, turns = struct.unpack_from("<4I", data, CHECKED)
    inputs, outputs, operators, initial = struct.unpack_from("<4H", plan)
    meta = _meta(text)
    ports, at = _ports(plan, _names(meta), inputs + outputs)
    hog = HogFile(len(data), arena_size, meta, ports[:inputs], ports[inputs:], work=work, turns=turns)
    hog.initial, hog.streamed = initial, _streamed(data, sections[b"DATA"][0])
    for index in range(operators):
        record, at = unpack(plan, at)
        hog.records.append(record)
        hog.layers.append(_layer(index, record, constants))
    return hog


def _ports(plan: bytes, names: list[str], count: int) -> tuple[list[Port], int]:
    """Inputs and outputs, and where the operators begin."""
    ports, at = [], 8
    for i in range(count):
        _, kind, rank, _, scale, zero_point = struct.unpack_from("<IBBHfi", plan, at)
        shape = struct.unpack_from(f"<{rank}I", plan, at + 16)
        ports.append(Port(names[i] if i < len(names) else "", shape, chr(kind), scale, zero_point))
        at += 16 + 4 * rank
    return ports, at


def _streamed(data: bytes, head: int) -> int:
    """Bytes of RAM that a streamed model takes for its file. `head`: bytes before DATA."""
    try:
        return min(len(data), stream.needs(memoryview(data)[:head]))
    except ValueError:
        return len(data)


def _carried(data: bytes) -> HogFile:
    """A file for TFLM itself: the flatbuffer says inputs and outputs, and TFLM plans its own arena."""
    version, _, length, crc = struct.unpack_from("<HHII", data, 4)
    sections = _sections(data)
    if version != VERSION:
        raise UserError(f"the file's format version is not {VERSION}: pack the model again")
    if length != len(data) or any(at + n > length for at, n in sections.values()) or b"META" not in sections:
        raise UserError("the file is damaged: its sections are out of place")
    if zlib.crc32(data[CHECKED:]) != crc:
        raise UserError("the checksum is wrong: the file is damaged")
    meta = _meta(_content(data, sections[b"META"]))
    graph = read_tflite(_content(data, sections[b"TFLM"]), str(meta.get("name", "")))
    names = iter(_names(meta))
    ports = [
        [Port(next(names, ""), t.shape, TYPECODE[t.dtype], *_numbers(t)) for t in tensors]
        for tensors in (graph.inputs, graph.outputs)
    ]
    return HogFile(len(data), 0, meta, *ports, streamed=len(data))


def _numbers(t: Tensor) -> tuple[float, int]:
    """Scale and zero point of an input or output."""
    return (float(t.scale), t.zero_point) if len(t.scales) else (0.0, 0)


# --- layers -------------------------------------------------------------------------------------

_CONVOLUTIONS = ("CONV", "CONV_TILED", "DEPTHWISE", "DEPTHWISE_TILED", "CONV16", "CONV4", "DEPTHWISE4")
_MULTIPLY = (*_CONVOLUTIONS, "DENSE", "MATMUL", "SVDF", "LSTM")
# The output's axes, where fields name them.
_AXES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_CONVOLUTIONS, ("batch", "out_h", "out_w", "out_c")),
    **dict.fromkeys(
        ("AVERAGE_POOL", "MAX_POOL", "L2_POOL", "RESIZE"), ("batch", "out_h", "out_w", "channels")
    ),
    **dict.fromkeys(("SOFTMAX", "NORMALIZE", "CURVE"), ("rows", "depth")),
    "DENSE": ("outputs",),
    "SVDF": ("batch", "units"),
    "SCAN": ("outer", "depth", "inner"),
    "JUMP": (),
}


def _layer(index: int, record: Record, data: bytes) -> Layer:
    macs = steps(record) if record.name in _MULTIPLY else 0
    output = record.fields.get("out")
    weights, scratch = _weights(record, data), _scratch(record)
    return Layer(index, record.name, record.type, _shape(record), macs, weights, output, scratch)


def _shape(record: Record) -> list[int]:
    """The shape of its output."""
    name, f, sizes = record.name, record.fields, [v.n for v in record.loops]
    if name in ("ADD", "MUL", "COMBINE", "UPDATE"):
        return sizes
    if name in ("MEAN", "REDUCE"):
        return sizes[: f["keep"]] or [1]
    if name == "MOVE":
        return [*sizes, f["run"] // ITEMSIZE[record.type]]
    if name == "GATHER":
        return [f["outer"], f["count"], f["run"] // ITEMSIZE[record.type]]
    if name == "MATMUL":
        return [*sizes, f["rows"], f["columns"]]
    if name == "DETECT":
        return [f["detections"], 4]
    if name == "LSTM":
        first = [f["steps"], f["batch"]] if f["time_major"] else [f["batch"], f["steps"]]
        return [*first, f["units"]]
    return [f[axis] for axis in _AXES.get(name, ("count",))]


def _weights(record: Record, data: bytes) -> int:
    """Bytes of its weights, biases, multipliers and tables."""
    name, kind, f = record.name, record.type, record.fields
    if name in _CONVOLUTIONS:
        size, bias = {"b": (1, 4), "h": (1, 8), "f": (4, 4)}[kind]
        stored = f["out_c"] * _patch(f) * size if f["weights"] & IN_DATA else 0
        if name.endswith("4"):
            stored = (stored + 1) // 2
        return stored + f["out_c"] * bias + f["scales"] * 5
    if name == "DENSE":
        stored = f["outputs"] * f["inputs"] - _narrow(f, data) * f["inputs"] // 2
        return stored + f["outputs"] * 4 + f["scales"] * 5
    if name == "SVDF":
        filters = f["units"] * f["rank"]
        taps = filters * (f["inputs"] * ITEMSIZE[kind] + f["memory"] * ITEMSIZE[chr(f["state_type"])])
        return taps + 4 * (f["units"] + (filters if kind == "b" else 0))
    if name == "LSTM":
        stored = 4 * f["units"] * (f["inputs"] + f["units"]) * (4 if kind == "f" else 1)
        stored += 4 * f["units"] * (4 if kind == "f" else 8)
        return stored + (55 + 512 if kind != "f" else 0)
    if name in ("SOFTMAX", "NORMALIZE"):
        return 4 * f["entries"] if f["table"] != NONE else 0
    if name == "CURVE":
        return 4 * 513 if f["function"] == FUNCTIONS["CURVE"]["SOFTMAX"] else 2 * 256
    return 256 if name == "LUT" else 0


def _narrow(f: Fields, data: bytes) -> int:
    """How many channels of a DENSE layer have weights of 4 bits: a bit after the shifts says so for each."""
    if f["layout"] != DENSE["MIXED"]:
        return 0
    at = (f["params"] ^ IN_DATA) + 4 * (f["outputs"] + f["scales"]) + f["scales"]
    return sum(data[at + c // 8] >> c % 8 & 1 for c in range(f["outputs"]))


def _scratch(record: Record) -> int:
    """Bytes of the arena that it needs beside its tensors."""
    f = record.fields
    if record.name not in _CONVOLUTIONS:
        return 0
    unpacked = f["out_c"] * _patch(f) if record.name.endswith("4") else 0
    return unpacked + (scratch_size(record.name, f) if f["scratch"] != NONE else 0)


def _patch(f: Fields) -> int:
    """Input values of one sum."""
    size: int = f["k_h"] * f["k_w"] * f["in_c"] // f["groups"]
    return size
