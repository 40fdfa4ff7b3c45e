# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""What the C loader refuses, and in which words: files written by hand, record by record."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest

from hognose_tools.compiler.records import IN_DATA, NONE, Loop, Record

engine = pytest.importorskip("_hognose", reason="the CPython extension is not built")

ARENA = 4096
DATA = bytes(4000) + b"\xff" + bytes(94) + b"\x80"  # biases, multipliers and shifts of 0 are valid
BIG = 0x7FFFFFF0
INT8_CLAMP = {"in_zp": 0, "out_zp": 0, "min": -128, "max": 127}
FLOAT_CLAMP = {"min": -1.0, "max": 1.0}
IMAGE = {"batch": 1, "in_h": 6, "in_w": 5, "out_h": 6, "out_w": 5, "k_h": 3, "k_w": 3}
WINDOW = {"stride_h": 1, "stride_w": 1, "pad_h": 1, "pad_w": 1}
CONV = {
    **IMAGE, **WINDOW, **INT8_CLAMP, "in": 0, "out": 512, "weights": IN_DATA, "params": IN_DATA + 2048,
    "scratch": 1024, "in_c": 4, "out_c": 6, "groups": 2, "dilation_h": 1, "dilation_w": 1, "scales": 6,
    "block": 0,
}  # fmt: skip
CONV4 = {**CONV, "unpacked": 2000}
ONE_PIXEL = dict.fromkeys(("in_h", "in_w", "out_h", "out_w", "k_h", "k_w", "groups"), 1)
DENSE = {  # one row; the bits that say which weights have 4 bits are the byte at 4000
    **CONV, **ONE_PIXEL, "pad_h": 0, "pad_w": 0, "in_c": 8, "out_c": 8, "scales": 8, "scratch": NONE,
    "params": IN_DATA + 3928, "block": 2,
}  # fmt: skip
FLOAT_CONV = {**CONV, **FLOAT_CLAMP, "scratch": NONE, "scales": 0, "out": 1024}
DEPTHWISE = {**CONV, "groups": 4, "out_c": 8, "scales": 1, "scratch": NONE}
POOL = {**IMAGE, **WINDOW, **INT8_CLAMP, "in": 0, "out": 512, "channels": 4, "reserved": 0}
BINARY = {
    **INT8_CLAMP, "in1": 0, "in2": IN_DATA, "out": 0, "loops": 2, "left_shift": 20, "multiplier1": 1 << 30,
    "multiplier2": 1 << 30, "multiplier": 1 << 30, "shift1": 0, "shift2": -1, "shift": 1, "in2_zp": 3,
}  # fmt: skip
BINARY_LOOPS = [Loop(10, 7, 0), Loop(7, 1, 1)]
MEAN = {
    **INT8_CLAMP,
    "in": 0,
    "out": 3000,
    "keep": 1,
    "reduce": 1,
    "reserved": 0,
    "multiplier": 9,
    "shift": -3,
}
MOVE = {"in": 0, "out": 1000, "run": 10, "loops": 2}
SOFTMAX = {"in": 0, "out": 0, "rows": 3, "depth": 10, "table": IN_DATA + 64, "entries": 200}
UNARY = {"in": 0, "out": 0, "count": 100, "min": 0.0, "max": 6.0}
MATMUL = {
    **INT8_CLAMP, "in1": 0, "in2": IN_DATA, "out": 512, "bias": IN_DATA + 1024, "rows": 4, "depth": 5,
    "columns": 6, "row1": 5, "depth1": 1, "column2": 1, "depth2": 6, "multiplier": 9, "shift": -3,
    "in2_zp": 3, "loops": 1,
}  # fmt: skip
RESIZE = {
    "in": 0, "out": 512, "channels": 3, "batch": 1, "in_h": 4, "in_w": 5, "out_h": 6, "out_w": 7,
    "half_pixel": 1, "step_h": 700, "step_w": 800,
}  # fmt: skip
CURVE = {
    "in": 0, "out": 0, "rows": 3, "depth": 10, "table": IN_DATA, "multiplier": 3, "function": 1,
    "shift": 0, "reserved": 0,
}  # fmt: skip
QUANTIZE = {"in": 0, "out": 0, "count": 100, "scale": 0.5, "zero_point": -128}

