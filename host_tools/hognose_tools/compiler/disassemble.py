# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""A `.hog` back into its parts, to show them (native_module/README.md)."""

import json
import struct
from dataclasses import dataclass, field
from math import prod
from typing import Any

import hognose
from hognose import hogfile, stream
from hognose.reference_check import narrow_rows
from hognose.tflm_engine import flatbuffer

from ..errors import UserError
from .blocks import scratch_size
from .graph import Tensor
from .ports import Port
from .reader import read_tflite
from .records import IN_DATA, ITEMSIZE, NONE, RECORDS, TYPECODE, Record, unpack

FULL = 1 << 2 | 1 << 3  # features: other element types; operators from COMBINE on, and float32 ones


@dataclass
class Layer:
    """One operator of the plan, as people want to see it."""

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
    features: int = 0
    initial: int = 0  # of the layers, the first ones that run only at a reset
    streamed: int = (
        0  # bytes that take the place of the file in RAM if it is streamed; its size if it cannot be
    )

    @property
    def needs_full(self) -> bool:
        """The small native module does not have all that this model needs."""
        return bool(self.features & FULL)


def disassemble(data: bytes) -> HogFile:
    """The parts of a `.hog`; UserError where the engine would refuse it."""
    if data[:4] == b"HOGN" and b"TFLM" in data[24:72]:
        return _carried(data)
    try:
        hognose.Model(data)
    except (ValueError, MemoryError) as e:
        raise UserError(str(e)) from e
    sections = {}
    (count,) = struct.unpack_from("<H", data, 6)
    for i in range(count):
        tag, offset, length = struct.unpack_from("<4sII", data, 24 + 12 * i)
        sections[tag] = data[offset : offset + length]
    meta, plan = json.loads(sections[b"META"]), sections[b"PLAN"]
    inputs, outputs, operators, initial = struct.unpack_from("<4H", plan)
    at = 8
    names = [*meta.get("inputs", []), *meta.get("outputs", [])]
    ports = []
    for i in range(inputs + outputs):
        _, kind, rank, _, scale, zero_point = struct.unpack_from("<IBBHfi", plan, at)
        shape = struct.unpack_from(f"<{rank}I", plan, at + 16)
        name = names[i] if i < len(names) else ""
        ports.append(Port(name, shape, chr(kind), scale, zero_point))
        at += 16 + 4 * rank
    arena_size, features = struct.unpack_from("<II", data, 16)
    ends = ports[:inputs], ports[inputs:]
    hog = HogFile(len(data), arena_size, meta, *ends, [], [], features, initial, _streamed(data))
    for index in range(operators):
        record, at = unpack(plan, at)
        hog.records.append(record)
        hog.layers.append(_layer(index, record, sections[b"DATA"]))
    return hog


def _streamed(data: bytes) -> int:
    try:
        return min(len(data), stream.needs(memoryview(data)[: hogfile.section(data, b"DATA")[0]]))
    except ValueError:
        return len(data)


def _carried(data: bytes) -> HogFile:
    """A file for TFLM itself: the flatbuffer tells inputs and outputs, the arena is TFLM's affair."""
    try:
        tflite = flatbuffer(memoryview(data))
        offset, length = hogfile.section(memoryview(data), b"META")
        meta = json.loads(data[offset : offset + length])
    except ValueError as e:
        raise UserError(str(e)) from e
    if tflite is None:
        raise UserError("the file is damaged: its sections are not where they should be")
    graph = read_tflite(bytes(tflite), meta.get("name", ""))
    names = iter([*meta.get("inputs", []), *meta.get("outputs", [])])
    ports = [
        [Port(next(names, ""), t.shape, TYPECODE[t.dtype], *_numbers(t)) for t in tensors]
        for tensors in (graph.inputs, graph.outputs)
    ]
    return HogFile(len(data), 0, meta, *ports, streamed=len(data))


def _numbers(t: Tensor) -> tuple[float, int]:
    """Scale and zero point of an input or output."""
    return (float(t.scale), t.zero_point) if len(t.scales) else (0.0, 0)


