# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Models larger than RAM: their weights stay in the file system, and are read when their layers run.

As many operators as fit into one buffer become a small `.hog` of their own, with the part of DATA that they
refer to: the engine checks it each time as it checks any file, its checksum too. The buffer is as large as
the largest operator needs.
"""

import struct
from binascii import crc32

from . import hogfile

_DAMAGED = "the plan is damaged, or needs a newer library"
_IN_DATA = 0x80000000
_JUMP = 32
_PLAN = hogfile.HEADER_SIZE + 3 * hogfile.ENTRY_SIZE  # where it begins in a small file

# Which words of a record, by operator code, may refer to DATA: bit 0 is the one after code, type and length.
_REFS = bytes((0, 31, 31, 3, 3, 7, 7, 3, 3, 1, 19, 11, 3, 3, 3, 3, 3)) + bytes(
    (7, 3, 3, 3, 3, 3, 19, 7, 7, 63, 127, 15, 3, 31, 19, 1, 255, 31, 31)
)


class _Slice:
    """_Slice()[a:b] is that slice: made once, where writing `x[a:b] = y` makes one each time."""

    def __getitem__(self, where):
        return where


class _Part:
    """Operators first ... last - 1; `reads`: (offset in the file, where it goes, bytes)."""

    def __init__(self, first, last, records, extents):
        self.first = first
        self.last = last
        self.records = records  # (offset in the head, bytes)
        self.extents = extents  # of DATA, in order: [start, end]
        self.prefix = self.prefix_at = self.view = self.reads = None


def plan(head):
    """The parts of the file that begins with `head` (all before DATA), and the bytes that the buffer needs.

    ValueError: it cannot be streamed.
    """
    records, wanted = _records(head)
    limit = hogfile.section(head, b"DATA")[1]
    starts = sorted(set([x for places in wanted for x in places]))
    ends = {a: b for a, b in zip(starts, starts[1:] + [limit])}
    extents = [_merged([[x, ends[x]] for x in places]) for places in wanted]
    room = max([_size(head, [r], e) for r, e in zip(records, extents)] + [_prefix_size(head, [])])
    parts = []
    for i in range(len(records)):
        if parts:
            part = parts[-1]
            both = _merged(part.extents + extents[i])
            if _size(head, part.records + [records[i]], both) <= room:
                part.last = i + 1
                part.records.append(records[i])
                part.extents = both
                continue
        parts.append(_Part(i, i + 1, [records[i]], extents[i]))
    return parts, room


def needs(head):
    """Bytes of RAM of a streamed model, beside its arena and the engine's state."""
    parts, room = plan(head)
    return len(head) + room + sum([_prefix_size(head, p.records) for p in parts]) + _prefix_size(head, [])


def _records(head):
    """Of each operator (offset, bytes) of its record, and the words in DATA that it refers to."""
    at, length = hogfile.section(head, b"PLAN")
    end = at + length
    size = hogfile.section(head, b"DATA")[1]
    if length < 8 or end > len(head):
        raise ValueError(_DAMAGED)
    inputs, outputs, count = struct.unpack_from("<3H", head, at)
    at += 8
    for _ in range(inputs + outputs):
        if end - at < 16:
            raise ValueError(_DAMAGED)
        at += 16 + 4 * head[at + 5]
    records, wanted = [], []
    for _ in range(count):
        if end - at < 4:
            raise ValueError(_DAMAGED)
        code, _, words = struct.unpack_from("<BBH", head, at)
        if words == 0 or end - at < 4 * words or code >= len(_REFS):
            raise ValueError(_DAMAGED)
        if code == _JUMP:
            raise ValueError("a model with loops or branches cannot be streamed")
        records.append((at, 4 * words))
        wanted.append([_offset(head, place) & ~3 for place in _places(head, at, size)])
        at += 4 * words
    return records, wanted


def _places(file, at, size):
    """Where in the record at `at` there are refs to DATA, which has `size` bytes."""
    code, _, words = struct.unpack_from("<BBH", file, at)
    places = [at + 4 * (i + 1) for i in range(words - 1) if _REFS[code] >> i & 1]
    return [place for place in places if file[place + 3] & 0x80 and _offset(file, place) < size]


def _offset(file, place):
    return struct.unpack_from("<I", file, place)[0] ^ _IN_DATA


def _merged(extents):
    result = []
    for a, b in sorted(extents):
        if result and a <= result[-1][1]:
            result[-1][1] = max(b, result[-1][1])
        else:
            result.append([a, b])
    return result


def _aligned16(n):
    return (n + 15) & ~15


def _plan_size(head, records):
    return hogfile.tensors(head)[2] - hogfile.section(head, b"PLAN")[0] + sum([n for _, n in records])


def _prefix_size(head, records):
    """Of a small file, all before DATA, in bytes."""
    return _aligned16(_PLAN + _plan_size(head, records))


def _size(head, records, extents):
    """Of a small file, in bytes."""
    return _prefix_size(head, records) + sum([b - a for a, b in extents])