SVDF = {
    **INT8_CLAMP, "in": 0, "out": 100, "weights": IN_DATA, "time": IN_DATA + 200, "params": IN_DATA + 400,
    "state": 200, "batch": 2, "inputs": 5, "units": 3, "rank": 2, "memory": 7, "feature_multiplier": 1 << 30,
    "multiplier": 1 << 30, "feature_shift": -3, "shift": 2, "state_type": ord("h"), "state_zp": 0,
}  # fmt: skip
LSTM = {
    **INT8_CLAMP, "in": 0, "out": 100, "hidden": 200, "cell": 300, "weights": IN_DATA,
    "params": IN_DATA + 1000, "table": IN_DATA + 3000, "batch": 2, "steps": 3, "inputs": 5, "units": 4,
    "time_major": 1, "cell_shift": 1, "reserved": 0,
}  # fmt: skip
DETECT = {
    "in": 0, "scores": 160, "anchors": IN_DATA, "out": 400, "out_classes": 480, "out_scores": 500,
    "out_count": 520, "scratch": 600, "boxes": 10, "coordinates": 4, "columns": 3, "classes": 2,
    "detections": 5, "a_class": 0, "score_threshold": 0.5, "overlap_threshold": 0.5,
    "scale_y": 10.0, "scale_x": 10.0, "scale_h": 5.0, "scale_w": 5.0,
}  # fmt: skip

VALID = {
    "conv": Record("CONV", "b", CONV),
    "float conv": Record("CONV", "f", FLOAT_CONV),
    "depthwise": Record("DEPTHWISE", "b", DEPTHWISE),
    "conv4": Record("CONV4", "b", CONV4),
    "dense": Record("CONV", "b", DENSE),
    "depthwise4": Record("DEPTHWISE4", "b", {**DEPTHWISE, "unpacked": 2000}),
    "average pool": Record("AVERAGE_POOL", "b", POOL),
    "max pool": Record("MAX_POOL", "f", {**POOL, **FLOAT_CLAMP, "out": 1024}),
    "add": Record("ADD", "b", BINARY, BINARY_LOOPS),
    "mul": Record("MUL", "f", {**BINARY, **FLOAT_CLAMP}, BINARY_LOOPS),
    "mean": Record("MEAN", "b", MEAN, [Loop(10, 1), Loop(20, 10)]),
    "move": Record("MOVE", "b", MOVE, [Loop(5, 20, 10), Loop(2, 100, 50)]),
    "reversed": Record("MOVE", "b", {**MOVE, "in": 90, "loops": 1}, [Loop(10, -10, 10)]),
    "fill": Record("FILL", "b", {"out": 4, "count": 20, "size": 4, "value": 7}),
    "softmax": Record("SOFTMAX", "b", SOFTMAX),
    "float softmax": Record("SOFTMAX", "f", {**SOFTMAX, "table": NONE, "beta": 1.0}),
    "lut": Record("LUT", "b", {"in": 0, "out": 1, "count": 1, "table": IN_DATA + 7}),
    "quantize": Record("QUANTIZE", "b", QUANTIZE),
    "dequantize": Record("DEQUANTIZE", "b", QUANTIZE),
    "clamp": Record("CLAMP", "f", UNARY),
    "logistic": Record("LOGISTIC", "f", UNARY),
    "tanh": Record("TANH", "f", UNARY),
    "matmul": Record("MATMUL", "b", MATMUL, [Loop(2, 20, 0)]),
    "float matmul": Record("MATMUL", "f", {**MATMUL, **FLOAT_CLAMP, "out": 1024}, [Loop(2, 20, 0)]),
    "int16 matmul": Record("MATMUL", "h", MATMUL, [Loop(2, 20, 0)]),
    "resize": Record("RESIZE", "b", RESIZE),
    "float resize": Record("RESIZE", "f", {**RESIZE, "step_h": 0.5, "step_w": 1.5, "out": 1024}),
    "conv16": Record("CONV16", "h", {**CONV, "scratch": NONE, "wide": 1}),
    "int16 pool": Record("MAX_POOL", "h", {**POOL, "out": 1024}),
    "curve": Record("CURVE", "h", CURVE),
    "jump": Record("JUMP", "?", {"condition": 5, "target": 1}),
    "int16 softmax": Record("CURVE", "h", {**CURVE, "function": 3}),
    "detect": Record("DETECT", "f", DETECT),
    "detect each class": Record("DETECT", "f", {**DETECT, "a_class": 7, "columns": 2, "anchors": 1000}),
    "svdf": Record("SVDF", "b", SVDF),
    "float svdf": Record("SVDF", "f", {**SVDF, **FLOAT_CLAMP, "state_type": ord("f")}),
    "lstm": Record("LSTM", "b", LSTM),
    "int16 lstm": Record("LSTM", "h", LSTM),
    "float lstm": Record("LSTM", "f", {**LSTM, **FLOAT_CLAMP, "in": 800, "hidden": 400, "table": NONE}),
}

