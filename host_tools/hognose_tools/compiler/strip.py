# SPDX-License-Identifier: MIT
"""Strips a `.tflite` of what TFLM does not read: names, min/max, signatures, metadata, duplicates.

Weights that are stored as float16, which TFLM does not know, become float32.

The flatbuffer becomes a tree of objects and is written anew. Equal objects are written once: shapes, zero
points, options, weights. An object's offsets point forward, so the objects with the deepest trees come first.
"""

import struct
from typing import Any

import numpy as np

from .reader import reading

# An object: a table (field number to value), a vector (alignment, count, bytes), or a list of tables.
# A table's value is an object or a number's bytes.
Vector = tuple[int, int, bytes]
Table = dict[int, Any]
Object = Vector | Table | list[Table]

# Fields of an operator's options, by BuiltinOptions: bytes of a number, V a vector of int32, s a string.
_OPTIONS = {
    1: "1441441", 2: "1444144", 5: "144441", 6: "411", 8: "11111", 9: "4", 10: "41", 11: "11", 12: "1",
    14: "14411", 15: "4411", 17: "V", 19: "4", 21: "1", 23: "44", 27: "1", 28: "11", 29: "1", 30: "V",
    32: "444441", 35: "4", 37: "11", 40: "1", 49: "14411", 55: "1", 57: "1", 59: "44", 64: "44",
    71: "144111", 74: "11", 75: "4", 77: "1", 79: "4", 92: "44", 93: "44", 94: "4", 101: "111", 102: "11",
    103: "4", 111: "ss",
}  # fmt: skip
# Index of the bias: its scales follow from those of the other two, and TFLM reads only the first one.
_BIAS = {3: 2, 4: 2, 9: 2, 67: 3}
_CUSTOM = 32
_DEQUANTIZE = 6
_FLOAT32, _FLOAT16 = 0, 1  # TensorType
# What TFLM looks for in the metadata.
_METADATA = (b"OfflineMemoryAllocation", b"COMPRESSION_METADATA")


def strip(tflite: bytes, outputs: list[int] | None = None) -> bytes:
    """The same model for TFLM, in fewer bytes. UserError: no .tflite, or one that is not for TFLM.

    `outputs`: indices of the tensors that are to be its outputs instead of the model's own.
    """
    with reading(tflite):
        return write(_Model(bytes(tflite), outputs).table)


class Source:
    """Reads a flatbuffer; positions are offsets into it, None is an absent field."""

    def __init__(self, data: bytes):
        self.data = data

    def number(self, at: int, kind: str) -> int:
        if at < 0:
            raise ValueError("an offset points before the file")
        return struct.unpack_from("<" + kind, self.data, at)[0]

    def field(self, table: int, number: int) -> int | None:
        vtable = table - self.number(table, "i")
        if 6 + 2 * number > self.number(vtable, "H"):
            return None
        offset = self.number(vtable + 4 + 2 * number, "H")
        return table + offset if offset else None

    def target(self, at: int) -> int:
        return at + self.number(at, "I")

    def child(self, table: int, number: int) -> int | None:
        at = self.field(table, number)
        return None if at is None else self.target(at)

    def children(self, table: int, number: int) -> list[int]:
        at = self.child(table, number)
        return [] if at is None else [self.target(at + 4 + 4 * i) for i in range(self.number(at, "I"))]

    def scalar(self, table: int, number: int, size: int) -> bytes | None:
        at = self.field(table, number)
        return None if at is None else self.data[at : at + size]

    def integer(self, table: int, number: int, kind: str, default: int = 0) -> int:
        at = self.field(table, number)
        return default if at is None else self.number(at, kind)

    def vector(self, table: int, number: int, item: int) -> Vector | None:
        at = self.child(table, number)
        if at is None:
            return None
        count = self.number(at, "I")
        content = self.data[at + 4 : at + 4 + count * item]
        if len(content) != count * item:
            raise ValueError("a vector is cut short")
        return (max(item, 4), count, content)

    def string(self, table: int, number: int) -> Vector | None:
        vector = self.vector(table, number, 1)
        return vector and _text(vector[2])


def _text(content: bytes) -> Vector:
    return (4, len(content), content + b"\0")


