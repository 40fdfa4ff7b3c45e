# SPDX-License-Identifier: MIT
"""What the checks of records have in common; the error texts are the native engine's.

A record is a tuple: operator code, element type, the fields in the order of the file, then those of the
clamp. A check takes the file, a record and its loop nest, tuples (n, a, b) with the outermost loop first. It
raises an error made by fail(), or returns the steps that one run of the operator takes.
"""

import struct

from ..hogfile import SIZES
from .arithmetic import MAX_FLOAT

try:
    from micropython import const
except ImportError:

    def const(x):
        """On MicroPython a name with an underscore that is const() takes no memory."""
        return x


IN_DATA = 0x80000000  # bit of a ref; arena and file are smaller
NONE = 0xFFFFFFFF


def fail(name):
    """The error of this name."""
    from ..errors import ERRORS  # only a bad file needs them

    return ValueError(dict(ERRORS)[name])


class Memory:
    """Where tensors lie: in the arena, of `arena_size` bytes, or in the file's section `data`."""

    arena_size = 0
    data = b""

    def in_arena(self, ref, size, align):
        return ref + size <= self.arena_size and ref % align == 0

    def in_data(self, ref, size, align):
        ref ^= IN_DATA
        return ref + size <= len(self.data) and ref % align == 0

    def in_either(self, ref, size, align):
        return self.in_data(ref, size, align) if ref & IN_DATA else self.in_arena(ref, size, align)

    def extent(self, ref, loops, operand, unit, run):
        """The part of a tensor that a loop nest touches: ref of its first byte, and bytes; None if outside.

        `operand`: 1 or 2, whose strides; `unit`: of the strides, `run`: length of an access, in bytes.
        """
        low, high = 0, run
        for loop in loops:
            reach = (loop[0] - 1) * loop[operand]
            if abs(reach) >= IN_DATA:
                return None
            low += min(reach, 0) * unit
            high += max(reach, 0) * unit
        area = ref & IN_DATA
        at = ref ^ area
        if at + low < 0 or at + high > (len(self.data) if area else self.arena_size) or at % min(unit, 4):
            return None
        return at + low + area, high - low

    def check_tensors(self, in_, in_size, in_align, out, out_size, out_align, may_overlap=False):
        """Input and output."""
        if not self.in_arena(in_, in_size, in_align):
            raise fail("INPUT")
        if not self.in_arena(out, out_size, out_align):
            raise fail("OUTPUT")
        if overlap(in_, in_size, out, out_size) and not may_overlap:
            raise fail("OVERLAP")

    def check_elements(self, in_, in_size, out, out_size, count):
        """Input and output of an elementwise operator, which may work in place; sizes are an element's."""
        if count == 0:
            raise fail("ZERO")
        self.check_tensors(in_, count * in_size, in_size, out, count * out_size, out_size, in_ == out)
        return count

    def check_apart(self, tensors):
        """Input, output, and what an operator keeps or works on, all apart: (ref, elements, type) of each."""
        places = [(ref, n * SIZES[kind], SIZES[kind]) for ref, n, kind in tensors]
        for i, (ref, size, align) in enumerate(places):
            if size == 0:
                raise fail("ZERO")
            if not self.in_arena(ref, size, align):
                raise fail("INPUT" if i == 0 else "OUTPUT" if i == 1 else "STATE")
            for other in places[:i]:
                if overlap(ref, size, other[0], other[1]):
                    raise fail("OVERLAP")

    def check_scales(self, params, bias, scales, extra, most_left):
        """Multipliers and shifts at `params`, after `bias` words and before `extra` bytes."""
        if not self.in_data(params, 4 * (bias + scales) + scales + extra, 4):
            raise fail("PARAMS")
        at = (params ^ IN_DATA) + 4 * bias
        for i in range(scales):
            multiplier = struct.unpack_from("<i", self.data, at + 4 * i)[0]
            shift = struct.unpack_from("<b", self.data, at + 4 * scales + i)[0]
            check_multiplier(multiplier, shift)
            # The shift of a multiplier of 0 is ignored, except for 64-bit sums.
            if shift > most_left and (multiplier or most_left > 0):
                raise fail("MULTIPLIER")


def overlap(a, a_size, b, b_size):
    return a < b + b_size and b < a + a_size


def places(loops):
    """How often the body of a loop nest runs."""
    n = 1
    for loop in loops:
        n *= loop[0]
    return n


def check_loops(count, loops):
    """`count`: what the record says."""
    if count != len(loops):
        raise fail("RECORD")


def check_window(out, stride, taps, dilation):
    """Positions of a window must be int32."""
    if (out - 1) * stride + (taps - 1) * dilation >= IN_DATA:
        raise fail("WINDOW")


def check_multiplier(multiplier, shift):
    if multiplier < 0 or not -31 <= shift <= 30:
        raise fail("MULTIPLIER")


def check_scale(x):
    if not 0 < x <= MAX_FLOAT:
        raise fail("SCALE")


def check_clamp(op, kind):
    """The clamp of a record: (…, in_zp, out_zp, min, max) of int8 and int16, else (…, min, max)."""
    low, high = op[-2:]
    if kind == "b":
        if not (-128 <= op[-4] <= 127 and -128 <= op[-3] <= 127):
            raise fail("ZERO_POINT")
        if low < -128 or high > 127:
            raise fail("CLAMP")
    if not low <= high:
        raise fail("CLAMP")


def check_function(function, kind, types):
    """`types`: the types that each function takes, from 0 on."""
    if function >= len(types) or kind not in types[function]:
        raise fail("FUNCTION")


def has_byte(data, at, n, byte):
    """Whether one of `n` bytes is that."""
    for i in range(at, at + n, 256):
        if byte in bytes(data[i : min(i + 256, at + n)]):
            return True
    return False