# record, what is changed, words
REFUSED = [
    ("matmul", {"depth": 0}, "a size is 0"),
    ("matmul", {"depth1": 0}, "operand misplaced"),
    ("matmul", {"row1": BIG}, "operand misplaced"),
    ("matmul", {"in2": IN_DATA + 4096 - 29}, "operand misplaced"),
    ("matmul", {"out": 39}, "tensors overlap"),
    ("matmul", {"out": ARENA - 47}, "output misplaced"),
    ("matmul", {"bias": 0}, "parameters misplaced"),
    ("matmul", {"shift": 31}, "multiplier or shift out of range"),
    ("int16 matmul", {"shift": 15}, "multiplier or shift out of range"),
    ("resize", {"out_w": 0}, "a size is 0"),
    ("resize", {"half_pixel": 2}, "a reserved field is not 0"),
    ("resize", {"step_h": -1}, "scale is not a positive number"),
    ("float resize", {"step_w": float("nan")}, "scale is not a positive number"),
    ("resize", {"out": 59}, "tensors overlap"),
    ("conv16", {"wide": 2}, "a reserved field is not 0"),
    ("conv16", {"scratch": 2048}, "a reserved field is not 0"),
    ("conv16", {"params": IN_DATA + 4096 - 77}, "parameters misplaced"),
    ("conv16", {"weights": IN_DATA + 4096 - 107}, "weights misplaced"),
    ("int16 pool", {"in": 1}, "input misplaced"),
    ("jump", {"condition": ARENA}, "input misplaced"),
    ("jump", {"condition": IN_DATA}, "input misplaced"),
    ("jump", {"target": 3}, "a jump out of the plan"),
    ("detect", {"boxes": 0}, "a size is 0"),
    ("detect", {"detections": 0}, "a size is 0"),
    ("detect", {"boxes": BIG}, "misplaced"),
    ("detect", {"detections": 0x10000001}, "misplaced"),
    ("detect", {"classes": 0}, "a column for each class"),
    ("detect", {"classes": 1}, "a column for each class"),
    ("detect", {"classes": 4}, "a column for each class"),
    ("detect", {"coordinates": 3}, "a column for each class"),
    ("detect", {"coordinates": 5}, "overlap"),
    ("detect", {"anchors": IN_DATA + 4096 - 156}, "operand misplaced"),
    ("detect", {"anchors": ARENA - 156}, "operand misplaced"),
    ("detect each class", {"anchors": 700}, "overlap"),
    ("detect", {"scratch": ARENA - 36}, "state misplaced"),
    ("detect each class", {"scratch": ARENA - 108}, "state misplaced"),
    ("detect", {"out_count": 482}, "state misplaced"),
    ("detect", {"out_count": 484}, "overlap"),
    ("detect", {"overlap_threshold": 0.0}, "scale is not a positive number"),
    ("detect", {"overlap_threshold": float("nan")}, "scale is not a positive number"),
    ("detect", {"scale_w": 0.0}, "scale is not a positive number"),
    ("curve", {"function": 4}, "unknown function"),
    ("curve", {"shift": -1}, "multiplier or shift out of range"),
    ("curve", {"multiplier": 1 << 15}, "multiplier or shift out of range"),
    ("curve", {"table": IN_DATA + 3586}, "table misplaced"),
    ("conv", {"batch": 0}, "a size is 0"),
    ("conv", {"dilation_w": 0}, "a size is 0"),
    ("conv", {"in_c": 0}, "a size is 0"),
    ("conv", {"out_c": 0}, "a size is 0"),
    ("conv", {"in": ARENA - 119}, "input misplaced"),
    ("conv", {"in": IN_DATA}, "input misplaced"),
    ("conv", {"out": ARENA - 179}, "output misplaced"),
    ("conv", {"in_h": 65535, "in_w": 65535}, "input misplaced"),
    ("conv", {"batch": 65535, "in_h": 65535, "in_w": 65535, "in_c": 0x10000000}, "input misplaced"),
    ("conv", {"weights": IN_DATA + 4096 - 107}, "weights misplaced"),
    ("conv", {"weights": 0}, "weights misplaced"),
    ("conv", {"params": IN_DATA + 4096 - 53}, "parameters misplaced"),
    ("conv", {"params": IN_DATA + 2}, "parameters misplaced"),
    ("conv", {"scales": 2}, "not one multiplier or one for each channel"),
    ("conv", {"scales": 0}, "not one multiplier or one for each channel"),
    ("float conv", {"weights": 1028}, "weights misplaced"),
    ("float conv", {"weights": ARENA - 428}, "weights misplaced"),
    ("conv16", {"weights": 512}, "weights misplaced"),
    ("float conv", {"scales": 1}, "not one multiplier or one for each channel"),
    ("conv4", {"weights": IN_DATA + 4096 - 53}, "weights misplaced"),
    ("conv4", {"weights": 3000}, "weights misplaced"),
    ("conv4", {"unpacked": IN_DATA}, "weights misplaced"),
    ("conv4", {"unpacked": ARENA - 107}, "weights misplaced"),
    ("conv4", {"unpacked": 691}, "weights misplaced"),
    ("conv4", {"unpacked": 119}, "overlap"),
    ("conv4", {"unpacked": 1024 - 107}, "overlap"),
    ("conv4", {"unpacked": 1024 + 17}, "overlap"),
    ("conv4", {"scratch": NONE}, "patches need scratch"),
    ("conv4", {"groups": 3}, "groups do not divide the channels"),
    ("conv4", {"batch": 65535, "in_h": 65535, "in_w": 65535, "in_c": 0x10000000}, "input misplaced"),
    ("conv4", {"k_h": 65535, "k_w": 65535, "out_c": 0x4000000, "in_c": 1, "groups": 1}, "misplaced"),
    ("depthwise4", {"unpacked": 119}, "overlap"),
    ("depthwise4", {"weights": IN_DATA + 4096 - 35}, "weights misplaced"),
    ("conv", {"groups": 3}, "groups do not divide the channels"),
    ("depthwise", {"groups": 2}, "groups do not divide the channels"),
    ("conv", {"out": 119}, "overlap"),
    ("conv", {"scratch": 100}, "overlap"),
    ("conv", {"scratch": 691}, "overlap"),
    ("conv", {"scratch": ARENA - 17}, "scratch misplaced"),
    ("conv", {"scratch": NONE}, "patches need scratch"),
    ("conv", {"stride_h": 65535, "out_h": 65535}, "window too large"),
    ("conv", {"block": 1}, "block out of range"),
    ("conv", {"block": 4}, "block out of range"),
    ("conv", {"block": 2, "scratch": 1026}, "scratch misplaced"),
    ("conv", {"block": 2, "scratch": ARENA - 143}, "scratch misplaced"),
    ("conv", {"block": 2, "scratch": 512 - 140}, "overlap"),
    ("conv", {"block": 2, "weights": IN_DATA + 4096 - 108}, "a weight is -128 where it must not be"),
    ("float conv", {"block": 2}, "unknown type"),
    ("conv", {"block": 2, "min": -100}, "block out of range"),
    ("conv", {"block": 2, "params": IN_DATA + 3976, "scales": 1}, "multiplier or shift out of range"),
    ("dense", {"block": 1}, "a weight is -128 where it must not be"),
    ("dense", {"block": 3}, "block out of range"),
    ("dense", {"weights": IN_DATA + 2}, "weights misplaced"),
    ("dense", {"weights": IN_DATA + 4096 - 28}, "weights misplaced"),
    ("dense", {"params": IN_DATA + 4096 - 72}, "parameters misplaced"),
    ("dense", {"params": IN_DATA + 3924}, "a weight is -128 where it must not be"),
    ("dense", {"params": IN_DATA + 4000 - 32, "scales": 1}, "multiplier or shift out of range"),
    ("depthwise", {"block": 7}, "block out of range"),
    ("depthwise", {"block": 6, "scratch": ARENA - 223}, "scratch misplaced"),
    ("conv", {"in_zp": 128}, "zero point out of range"),
    ("conv", {"out_zp": -129}, "zero point out of range"),
    ("conv", {"min": 5, "max": 4}, "clamp out of range or empty"),
    ("conv", {"max": 128}, "clamp out of range or empty"),
    ("float conv", {"min": 2.0}, "clamp out of range or empty"),
    ("float conv", {"min": float("nan")}, "clamp out of range or empty"),
    ("float conv", {"in": 2}, "misplaced"),
    ("float conv", {"weights": IN_DATA + 2}, "misplaced"),
    ("average pool", {"k_w": 0}, "a size is 0"),
    ("average pool", {"pad_h": 3}, "window outside the input"),
    ("average pool", {"stride_w": 2}, "window outside the input"),
    ("average pool", {"reserved": 1}, "a reserved field is not 0"),
    ("average pool", {"channels": BIG}, "input misplaced"),
    ("max pool", {"out": 4000}, "output misplaced"),
    ("add", {"out": ARENA - 69}, "output misplaced"),
    ("add", {"in1": ARENA - 69}, "operand misplaced"),
    ("add", {"in2": IN_DATA + 4090}, "operand misplaced"),
    ("add", {"in2": 60}, "overlap"),
    ("add", {"in1": 1}, "overlap"),
    ("add", {"left_shift": 31}, "multiplier or shift out of range"),
    ("add", {"multiplier2": -1}, "multiplier or shift out of range"),
    ("add", {"shift": 31}, "multiplier or shift out of range"),
    ("add", {"shift1": -32}, "multiplier or shift out of range"),
    ("add", {"loops": 7}, "too many loops"),
    ("add", {"loops": 1}, "the record's length is wrong"),
    ("mean", {"keep": 200, "reduce": 100}, "too many loops"),
    ("mean", {"keep": 2, "reduce": 0}, "a size is 0"),
    ("mean", {"out": 100}, "overlap"),
    ("mean", {"in": ARENA - 199}, "input misplaced"),
    ("mean", {"in": IN_DATA}, "input misplaced"),
    ("mean", {"shift": 31}, "multiplier or shift out of range"),
    ("move", {"run": 0}, "a size is 0"),
    ("move", {"run": BIG}, "output misplaced"),
    ("move", {"out": ARENA - 99}, "output misplaced"),
    ("move", {"out": IN_DATA}, "output misplaced"),
    ("move", {"in": IN_DATA + 4096 - 189}, "operand misplaced"),
    ("move", {"out": 189}, "overlap"),
    ("reversed", {"in": 89}, "operand misplaced"),
    ("fill", {"count": 1024}, "output misplaced"),
    ("fill", {"size": 3}, "elements are not of 1, 2 or 4 bytes"),
    ("fill", {"count": 0}, "a size is 0"),
    ("softmax", {"entries": 1009}, "table misplaced"),
    ("softmax", {"table": IN_DATA + 2}, "table misplaced"),
    ("softmax", {"rows": 0}, "a size is 0"),
    ("softmax", {"out": 5}, "overlap"),
    ("float softmax", {"rows": 65536, "depth": 65536}, "input misplaced"),
    ("lut", {"table": IN_DATA + 4096 - 255}, "table misplaced"),
    ("quantize", {"scale": 0.0}, "scale is not a positive number"),
    ("quantize", {"scale": float("inf")}, "scale is not a positive number"),
    ("quantize", {"zero_point": 128}, "zero point out of range"),
    ("dequantize", {"out": 8}, "overlap"),
    ("dequantize", {"out": ARENA - 396}, "output misplaced"),
    ("clamp", {"max": -1.0}, "clamp out of range or empty"),
    ("tanh", {"count": 1025}, "input misplaced"),
    ("svdf", {"memory": 0}, "a size is 0"),
    ("svdf", {"in": ARENA - 9}, "input misplaced"),
    ("svdf", {"out": ARENA - 5}, "output misplaced"),
    ("svdf", {"state": ARENA - 166}, "state misplaced"),
    ("svdf", {"state": 201}, "state misplaced"),
    ("svdf", {"state": IN_DATA}, "state misplaced"),
    ("svdf", {"state": 104}, "overlap"),
    ("svdf", {"out": 9}, "overlap"),
    ("svdf", {"batch": BIG, "units": BIG, "rank": BIG}, "misplaced"),
    ("svdf", {"weights": IN_DATA + 4096 - 29}, "weights misplaced"),
    ("svdf", {"time": IN_DATA + 4096 - 82}, "weights misplaced"),
    ("svdf", {"params": IN_DATA + 4096 - 32}, "parameters misplaced"),
    ("svdf", {"shift": 31}, "multiplier or shift out of range"),
    ("svdf", {"feature_multiplier": -1}, "multiplier or shift out of range"),
    ("svdf", {"state_type": ord("f")}, "unknown type"),
    ("float svdf", {"state_type": ord("h")}, "unknown type"),
    ("lstm", {"steps": 0}, "a size is 0"),
    ("lstm", {"hidden": 27}, "overlap"),
    ("lstm", {"cell": 200}, "overlap"),
    ("lstm", {"cell": 301}, "state misplaced"),
    ("lstm", {"hidden": ARENA - 7}, "state misplaced"),
    ("lstm", {"units": 0x40000000, "batch": 4}, "misplaced"),
    ("lstm", {"weights": IN_DATA + 4096 - 143}, "weights misplaced"),
    ("lstm", {"params": IN_DATA + 4096 - 180}, "parameters misplaced"),
    ("int16 lstm", {"params": IN_DATA + 4096 - 180}, "parameters misplaced"),
    ("float lstm", {"params": IN_DATA + 4096 - 60}, "parameters misplaced"),
    ("lstm", {"table": IN_DATA + 4096 - 510}, "table misplaced"),
    ("lstm", {"table": NONE}, "table misplaced"),
    ("lstm", {"cell_shift": 15}, "multiplier or shift out of range"),
    ("lstm", {"time_major": 2}, "a reserved field is not 0"),
    ("lstm", {"out_zp": 128}, "zero point out of range"),
    ("lstm", {"min": 5, "max": 4}, "clamp out of range or empty"),
]  # fmt: skip


