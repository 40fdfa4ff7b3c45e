# SPDX-License-Identifier: MIT
"""The engine in plain Python: validates a `.hog` and runs it, with the native engine's very bytes.

Slow and portable, and the readable form of native_module/FORMAT.md: it needs no more than `struct` and
`array`. load.py checks a file, check.py has what checks share, arithmetic.py, fixed.py and floats.py compute
as C does. Each of the other files has a family of operators, as the file of its name in
native_module/engine/ops: their check and their kernels. It is imported when a model has one of them.
"""

import struct

from .. import hogfile
from .arithmetic import clamp, f32, get, put, round_to_int, wrap
from .load import File

_CHUNK = 128  # numbers that are converted at once
_RANGE = {"b": (-128, 127), "h": (-32768, 32767), "B": (0, 255)}


class Reference:
    """What the native binding `_hognose` offers, with the same arguments; it keeps its state in itself.

    `file`: the loaded file, None before load().
    """

    VERSION = hogfile.VERSION
    STATE_SIZE = 0

    def __init__(self):
        self.file = None

    def load(self, file, state=None):
        """Validates the file and returns the arena's size in bytes. ValueError says what is wrong."""
        self.file = File(file)
        return self.file.arena_size

    def write(self, state, arena, i, numbers):
        """Numbers (a buffer) to input `i`, quantized where it is; out of range saturates, NaN counts as 0."""
        io = self._io(self.file.inputs, i, "input")
        numbers = _flat(numbers)
        if len(numbers) != io.size:
            raise ValueError("%d numbers given, the input takes %d" % (len(numbers), io.size))
        at = io.ref
        for start in range(0, io.size, _CHUNK):
            values = [f32(x) for x in numbers[start : start + _CHUNK]]
            if io.dtype != "f":
                values = [_quantize(x, io) for x in values]
            put(arena, at, "B" if io.dtype == "?" else io.dtype, values)
            at += len(values) * hogfile.SIZES[io.dtype]

    def read(self, state, arena, i, floats):
        """Output `i`, dequantized, to an array of type f."""
        io = self._io(self.file.outputs, i, "output")
        if len(floats) != io.size:
            raise ValueError("room for %d floats, the output has %d" % (len(floats), io.size))
        scale = io.scale if io.scale > 0 else 1.0
        kind = "B" if io.dtype == "?" else io.dtype
        for start in range(0, io.size, _CHUNK):
            n = min(_CHUNK, io.size - start)
            values = get(arena, io.ref + start * hogfile.SIZES[kind], kind, n)
            if kind == "q":
                values = [wrap(x) for x in values]  # what does not fit into 32 bits is not for floats
            if kind != "f":
                values = [scale * f32(f32(x) - io.zero_point) for x in values]
            for k, x in enumerate(values):
                floats[start + k] = x

    def _io(self, ios, i, what):
        if not 0 <= i < len(ios):
            raise ValueError("no %s %d: the model has %d" % (what, i, len(ios)))
        return ios[i]

    def invoke(self, state, arena, inputs, outputs):
        """Copies raw inputs in, runs, copies raw outputs out: a buffer, a tuple or list of them, or None."""
        arena = memoryview(arena)
        inputs = _buffers(inputs, self.file.inputs, "inputs")
        outputs = _buffers(outputs, self.file.outputs, "outputs")
        for io, given in zip(self.file.outputs, outputs):
            size = len(bytes(memoryview(given)))
            if size != io.nbytes():
                raise ValueError("room for %d bytes, the output has %d" % (size, io.nbytes()))
        for io, given in zip(self.file.inputs, inputs):
            given = bytes(memoryview(given))
            if len(given) != io.nbytes():
                raise ValueError("%d bytes given, the input takes %d" % (len(given), io.nbytes()))
            arena[io.ref : io.ref + io.nbytes()] = given
        self.run(state, arena, self.file.initial, self.file.count)
        for io, given in zip(self.file.outputs, outputs):
            n = io.nbytes()
            struct.pack_into("%ds" % n, given, 0, bytes(arena[io.ref : io.ref + n]))

    def run(self, state, arena, first, last):
        """Runs operators first ... last - 1."""
        self._check_arena(arena)
        if not 0 <= first <= last <= self.file.count:
            raise ValueError("operators %d to %d: no such range in the model" % (first, last))
        turns = 0
        while first < last:
            after = self.step(state, arena, first)
            if after <= first:
                if turns == self.file.turns:
                    raise ValueError("a loop of the model does not end: stopped after %d turns" % turns)
                turns += 1
            first = after

    def step(self, state, arena, i):
        """Runs operator `i`, and returns the number of the next one."""
        self._check_arena(arena)
        if not 0 <= i < self.file.count:
            raise ValueError("no operator %d: the model has %d" % (i, self.file.count))
        module, op, loops = self.file.operator(i)
        target = module.run(self.file.data, memoryview(arena), op, loops)
        return i + 1 if target is None else target

    def _check_arena(self, arena):
        size = self.file.arena_size
        if len(arena) < size:
            raise ValueError("the arena has %d bytes, the model needs %d" % (len(arena), size))


def _quantize(x, io):
    """A caller's number for an input; unlike QUANTIZE it saturates, and NaN counts as 0."""
    x = f32(x / (io.scale if io.scale > 0 else 1.0))
    x = clamp(x if x == x else 0.0, -2147483648.0, 2147483520.0)
    if io.dtype == "b":
        x = clamp(x, -1000.0, 1000.0)
    n = wrap(round_to_int(x) + io.zero_point)
    if io.dtype == "?":
        return n != 0
    low, high = _RANGE.get(io.dtype, (-0x80000000, 0x7FFFFFFF))
    return clamp(n, low, high)


def _flat(numbers):
    """A buffer of numbers as something of one dimension."""
    try:
        view = memoryview(numbers)
    except TypeError:
        raise ValueError("the numbers are not a buffer")
    if not hasattr(view, "format"):  # not CPython
        return view
    if view.format.lstrip("@=<") not in tuple("bBhHiIlLqQfd"):
        raise ValueError("numbers of an unknown type: use an array of type f")
    if not view.c_contiguous:
        raise ValueError("the numbers are not a contiguous buffer")
    return view.cast("B").cast(view.format.lstrip("@=<"))


def _buffers(given, ios, what):
    if given is None:
        return ()
    if not isinstance(given, (tuple, list)):
        given = (given,)
    if len(given) != len(ios):
        raise ValueError("%d %s given, the model has %d" % (len(given), what, len(ios)))
    return given
