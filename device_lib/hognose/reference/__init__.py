# SPDX-License-Identifier: MIT
"""The engine in plain Python: validates a `.hog` and runs it, with the native engine's very bytes.

Slow and portable, and the readable form of native_module/FORMAT.md: it needs no more than `struct` and
`array`. load.py checks a file, check.py has what checks share, arithmetic.py, fixed.py and floats.py compute
as C does. Each of the other files has a family of operators, as the file of its name in
native_module/engine/ops: their check and their kernels. It is imported when a model has one of them.
"""

import struct

from .. import hogfile
from ..runs import Guard, in_steps
from .arithmetic import clamp, f32, get, put, round_to_int, wrap
from .load import File

_CHUNK = 128  # numbers that are converted at once
# Of a side of the model: its name, what to say where it is no buffer, or one of another size.
_INPUT = ("input", "an input is not a buffer", "%d bytes given, the input takes %d")
_OUTPUT = ("output", "an output is not a writable buffer", "room for %d bytes, the output has %d")
_RANGE = {"b": (-128, 127), "h": (-32768, 32767), "B": (0, 255)}


class Reference:
    """What the native binding `_hognose` offers, with the same arguments; it keeps its state in itself.

    `file`: the loaded file, None before load().
    """

    VERSION = hogfile.VERSION
    STATE_SIZE = 0

    def __init__(self):
        self.file = None
        self._guard = Guard()

    def load(self, file, state=None):
        """Validates the file and returns the arena's size in bytes. ValueError says what is wrong."""
        self.file = File(file)
        return self.file.arena_size

    def enter(self, state, arena, inputs, outputs):
        """Takes the model for a run, until leave(). Copies raw inputs in, and checks what outputs go to.

        Each is a buffer, a tuple or list of them, or None. ValueError: another thread is at it.
        """
        self._guard.take()
        try:
            _checked(outputs, self.file.outputs, _OUTPUT)
            arena = memoryview(arena)
            for at, view, size in _checked(inputs, self.file.inputs, _INPUT):
                for start in range(0, len(view), _CHUNK):
                    piece = view[start : start + _CHUNK]
                    arena[at : at + len(piece) * size] = piece if size == 1 else bytes(piece)
                    at += len(piece) * size
        except BaseException:
            self._guard.give()
            raise

    def leave(self, state, arena, outputs):
        """Copies raw outputs out, and lets go of the model."""
        arena = memoryview(arena)
        try:
            for at, view, size in _checked(outputs, self.file.outputs, _OUTPUT):
                total = len(view) * size
                for start in range(0, total, _CHUNK):
                    n = min(_CHUNK, total - start)
                    piece = bytes(arena[at + start : at + start + n])
                    struct.pack_into("%ds" % n, view, start, piece)
        finally:
            self._guard.give()

    def write(self, state, arena, i, numbers):
        """Numbers (a buffer) to input `i`, quantized where it is; what is out of range saturates.

        ValueError: their count is wrong, or one is NaN.
        """
        io = self._io(self.file.inputs, i, "input")
        numbers = _flat(numbers)
        if len(numbers) != io.size:
            raise ValueError("%d numbers given, the input takes %d" % (len(numbers), io.size))
        for k, x in enumerate(numbers):
            if x != x:
                raise ValueError("number %d is NaN" % k)
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
        floats = _floats(floats)
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

    def run(self, state, arena, first, last):
        """Runs operators first ... last - 1."""
        self._check_arena(arena)
        if not 0 <= first <= last <= self.file.count:
            raise ValueError("operators %d to %d: no such range in the model" % (first, last))
        in_steps(self, state, arena, first, last, self.file.turns)

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
    """A caller's number for an input; unlike QUANTIZE it saturates."""
    x = clamp(f32(x / (io.scale if io.scale > 0 else 1.0)), -2147483648.0, 2147483520.0)
    if io.dtype == "b":
        x = clamp(x, -1000.0, 1000.0)
    n = round_to_int(x) + io.zero_point
    if io.dtype == "?":
        return clamp(n, -0x80000000, 0x7FFFFFFF) != 0
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


def _floats(floats):
    """A buffer of float32 to write to."""
    try:
        view = memoryview(floats)
    except TypeError:
        raise ValueError("the floats are not a writable buffer")
    if hasattr(view, "format"):
        if view.readonly or not view.c_contiguous:
            raise ValueError("the floats are not a writable buffer")
        if view.format.lstrip("@=<") != "f":
            raise ValueError("the floats are not an array of type f")
        return view.cast("B").cast("f")
    if len(view) and not _is_of_floats(view):
        raise ValueError("the floats are not an array of type f")
    return view


def _is_of_floats(view):
    """MicroPython does not tell: elements of 4 bytes that hold halves are of type f."""
    kept = view[0]
    try:
        view[0] = 0.5
        found = view[0] == 0.5
        view[0] = kept
    except TypeError:
        return False
    return found and len(bytes(view[:1])) == 4


def _checked(given, ios, side):
    """Of inputs or outputs: the place in the arena, a view of the caller's buffer, bytes of its elements."""
    name, no_buffer, wrong_size = side
    if given is None:
        return ()
    if not isinstance(given, (tuple, list)):
        given = (given,)
    if len(given) != len(ios):
        raise ValueError("%d %ss given, the model has %d" % (len(given), name, len(ios)))
    result = []
    for io, buffer in zip(ios, given):
        try:
            view, size = _raw(buffer, name == "output")
        except TypeError:
            raise ValueError(no_buffer)
        if len(view) * size != io.nbytes():
            raise ValueError(wrong_size % (len(view) * size, io.nbytes()))
        result.append((io.ref, view, size))
    return result


def _raw(buffer, to_write):
    """A view of a buffer and the bytes of its elements; TypeError where it cannot be read, or written."""
    view = memoryview(buffer)
    if hasattr(view, "cast"):
        view, size = view.cast("B"), 1
    else:
        size = len(bytes(view[:1])) if len(view) else 1  # MicroPython does not tell
    if to_write and len(view):
        view[0] = view[0]
    return view, size
