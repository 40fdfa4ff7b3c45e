# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Reads a valid `.hog` file: inputs and outputs, META, operators. An engine has validated it before.

The file is a memoryview of bytes, as everywhere in this package; native_module/README.md specifies it.
"""

import json
import struct

HEADER_SIZE = 24
ENTRY_SIZE = 12  # of the section table

# By operator code.
OPERATORS = (
    "",
    "CONV",
    "DEPTHWISE",
    "AVERAGE_POOL",
    "MAX_POOL",
    "ADD",
    "MUL",
    "MEAN",
    "MOVE",
    "FILL",
    "SOFTMAX",
    "LUT",
    "QUANTIZE",
    "DEQUANTIZE",
    "CLAMP",
    "LOGISTIC",
    "TANH",
    "COMBINE",
    "APPLY",
    "RESCALE",
    "REDUCE",
    "SCAN",
    "L2_POOL",
    "NORMALIZE",
    "GATHER",
    "UPDATE",
    "SVDF",
    "LSTM",
    "MATMUL",
    "RESIZE",
    "CONV16",
    "CURVE",
    "JUMP",
    "DETECT",
    "CONV4",
    "DEPTHWISE4",
)
# Bytes of an element, by typecode.
SIZES = {"b": 1, "f": 4, "h": 2, "i": 4, "q": 8, "B": 1, "?": 1}


class Tensor:
    """An input or output: `ref` is its offset in the arena, `dtype` its typecode, `size` counts elements."""

    def __init__(self, file, at):
        self.ref, dtype, rank, self.reserved, self.scale, self.zero_point = struct.unpack_from(
            "<IBBHfi", file, at
        )
        self.dtype = chr(dtype)
        self.shape = struct.unpack_from("<%dI" % rank, file, at + 16)
        self.size = 1
        for n in self.shape:
            self.size *= n

    def nbytes(self):
        return self.size * SIZES[self.dtype]


def arena_size(head):
    """What the header states; 0 where it is none."""
    return struct.unpack_from("<I", head, 16)[0] if len(head) >= HEADER_SIZE else 0


def section(file, tag):
    """Offset and length of the section `tag` (bytes)."""
    for at in range(HEADER_SIZE, HEADER_SIZE + ENTRY_SIZE * struct.unpack_from("<H", file, 6)[0], ENTRY_SIZE):
        found, offset, length = struct.unpack_from("<4sII", file, at)
        if found == tag:
            return offset, length
    raise ValueError("a section is missing")


def tensors(file):
    """Lists of the inputs and of the outputs, and the offset of what follows them."""
    at = section(file, b"PLAN")[0]
    inputs, outputs = struct.unpack_from("<HH", file, at)
    at += 8
    result = []
    for _ in range(inputs + outputs):
        result.append(Tensor(file, at))
        at += 16 + 4 * len(result[-1].shape)
    return result[:inputs], result[inputs:], at


def operators(file):
    """The operators' names in the order in which they run."""
    count = struct.unpack_from("<H", file, section(file, b"PLAN")[0] + 4)[0]
    at = tensors(file)[2]
    names = []
    for _ in range(count):
        code, _, words = struct.unpack_from("<BBH", file, at)
        names.append(OPERATORS[code])
        at += 4 * words
    return names


def initial(file):
    """How many of the first operators run only at a reset: none where the model keeps no state."""
    return struct.unpack_from("<H", file, section(file, b"PLAN")[0] + 6)[0]


def meta(file):
    """META as a dict. ValueError where it is none."""
    offset, length = section(file, b"META")
    try:
        result = json.loads(bytes(file[offset : offset + length]))
    except (ValueError, RuntimeError) as e:  # RuntimeError: nested too deeply
        raise ValueError("META is not JSON: %s" % e)
    if not isinstance(result, dict):
        raise ValueError("META is not a JSON object")
    return result