def write_hog(*records: bytes, arena: int = ARENA, features: int = 3, io: bytes | None = None) -> bytearray:
    """A file with these operators' bytes; one int8 input and output of 2x3 unless `io` says otherwise."""
    tensor = struct.pack("<IBBHfi2I", 0, ord("b"), 2, 0, 0.5, 1, 2, 3)
    plan = struct.pack("<4H", 1, 1, len(records), 0) + (io or tensor * 2) + b"".join(records)
    table = 24 + 3 * 12
    data = (table + 4 + len(plan) + 15) // 16 * 16
    sections = [(b"META", table, 4), (b"PLAN", table + 4, len(plan)), (b"DATA", data, len(DATA))]
    body = struct.pack("<II", arena, features) + b"".join(struct.pack("<4sII", *s) for s in sections)
    body += b"{}  " + plan
    file = bytearray(16) + body + bytes(data - 16 - len(body)) + DATA
    file[:8] = struct.pack("<4sHH", b"HOGN", 1, 3)
    return seal(file)


def seal(file: bytearray) -> bytearray:
    struct.pack_into("<II", file, 8, len(file), zlib.crc32(file[16:]))
    return file


def load(file: bytes) -> int:
    return engine.load(file, bytearray(engine.STATE_SIZE))


@pytest.mark.parametrize("name", VALID)
def test_valid(name: str) -> None:
    assert load(write_hog(VALID[name].pack())) == ARENA


