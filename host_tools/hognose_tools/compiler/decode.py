# SPDX-License-Identifier: MIT
"""Decodes TFLM's compressed constants, which its operator TFLM_DECODE decodes on the board.

An ancillary tensor says how one is stored: 16 bytes, of which byte 0 is the kind, 1 and 4 are versions, then
tables (tflite-micro, tensorflow/lite/micro/compression/decode.py and micro/kernels/decode_state_*.cc).
Bits are numbered from each byte's most significant one.
"""

import numpy as np

from ..errors import UserError
from .graph import Tensor

KIND = "custom TFLM_DECODE"
_LUT, _HUFFMAN, _PRUNE = range(3)
_HEADER = 16
_TYPES = {"bool", "int8", "int16", "int32", "int64", "float32"}


def decode(encoded: bytes, ancillary: bytes, t: Tensor) -> np.ndarray:
    """The data of `t`. Raises ValueError where the bytes make no sense, UserError for what TFLM lacks."""
    if len(ancillary) < _HEADER or ancillary[1] != 1 or ancillary[4] != 1:
        raise ValueError(f"tensor {t.index} is compressed in an unknown version")
    kind = ancillary[0]
    if kind > _PRUNE or t.dtype not in ({"int8", "int16"} if kind == _HUFFMAN else _TYPES):
        raise UserError(
            f"{t.label}: compression of kind {kind} for {t.dtype} is not supported: "
            "compress with look-up tables, or not at all"
        )
    if len(encoded) * 8 < t.size:  # a bit an element, at least
        raise ValueError(f"tensor {t.index}: {len(encoded)} bytes for shape {t.shape}")
    values = (_lut, _huffman, _prune)[kind](encoded, ancillary, t)
    return values.reshape(t.shape)


def _channels(t: Tensor) -> np.ndarray:
    """The channel of each element, as the tensor is quantized."""
    count, rank = max(len(t.scales), 1), len(t.shape)
    if count > 1 and t.axis not in (0, rank - 1):
        raise ValueError(f"tensor {t.index} is compressed along axis {t.axis}")
    if count > 1 and (not rank or t.shape[t.axis] != count):
        raise ValueError(f"tensor {t.index} has {count} scales along axis {t.axis}")
    index = np.arange(t.size)
    return index % count if count > 1 and t.axis == rank - 1 else index * count // max(t.size, 1)


def _table(ancillary: bytes, dtype: str) -> np.ndarray:
    """What follows the header, as elements."""
    item = np.dtype(dtype).newbyteorder("<")
    return np.frombuffer(ancillary, item, (len(ancillary) - _HEADER) // item.itemsize, _HEADER)


def _lut(encoded: bytes, ancillary: bytes, t: Tensor) -> np.ndarray:
    """Indices of 1 to 7 bits into a table for each channel."""
    width, stride = ancillary[5] & 7, ancillary[6]
    bits = np.unpackbits(np.frombuffer(encoded, np.uint8))[: t.size * width]
    if not width or len(bits) < t.size * width:
        raise ValueError(f"tensor {t.index}: {len(encoded)} bytes of {width}-bit indices for shape {t.shape}")
    indices = bits.reshape(t.size, width) @ (1 << np.arange(width)[::-1])
    return _table(ancillary, t.dtype)[_channels(t) * stride + indices]


def _prune(encoded: bytes, ancillary: bytes, t: Tensor) -> np.ndarray:
    """A bit for each element: the next one of the table, or the zero point."""
    there = np.unpackbits(np.frombuffer(encoded, np.uint8))[: t.size].astype(bool)
    zeros = t.zero_points if len(t.zero_points) else np.zeros(1, np.int64)
    if t.dtype != "int8":
        if zeros[0]:
            raise ValueError(f"tensor {t.index} has the zero point {zeros[0]}")
        zeros = np.zeros_like(zeros)
    values = zeros[_channels(t)].astype(t.dtype)
    count = np.count_nonzero(there)
    table = _table(ancillary, t.dtype)
    if len(table) < count:
        raise ValueError(f"tensor {t.index} has too few values: {len(table)} of {count}")
    values[there] = table[:count]
    return values


def _huffman(encoded: bytes, ancillary: bytes, t: Tensor) -> np.ndarray:
    """Codes in linked tables: an entry is a flag "symbol", 4 bits, and the symbol or the offset of a table.

    The 4 bits say how many of the bits just read the code uses, or how many the next table reads, minus one.
    """
    bits = 32 if ancillary[5] & 1 else 16
    if bits == 16 and t.dtype != "int8":
        raise ValueError(f"tensor {t.index}: {t.dtype} in tables of 16 bits")
    table = _table(ancillary, f"uint{bits}").tolist()
    stream = "".join(f"{byte:08b}" for byte in encoded) + "0" * 32  # a look ahead may pass the end
    values, at = np.zeros(t.size, np.int64), 0
    for i in range(t.size):
        place, width = 0, (ancillary[5] >> 4) + 1
        while True:
            if at + width > len(stream):
                raise ValueError(f"tensor {t.index}: its codes end too early")
            place += int(stream[at : at + width], 2)
            at += width
            entry = table[place]
            count = entry >> (bits - 5) & 15
            if entry >> (bits - 1):
                break
            place += entry & ((1 << (bits - 5)) - 1)
            width = count + 1
        at -= max(width - count, 0)
        values[i] = entry & 0xFFFF
    return values.astype(np.uint16).astype(t.dtype)
