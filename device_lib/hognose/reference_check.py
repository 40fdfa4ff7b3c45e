# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The reference engine's loader: checks a file and reads its operators' records.

As thorough as hog_load() of the native engine and in its words: what passes can run without further checks.
"""

import struct

from .hogfile import ENTRY_SIZE, HEADER_SIZE, SIZES, Tensor, section, tensors
from .reference_math import MAX_FLOAT

LIMIT = 0x80000000  # of the arena and of a file; the bit of a ref that says "in DATA"
NONE = 0xFFFFFFFF
_MAX_LOOPS = 6
_OVERLAP = "tensors overlap"

CONV, DEPTHWISE, AVERAGE_POOL, MAX_POOL, ADD, MUL, MEAN, MOVE = range(1, 9)
FILL, SOFTMAX, LUT, QUANTIZE, DEQUANTIZE, CLAMP, LOGISTIC, TANH = range(9, 17)
JUMP = 32
TWO_WIDTHS = 2  # block of a CONV with such weights


def has_offset_weights(op):
    """Whether the weights of a CONV are stored as those of a dense layer of one row: with 128 or 8 added."""
    one_pixel = op[9] * op[12] * op[13] == 1
    eights = op[14] * op[15] * op[7] % 8 == 0
    return op[0] == CONV and op[24] != 0 and op[6] == NONE and op[16] == 1 and one_pixel and eights


def narrow_rows(op, data):
    """Of such a CONV, a function that says whether the weights of a channel have 4 bits."""
    if op[24] != TWO_WIDTHS or not has_offset_weights(op):
        return lambda c: 0
    bits = (op[5] ^ LIMIT) + 4 * (op[8] + op[23]) + op[23]
    return lambda c: data[bits + c // 8] >> c % 8 & 1


def trail(op):
    """How many bytes before its input the output of a CONV or DEPTHWISE must begin if they overlap, or None.

    CONV reads a patch, then writes all channels of a pixel; DEPTHWISE reads and writes the rows of a block.
    """
    scratch, in_c, out_c, batch, _, in_w, out_h, out_w = op[6:14]
    stride_h, stride_w, pad_h, pad_w, block = op[17], op[18], op[21], op[22], op[24]
    if scratch == NONE or block == 0 or batch != 1:
        return None
    in_row, out_row = in_w * in_c, out_w * out_c
    if op[0] == DEPTHWISE:
        rows, lead = block, block * out_row
    elif block != out_c or out_w * stride_w > in_w + pad_w:
        return None
    else:
        rows, lead = 1, pad_w * in_c + out_w * max(0, out_c - stride_w * in_c)
    return pad_h * in_row + lead + (out_h - rows) * max(0, out_row - stride_h * in_row)


# What follows hog_op_t, before the loops; c is the clamp.
_FORMATS = {
    CONV: "7I16Hc",
    DEPTHWISE: "7I16Hc",
    AVERAGE_POOL: "3I12Hc",
    MAX_POOL: "3I12Hc",
    ADD: "3I2Hc3i4b",
    MUL: "3I2Hc3i4b",
    MEAN: "2I2BHcii",
    MOVE: "4I",
    FILL: "4I",
    SOFTMAX: "6I",
    LUT: "4I",
    QUANTIZE: "3Ifi",
    DEQUANTIZE: "3Ifi",
    CLAMP: "3I2f",
    LOGISTIC: "3I2f",
    TANH: "3I2f",
}


def full():
    """The part for operators that few models have, in files of its own."""
    from . import reference_full

    return reference_full


class CheckedFile:
    """A valid file. `data` is its section DATA, `operators` the offsets of the operators' records, of which
    the first `initial` run only at a reset.

    ValueError says what is wrong with the file.
    """

    def __init__(self, file):
        self._file = file
        self.arena_size = _check_header(file)
        _check_sections(file)
        offset, size = section(file, b"DATA")
        self.data = file[offset : offset + size]
        plan, size = section(file, b"PLAN")
        end = plan + size
        if size < 8:
            raise ValueError("the plan is cut short")
        inputs, outputs, count, self.initial = struct.unpack_from("<4H", file, plan)
        if self.initial > count:
            raise ValueError("the plan is cut short")
        if not (1 <= inputs <= 64 and 1 <= outputs <= 64):
            raise ValueError("not 1 to 64 inputs and outputs")
        at = plan + 8
        for _ in range(inputs + outputs):
            if end - at < 16 or end - at < 16 + 4 * file[at + 5]:
                raise ValueError("the plan is cut short")
            self._check_io(Tensor(file, at))
            at += 16 + 4 * file[at + 5]
        self.inputs, self.outputs, at = tensors(file)
        self.operators = []
        self.count = count
        for i in range(count):
            if end - at < 4:
                raise ValueError("the plan is cut short")
            try:
                self.operators.append(at)
                at += self._check_operator(at, end)
            except ValueError as e:
                raise ValueError("operator %d: %s" % (i, e.args[0]))
        if at != end:
            raise ValueError("the plan is too long")

    def _check_io(self, io):
        if io.dtype not in SIZES:
            raise ValueError("unknown type")
        if io.reserved != 0:
            raise ValueError("a reserved field is not 0")
        if io.size == 0:
            raise ValueError("a size is 0")
        if not self._in_arena(io.ref, io.nbytes(), min(4, SIZES[io.dtype])):
            raise ValueError("input or output of the model misplaced")
        least, most = {"B": (-128, 255), "h": (-32768, 32767)}.get(io.dtype, (-128, 127))
        if not (0 <= io.scale <= MAX_FLOAT and least <= io.zero_point <= most):
            raise ValueError("scale or zero point out of range")

    def _check_operator(self, at, end):
        """Validates the record at `at` and returns its length."""
        code, kind, size = struct.unpack_from("<BBH", self._file, at)
        size *= 4
        formats = _FORMATS if code <= TANH else full().FORMATS
        if code not in formats:
            raise ValueError("unknown operator")
        fixed = 4 + struct.calcsize("<" + formats[code].replace("c", "2f"))
        if size > end - at or size < fixed:
            raise ValueError("the record's length is wrong")
        loops = self._loop_count(code, at)
        if loops > _MAX_LOOPS:
            raise ValueError("too many loops")
        if size != fixed + 12 * loops:
            raise ValueError("the record's length is wrong")
        kind = chr(kind)
        if code > TANH or code == MOVE or code == FILL or (kind == "h" and code in (AVERAGE_POOL, MAX_POOL)):
            if kind not in SIZES:
                raise ValueError("unknown type")
        elif not (kind == "b" and code < CLAMP or kind == "f" and not LUT <= code <= DEQUANTIZE):
            raise ValueError("unknown type")
        checks = _CHECKS if code <= TANH else full().CHECKS
        checks[code](self, self.fields(at), self.loops(at))
        return size

    def _loop_count(self, code, at):
        if code == ADD or code == MUL:
            return struct.unpack_from("<H", self._file, at + 16)[0]
        if code > TANH:
            return full().loop_count(self._file, code, at)
        if code == MEAN:
            return self._file[at + 12] + self._file[at + 13]
        return struct.unpack_from("<I", self._file, at + 16)[0] if code == MOVE else 0

    def fields(self, at):
        """A record: operator code, element type, and its fields."""
        code, kind = struct.unpack_from("<BB", self._file, at)
        kind = chr(kind)
        form = (_FORMATS if code <= TANH else full().FORMATS)[code]
        form = form.replace("c", "4h" if kind in "bh" else "2f" if kind == "f" else "2i")
        if code == SOFTMAX and kind == "f":
            form = "5If"
        return (code, kind) + struct.unpack_from("<" + form, self._file, at + 4)

    def loops(self, at):
        """Its loop nest: tuples (n, a, b), outermost first."""
        code, _, words = struct.unpack_from("<BBH", self._file, at)
        n = self._loop_count(code, at)
        first = at + 4 * words - 12 * n
        return [struct.unpack_from("<Iii", self._file, first + 12 * i) for i in range(n)]

    # Checks of operators; a place is a ref, its size in bytes and its alignment.

    def _in_arena(self, ref, size, align):
        return ref + size <= self.arena_size and ref % align == 0

    def _in_data(self, ref, size, align):
        ref ^= LIMIT
        return ref + size <= len(self.data) and ref % align == 0

    def _check_tensors(self, in_, in_size, in_align, out, out_size, out_align, may_overlap=False):
        if not self._in_arena(in_, in_size, in_align):
            raise ValueError("input misplaced")
        if not self._in_arena(out, out_size, out_align):
            raise ValueError("output misplaced")
        if overlap(in_, in_size, out, out_size) and not may_overlap:
            raise ValueError(_OVERLAP)

    def check_conv(self, op, loops, unpacked=False):
        """`unpacked`: the weights will be there, as int8, in the arena."""
        code, kind, in_, out, weights, params, scratch, in_c, out_c = op[:9]
        batch, in_h, in_w, out_h, out_w, k_h, k_w, groups = op[9:17]
        stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w, scales, block = op[17:25]
        size = 1 if kind == "b" else 4
        if 0 in (in_c, out_c) or 0 in op[9:21]:
            raise ValueError("a size is 0")
        if in_c % groups or out_c % groups or (code == DEPTHWISE and groups != in_c):
            raise ValueError("groups do not divide the channels")
        _check_window(out_h, stride_h, k_h, dilation_h)
        _check_window(out_w, stride_w, k_w, dilation_w)
        in_size = batch * in_h * in_w * in_c * size
        out_size = batch * out_h * out_w * out_c * size
        patch = k_h * k_w * (in_c // groups) * size
        weights_size = patch * out_c
        lead = trail(op)
        trails = lead is not None and in_ - out >= lead
        self._check_tensors(in_, in_size, size, out, out_size, size, trails)
        offset = has_offset_weights(op)
        self._check_conv_params(kind, params, out_c, scales, block, offset)
        computed = unpacked or code == CONV and kind == "f"
        if unpacked and weights & LIMIT:
            raise ValueError("weights misplaced")
        if unpacked or not block:
            self.check_weights(weights, weights_size, size, computed, out, out_size)
        align = size
        if block:
            self._check_block(op, unpacked, patch)
            quads, align = (patch + 3) // 4, 4
            if code == DEPTHWISE:
                patch = 4 * ((block - 1) * stride_h + k_h) * ((out_w - 1) * stride_w + k_w)
            else:
                patch = 8 * quads + block // 2 * (16 * quads + 24)
        if scratch != NONE:
            if not self._in_arena(scratch, patch, align):
                raise ValueError("scratch misplaced")
            if overlap(in_, in_size, scratch, patch) or overlap(out, out_size, scratch, patch):
                raise ValueError(_OVERLAP)
        elif code == CONV and kind == "b":
            inside = pad_h == pad_w == 0
            inside = inside and (out_h - 1) * stride_h + k_h <= in_h and (out_w - 1) * stride_w + k_w <= in_w
            rows = k_h == 1 or (k_w == in_w and dilation_h == 1)
            run = groups == 1 and (k_w == 1 or dilation_w == 1) and rows
            if not (inside and (k_h == k_w == 1 or run)):
                raise ValueError("patches need scratch")
        if unpacked and (
            overlap(in_, in_size, weights, weights_size)
            or (scratch != NONE and overlap(scratch, patch, weights, weights_size))
        ):
            raise ValueError(_OVERLAP)
        check_clamp(op[25:])

    def _check_block(self, op, unpacked, row):
        """A layer with a block, and its weights, of which a channel has `row` values."""
        code, kind, weights, out_c, out_h, groups, block = op[0], op[1], op[4], op[8], op[12], op[16], op[24]
        offset, narrow = has_offset_weights(op), narrow_rows(op, self.data)
        if kind != "b":
            raise ValueError("unknown type")
        limit = out_h if code == DEPTHWISE else out_c // groups
        if unpacked or block > TWO_WIDTHS if offset else block > limit or (code == CONV and block % 2):
            raise ValueError("block out of range")
        _, zero_point, low, high = op[25:]
        if not offset and low != zero_point and high - low != 255:
            raise ValueError("block out of range")
        align, least = (4, b"\0") if offset else (1, b"\x80")
        for c in range(0 if unpacked else out_c):
            half = narrow(c)
            n = row >> half
            if not self._in_data(weights, n, align):
                raise ValueError("weights misplaced")
            at, weights = weights ^ LIMIT, weights + n
            for i in () if half else range(at, at + n, 256):
                if least in bytes(self.data[i : min(i + 256, at + n)]):
                    raise ValueError("a weight is -128 where it must not be")

    def check_weights(self, weights, size, align, computed, out, out_size):
        """`computed`: they may lie in the arena."""
        if computed and not weights & LIMIT:
            good = self._in_arena(weights, size, align) and not overlap(weights, size, out, out_size)
        else:
            good = self._in_data(weights, size, align)
        if not good:
            raise ValueError("weights misplaced")

    def _check_conv_params(self, kind, params, out_c, scales, block, offset):
        if scales not in ((1, out_c) if kind == "b" else (0,)):
            raise ValueError("not one multiplier or one for each channel")
        more = (out_c + 7) // 8 if offset and block == TWO_WIDTHS else 0
        if not self._in_data(params, 4 * (out_c + scales) + scales + more, 4):
            raise ValueError("parameters misplaced")
        at = (params ^ LIMIT) + 4 * out_c
        for i in range(scales):
            multiplier = struct.unpack_from("<i", self.data, at + 4 * i)[0]
            shift = struct.unpack_from("<b", self.data, at + 4 * scales + i)[0]
            check_multiplier(multiplier, shift)
            if block and shift >= 0 and multiplier:
                raise ValueError("multiplier or shift out of range")

    def _check_pool(self, op, loops):
        _, kind, in_, out, channels, batch, in_h, in_w, out_h, out_w, k_h, k_w = op[:12]
        stride_h, stride_w, pad_h, pad_w, reserved = op[12:17]
        size = SIZES[kind]
        if channels == 0 or 0 in op[5:14]:
            raise ValueError("a size is 0")
        if reserved != 0:
            raise ValueError("a reserved field is not 0")
        _check_window(out_h, stride_h, k_h, 1)
        _check_window(out_w, stride_w, k_w, 1)
        if (
            pad_h >= k_h
            or pad_w >= k_w
            or (out_h - 1) * stride_h >= in_h + pad_h
            or (out_w - 1) * stride_w >= in_w + pad_w
        ):
            raise ValueError("window outside the input")
        in_size = batch * in_h * in_w * channels * size
        out_size = batch * out_h * out_w * channels * size
        self._check_tensors(in_, in_size, size, out, out_size, size)
        check_clamp(op[17:], kind)

    def _extent(self, ref, loops, second, unit, run):
        """What a loop nest touches of a tensor: first byte's ref, and bytes; None where it is nowhere."""
        low, high = 0, run
        for loop in loops:
            reach = (loop[0] - 1) * loop[2 if second else 1]
            if abs(reach) >= LIMIT:
                return None
            low += min(reach, 0) * unit
            high += max(reach, 0) * unit
        area = ref & LIMIT
        at = ref ^ area
        if at + low < 0 or at + high > (len(self.data) if area else self.arena_size) or at % min(unit, 4):
            return None
        return at + low + area, high - low

    def _check_binary(self, op, loops):
        kind, in1, in2, out, _, left_shift = op[1:7]
        size = 1 if kind == "b" else 4
        self.check_operands(in1, in2, out, loops, size, size, size)
        if kind == "b":
            if left_shift > 30:
                raise ValueError("multiplier or shift out of range")
            for i in (11, 12, 13):
                check_multiplier(op[i], op[i + 3])
        check_clamp(op[7 : 11 if kind == "b" else 9])

    def check_operands(self, in1, in2, out, loops, size1, size2, out_size):
        """Two operands and the contiguous output of a loop nest; sizes are those of an element."""
        n = places(loops)
        if not loops or n == 0:
            raise ValueError("a size is 0")
        if not self._in_arena(out, n * out_size, min(4, out_size)):
            raise ValueError("output misplaced")
        for ref, size, second in ((in1, size1, False), (in2, size2, True)):
            extent = self._extent(ref, loops, second, size, size)
            if extent is None:
                raise ValueError("operand misplaced")
            if (
                not ref & LIMIT
                and overlap(extent[0], extent[1], out, n * out_size)
                and not (ref == out and _walks_like_output(loops, second))
            ):
                raise ValueError(_OVERLAP)

    def _check_mean(self, op, loops):
        kind, reserved = op[1], op[6]
        size = 1 if kind == "b" else 4
        self.check_reduction(op, loops, size, size)
        if reserved != 0:
            raise ValueError("a reserved field is not 0")
        if kind == "b":
            check_multiplier(op[11], op[12])
            check_clamp(op[7:11])

    def check_reduction(self, op, loops, size, out_size):
        """Input and output of a loop nest that reduces; sizes are those of an element."""
        in_, out, keep = op[2:5]
        kept, every = places(loops[:keep]), places(loops)
        if every == 0 or keep == len(loops):
            raise ValueError("a size is 0")
        if not self._in_arena(out, kept * out_size, min(4, out_size)):
            raise ValueError("output misplaced")
        extent = self._extent(in_, loops, False, size, size)
        if in_ & LIMIT or every > self.arena_size // size or extent is None:
            raise ValueError("input misplaced")
        if overlap(extent[0], extent[1], out, kept * out_size):
            raise ValueError(_OVERLAP)

    def _check_move(self, op, loops):
        in_, out, run = op[2:5]
        size = places(loops) * run
        if size == 0:
            raise ValueError("a size is 0")
        place = self._extent(out, loops, True, 1, run)
        if out & LIMIT or size > self.arena_size or place is None:
            raise ValueError("output misplaced")
        source = self._extent(in_, loops, False, 1, run)
        if source is None:
            raise ValueError("operand misplaced")
        if overlap(source[0], source[1], place[0], place[1]):
            raise ValueError(_OVERLAP)

    def _check_fill(self, op, loops):
        out, count, size = op[2:5]
        if size not in (1, 2, 4):
            raise ValueError("elements are not of 1, 2 or 4 bytes")
        if count == 0:
            raise ValueError("a size is 0")
        if not self._in_arena(out, count * size, size):
            raise ValueError("output misplaced")

    def check_elements(self, in_, in_size, out, out_size, count):
        if count == 0:
            raise ValueError("a size is 0")
        self._check_tensors(in_, count * in_size, in_size, out, count * out_size, out_size, in_ == out)

    def _check_softmax(self, op, loops):
        kind, in_, out, rows, depth, table, entries = op[1:8]
        if kind == "b" and not self._in_data(table, 4 * entries, 4):
            raise ValueError("table misplaced")
        size = 1 if kind == "b" else 4
        self.check_elements(in_, size, out, size, rows * depth)

    def _check_lut(self, op, loops):
        _, _, in_, out, count, table = op
        if not self._in_data(table, 256, 1):
            raise ValueError("table misplaced")
        self.check_elements(in_, 1, out, 1, count)

    def _check_quantize(self, op, loops):
        code, _, in_, out, count, scale, zero_point = op
        if not 0 < scale <= MAX_FLOAT:
            raise ValueError("scale is not a positive number")
        if not -128 <= zero_point <= 127:
            raise ValueError("zero point out of range")
        sizes = (4, 1) if code == QUANTIZE else (1, 4)
        self.check_elements(in_, sizes[0], out, sizes[1], count)

    def _check_unary(self, op, loops):
        code, _, in_, out, count, low, high = op
        if code == CLAMP and not low <= high:
            raise ValueError("clamp out of range or empty")
        self.check_elements(in_, 4, out, 4, count)


