# SPDX-License-Identifier: MIT
"""Step 6: writes steps and plan as a `.hog`, format version 2 (native_module/FORMAT.md)."""

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from .graph import Tensor
from .lower import Const, Label, Lowered, Step, View
from .records import IN_DATA, NONE, TYPECODE, Record
from .work import turns, work

VERSION = 2
MAGIC = b"HOGN"
FOR_TFLM = 1 << 0  # feature: it runs on TFLM, not on the engine
HEADER = "<4sHHIIIIII"  # magic, version, sections, length, CRC-32, arena, features, work, turns
CHECKED = 16  # the checksum is of all bytes from here on
SECTION = "<4sII"  # tag, offset, length
ALIGN = 16  # of the file's length, and of DATA and TFLM in it
MAX_FILE = 2**31 - 1  # refs have 31 bits
MAX_STEPS = 2**32 - 2  # of one run; a loader takes 2^32 - 1 for more than that


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
    """The whole file. Every buffer must have its offset."""
    _check_size(0, arena_size)
    data = _Data(bytearray(), {})
    graph = low.graph
    plan = struct.pack("<HHHH", len(graph.inputs), len(graph.outputs), len(low.steps), low.initial)
    plan += b"".join(_io_record(t, low) for t in (*graph.inputs, *graph.outputs))
    records = [_resolved(step, data) for step in low.steps]
    for step, record in zip(low.steps, records, strict=True):
        try:
            plan += record.pack()
        except OverflowError as e:
            raise UserError(
                f"{step.operator.label}: too large for the file format ({e}); make the layer smaller"
            ) from e
    steps = work(records)
    if steps > MAX_STEPS:
        raise UserError(
            f"one run of the model takes {steps:,} steps, {MAX_STEPS:,} is the limit: make it smaller"
        )
    data.blob += bytes(-len(data.blob) % ALIGN)
    sections = {b"META": _text(meta), b"PLAN": plan, b"DATA": bytes(data.blob)}
    return _assemble(sections, arena_size, 0, steps, turns(records, steps))


def write_tflm_hog(tflite: bytes, meta: dict[str, Any]) -> bytes:
    """A file that carries a `.tflite` for TFLM itself, which plans its arena on the board."""
    return _assemble({b"META": _text(meta), b"TFLM": tflite}, 0, FOR_TFLM, 0, 0)


def _text(meta: dict[str, Any]) -> bytes:
    text = json.dumps(meta, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return text + b" " * (-len(text) % 4)


def _resolved(step: Step, data: _Data) -> Record:
    """The step with its Views and Consts as refs."""
    fields = {k: _ref(v, data) for k, v in step.fields.items()}
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


def _assemble(sections: dict[bytes, bytes], arena_size: int, features: int, steps: int, turns: int) -> bytes:
    table, body = b"", b""
    start = struct.calcsize(HEADER) + struct.calcsize(SECTION) * len(sections)
    for tag, content in sections.items():
        body += bytes(-(start + len(body)) % (ALIGN if tag in (b"DATA", b"TFLM") else 4))
        table += struct.pack(SECTION, tag, start + len(body), len(content))
        body += content
    body += bytes(-(start + len(body)) % ALIGN)
    size = start + len(body)
    _check_size(size, arena_size)
    checked = struct.pack("<IIII", arena_size, features, steps, turns) + table + body
    return struct.pack("<4sHHII", MAGIC, VERSION, len(sections), size, zlib.crc32(checked)) + checked


def _check_size(size: int, arena_size: int) -> None:
    if size > MAX_FILE or arena_size > MAX_FILE:
        raise UserError(f"the model needs {size} bytes and an arena of {arena_size}; 2^31 is the limit")
