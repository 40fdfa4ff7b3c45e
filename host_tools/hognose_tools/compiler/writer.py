# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 6: steps and plan into the bytes of a `.hog` (native_module/README.md)."""

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from .graph import Tensor
from .lower import Const, Label, Lowered, Step, View
from .records import IN_DATA, NONE, RECORDS, REFS, TYPECODE, Record

VERSION = 1
MAGIC = b"HOGN"
FEATURES = {"b": 1 << 0, "f": 1 << 1}
_TYPES, _FULL = 1 << 2, 1 << 3  # any other type; what else the small engine leaves out
_TFLM = 1 << 4  # runs on TFLM, not on the engine
_HEADER, _SECTION = 24, 12
MAX_FILE = 2**31 - 1  # refs have 31 bits


@dataclass
class _Data:
    """The DATA section as it grows; equal constants are kept once."""

    blob: bytearray
    places: dict[bytes, int]

    def ref(self, data: bytes) -> int:
        if data not in self.places:
            self.blob += bytes(-len(self.blob) % 4)
            self.places[data] = len(self.blob)
            self.blob += data
        return self.places[data] | IN_DATA


def write_hog(low: Lowered, arena_size: int, meta: dict[str, Any]) -> bytes:
    """The whole file. The plan must have been made: every buffer has its offset."""
    _check_size(0, arena_size)
    data = _Data(bytearray(), {})
    graph = low.graph
    plan = struct.pack("<HHHH", len(graph.inputs), len(graph.outputs), len(low.steps), low.initial)
    plan += b"".join(_io_record(t, low) for t in (*graph.inputs, *graph.outputs))
    for step in low.steps:
        try:
            plan += resolve(step, data).pack()
        except OverflowError as e:
            raise UserError(
                f"{step.operator.label}: too large for the file format ({e}); make the layer smaller"
            ) from e
    features = 0
    ports = [TYPECODE[t.dtype] for t in (*graph.inputs, *graph.outputs)]
    for kind in [s.type for s in low.steps] + ports:
        features |= FEATURES.get(kind, _TYPES)
    features |= _FULL if any(_needs_full(s) for s in low.steps) else 0
    features |= FEATURES["f"] if any(s.name in ("QUANTIZE", "DEQUANTIZE") for s in low.steps) else 0
    text = json.dumps(meta, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    sections = {b"META": text + b" " * (-len(text) % 4), b"PLAN": plan, b"DATA": bytes(data.blob)}
    return _assemble(sections, arena_size, features)


def _needs_full(step: Step) -> bool:
    computes_in_float = step.type == "f" and step.name not in ("MOVE", "FILL")
    return computes_in_float or RECORDS[step.name][0] >= RECORDS["COMBINE"][0]


def write_tflm_hog(tflite: bytes, meta: dict[str, Any]) -> bytes:
    """A file that carries a `.tflite` for TFLM itself, which plans its arena on the board."""
    text = json.dumps(meta, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return _assemble({b"META": text + b" " * (-len(text) % 4), b"TFLM": tflite}, 0, _TFLM)


def resolve(step: Step, data: _Data) -> Record:
    """The step with its Views and Consts as refs."""
    fields = {k: _ref(v, data) for k, v in step.fields.items()}
    for name in REFS:
        fields.setdefault(name, NONE)
    return Record(step.name, step.type, fields, step.loops)


def _ref(value: Any, data: _Data) -> Any:
    if isinstance(value, View):
        return value.buffer.offset + value.offset
    if isinstance(value, Const):
        return data.ref(value.data) + value.offset
    if isinstance(value, Label):
        return value.at
    return NONE if value is None else value


def _io_record(t: Tensor, low: Lowered) -> bytes:
    view = low.place(t)
    assert isinstance(view, View)
    scale, zero_point = (0.0, 0) if t.dtype == "float32" else (1.0, 0)  # integers that are not quantized
    if t.dtype != "float32" and len(t.scales):
        scale, zero_point = float(t.scale), t.zero_point
    return struct.pack(
        f"<IBBHfi{len(t.shape)}I",
        view.buffer.offset + view.offset,
        ord(TYPECODE[t.dtype]),
        len(t.shape),
        0,
        scale,
        zero_point,
        *t.shape,
    )


def _assemble(sections: dict[bytes, bytes], arena_size: int, features: int) -> bytes:
    table, body = b"", b""
    start = _HEADER + _SECTION * len(sections)
    for tag, content in sections.items():
        align = 4 if tag in (b"META", b"PLAN") else 16
        body += bytes(-(start + len(body)) % align)
        table += struct.pack("<4sII", tag, start + len(body), len(content))
        body += content
    size = start + len(body)
    _check_size(size, arena_size)
    checked = struct.pack("<II", arena_size, features) + table + body
    head = struct.pack("<4sHHII", MAGIC, VERSION, len(sections), size, zlib.crc32(checked))
    return head + checked


def _check_size(size: int, arena_size: int) -> None:
    if size > MAX_FILE or arena_size > MAX_FILE:
        raise UserError(f"the model needs {size} bytes and an arena of {arena_size}; 2^31 is the limit")