class Stream:
    """An engine for `Model`: runs with another one what it reads from a file. `head`: all before DATA."""

    def __init__(self, file, path, size, allocate):
        self._open = file
        self._path = path
        self._allocate = allocate
        self._loaded = None
        head = file.read(hogfile.HEADER_SIZE)
        if len(head) < hogfile.HEADER_SIZE or head[:4] != b"HOGN":
            raise ValueError("%s: not a .hog file" % path)
        if struct.unpack_from("<I", head, 8)[0] != size:
            raise ValueError("%s: the file's length is not what its header says" % path)
        table = file.read(min(struct.unpack_from("<H", head, 6)[0], 16) * hogfile.ENTRY_SIZE)
        try:
            self._data, length = hogfile.section(head + table, b"DATA")
        except ValueError:
            raise ValueError("%s: for TensorFlow Lite Micro, which cannot be streamed, or damaged" % path)
        if self._data + length != size:
            raise ValueError("%s: DATA is not the last section: pack the model again" % path)
        self.head = memoryview(allocate(self._data))
        self._read(0, self.head)

    def serve(self, engine, parts_engine):
        """`engine` answers for inputs and outputs, `parts_engine` runs what is read."""
        self._engine, self._parts_engine = engine, parts_engine
        self.STATE_SIZE = engine.STATE_SIZE
        self.write, self.read = engine.write, engine.read
        return self

    def load(self, head, state):
        """Checks the whole file, part by part; returns the arena's size in bytes."""
        self._parts, room = plan(head)
        self._count = struct.unpack_from("<H", head, hogfile.section(head, b"PLAN")[0] + 4)[0]
        self._initial = hogfile.initial(head)
        self._state = self._allocate(self.STATE_SIZE)
        buffer = self._buffer = memoryview(self._allocate(room))
        self._check(head)
        for part in self._parts:
            self._prepare(head, part, buffer)
            self._fill(part)
        # Inputs and outputs are those of a file without operators.
        ports = _Part(0, 0, [], [])
        self._prepare(head, ports, buffer)
        self._ports = ports.prefix
        return self._engine.load(memoryview(self._ports), state)

    def invoke(self, state, arena, inputs, outputs):
        self._engine.invoke(state, arena, inputs, outputs)  # all is checked before anything runs
        self.run(state, arena, self._initial, self._count)
        if outputs is not None:
            self._engine.invoke(state, arena, None, outputs)

    def run(self, _, arena, first, last):
        """Runs operators first ... last - 1."""
        if not 0 <= first <= last <= self._count:
            raise ValueError("operators %d to %d: no such range in the model" % (first, last))
        for part in self._parts:
            a, b = max(first, part.first), min(last, part.last)
            if a < b:
                if part is not self._loaded:
                    self._fill(part)
                self._parts_engine.run(self._state, arena, a - part.first, b - part.first)

    def close(self):
        self._open.close()
        self._loaded = self._buffer = None

    def _check(self, head):
        """The checksum of the whole file."""
        crc = crc32(head[16:])
        left = struct.unpack_from("<I", head, 8)[0] - self._data
        at = self._data
        while left > 0:
            view = self._buffer[: min(left, len(self._buffer))]
            self._read(at, view)
            crc = crc32(view, crc)
            at += len(view)
            left -= len(view)
        if crc & 0xFFFFFFFF != struct.unpack_from("<I", head, 12)[0]:
            raise ValueError("the checksum is wrong: the file is damaged")

    def _prepare(self, head, part, buffer):
        """Writes all of a part's file but its DATA, and reads that once for the checksum."""
        first = hogfile.section(head, b"PLAN")[0]
        start = hogfile.tensors(head)[2]
        length = _plan_size(head, part.records)
        data = _prefix_size(head, part.records)
        size = _size(head, part.records, part.extents)
        part.prefix = prefix = self._allocate(data)
        part.prefix_at = _Slice()[:data]
        prefix[: hogfile.HEADER_SIZE] = head[: hogfile.HEADER_SIZE]
        struct.pack_into("<HI", prefix, 6, 3, size)
        at = hogfile.HEADER_SIZE
        for section in ((b"META", _PLAN, 0), (b"PLAN", _PLAN, length), (b"DATA", data, size - data)):
            struct.pack_into("<4sII", prefix, at, *section)
            at += hogfile.ENTRY_SIZE
        ports = start - first
        prefix[_PLAN : _PLAN + ports] = head[first:start]
        struct.pack_into("<HH", prefix, _PLAN + 4, len(part.records), 0)
        part.view = buffer[:size]
        part.reads = []
        moved = []  # (start, end, where it begins in the small file's DATA)
        at = data
        for a, b in part.extents:
            moved.append((a, b, at - data))
            part.reads.append((self._data + a, buffer[at : at + b - a]))
            at += b - a
        at = _PLAN + ports
        total = hogfile.section(head, b"DATA")[1]
        for source, n in part.records:
            prefix[at : at + n] = head[source : source + n]
            for place in _places(head, source, total):
                x = _offset(head, place)
                for a, b, to in moved:
                    if a <= x < b:
                        struct.pack_into("<I", prefix, at + place - source, (x - a + to) | _IN_DATA)
            at += n
        self._copy(part)
        struct.pack_into("<I", prefix, 12, crc32(part.view[16:]) & 0xFFFFFFFF)

    def _copy(self, part):
        """A part's file into the buffer. What an engine has loaded there is no more."""
        self._loaded = None
        part.view[part.prefix_at] = part.prefix
        for offset, piece in part.reads:
            self._read(offset, piece)

    def _fill(self, part):
        self._copy(part)
        try:
            self._parts_engine.load(part.view, self._state)
        except ValueError as e:
            raise ValueError(
                "%s, operators %d to %d: %s" % (self._path, part.first, part.last - 1, e.args[0])
            )
        self._loaded = part

    def _read(self, offset, view):
        self._open.seek(offset)
        if self._open.readinto(view) != len(view):
            raise OSError("%s is shorter than it was" % self._path)