_CHECKS = {
    CONV: CheckedFile.check_conv,
    DEPTHWISE: CheckedFile.check_conv,
    AVERAGE_POOL: CheckedFile._check_pool,
    MAX_POOL: CheckedFile._check_pool,
    ADD: CheckedFile._check_binary,
    MUL: CheckedFile._check_binary,
    MEAN: CheckedFile._check_mean,
    MOVE: CheckedFile._check_move,
    FILL: CheckedFile._check_fill,
    SOFTMAX: CheckedFile._check_softmax,
    LUT: CheckedFile._check_lut,
    QUANTIZE: CheckedFile._check_quantize,
    DEQUANTIZE: CheckedFile._check_quantize,
    CLAMP: CheckedFile._check_unary,
    LOGISTIC: CheckedFile._check_unary,
    TANH: CheckedFile._check_unary,
}


def _check_header(file):
    """Returns the arena's size."""
    if len(file) < HEADER_SIZE or bytes(file[:4]) != b"HOGN":
        raise ValueError("not a .hog file")
    version, sections, length, crc, arena_size, features = struct.unpack_from("<HHIIII", file, 4)
    if version != 1:
        raise ValueError("the file's version is not 1")
    if length >= LIMIT or length != len(file):
        raise ValueError("the file's length is not what its header says")
    if crc32(file[16:]) != crc:
        raise ValueError("the checksum is wrong: the file is damaged")
    if sections > 16 or length < HEADER_SIZE + sections * ENTRY_SIZE:
        raise ValueError("the section table is misplaced")
    if features & ~15:
        raise ValueError("the file needs a newer engine")
    if arena_size >= LIMIT:
        raise ValueError("the arena is 2 GB or larger")
    return arena_size


