# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The engine in plain Python: validates a `.hog` and runs it, with the native engine's very bytes.

Slow and portable, and the readable form of native_module/README.md. It needs no more than `struct`
and `array`. Names of numbers follow hog.h.
"""

import struct
import sys
from array import array

from . import hogfile

_LIMIT = 0x80000000  # of the arena and of a file; the bit of a ref that says "in DATA"
_NONE = 0xFFFFFFFF
_MAX_LOOPS = 6
_MAX_FLOAT = 3.4028234663852886e38
_CHUNK = 128  # elements that are unpacked at once
_BLOCK = 2048  # weights that are unpacked at once
_OVERLAP = "output or scratch overlap each other or the input"

_CONV, _DEPTHWISE, _AVERAGE_POOL, _MAX_POOL, _ADD, _MUL, _MEAN, _MOVE = range(1, 9)
_FILL, _SOFTMAX, _LUT, _QUANTIZE, _DEQUANTIZE, _CLAMP, _LOGISTIC, _TANH = range(9, 17)

# What follows hog_op_t, before the loops; c is the clamp.
_FORMATS = {
    _CONV: "7I16Hc",
    _DEPTHWISE: "7I16Hc",
    _AVERAGE_POOL: "3I12Hc",
    _MAX_POOL: "3I12Hc",
    _ADD: "3I2Hc3i4b",
    _MUL: "3I2Hc3i4b",
    _MEAN: "2I2BHcii",
    _MOVE: "4I",
    _FILL: "4I",
    _SOFTMAX: "6I",
    _LUT: "4I",
    _QUANTIZE: "3Ifi",
    _DEQUANTIZE: "3Ifi",
    _CLAMP: "3I2f",
    _LOGISTIC: "3I2f",
    _TANH: "3I2f",
}


class Reference:
    """What the native binding `_hognose` offers, with the same arguments; it keeps its state in itself."""

    VERSION = 1
    STATE_SIZE = 0

    # Loading.

    def load(self, file, state=None):
        """Validates the file and returns the arena's size in bytes. ValueError says what is wrong."""
        self._file = file
        self._arena_size = _check_header(file)
        _check_sections(file)
        self._data, self._data_size = hogfile.section(file, b"DATA")
        plan, size = hogfile.section(file, b"PLAN")
        end = plan + size
        if size < 8:
            raise ValueError("the plan is cut short")
        inputs, outputs, count, zero = struct.unpack_from("<4H", file, plan)
        if zero != 0:
            raise ValueError("a reserved field is not 0")
        if not (1 <= inputs <= 64 and 1 <= outputs <= 64):
            raise ValueError("the number of inputs or outputs is not 1 to 64")
        at = plan + 8
        for _ in range(inputs + outputs):
            if end - at < 16 or end - at < 16 + 4 * file[at + 5]:
                raise ValueError("the plan is cut short")
            self._check_io(hogfile.Tensor(file, at))
            at += 16 + 4 * file[at + 5]
        self._inputs, self._outputs, at = hogfile.tensors(file)
        self._operators = []  # offsets of their records
        for i in range(count):
            if end - at < 4:
                raise ValueError("the plan is cut short")
            try:
                self._operators.append(at)
                at += self._check_operator(at, end)
            except ValueError as e:
                raise ValueError("operator %d: %s" % (i, e.args[0]))
        if at != end:
            raise ValueError("the plan goes on behind its last operator")
        return self._arena_size

    def _check_io(self, io):
        if io.dtype not in "bf":
            raise ValueError("unknown type")
        if io.reserved != 0:
            raise ValueError("a reserved field is not 0")
        if io.size == 0:
            raise ValueError("a size is 0")
        if not self._in_arena(io.ref, io.nbytes(), 4 if io.dtype == "f" else 1):
            raise ValueError("an input or output of the model is outside the arena or misaligned")
        if not (0 <= io.scale <= _MAX_FLOAT and -128 <= io.zero_point <= 127):
            raise ValueError("a scale or zero point of the model's inputs or outputs is out of range")

    def _check_operator(self, at, end):
        """Validates the record at `at` and returns its length."""
        code, kind, size = struct.unpack_from("<BBH", self._file, at)
        size *= 4
        if code not in _FORMATS:
            raise ValueError("unknown operator")
        fixed = 4 + struct.calcsize("<" + _FORMATS[code].replace("c", "2f"))
        if size > end - at or size < fixed:
            raise ValueError("the record's length is wrong")
        loops = self._loop_count(code, at)
        if loops > _MAX_LOOPS:
            raise ValueError("too many loops")
        if size != fixed + 12 * loops:
            raise ValueError("the record's length is wrong")
        kind = chr(kind)
        if not (kind == "b" and code < _CLAMP or kind == "f" and not _LUT <= code <= _DEQUANTIZE):
            raise ValueError("unknown type")
        _CHECKS[code](self, self._fields(at), self._loops(at))
        return size

    def _loop_count(self, code, at):
        if code == _ADD or code == _MUL:
            return struct.unpack_from("<H", self._file, at + 16)[0]
        if code == _MEAN:
            return self._file[at + 12] + self._file[at + 13]
        return struct.unpack_from("<I", self._file, at + 16)[0] if code == _MOVE else 0

    def _fields(self, at):
        """A record: operator code, element type, and its fields."""
        code, kind = struct.unpack_from("<BB", self._file, at)
        kind = chr(kind)
        form = _FORMATS[code].replace("c", "4h" if kind == "b" else "2f")
        if code == _SOFTMAX and kind == "f":
            form = "5If"
        return (code, kind) + struct.unpack_from("<" + form, self._file, at + 4)

    def _loops(self, at):
        """Its loop nest: tuples (n, a, b), outermost first."""
        code, _, words = struct.unpack_from("<BBH", self._file, at)
        n = self._loop_count(code, at)
        first = at + 4 * words - 12 * n
        return [struct.unpack_from("<Iii", self._file, first + 12 * i) for i in range(n)]

    # Checks of places: a ref, its size in bytes, its alignment.

    def _in_arena(self, ref, size, align):
        return ref + size <= self._arena_size and ref % align == 0

    def _in_data(self, ref, size, align):
        ref ^= _LIMIT
        return ref + size <= self._data_size and ref % align == 0

    def _check_tensors(self, in_, in_size, in_align, out, out_size, out_align, in_place=False):
        if not self._in_arena(in_, in_size, in_align):
            raise ValueError("input ends outside the arena or is misaligned")
        if not self._in_arena(out, out_size, out_align):
            raise ValueError("output ends outside the arena or is misaligned")
        if _overlap(in_, in_size, out, out_size) and not (in_place and in_ == out):
            raise ValueError(_OVERLAP)

    def _check_conv(self, op, loops):
        code, kind, in_, out, weights, params, scratch, in_c, out_c = op[:9]
        batch, in_h, in_w, out_h, out_w, k_h, k_w, groups = op[9:17]
        stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w, scales, layout = op[17:25]
        size = 1 if kind == "b" else 4
        if 0 in (in_c, out_c) or 0 in op[9:21]:
            raise ValueError("a size is 0")
        if layout != 0:
            raise ValueError("a reserved field is not 0")
        if in_c % groups or out_c % groups or (code == _DEPTHWISE and groups != in_c):
            raise ValueError("groups do not divide the channels")
        _check_window(out_h, stride_h, k_h, dilation_h)
        _check_window(out_w, stride_w, k_w, dilation_w)
        in_size = batch * in_h * in_w * in_c * size
        out_size = batch * out_h * out_w * out_c * size
        patch = k_h * k_w * (in_c // groups) * size
        self._check_tensors(in_, in_size, size, out, out_size, size)
        if not self._in_data(weights, patch * out_c, size):
            raise ValueError("weights end outside the file or are misaligned")
        if scratch != _NONE:
            if not self._in_arena(scratch, patch, size):
                raise ValueError("scratch ends outside the arena or is misaligned")
            if _overlap(in_, in_size, scratch, patch) or _overlap(out, out_size, scratch, patch):
                raise ValueError(_OVERLAP)
        elif code == _CONV and kind == "b":
            inside = pad_h == pad_w == 0
            inside = inside and (out_h - 1) * stride_h + k_h <= in_h and (out_w - 1) * stride_w + k_w <= in_w
            rows = k_h == 1 or (k_w == in_w and dilation_h == 1)
            run = groups == 1 and (k_w == 1 or dilation_w == 1) and rows
            if not (inside and (k_h == k_w == 1 or run)):
                raise ValueError("patches need scratch")
        self._check_conv_params(kind, params, out_c, scales)
        _check_clamp(op[25:])

    def _check_conv_params(self, kind, params, out_c, scales):
        if scales not in ((1, out_c) if kind == "b" else (0,)):
            raise ValueError("multipliers are neither one nor one for each channel")
        if not self._in_data(params, 4 * (out_c + scales) + scales, 4):
            raise ValueError("parameters end outside the file or are misaligned")
        at = self._data + (params ^ _LIMIT) + 4 * out_c
        for i in range(scales):
            multiplier = struct.unpack_from("<i", self._file, at + 4 * i)[0]
            _check_multiplier(multiplier, struct.unpack_from("<b", self._file, at + 4 * scales + i)[0])

    def _check_pool(self, op, loops):
        _, kind, in_, out, channels, batch, in_h, in_w, out_h, out_w, k_h, k_w = op[:12]
        stride_h, stride_w, pad_h, pad_w, reserved = op[12:17]
        size = 1 if kind == "b" else 4
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
        _check_clamp(op[17:])

    def _extent(self, ref, loops, second, unit, run):
        """What a loop nest touches of a tensor: first byte's ref, and bytes; None where it is nowhere."""
        low, high = 0, run
        for loop in loops:
            reach = (loop[0] - 1) * loop[2 if second else 1]
            if abs(reach) >= _LIMIT:
                return None
            low += min(reach, 0) * unit
            high += max(reach, 0) * unit
        area = ref & _LIMIT
        at = ref ^ area
        if at + low < 0 or at + high > (self._data_size if area else self._arena_size) or at % unit:
            return None
        return at + low + area, high - low

    def _check_binary(self, op, loops):
        kind, in1, in2, out, _, left_shift = op[1:7]
        size = 1 if kind == "b" else 4
        n = _places(loops)
        if not loops or n == 0:
            raise ValueError("a size is 0")
        if not self._in_arena(out, n * size, size):
            raise ValueError("output ends outside the arena or is misaligned")
        for ref, second in ((in1, False), (in2, True)):
            extent = self._extent(ref, loops, second, size, size)
            if extent is None:
                raise ValueError("input ends outside the arena or the file, or is misaligned")
            if (
                not ref & _LIMIT
                and _overlap(extent[0], extent[1], out, n * size)
                and not (ref == out and _walks_like_output(loops, second))
            ):
                raise ValueError(_OVERLAP)
        if kind == "b":
            if left_shift > 30:
                raise ValueError("multiplier or shift out of range")
            for i in (11, 12, 13):
                _check_multiplier(op[i], op[i + 3])
        _check_clamp(op[7 : 11 if kind == "b" else 9])

    def _check_mean(self, op, loops):
        kind, in_, out, keep, _, reserved = op[1:7]
        size = 1 if kind == "b" else 4
        kept, every = _places(loops[:keep]), _places(loops)
        if every == 0:
            raise ValueError("a size is 0")
        if reserved != 0:
            raise ValueError("a reserved field is not 0")
        if not self._in_arena(out, kept * size, size):
            raise ValueError("output ends outside the arena or is misaligned")
        extent = self._extent(in_, loops, False, size, size)
        if in_ & _LIMIT or every > self._arena_size // size or extent is None:
            raise ValueError("input ends outside the arena or is misaligned")
        if _overlap(extent[0], extent[1], out, kept * size):
            raise ValueError(_OVERLAP)
        if kind == "b":
            _check_multiplier(op[11], op[12])
            _check_clamp(op[7:11])

    def _check_move(self, op, loops):
        in_, out, run = op[2:5]
        size = _places(loops) * run
        if size == 0:
            raise ValueError("a size is 0")
        place = self._extent(out, loops, True, 1, run)
        if out & _LIMIT or size > self._arena_size or place is None:
            raise ValueError("output ends outside the arena or is misaligned")
        source = self._extent(in_, loops, False, 1, run)
        if source is None:
            raise ValueError("input ends outside the arena or the file, or is misaligned")
        if _overlap(source[0], source[1], place[0], place[1]):
            raise ValueError(_OVERLAP)

    def _check_fill(self, op, loops):
        out, count, size = op[2:5]
        if size not in (1, 2, 4):
            raise ValueError("elements are not of 1, 2 or 4 bytes")
        if count == 0:
            raise ValueError("a size is 0")
        if not self._in_arena(out, count * size, size):
            raise ValueError("output ends outside the arena or is misaligned")

    def _check_elements(self, in_, in_size, out, out_size, count):
        if count == 0:
            raise ValueError("a size is 0")
        self._check_tensors(in_, count * in_size, in_size, out, count * out_size, out_size, True)

    def _check_softmax(self, op, loops):
        kind, in_, out, rows, depth, table, entries = op[1:8]
        if kind == "b" and not self._in_data(table, 4 * entries, 4):
            raise ValueError("table ends outside the file or is misaligned")
        size = 1 if kind == "b" else 4
        self._check_elements(in_, size, out, size, rows * depth)

    def _check_lut(self, op, loops):
        _, _, in_, out, count, table = op
        if not self._in_data(table, 256, 1):
            raise ValueError("table ends outside the file or is misaligned")
        self._check_elements(in_, 1, out, 1, count)

    def _check_quantize(self, op, loops):
        code, _, in_, out, count, scale, zero_point = op
        if not 0 < scale <= _MAX_FLOAT:
            raise ValueError("scale is not a positive number")
        if not -128 <= zero_point <= 127:
            raise ValueError("zero point out of range")
        sizes = (4, 1) if code == _QUANTIZE else (1, 4)
        self._check_elements(in_, sizes[0], out, sizes[1], count)

    def _check_unary(self, op, loops):
        code, _, in_, out, count, low, high = op
        if code == _CLAMP and not low <= high:
            raise ValueError("clamp out of range or empty")
        self._check_elements(in_, 4, out, 4, count)

    # Numbers and bytes in and out.

    def write(self, state, arena, i, numbers):
        """Numbers (a buffer) to input `i`, quantized where it is; out of range saturates, NaN counts as 0."""
        io = self._io(self._inputs, i, "input")
        numbers = _flat(numbers)
        if len(numbers) != io.size:
            raise ValueError("%d numbers given, the input takes %d" % (len(numbers), io.size))
        at = io.ref
        scale = io.scale if io.scale > 0 else 1.0
        for start in range(0, io.size, _CHUNK):
            values = [_f32(x) for x in numbers[start : start + _CHUNK]]
            if io.dtype == "b":
                values = [_to_int8(x, scale, io.zero_point) for x in values]
            _put(arena, at, io.dtype, values)
            at += len(values) * (1 if io.dtype == "b" else 4)

    def read(self, state, arena, i, floats):
        """Output `i`, dequantized, to an array of type f."""
        io = self._io(self._outputs, i, "output")
        if len(floats) != io.size:
            raise ValueError("room for %d floats, the output has %d" % (len(floats), io.size))
        scale = io.scale if io.scale > 0 else 1.0
        for start in range(0, io.size, _CHUNK):
            n = min(_CHUNK, io.size - start)
            if io.dtype == "b":
                values = [scale * (x - io.zero_point) for x in _get(arena, io.ref + start, "b", n)]
            else:
                values = _get(arena, io.ref + 4 * start, "f", n)
            for k, x in enumerate(values):
                floats[start + k] = x

    def _io(self, ios, i, what):
        if not 0 <= i < len(ios):
            raise ValueError("no %s %d: the model has %d" % (what, i, len(ios)))
        return ios[i]

    def invoke(self, state, arena, inputs, outputs):
        """Copies raw inputs in, runs, copies raw outputs out: a buffer, a tuple or list of them, or None."""
        arena = memoryview(arena)
        inputs = _buffers(inputs, self._inputs, "inputs")
        outputs = _buffers(outputs, self._outputs, "outputs")
        for io, given in zip(self._outputs, outputs):
            size = len(bytes(memoryview(given)))
            if size != io.nbytes():
                raise ValueError("room for %d bytes, the output has %d" % (size, io.nbytes()))
        for io, given in zip(self._inputs, inputs):
            given = bytes(memoryview(given))
            if len(given) != io.nbytes():
                raise ValueError("%d bytes given, the input takes %d" % (len(given), io.nbytes()))
            arena[io.ref : io.ref + io.nbytes()] = given
        self.run(state, arena, 0, len(self._operators))
        for io, given in zip(self._outputs, outputs):
            n = io.nbytes()
            struct.pack_into("%ds" % n, given, 0, bytes(arena[io.ref : io.ref + n]))

    def run(self, state, arena, first, last):
        """Runs operators first ... last - 1."""
        if not 0 <= first <= last <= len(self._operators):
            raise ValueError("operators %d to %d: no such range in the model" % (first, last))
        if len(arena) < self._arena_size:
            raise ValueError("the arena has %d bytes, the model needs %d" % (len(arena), self._arena_size))
        arena = memoryview(arena)
        for at in self._operators[first:last]:
            op = self._fields(at)
            _KERNELS[op[0]](self, arena, op, self._loops(at))

    # Kernels.

    def _place(self, arena, ref):
        """The buffer in which a tensor is, and its offset there."""
        return (self._file, self._data + (ref ^ _LIMIT)) if ref & _LIMIT else (arena, ref)

    def _from_data(self, ref, form):
        """Parameters in DATA as a tuple."""
        return struct.unpack_from("<" + form, self._file, self._data + (ref ^ _LIMIT))

    def _scaler(self, op):
        """A function of (output channel, sum) that gives the result of CONV and DEPTHWISE."""
        kind, params, out_c, scales = op[1], op[5], op[8], op[23]
        bias = self._from_data(params, "%d%s" % (out_c, "i" if kind == "b" else "f"))
        if kind == "f":
            low, high = op[25:]
            return lambda c, total: _clamp(_f32(total + bias[c]), low, high)
        _, zero_point, low, high = op[25:]
        multiplier = self._from_data(params + 4 * out_c, "%di" % scales)
        shift = self._from_data(params + 4 * (out_c + scales), "%db" % scales)
        if scales == 1:
            m, s = multiplier[0], shift[0]
            return lambda c, total: _finish(total + bias[c], m, s, zero_point, low, high)
        return lambda c, total: _finish(total + bias[c], multiplier[c], shift[c], zero_point, low, high)

    def _conv(self, arena, op, loops):
        kind, in_, out, weights, _, _, in_c, out_c = op[1:9]
        batch, in_h, in_w, out_h, out_w, k_h, k_w, groups = op[9:17]
        stride_h, stride_w, _, _, pad_h, pad_w = op[17:23]
        size = 1 if kind == "b" else 4
        depth, per = in_c // groups, out_c // groups
        k = k_h * k_w * depth
        block = max(4, _BLOCK // k)
        gather = self._gatherer(arena, op)
        scale = self._scaler(op)
        dots = _dots if kind == "b" else _dots_f32
        file = self._file
        weights = self._data + (weights ^ _LIMIT)
        # Weights are unpacked once a block, the input's patches once a block and pixel.
        for first in range(0, out_c, per):
            for c in range(first, first + per, block):
                n = min(block, first + per - c)
                rows = [_get(file, weights + (c + i) * k * size, kind, k) for i in range(n)]
                at = out + c * size
                for b in range(batch):
                    image = in_ + (b * in_h * in_w * in_c + first // per * depth) * size
                    for y in range(-pad_h, out_h * stride_h - pad_h, stride_h):
                        for x in range(-pad_w, out_w * stride_w - pad_w, stride_w):
                            sums = dots(gather(image, y, x), rows)
                            _put(arena, at, kind, [scale(c + i, total) for i, total in enumerate(sums)])
                            at += out_c * size

    def _gatherer(self, arena, op):
        """A function that gives the elements of a window as a list; outside the image int8 has the zero point
        and float32 None."""
        kind, in_c, in_h, in_w, k_h, k_w, groups = op[1], op[7], op[10], op[11], op[14], op[15], op[16]
        dilation_h, dilation_w = op[19:21]
        size = 1 if kind == "b" else 4
        depth = in_c // groups
        whole = depth == in_c and dilation_w == 1
        outside = (op[25] if kind == "b" else None,) * depth

        def gather(image, y, x):
            values = []
            for y in range(y, y + k_h * dilation_h, dilation_h):
                line = image + y * in_w * in_c * size
                if not 0 <= y < in_h:
                    values += outside * k_w
                elif whole and 0 <= x <= in_w - k_w:
                    values += _get(arena, line + x * in_c * size, kind, k_w * depth)
                else:
                    for column in range(x, x + k_w * dilation_w, dilation_w):
                        if 0 <= column < in_w:
                            values += _get(arena, line + column * in_c * size, kind, depth)
                        else:
                            values += outside
            return values

        return gather

    def _depthwise(self, arena, op, loops):
        kind, in_, out, weights, _, _, in_c, out_c = op[1:9]
        batch, in_h, in_w, out_h, out_w, k_h, k_w = op[9:16]
        stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w = op[17:23]
        size = 1 if kind == "b" else 4
        copies = out_c // in_c
        scale = self._scaler(op)
        multiply_add = _multiply_add if kind == "b" else _multiply_add_f32
        weights = self._data + (weights ^ _LIMIT)
        for b in range(batch):
            image = in_ + b * in_h * in_w * in_c * size
            for y in range(-pad_h, out_h * stride_h - pad_h, stride_h):
                for x in range(-pad_w, out_w * stride_w - pad_w, stride_w):
                    sums = [0 if kind == "b" else 0.0] * out_c
                    for tap in range(k_h * k_w):
                        row = y + tap // k_w * dilation_h
                        column = x + tap % k_w * dilation_w
                        if 0 <= row < in_h and 0 <= column < in_w:
                            values = _get(arena, image + (row * in_w + column) * in_c * size, kind, in_c)
                            if copies > 1:
                                values = [v for v in values for _ in range(copies)]
                        elif kind == "b":
                            values = (op[25],) * out_c  # its zero point
                        else:
                            continue
                        sums = multiply_add(
                            sums, values, _get(self._file, weights + tap * out_c * size, kind, out_c)
                        )
                    _put(arena, out, kind, [scale(c, total) for c, total in enumerate(sums)])
                    out += out_c * size

    def _pool(self, arena, op, loops):
        code, kind, in_, out, channels, batch, in_h, in_w, out_h, out_w, k_h, k_w = op[:12]
        stride_h, stride_w, pad_h, pad_w, _ = op[12:17]
        low, high = op[-2:]
        size = 1 if kind == "b" else 4
        average = code == _AVERAGE_POOL
        start = (0 if kind == "b" else 0.0) if average else (-128 if kind == "b" else -_MAX_FLOAT)
        combine = (_sum if kind == "b" else _sum_f32) if average else _larger
        divide = _divide if kind == "b" else _divide_f32
        for b in range(batch):
            image = in_ + b * in_h * in_w * channels * size
            for y in range(-pad_h, out_h * stride_h - pad_h, stride_h):
                for x in range(-pad_w, out_w * stride_w - pad_w, stride_w):
                    results = [start] * channels
                    count = 0
                    for row in range(max(y, 0), min(y + k_h, in_h)):
                        for column in range(max(x, 0), min(x + k_w, in_w)):
                            at = image + (row * in_w + column) * channels * size
                            results = combine(results, _get(arena, at, kind, channels))
                            count += 1
                    if average:
                        results = [divide(v, count) for v in results]
                    _put(arena, out, kind, [_clamp(v, low, high) for v in results])
                    out += channels * size

    def _binary(self, arena, op, loops):
        code, kind, in1, in2, out = op[:5]
        size = 1 if kind == "b" else 4
        memory1, in1 = self._place(arena, in1)
        memory2, in2 = self._place(arena, in2)
        if kind == "b":
            function = self._binary_int8(op)
        else:
            low, high = op[7:9]

            def function(x, y):
                return _clamp(_f32(x + y if code == _ADD else x * y), low, high)

        n, stride1, stride2 = loops[-1]
        for a, b in _walk(loops[:-1]):
            for start in range(0, n, _CHUNK):
                count = min(_CHUNK, n - start)
                xs = _get_strided(memory1, in1 + (a + start * stride1) * size, kind, count, stride1)
                ys = _get_strided(memory2, in2 + (b + start * stride2) * size, kind, count, stride2)
                _put(arena, out, kind, [function(x, y) for x, y in zip(xs, ys)])
                out += count * size

    def _binary_int8(self, op):
        code, left_shift, zp1, zp, low, high, m1, m2, m, s1, s2, s, zp2 = (op[0],) + op[6:]
        if code == _MUL:
            return lambda x, y: _finish((x - zp1) * (y - zp2), m, s, zp, low, high)
        memo1, memo2 = {}, {}  # of operands that are scaled, 256 at most

        def add(x, y):
            if x not in memo1:
                memo1[x] = _requantize(_wrap((x - zp1) << left_shift), m1, s1)
            if y not in memo2:
                memo2[y] = _requantize(_wrap((y - zp2) << left_shift), m2, s2)
            return _finish(memo1[x] + memo2[y], m, s, zp, low, high)

        return add

    def _mean(self, arena, op, loops):
        _, kind, in_, out, keep = op[:5]
        size = 1 if kind == "b" else 4
        count = _places(loops[keep:])
        # The innermost loop in runs; a nest without one is a run of one.
        n, stride = loops[-1][:2] if len(loops) > keep else (1, 1)
        for a, _ in _walk(loops[:keep]):
            total = 0 if kind == "b" else 0.0
            for r, _ in _walk(loops[keep:-1]):
                for start in range(0, n, _CHUNK):
                    at = in_ + (a + r + start * stride) * size
                    for x in _get_strided(arena, at, kind, min(_CHUNK, n - start), stride):
                        total = total + x if kind == "b" else _f32(total + x)
            if kind == "b":
                in_zp, zp, low, high, m, s = op[7:]
                result = _finish(total - count * in_zp, m, s, zp, low, high)
            else:
                result = _divide_f32(total, count)
            _put(arena, out, kind, (result,))
            out += size

    def _move(self, arena, op, loops):
        in_, out, run = op[2:5]
        memory, in_ = self._place(arena, in_)
        for a, b in _walk(loops):
            arena[out + b : out + b + run] = memory[in_ + a : in_ + a + run]

    def _fill(self, arena, op, loops):
        out, count, size, value = op[2:]
        element = struct.pack("<I", value)[:size]
        for start in range(0, count, _CHUNK):
            n = min(_CHUNK, count - start)
            arena[out : out + n * size] = element * n
            out += n * size

    def _softmax(self, arena, op, loops):
        kind, in_, out, rows, depth = op[1:6]
        size = 1 if kind == "b" else 4
        if kind == "b":
            # No more than 256 differences of int8 values.
            table = self._from_data(op[6], "%di" % min(op[7], 256))
        for i in range(rows):
            at = i * depth * size
            row = _get(arena, in_ + at, kind, depth)
            row = _softmax_int8(row, table) if kind == "b" else _softmax_f32(row, op[7])
            _put(arena, out + at, kind, row)

    def _lut(self, arena, op, loops):
        in_, out, count, table = op[2:]
        table = self._data + (table ^ _LIMIT)
        for i in range(count):
            arena[out + i] = self._file[table + (arena[in_ + i] ^ 128)]

    def _quantize(self, arena, op, loops):
        _, _, in_, out, count, scale, zero_point = op
        for i in range(0, count, _CHUNK):  # forward: it may work in place
            n = min(_CHUNK, count - i)
            values = _get(arena, in_ + 4 * i, "f", n)
            # On TFLM's x86 an int32 that overflows wraps.
            values = [_clamp(_wrap(_round(_f32(x / scale)) + zero_point), -128, 127) for x in values]
            _put(arena, out + i, "b", values)

    def _dequantize(self, arena, op, loops):
        _, _, in_, out, count, scale, zero_point = op
        for i in range((count - 1) // _CHUNK * _CHUNK, -1, -_CHUNK):  # backward: it may work in place
            values = _get(arena, in_ + i, "b", min(_CHUNK, count - i))
            _put(arena, out + 4 * i, "f", [scale * (x - zero_point) for x in values])

    def _unary(self, arena, op, loops):
        code, _, in_, out, count, low, high = op
        for i in range(0, count, _CHUNK):
            values = _get(arena, in_ + 4 * i, "f", min(_CHUNK, count - i))
            if code == _CLAMP:
                values = [_clamp(x, low, high) for x in values]
            else:
                values = [_logistic(x) if code == _LOGISTIC else _tanh(x) for x in values]
            _put(arena, out + 4 * i, "f", values)


_CHECKS = {
    _CONV: Reference._check_conv,
    _DEPTHWISE: Reference._check_conv,
    _AVERAGE_POOL: Reference._check_pool,
    _MAX_POOL: Reference._check_pool,
    _ADD: Reference._check_binary,
    _MUL: Reference._check_binary,
    _MEAN: Reference._check_mean,
    _MOVE: Reference._check_move,
    _FILL: Reference._check_fill,
    _SOFTMAX: Reference._check_softmax,
    _LUT: Reference._check_lut,
    _QUANTIZE: Reference._check_quantize,
    _DEQUANTIZE: Reference._check_quantize,
    _CLAMP: Reference._check_unary,
    _LOGISTIC: Reference._check_unary,
    _TANH: Reference._check_unary,
}

_KERNELS = {
    _CONV: Reference._conv,
    _DEPTHWISE: Reference._depthwise,
    _AVERAGE_POOL: Reference._pool,
    _MAX_POOL: Reference._pool,
    _ADD: Reference._binary,
    _MUL: Reference._binary,
    _MEAN: Reference._mean,
    _MOVE: Reference._move,
    _FILL: Reference._fill,
    _SOFTMAX: Reference._softmax,
    _LUT: Reference._lut,
    _QUANTIZE: Reference._quantize,
    _DEQUANTIZE: Reference._dequantize,
    _CLAMP: Reference._unary,
    _LOGISTIC: Reference._unary,
    _TANH: Reference._unary,
}


# Checks of the file.


def _check_header(file):
    """Returns the arena's size."""
    if len(file) < hogfile.HEADER_SIZE or bytes(file[:4]) != b"HOGN":
        raise ValueError("not a .hog file")
    version, sections, length, crc, arena_size, features = struct.unpack_from("<HHIIII", file, 4)
    if version != 1:
        raise ValueError("the file's version is not 1")
    if length >= _LIMIT or length != len(file):
        raise ValueError("the file's length is not what its header says")
    if _crc32(file[16:]) != crc:
        raise ValueError("the checksum is wrong: the file is damaged")
    if sections > 16 or length < hogfile.HEADER_SIZE + sections * hogfile.ENTRY_SIZE:
        raise ValueError("the section table ends outside the file")
    if features & ~3:
        raise ValueError("the file needs a newer engine")
    if arena_size >= _LIMIT:
        raise ValueError("the arena is 2 GB or larger")
    return arena_size


def _check_sections(file):
    count = struct.unpack_from("<H", file, 6)[0]
    first = hogfile.HEADER_SIZE
    table = [struct.unpack_from("<4sII", file, first + hogfile.ENTRY_SIZE * i) for i in range(count)]
    behind = first + hogfile.ENTRY_SIZE * count
    for i, (tag, offset, length) in enumerate(table):
        if (
            tag not in (b"META", b"PLAN", b"DATA")
            or tag in [other[0] for other in table[:i]]
            or offset < behind
            or offset + length > len(file)
            or offset % (16 if tag == b"DATA" else 4)
        ):
            raise ValueError("a section is unknown, there twice, misaligned or outside the file")
        for _, at, size in table[:i]:
            if _overlap(offset, length, at, size):
                raise ValueError("sections overlap")
    if count < 3:
        raise ValueError("a section is missing")


def _crc32(file):
    try:
        from binascii import crc32

        return crc32(file) & 0xFFFFFFFF
    except ImportError:
        crc = 0xFFFFFFFF
        for byte in file:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
        return crc ^ 0xFFFFFFFF


def _overlap(a, a_size, b, b_size):
    return a < b + b_size and b < a + a_size


def _places(loops):
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
    if (out - 1) * stride + (taps - 1) * dilation >= _LIMIT:
        raise ValueError("window too large")


def _check_multiplier(multiplier, shift):
    if multiplier < 0 or not -31 <= shift <= 30:
        raise ValueError("multiplier or shift out of range")


def _check_clamp(clamp):
    """A clamp's fields: (in_zp, out_zp, min, max) of int8, (min, max) of float32."""
    if len(clamp) == 4:
        if not (-128 <= clamp[0] <= 127 and -128 <= clamp[1] <= 127):
            raise ValueError("zero point out of range")
        if clamp[2] < -128 or clamp[3] > 127:
            raise ValueError("clamp out of range or empty")
    if not clamp[-2] <= clamp[-1]:
        raise ValueError("clamp out of range or empty")


# Elements in memory, and loop nests.


def _get(memory, at, kind, n):
    return struct.unpack_from("<%d%s" % (n, kind), memory, at)


def _get_strided(memory, at, kind, n, stride):
    if stride == 1:
        return _get(memory, at, kind, n)
    step = stride * (1 if kind == "b" else 4)
    return [_get(memory, at + i * step, kind, 1)[0] for i in range(n)]


if 1.0 + 2.0**-40 == 1.0:

    def _f32(x):
        """Floats are single ones here."""
        return float(x)

    def _put(memory, at, kind, values):
        struct.pack_into("<%d%s" % (len(values), kind), memory, at, *values)

else:
    _cell = array("f", (0,))

    def _f32(x):
        """Rounds to float32. Of +, -, *, / on float32 this gives the very float32 result."""
        _cell[0] = x
        return _cell[0]

    def _put(memory, at, kind, values):
        if kind == "f":  # struct refuses what is too large for float32; an array makes it infinite
            memory[at : at + 4 * len(values)] = bytes(array("f", values))
        else:
            struct.pack_into("<%db" % len(values), memory, at, *values)


def _walk(loops):
    """Yields the offsets (a, b) of all places of a loop nest."""
    if not loops:
        yield 0, 0
        return
    n, a, b = loops[0]
    for i in range(n):
        for x, y in _walk(loops[1:]):
            yield i * a + x, i * b + y


def _flat(numbers):
    """A buffer of numbers as something of one dimension."""
    try:
        view = memoryview(numbers)
    except TypeError:
        raise ValueError("the numbers are not a buffer")
    if not hasattr(view, "format"):  # not CPython
        return view
    if view.format.lstrip("@=<") not in tuple("bBhHiIlLqQfd"):
        raise ValueError("numbers of this type are not supported: use an array of type f")
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


# Integer arithmetic: int32 that wraps, as in C.


def _wrap(x):
    if -0x40000000 <= x <= 0x3FFFFFFF:  # small on every board
        return x
    return ((x + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def _multiply_high(a, b):
    return (a * b + 0x40000000) >> 31


def _shift_right(x, n):
    """x / 2^n, rounded half away from zero."""
    mask = (1 << n) - 1
    return (x >> n) + ((x & mask) > (mask >> 1) + (x < 0))


def _requantize(x, multiplier, shift):
    """MultiplyByQuantizedMultiplier of an int32."""
    if shift > 0:
        return (_wrap(x << shift) * multiplier + 0x40000000) >> 31
    x = (x * multiplier + 0x40000000) >> 31
    mask = (1 << -shift) - 1
    return (x >> -shift) + ((x & mask) > (mask >> 1) + (x < 0))


def _finish(total, multiplier, shift, zero_point, low, high):
    """A sum to an int8 result."""
    x = _wrap(_requantize(_wrap(total), multiplier, shift) + zero_point)
    return low if x < low else high if x > high else x


def _clamp(x, low, high):
    """A NaN stays."""
    return low if x < low else high if x > high else x


def _round(x):
    """A float to int32, half away from zero; what none can hold becomes the lowest one, as on TFLM's x86."""
    size = abs(x)
    if not size < 2147483648.0:
        return -0x80000000
    n = int(size)
    if size - n >= 0.5:
        n += 1
    return -n if x < 0 else n


def _to_int8(x, scale, zero_point):
    """A caller's number; unlike QUANTIZE it saturates, and NaN counts as 0."""
    x = _f32(x / scale)
    if x != x:
        x = 0.0
    return _clamp(_round(_clamp(x, -1000.0, 1000.0)) + zero_point, -128, 127)


def _multiply_add(sums, xs, ws):
    return [s + x * w for s, x, w in zip(sums, xs, ws)]


def _sum(sums, xs):
    return [s + x for s, x in zip(sums, xs)]


def _larger(xs, ys):
    return [y if x < y else x for x, y in zip(xs, ys)]


def _divide(total, n):
    """Rounded half away from zero."""
    total = _wrap(total)
    return (total + n // 2) // n if total > 0 else -((n // 2 - total) // n)


if sys.implementation.name == "cpython":
    from operator import mul

    def _dots(x, rows):
        """The products of x with each row of weights."""
        return [sum(map(mul, x, row)) for row in rows]

else:

    def _dots(x, rows):
        """The products of x with each row of weights; four rows at once cost half as much."""
        sums = []
        n = len(rows)
        for c in range(0, n, 4):
            w0 = rows[c]
            w1 = rows[c + 1] if c + 1 < n else w0
            w2 = rows[c + 2] if c + 2 < n else w0
            w3 = rows[c + 3] if c + 3 < n else w0
            a0 = a1 = a2 = a3 = i = 0
            for v in x:
                a0 += v * w0[i]
                a1 += v * w1[i]
                a2 += v * w2[i]
                a3 += v * w3[i]
                i += 1
            sums += (a0, a1, a2, a3)
        return sums[:n]


def _softmax_int8(row, table):
    """Fixed-point arithmetic of gemmlowp; a name like q12_19 says where the binary point is."""
    largest = max(row)
    entries = len(table)
    sum_q12_19 = 0
    for x in row:
        if largest - x < entries:
            sum_q12_19 += _shift_right(table[largest - x], 12)
    sum_q12_19 &= 0xFFFFFFFF
    headroom = 0
    while headroom < 31 and not sum_q12_19 << headroom & 0x80000000:
        headroom += 1
    scale = _one_over_one_plus(_wrap((sum_q12_19 << headroom) - 0x80000000))
    shift = 12 - headroom + 31 - 8
    result = []
    for x in row:
        y = 0
        if largest - x < entries and 0 <= shift <= 31:
            y = _shift_right(_multiply_high(scale, table[largest - x]), shift)
        result.append(_clamp(_wrap(y - 128), -128, 127))
    return result


def _one_over_one_plus(a):
    """1 / (1 + a) by three Newton steps for 1 / h, h = (1 + a) / 2; a and result are q0_31."""
    h = (a + 0x80000000) // 2
    x_q2_29 = _wrap(1515870810 + _multiply_high(h, -1010580540))
    for _ in range(3):
        error = _wrap((1 << 29) - _multiply_high(h, x_q2_29))
        x_q2_29 = _wrap(x_q2_29 + _saturate(_multiply_high(x_q2_29, error) << 2))
    return _saturate(x_q2_29 << 1)


def _saturate(x):
    return _clamp(x, -0x80000000, 0x7FFFFFFF)


# float32 arithmetic: each operation is rounded on its own, in TFLM's order.


def _dots_f32(x, rows):
    """The products of x with each row of weights; a None in x is skipped."""
    if None in x:
        inside = [i for i, v in enumerate(x) if v is not None]
        x = [x[i] for i in inside]
        rows = [[row[i] for i in inside] for row in rows]
    sums = []
    for row in rows:
        total = 0.0
        for v, w in zip(x, row):
            total = _f32(total + _f32(v * w))
        sums.append(total)
    return sums


def _multiply_add_f32(sums, xs, ws):
    return [_f32(s + _f32(x * w)) for s, x, w in zip(sums, xs, ws)]


def _sum_f32(sums, xs):
    return [_f32(s + x) for s, x in zip(sums, xs)]


def _divide_f32(total, n):
    return _f32(total / _f32(n))


def _power_of_two(n):
    return struct.unpack("<f", struct.pack("<I", (n + 127) << 23))[0]


def _exp(x):
    """The steps of hog_exp() in math.c."""
    if not x < 89.0:
        return _f32(x * _power_of_two(127))
    if x < -104.0:
        return 0.0
    t = _f32(x * _LOG2_E)
    n = int(_f32(t + (-0.5 if t < 0 else 0.5)))
    r = _f32(x - _f32(n * 0.693359375))
    r = _f32(r + _f32(n * _LN2_LOW))
    p = _polynomial(_EXP, r)
    p = _f32(_f32(_f32(p * _f32(r * r)) + r) + 1.0)
    half = n // 2 if n >= 0 else -(-n // 2)
    return _f32(_f32(p * _power_of_two(half)) * _power_of_two(n - half))


def _tanh(x):
    size = abs(x)
    if size < 0.625:
        z = _f32(x * x)
        return _f32(_f32(_f32(_polynomial(_TANH_SMALL, z) * z) * x) + x)
    y = _f32(1.0 - _f32(2.0 / _f32(_exp(_f32(size + size)) + 1.0)))
    return -y if x < 0 else y


def _logistic(x):
    if x > 16.619047164916992:
        return 1.0
    if x < -9.0:
        return _exp(x)
    return _f32(1.0 / _f32(1.0 + _exp(-x)))


def _polynomial(coefficients, x):
    p = coefficients[0]
    for c in coefficients[1:]:
        p = _f32(_f32(p * x) + c)
    return p


_LOG2_E = _f32(1.44269504)
_LN2_LOW = _f32(2.12194440e-4)
_EXP = array("f", (1.98756915e-4, 1.39819995e-3, 8.33345191e-3, 4.16657959e-2, 1.66666655e-1, 5.00000012e-1))
_TANH_SMALL = array("f", (-5.70498873e-3, 2.06390888e-2, -5.37397156e-2, 1.33314422e-1, -3.33332819e-1))


def _softmax_f32(row, beta):
    largest = -_MAX_FLOAT
    for x in row:
        if largest < x:
            largest = x
    row = [_exp(_f32(_f32(x - largest) * beta)) for x in row]
    total = 0.0
    for x in row:
        total = _f32(total + x)
    return [_f32(x / total) for x in row]