def _halved(record: Record, data: bytes) -> int:
    """Of a dense layer of one row, how many channels have weights of 4 bits."""
    narrow = narrow_rows((RECORDS[record.name][0], record.type, *record.values()), data)
    return sum(narrow(c) for c in range(record.fields["out_c"]))


def _layer(index: int, record: Record, data: bytes) -> Layer:
    f: dict[str, Any] = record.fields
    item = ITEMSIZE[record.type]
    macs, weights, scratch = 0, 0, 0
    if record.name in ("CONV", "DEPTHWISE", "CONV16", "CONV4", "DEPTHWISE4"):
        shape = [f["batch"], f["out_h"], f["out_w"], f["out_c"]]
        patch = f["k_h"] * f["k_w"] * f["in_c"] // f["groups"]
        macs = prod(shape) * patch
        size, bias = {"b": (1, 4), "h": (1, 8), "f": (4, 4)}[record.type]
        stored = f["out_c"] * patch * size if f["weights"] & IN_DATA else 0
        scratch = scratch_size(record.name, f) if record.name != "CONV16" and f["scratch"] < IN_DATA else 0
        if record.name == "CONV" and record.type == "b":
            stored -= _halved(record, data) * patch // 2
        if record.name.endswith("4"):
            scratch += stored
            stored = (stored + 1) // 2
        weights = stored + f["out_c"] * bias + f["scales"] * 5
    elif record.name == "MATMUL":
        shape = [*(v.n for v in record.loops), f["rows"], f["columns"]]
        macs = prod(shape) * f["depth"]
    elif record.name == "JUMP":
        return Layer(index, record.name, record.type, [], 0, 0, None, 0)
    elif record.name in ("AVERAGE_POOL", "MAX_POOL", "L2_POOL", "RESIZE"):
        shape = [f["batch"], f["out_h"], f["out_w"], f["channels"]]
    elif record.name in ("ADD", "MUL", "COMBINE"):
        shape = [v.n for v in record.loops]
    elif record.name in ("MEAN", "REDUCE"):
        shape = [v.n for v in record.loops[: f["keep"]]] or [1]
    elif record.name == "MOVE":
        shape = [v.n for v in record.loops] + [f["run"] // item]
    elif record.name in ("SOFTMAX", "NORMALIZE", "CURVE"):
        shape = [f["rows"], f["depth"]]
        weights = 4 * f["entries"] if record.type == "b" and f["table"] != NONE else 0
        weights = 513 * 4 if record.name == "CURVE" else weights
    elif record.name == "GATHER":
        shape = [f["outer"], f["count"], f["run"] // item]
    elif record.name == "DETECT":
        shape = [f["detections"], 4]
    elif record.name == "UPDATE":
        shape = [v.n for v in record.loops]
    elif record.name == "SCAN":
        shape = [f["outer"], f["depth"], f["inner"]]
    elif record.name == "SVDF":
        shape = [f["batch"], f["units"]]
        filters = f["units"] * f["rank"]
        macs = f["batch"] * filters * (f["inputs"] + f["memory"])
        weights = filters * (f["inputs"] * item + f["memory"] * ITEMSIZE[chr(f["state_type"])])
        weights += 4 * (f["units"] + (filters if record.type == "b" else 0))
    elif record.name == "LSTM":
        shape = [f["steps"], f["batch"]] if f["time_major"] else [f["batch"], f["steps"]]
        per_step = 4 * f["units"] * (f["inputs"] + f["units"])
        macs = prod(shape) * per_step
        shape.append(f["units"])
        bias = {"b": 8, "h": 8, "f": 4}[record.type]
        weights = per_step * (4 if record.type == "f" else 1) + 4 * f["units"] * bias
        weights += 55 + 512 if record.type != "f" else 0
    else:
        shape = [f["count"]]
        weights = 256 if record.name == "LUT" else 0
    return Layer(index, record.name, record.type, shape, macs, weights, f["out"], scratch)