class _Model:
    """The stripped model as a table."""

    def __init__(self, data: bytes, outputs: list[int] | None):
        self.source = source = Source(data)
        self.root = root = source.target(0)
        self.buffers: dict[bytes, int] = {b"": 0}  # content to new number; the first is empty
        self.old_buffers = [source.vector(b, 0, 1) for b in source.children(root, 4)]
        codes = [self._code(c) for c in source.children(root, 1)]
        graphs = [self._graph(g, codes) for g in source.children(root, 2)]
        if outputs is not None:
            graphs[0][2] = (4, len(outputs), struct.pack(f"<{len(outputs)}i", *outputs))
        metadata = [m for m in map(self._metadata, source.children(root, 6)) if m]
        buffers = [_table({0: (16, len(b), b) if b else None}) for b in self.buffers]
        self.table = _table(
            {
                0: struct.pack("<I", source.integer(root, 0, "I")),
                1: codes,
                2: graphs,
                4: buffers,
                6: metadata or None,
            }
        )

    def _code(self, at: int) -> Table:
        source = self.source
        return _table(
            {
                0: source.scalar(at, 0, 1),
                1: source.string(at, 1),
                2: source.scalar(at, 2, 4),
                3: source.scalar(at, 3, 4),
            }
        )

    def _graph(self, at: int, codes: list[Table]) -> Table:
        source = self.source
        operators, tensors = source.children(at, 3), source.children(at, 0)
        halved = {o: self._halved(o, tensors) for o in operators if self._kind(o, codes) == _DEQUANTIZE}
        operators = [o for o in operators if not halved.get(o)]
        whole = {i: data for found in halved.values() for i, data in found.items()}
        biases = self._biases(operators, codes)
        return _table(
            {
                0: [self._tensor(t, i in biases, whole.get(i)) for i, t in enumerate(tensors)],
                1: source.vector(at, 1, 4),
                2: source.vector(at, 2, 4),
                3: [self._operator(o) for o in operators],
            }
        )

    def _kind(self, operator: int, codes: list[Table]) -> int:
        return _builtin(codes[self.source.integer(operator, 0, "I")])

    def _indices(self, operator: int, field: int) -> tuple[int, ...]:
        vector = self.source.vector(operator, field, 4)
        return struct.unpack(f"<{vector[1]}i", vector[2]) if vector else ()

    def _halved(self, operator: int, tensors: list[int]) -> dict[int, bytes]:
        """What a DEQUANTIZE makes of a float16 constant, by the numbers of its input and output."""
        places = *self._indices(operator, 1), *self._indices(operator, 2)
        if len(places) != 2 or not all(0 <= i < len(tensors) for i in places):
            raise ValueError("a DEQUANTIZE has other than one input and one output")
        x = tensors[places[0]]
        data = self.old_buffers[self.source.integer(x, 2, "I")]
        if self.source.integer(x, 1, "B") != _FLOAT16 or not data or not data[1]:
            return {}
        return dict.fromkeys(places, np.frombuffer(data[2], "<f2").astype("<f4").tobytes())

    def _biases(self, operators: list[int], codes: list[Table]) -> set[int]:
        """Tensors that are a bias, and nothing else."""
        biases: set[int] = set()
        others: set[int] = set()
        for operator in operators:
            place = _BIAS.get(self._kind(operator, codes))
            for i, tensor in enumerate(self._indices(operator, 1)):
                (biases if i == place else others).add(tensor)
        return biases - others

    def _tensor(self, at: int, is_bias: bool, whole: bytes | None) -> Table:
        """`whole`: its content as float32, where it is stored as float16."""
        source = self.source
        quantization = source.child(at, 4)
        buffer = self._content(whole) if whole else self._buffer(source.integer(at, 2, "I"))
        return _table(
            {
                0: source.vector(at, 0, 4),
                1: bytes([_FLOAT32]) if whole else source.scalar(at, 1, 1),
                2: struct.pack("<I", buffer),
                4: None if quantization is None else self._quantization(quantization, is_bias),
                5: source.scalar(at, 5, 1),
            }
        )

    def _quantization(self, at: int, is_bias: bool) -> Table | None:
        scale, zero_point = self.source.vector(at, 2, 4), self.source.vector(at, 3, 8)
        if not scale or not zero_point or not scale[1] or not zero_point[1]:
            return None
        if is_bias:
            scale, zero_point = (4, 1, scale[2][:4]), (8, 1, zero_point[2][:8])
        return _table({2: scale, 3: zero_point, 6: None if is_bias else self.source.scalar(at, 6, 4)})

    def _buffer(self, old: int) -> int:
        vector = self.old_buffers[old]
        return self._content(vector[2] if vector else b"")

    def _content(self, data: bytes) -> int:
        return self.buffers.setdefault(data, len(self.buffers))

    def _operator(self, at: int) -> Table:
        source = self.source
        kind = source.integer(at, 3, "B")
        options = source.child(at, 4)
        return _table(
            {
                0: source.scalar(at, 0, 4),
                1: source.vector(at, 1, 4),
                2: source.vector(at, 2, 4),
                3: source.scalar(at, 3, 1),
                4: None if options is None or not kind else self._options(kind, options),
                5: source.vector(at, 5, 1),
                8: source.vector(at, 8, 4),
            }
        )

    def _options(self, kind: int, at: int) -> Table:
        return _table({i: self._option(at, i, field) for i, field in enumerate(_OPTIONS.get(kind, ""))})

    def _option(self, at: int, number: int, field: str) -> bytes | Vector | None:
        if field == "V":
            return self.source.vector(at, number, 4)
        return self.source.string(at, number) if field == "s" else self.source.scalar(at, number, int(field))

    def _metadata(self, at: int) -> Table | None:
        name = self.source.vector(at, 0, 1)
        if not name or name[2] not in _METADATA:
            return None
        return {0: _text(name[2]), 1: struct.pack("<I", self._buffer(self.source.integer(at, 1, "I")))}