@pytest.mark.parametrize(("name", "change", "words"), REFUSED, ids=lambda v: str(v)[:40])
def test_refused(name: str, change: dict[str, float], words: str) -> None:
    record = VALID[name]
    bad = replace(record, fields={**record.fields, **change})
    with pytest.raises(ValueError, match=f"^operator 1: .*{words}"):
        load(write_hog(VALID["fill"].pack(), bad.pack()))


@pytest.mark.parametrize("multiplier, shift", [(-1, 0), (0, 31), (0, -32)])
def test_parameters_in_data(multiplier: int, shift: int) -> None:
    file = write_hog(VALID["conv"].pack())
    at = len(file) - len(DATA) + 2048 + 6 * 4 + 5 * 4
    struct.pack_into("<i5xb", file, at, multiplier, shift)
    with pytest.raises(ValueError, match="operator 0: multiplier or shift out of range"):
        load(seal(file))


@pytest.mark.parametrize(
    "loop", [Loop(0), Loop(7, 1 << 30), Loop(0xFFFFFFFF, -(1 << 31)), Loop(4000, 1), Loop(3, -1)]
)
def test_loops(loop: Loop) -> None:
    record = replace(VALID["move"], loops=[VALID["move"].loops[0], loop])
    with pytest.raises(ValueError, match=r"operator 0: (operand|output) misplaced|operator 0: a size is 0"):
        load(write_hog(record.pack()))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (b"\x00b\x01\x00", "operator 0: unknown operator"),
        (b"\xffb\x01\x00", "operator 0: unknown operator"),
        (b"\x01b\x00\x00", "operator 0: the record's length is wrong"),
        (b"\x01b\x12\x00", "operator 0: the record's length is wrong"),
        (VALID["fill"].pack() + b"\x00\x00\x00\x00", "the plan is too long"),
        (replace(VALID["tanh"], type="b").pack(), "operator 0: unknown type"),
        (replace(VALID["lut"], type="f").pack(), "operator 0: unknown type"),
        (VALID["fill"].pack().replace(b"b", b"x"), "operator 0: unknown type"),
        (b"", "the plan is cut short"),
    ],
)
def test_records(record: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load(write_hog(record))


def test_header() -> None:
    good = write_hog(VALID["fill"].pack())

    def refused(words: str, at: int, form: str, *values: object, sealed: bool = True) -> None:
        file = bytearray(good)
        struct.pack_into("<" + form, file, at, *values)
        with pytest.raises(ValueError, match=words):
            load(seal(file) if sealed else file)

    load(good)
    refused("not a .hog file", 0, "4s", b"TFL3")
    refused("version is not 1", 4, "H", 2)
    refused("section table is misplaced", 6, "H", 17)
    refused("section is missing", 6, "H", 2)
    refused("length is not what its header says", 8, "I", len(good) - 1, sealed=False)
    refused("checksum is wrong", 12, "I", 0, sealed=False)
    refused("2 GB", 16, "I", 1 << 31)
    refused("newer engine", 20, "I", 1 << 31)
    refused("a section is unknown", 24, "4s", b"ATEM")
    refused("there twice", 24, "4s", b"PLAN")
    refused("misplaced", 28, "I", 62)
    refused("misplaced", 28, "I", 12)
    refused("misplaced", 32, "I", 0xFFFFFFFF)
    refused("sections overlap", 32, "I", 8)
    refused("1 to 64", 64, "H", 0)
    refused("1 to 64", 66, "H", 65)
    refused("cut short", 70, "H", 2)
    refused("of the model misplaced", 72, "I", ARENA)
    refused("unknown type", 76, "B", ord("x"))
    refused("cut short", 77, "B", 255)
    refused("scale or zero point", 80, "f", -1.0)
    refused("scale or zero point", 80, "f", float("nan"))
    refused("scale or zero point", 84, "i", 128)
    refused("a size is 0", 88, "I", 0)
    refused("misplaced", 88, "II", 1 << 31, 1 << 31)


def test_every_truncation() -> None:
    good = bytes(write_hog(VALID["conv"].pack()))
    for length in [*range(0, 300), len(good) - 1]:
        with pytest.raises(ValueError):
            load(good[:length])
        if length >= 24:
            with pytest.raises(ValueError):
                load(seal(bytearray(good[:length])))
