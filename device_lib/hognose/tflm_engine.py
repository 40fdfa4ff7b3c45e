# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""TFLite Micro as an engine of `Model`: for a `.tflite`, or a `.hog` that carries one."""

import struct

from . import hogfile

try:
    import tflm
except ImportError:
    tflm = None  # flatbuffer() is of use without it
try:
    from binascii import crc32
except ImportError:
    crc32 = None


def flatbuffer(file):
    """The `.tflite` in a file that is one, or in the TFLM section of a `.hog`; None where there is none.

    ValueError: a `.hog` that is damaged.
    """
    if bytes(file[4:8]) == b"TFL3":
        return file
    if bytes(file[:4]) != b"HOGN" or len(file) < hogfile.HEADER_SIZE:
        return None
    version, sections, length, crc = struct.unpack_from("<HHII", file, 4)
    table_end = hogfile.HEADER_SIZE + hogfile.ENTRY_SIZE * sections
    if length != len(file) or sections > 16 or len(file) < table_end:
        return None  # the native engine says what is wrong
    try:
        offset, size = hogfile.section(file, b"TFLM")
    except ValueError:
        return None
    if version != 1:
        raise ValueError("unknown version of the file format")
    if crc32 and crc32(file[16:]) & 0xFFFFFFFF != crc:
        raise ValueError("the checksum is wrong: the file is damaged")
    if offset + size > length:
        raise ValueError("a section lies outside the file")
    return file[offset : offset + size]


class Tensor:
    """An input or output, as hogfile's."""

    def __init__(self, tensor):
        self.dtype = tensor.typecode
        self.name = tensor.name
        self.shape = tensor.shape
        self.scale = tensor.scale
        self.zero_point = tensor.zero_point
        self.size = tensor.size
        self._nbytes = tensor.nbytes

    def nbytes(self):
        return self._nbytes


# The arena begins with a mark of the model that is prepared in it; TFLM has the rest.
_HEAD = 16
_MARK = 8


class Tflm:
    """What `_hognose` offers, with the same arguments; holds one model, which TFLM keeps in the arena.

    Models that share an arena are prepared anew, their variables lost, when it is another one's turn.
    """

    VERSION = 1
    STATE_SIZE = 0
    _made = 0

    def __init__(self):
        if not tflm:
            raise ImportError("this firmware has no tflm")
        self._content = self._arena = self._head = self._interpreter = None
        Tflm._made += 1
        self._mark = struct.pack("<II", 0x6D6C6674, Tflm._made)

    def load(self, file, state=None):
        """Checks the file and returns the arena's size in bytes, measured. ValueError says what is wrong."""
        content = flatbuffer(file)
        if content is None:
            raise ValueError("neither a .tflite nor a .hog that carries one: pack it with --engine tflm")
        size = tflm.arena_size(content)
        self._content = content
        return _HEAD + size

    def bind(self, arena):
        """Prepares the model in its arena: once, and again where another one has been there since."""
        if self._arena is not arena or self._head != self._mark:
            self._interpreter = None
            self._interpreter = tflm.Interpreter(self._content, memoryview(arena)[_HEAD:])
            self._arena = arena
            self._head = memoryview(arena)[:_MARK]
            self._head[:] = self._mark
        return self._interpreter

    def write(self, state, arena, i, numbers):
        """Numbers (a buffer) to input `i`, quantized where it is; out of range saturates, NaN counts as 0."""
        self.bind(arena).write(i, numbers)

    def read(self, state, arena, i, floats):
        """Output `i`, dequantized, to an array of type f."""
        self.bind(arena).read(i, floats)

    def invoke(self, state, arena, inputs, outputs):
        """Copies raw inputs in, runs, copies raw outputs out: a buffer, a tuple or list of them, or None."""
        self.bind(arena).invoke(inputs, outputs)

    def profile(self):
        """Runs and returns a list of (operator, microseconds)."""
        return self.bind(self._arena).profile()

    def reset(self):
        """Variables are as at the start."""
        if "CALL_ONCE" in self.bind(self._arena).operators:
            # TFLM's own reset does not bring back the values that this has given them.
            self._arena[0] ^= 0xFF  # the mark
            self.bind(self._arena)
        else:
            self._interpreter.reset()

    # What hogfile tells of the other engines' files; the model must be bound to its arena.

    def tensors(self, file):
        """Lists of the inputs and of the outputs, and None."""
        i = self._interpreter
        return [Tensor(t) for t in i.inputs], [Tensor(t) for t in i.outputs], None

    def initial(self, file):
        """Nothing is for us to run at a reset."""
        return 0

    def operators(self, file):
        """The operators' names in the order in which they run."""
        return self._interpreter.operators

    def meta(self, file):
        """META of a `.hog`; of a `.tflite` the tensors' names."""
        if bytes(file[:4]) == b"HOGN":
            return hogfile.meta(file)
        i = self._interpreter
        return {"inputs": [t.name for t in i.inputs], "outputs": [t.name for t in i.outputs]}