def _builtin(code: Table) -> int:
    """BuiltinOperator; small numbers may be only in the older field."""
    old, new = code.get(0, b"\0"), code.get(3, b"\0\0\0\0")
    return max(struct.unpack("<b", old)[0], struct.unpack("<i", new)[0])


def _table(fields: dict[int, Any]) -> Table:
    return {number: value for number, value in fields.items() if value is not None}


# --- Writing -------------------------------------------------------------------------------------------


class _Pool:
    """Objects by content: each has a number, a height (leaves are 0) and the numbers of its children."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}
        self.objects: list[Any] = []  # a Vector, or ("table" | "list", fields or numbers)
        self.heights: list[int] = []

    def add(self, value: Object) -> int:
        children: list[int] = []
        key: Any = value
        if isinstance(value, dict):
            fields: list[tuple[int, Any]] = []
            for number, field in value.items():
                if isinstance(field, bytes):
                    fields.append((number, field))
                else:
                    fields.append((number, self.add(field)))
                    children.append(fields[-1][1])
            key = ("table", tuple(fields))
        elif isinstance(value, list):
            children = [self.add(item) for item in value]
            key = ("list", tuple(children))
        if key not in self.numbers:
            self.numbers[key] = len(self.objects)
            self.objects.append(key)
            self.heights.append(1 + max((self.heights[c] for c in children), default=-1))
        return self.numbers[key]


def write(root: Table) -> bytes:
    """The flatbuffer with this root."""
    pool = _Pool()
    pool.add(root)
    order = sorted(range(len(pool.objects)), key=lambda n: (-pool.heights[n], _alignment(pool.objects[n])))
    out = bytearray(b"\0\0\0\0TFL3")
    places: dict[int, int] = {}
    vtables: dict[bytes, int] = {}
    patches: list[tuple[int, int]] = [(0, order[0])]  # where an offset goes, and to which object
    for number in order:
        match pool.objects[number]:
            case ("table", fields):
                places[number] = _write_table(out, fields, vtables, patches)
            case ("list", items):
                _pad(out, 4)
                places[number] = len(out)
                out += struct.pack("<I", len(items))
                for item in items:
                    patches.append((len(out), item))
                    out += bytes(4)
            case (alignment, count, content):
                _pad(out, alignment, 4)
                places[number] = len(out)
                out += struct.pack("<I", count) + content
    for at, number in patches:
        struct.pack_into("<I", out, at, places[number] - at)
    _pad(out, 4)
    return bytes(out)


def _alignment(item: Any) -> int:
    return item[0] if isinstance(item[0], int) else 4


def _write_table(
    out: bytearray,
    fields: list[tuple[int, Any]],
    vtables: dict[bytes, int],
    patches: list[tuple[int, int]],
) -> int:
    """Large fields first, so that nothing is padded between them; tables of one layout share a vtable."""
    offsets = [0] * (1 + max((n for n, _ in fields), default=-1))
    body = bytearray(4)
    references = []
    for number, value in sorted(fields, key=lambda f: -len(f[1]) if isinstance(f[1], bytes) else -4):
        offsets[number] = len(body)
        if isinstance(value, int):
            references.append((len(body), value))
        body += bytes(4) if isinstance(value, int) else value
    vtable = struct.pack(f"<HH{len(offsets)}H", 4 + 2 * len(offsets), len(body), *offsets)
    if vtable not in vtables:
        _pad(out, 2)
        vtables[vtable] = len(out)
        out += vtable
    _pad(out, 4)
    at = len(out)
    struct.pack_into("<i", body, 0, at - vtables[vtable])
    out += body
    patches += [(at + offset, number) for offset, number in references]
    return at


def _pad(out: bytearray, alignment: int, before: int = 0) -> None:
    """Pads so that what follows after `before` more bytes is aligned."""
    out += bytes(-(len(out) + before) % alignment)