def _check_sections(file):
    count = struct.unpack_from("<H", file, 6)[0]
    first = HEADER_SIZE
    table = [struct.unpack_from("<4sII", file, first + ENTRY_SIZE * i) for i in range(count)]
    behind = first + ENTRY_SIZE * count
    for i, (tag, offset, length) in enumerate(table):
        if (
            tag not in (b"META", b"PLAN", b"DATA")
            or tag in [other[0] for other in table[:i]]
            or offset < behind
            or offset + length > len(file)
            or offset % (16 if tag == b"DATA" else 4)
        ):
            raise ValueError("a section is unknown, there twice or misplaced")
        for _, at, size in table[:i]:
            if overlap(offset, length, at, size):
                raise ValueError("sections overlap")
    if count < 3:
        raise ValueError("a section is missing")


def crc32(data):
    """zlib's."""
    try:
        import binascii

        return binascii.crc32(data)
    except (ImportError, AttributeError):
        crc = 0xFFFFFFFF
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
        return crc ^ 0xFFFFFFFF


def overlap(a, a_size, b, b_size):
    return a < b + b_size and b < a + a_size


def places(loops):
    """How often the body of a loop nest runs."""
    n = 1
    for loop in loops:
        n *= loop[0]
    return n


def _walks_like_output(loops, second):
    stride = 1
    for i in range(len(loops) - 1, -1, -1):
        if loops[i][0] != 1 and loops[i][2 if second else 1] != stride:
            return False
        stride *= loops[i][0]
    return True


def _check_window(out, stride, taps, dilation):
    if (out - 1) * stride + (taps - 1) * dilation >= LIMIT:
        raise ValueError("window too large")


def check_multiplier(multiplier, shift):
    if multiplier < 0 or not -31 <= shift <= 30:
        raise ValueError("multiplier or shift out of range")


def check_clamp(clamp, kind="b"):
    """A clamp's fields: (in_zp, out_zp, min, max) of int8 and int16, else (min, max)."""
    if len(clamp) == 4 and kind == "b":
        if not (-128 <= clamp[0] <= 127 and -128 <= clamp[1] <= 127):
            raise ValueError("zero point out of range")
        if clamp[2] < -128 or clamp[3] > 127:
            raise ValueError("clamp out of range or empty")
    if not clamp[-2] <= clamp[-1]:
        raise ValueError("clamp out of range or empty")


def check_function(function, kind, types):
    """`types`: the types that each function takes."""
    if function >= len(types) or kind not in types[function]:
        raise ValueError("unknown function, or not of this type")
