# SPDX-License-Identifier: MIT
"""What a loader refuses, in which words: files written by hand, at the limits of records from both sides."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import replace
from typing import Any

import pytest

from hognose_tools.compiler.layouts import ERRORS, OPERATORS
from hognose_tools.compiler.records import IN_DATA, NONE, Loop, Record
from hognose_tools.compiler.work import MAX_WORK, work

engine = pytest.importorskip("_hognose", reason="the CPython extension is not built")

ARENA = 4096
DATA = bytes(4000) + b"\xff" + bytes(94) + b"\x80"  # biases, multipliers and shifts of 0 are valid
END = IN_DATA + len(DATA)
BIG = 0x7FFFFFF0
STEPS = 2**32 - 1  # that the header of these files states, if nothing else is said
NAN, INF = float("nan"), float("inf")

INT8_CLAMP = {"in_zp": 0, "out_zp": 0, "min": -128, "max": 127}
FLOAT_CLAMP = {"min": -1.0, "max": 1.0}
INT_CLAMP = {"min": -(2**31), "max": 2**31 - 1}
IMAGE = {"batch": 1, "in_h": 6, "in_w": 5, "out_h": 6, "out_w": 5, "k_h": 3, "k_w": 3}
WINDOW = {"stride_h": 1, "stride_w": 1, "pad_h": 1, "pad_w": 1}
CONV = {
    **IMAGE, **WINDOW, **INT8_CLAMP, "in": 0, "out": 512, "weights": IN_DATA, "params": IN_DATA + 2048,
    "scratch": 1024, "in_c": 4, "out_c": 6, "groups": 2, "dilation_h": 1, "dilation_w": 1, "scales": 6,
    "tile": 0,
}  # fmt: skip
DENSE = {  # the bits that say which weights have 4 bits are the byte at 4000
    **INT8_CLAMP, "in": 0, "out": 512, "weights": IN_DATA, "params": IN_DATA + 3928, "inputs": 8,
    "outputs": 8, "scales": 8, "layout": 2,
}  # fmt: skip
DEPTHWISE = {**CONV, "groups": 4, "out_c": 8, "scales": 1, "scratch": NONE}
POOL = {**IMAGE, **WINDOW, **INT8_CLAMP, "in": 0, "out": 512, "channels": 4}
SCALES = {
    "left_shift": 20, "multiplier1": 1 << 30, "multiplier2": 1 << 30, "multiplier": 1 << 30,
    "shift1": 0, "shift2": -1, "shift": 1, "in2_zp": 3,
}  # fmt: skip
BINARY = {**INT8_CLAMP, **SCALES, "in1": 0, "in2": IN_DATA, "out": 0, "function": 0}
BINARY_LOOPS = [Loop(10, 7, 0), Loop(7, 1, 1)]
REDUCE = {
    **INT8_CLAMP, "in": 0, "out": 3000, "keep": 1, "reduce": 1, "function": 0, "left_shift": 0,
    "multiplier": 9, "shift": -3,
}  # fmt: skip
REDUCE_LOOPS = [Loop(10, 1), Loop(20, 10)]
MOVE = {"in": 0, "out": 1000, "run": 10}
UNARY = {"in": 0, "out": 0, "count": 100}
APPLY = {**UNARY, "function": 1, "out_type": ord("f"), "alpha": 0.5, "zero_point": 0}
RESCALE = {
    "in": 0, "out": 1000, "count": 100, "function": 1, "out_type": ord("h"), "shift": 1, "negative_shift": 1,
    "multiplier": 1 << 30, "negative_multiplier": 1 << 30, "in_zp": 0, "out_zp": 0, "min": -255, "max": 255,
}  # fmt: skip
SCAN = {
    **INT8_CLAMP, "in": 0, "out": 0, "outer": 2, "depth": 5, "inner": 3, "exclusive": 0, "reverse": 0,
    "left_shift": 19, "shift": 0, "multiplier": 1 << 30,
}  # fmt: skip
NORMALIZE = {
    "in": 0, "out": 0, "rows": 3, "depth": 10, "table": IN_DATA + 64, "entries": 200, "function": 2,
    "shift": 0, "reverse_shift": 0, "in_zp": 0, "multiplier": 9, "reverse_multiplier": 9,
}  # fmt: skip
SOFTMAX = {"in": 0, "out": 0, "rows": 3, "depth": 10, "table": IN_DATA + 64, "entries": 200, "beta": 0.0}
MATMUL = {
    **INT8_CLAMP, "in1": 0, "in2": IN_DATA, "out": 512, "bias": IN_DATA + 1024, "rows": 4, "depth": 5,
    "columns": 6, "row1": 5, "depth1": 1, "column2": 1, "depth2": 6, "multiplier": 9, "shift": -3,
    "in2_zp": 3,
}  # fmt: skip
RESIZE = {
    "in": 0, "out": 512, "channels": 3, "batch": 1, "in_h": 4, "in_w": 5, "out_h": 6, "out_w": 7,
    "half_pixel": 1, "step_h": 700, "step_w": 800,
}  # fmt: skip
CURVE = {
    "in": 0, "out": 0, "rows": 3, "depth": 10, "table": IN_DATA, "multiplier": 3, "function": 1, "shift": 0,
}  # fmt: skip
QUANTIZE = {**UNARY, "scale": 0.5, "zero_point": -128}
GATHER = {"in": 0, "indices": IN_DATA, "out": 1000, "outer": 2, "axis": 5, "count": 3, "run": 4}
UPDATE = {"in": IN_DATA, "starts": IN_DATA + 64, "out": 1000}
SVDF = {
    **INT8_CLAMP, "in": 0, "out": 100, "weights": IN_DATA, "time": IN_DATA + 200, "params": IN_DATA + 400,
    "state": 200, "batch": 2, "inputs": 5, "units": 3, "rank": 2, "memory": 7, "feature_multiplier": 1 << 30,
    "multiplier": 1 << 30, "feature_shift": -3, "shift": 2, "state_type": ord("h"), "state_zp": 0,
}  # fmt: skip
LSTM = {
    **INT8_CLAMP, "in": 0, "out": 100, "hidden": 200, "cell": 300, "weights": IN_DATA,
    "params": IN_DATA + 1000, "table": IN_DATA + 3000, "batch": 2, "steps": 3, "inputs": 5, "units": 4,
    "time_major": 1, "cell_shift": 1,
}  # fmt: skip
DETECT = {
    "in": 0, "scores": 160, "anchors": IN_DATA, "out": 400, "out_classes": 480, "out_scores": 500,
    "out_count": 520, "scratch": 600, "boxes": 10, "coordinates": 4, "columns": 3, "classes": 2,
    "detections": 5, "max_per_class": 0, "score_threshold": 0.5, "overlap_threshold": 0.5,
    "scale0": 10.0, "scale1": 10.0, "scale2": 5.0, "scale3": 5.0,
}  # fmt: skip


def other_clamp(fields: dict[str, Any], clamp: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The fields of a record whose clamp is of another type."""
    return {k: v for k, v in fields.items() if k not in INT8_CLAMP} | clamp | more


VALID = {
    "conv": Record("CONV", "b", CONV),
    "float conv": Record("CONV", "f", other_clamp(CONV, FLOAT_CLAMP, scratch=NONE, scales=0, out=1024)),
    "tiled": Record("CONV_TILED", "b", {**CONV, "tile": 2}),
    "depthwise": Record("DEPTHWISE", "b", DEPTHWISE),
    "float depthwise": Record("DEPTHWISE", "f", other_clamp(DEPTHWISE, FLOAT_CLAMP, scales=0, out=1024)),
    "depthwise tiled": Record("DEPTHWISE_TILED", "b", {**DEPTHWISE, "tile": 6, "scratch": 1024}),
    "dense": Record("DENSE", "b", DENSE),
    "conv4": Record("CONV4", "b", {**CONV, "unpacked": 2000}),
    "conv4 tiled": Record("CONV4", "b", {**CONV, "tile": 2, "unpacked": 2000}),
    "depthwise4": Record("DEPTHWISE4", "b", {**DEPTHWISE, "unpacked": 2000}),
    "depthwise4 tiled": Record(
        "DEPTHWISE4", "b", {**DEPTHWISE, "tile": 3, "scratch": 1024, "unpacked": 2000}
    ),
    "conv16": Record("CONV16", "h", {**CONV, "scratch": NONE, "wide_sums": 1}),
    "average pool": Record("AVERAGE_POOL", "b", POOL),
    "max pool": Record("MAX_POOL", "f", other_clamp(POOL, FLOAT_CLAMP, out=1024)),
    "int16 pool": Record("MAX_POOL", "h", {**POOL, "out": 1024}),
    "l2 pool": Record("L2_POOL", "f", other_clamp(POOL, FLOAT_CLAMP, out=1024)),
    "add": Record("ADD", "b", BINARY, BINARY_LOOPS),
    "mul": Record("MUL", "f", other_clamp(BINARY, FLOAT_CLAMP), BINARY_LOOPS),
    "combine": Record("COMBINE", "i", other_clamp(BINARY, INT_CLAMP, out=400, function=1), BINARY_LOOPS),
    "compare": Record("COMBINE", "i", other_clamp(BINARY, INT_CLAMP, out=400, function=14), BINARY_LOOPS),
    "select": Record("COMBINE", "h", {**BINARY, "out": 400, "function": 11}, BINARY_LOOPS),
    "apply": Record("APPLY", "f", APPLY),
    "not": Record("APPLY", "?", {**APPLY, "function": 16, "out_type": ord("?")}),
    "cast": Record("APPLY", "b", {**APPLY, "function": 17, "out_type": ord("i"), "out": 100}),
    "quantize to int16": Record("APPLY", "f", {**APPLY, "function": 18, "out_type": ord("h")}),
    "dequantize int16": Record("APPLY", "h", {**APPLY, "function": 19, "out": 200}),
    "rescale": Record("RESCALE", "b", RESCALE),
    "mean": Record("MEAN", "b", REDUCE, REDUCE_LOOPS),
    "reduce": Record("REDUCE", "b", {**REDUCE, "function": 1}, REDUCE_LOOPS),
    "arg max": Record("REDUCE", "b", {**REDUCE, "function": 4}, REDUCE_LOOPS),
    "scan": Record("SCAN", "b", SCAN),
    "float scan": Record("SCAN", "f", other_clamp(SCAN, FLOAT_CLAMP)),
    "normalize": Record("NORMALIZE", "b", NORMALIZE),
    "to int16": Record("NORMALIZE", "b", {**NORMALIZE, "function": 3, "out": 30}),
    "float normalize": Record("NORMALIZE", "f", {**NORMALIZE, "function": 1, "table": NONE, "entries": 0}),
    "move": Record("MOVE", "b", MOVE, [Loop(5, 20, 10), Loop(2, 100, 50)]),
    "reversed": Record("MOVE", "b", {**MOVE, "in": 90}, [Loop(10, -10, 10)]),
    "gather": Record("GATHER", "b", GATHER),
    "update": Record("UPDATE", "b", UPDATE, [Loop(2, 10, 3), Loop(4, 1, 6)]),
    "fill": Record("FILL", "b", {"out": 4, "count": 20, "size": 4, "value": 7}),
    "softmax": Record("SOFTMAX", "b", SOFTMAX),
    "float softmax": Record("SOFTMAX", "f", {**SOFTMAX, "table": NONE, "entries": 0, "beta": 1.0}),
    "lut": Record("LUT", "b", {"in": 0, "out": 1, "count": 1, "table": IN_DATA + 7}),
    "quantize": Record("QUANTIZE", "b", QUANTIZE),
    "dequantize": Record("DEQUANTIZE", "b", {**QUANTIZE, "out": 100}),
    "clamp": Record("CLAMP", "f", {**UNARY, "min": 0.0, "max": 6.0}),
    "logistic": Record("LOGISTIC", "f", UNARY),
    "tanh": Record("TANH", "f", UNARY),
    "matmul": Record("MATMUL", "b", MATMUL, [Loop(2, 20, 0)]),
    "float matmul": Record("MATMUL", "f", other_clamp(MATMUL, FLOAT_CLAMP, out=1024), [Loop(2, 20, 0)]),
    "int16 matmul": Record("MATMUL", "h", MATMUL, [Loop(2, 20, 0)]),
    "resize": Record("RESIZE", "b", RESIZE),
    "float resize": Record("RESIZE", "f", {**RESIZE, "step_h": 0.5, "step_w": 1.5, "out": 1024}),
    "curve": Record("CURVE", "h", CURVE),
    "int16 softmax": Record("CURVE", "h", {**CURVE, "function": 3}),
    "jump": Record("JUMP", "?", {"condition": 5, "target": 1}),
    "detect": Record("DETECT", "f", DETECT),
    "detect each class": Record("DETECT", "f", {**DETECT, "max_per_class": 7, "columns": 2, "anchors": 1000}),
    "svdf": Record("SVDF", "b", SVDF),
    "float svdf": Record("SVDF", "f", other_clamp(SVDF, FLOAT_CLAMP, state_type=ord("f"))),
    "lstm": Record("LSTM", "b", LSTM),
    "int16 lstm": Record("LSTM", "h", LSTM),
    "float lstm": Record("LSTM", "f", other_clamp(LSTM, FLOAT_CLAMP, hidden=400, table=NONE, **{"in": 800})),
}

# Record, change that is refused, error; and, where there is one, the nearest change that is not.
Fields = dict[str, Any]
LIMITS: list[tuple[str, Fields, str, Fields | None]] = [
    ("conv", {"batch": 0}, "ZERO", None),
    ("conv", {"dilation_w": 0}, "ZERO", {"dilation_w": 2}),
    ("conv", {"in_c": 0}, "ZERO", None),
    ("conv", {"out_c": 0}, "ZERO", None),
    ("conv", {"in": ARENA - 119}, "INPUT", {"in": ARENA - 120}),
    ("conv", {"in": IN_DATA}, "INPUT", None),
    ("conv", {"out": ARENA - 179}, "OUTPUT", {"out": ARENA - 180}),
    ("conv", {"in_h": 65535, "in_w": 65535}, "INPUT", None),
    ("conv", {"batch": 65535, "in_h": 65535, "in_w": 65535, "in_c": 0x10000000}, "INPUT", None),
    ("conv", {"weights": END - 107}, "WEIGHTS", {"weights": END - 108}),
    ("conv", {"weights": 0}, "WEIGHTS", None),
    ("conv", {"params": END - 52}, "PARAMS", {"params": END - 56}),
    ("conv", {"params": IN_DATA + 2}, "PARAMS", {"params": IN_DATA + 4}),
    ("conv", {"scales": 2}, "SCALES", {"scales": 1}),
    ("conv", {"scales": 0}, "SCALES", None),
    ("conv", {"groups": 3}, "GROUPS", {"groups": 1, "scratch": 2000}),
    ("conv", {"out": 119}, "OVERLAP", {"out": 120}),
    ("conv", {"scratch": 119}, "OVERLAP", {"scratch": 120}),
    ("conv", {"scratch": 691}, "OVERLAP", {"scratch": 692}),
    ("conv", {"scratch": ARENA - 17}, "SCRATCH", {"scratch": ARENA - 18}),
    ("conv", {"scratch": IN_DATA}, "SCRATCH", None),
    ("conv", {"scratch": NONE}, "NO_SCRATCH", None),
    ("conv", {"stride_h": 65535, "out_h": 65535}, "WINDOW", None),
    ("conv", {"tile": 2}, "TILE", None),
    ("conv", {"in_zp": 128}, "ZERO_POINT", {"in_zp": 127}),
    ("conv", {"out_zp": -129}, "ZERO_POINT", {"out_zp": -128}),
    ("conv", {"min": 5, "max": 4}, "CLAMP", {"min": 4, "max": 4}),
    ("conv", {"max": 128}, "CLAMP", None),
    ("float conv", {"weights": 1028}, "WEIGHTS", {"weights": 1744}),
    ("float conv", {"weights": ARENA - 428}, "WEIGHTS", {"weights": ARENA - 432}),
    ("float conv", {"weights": IN_DATA + 2}, "WEIGHTS", {"weights": IN_DATA + 4}),
    ("float conv", {"scales": 1}, "SCALES", None),
    ("float conv", {"scratch": 3000}, "SCRATCH", None),
    ("float conv", {"tile": 2}, "TILE", None),
    ("float conv", {"min": 2.0}, "CLAMP", {"min": 1.0}),
    ("float conv", {"min": NAN}, "CLAMP", {"min": -INF, "max": INF}),
    ("float conv", {"in": 2}, "INPUT", {"in": 4}),
    ("tiled", {"tile": 0}, "TILE", None),
    ("tiled", {"tile": 1}, "TILE", None),
    ("tiled", {"tile": 4}, "TILE", None),
    ("tiled", {"scratch": 1026}, "SCRATCH", {"scratch": 1028}),
    ("tiled", {"scratch": ARENA - 140}, "SCRATCH", {"scratch": ARENA - 144}),
    ("tiled", {"scratch": NONE}, "SCRATCH", None),
    ("tiled", {"scratch": 512 - 140}, "OVERLAP", {"scratch": 512 - 144}),
    ("tiled", {"weights": END - 108}, "WEIGHT", {"weights": END - 109}),
    ("tiled", {"min": -100}, "CLAMP", {"min": 0}),
    ("tiled", {"params": IN_DATA + 3976, "scales": 1}, "MULTIPLIER", {"params": IN_DATA + 3972, "scales": 1}),
    ("depthwise", {"groups": 2}, "GROUPS", None),
    ("depthwise", {"scratch": 1024}, "SCRATCH", None),
    ("depthwise", {"tile": 2}, "TILE", None),
    ("depthwise", {"weights": END - 71}, "WEIGHTS", {"weights": END - 72}),
    ("float depthwise", {"weights": 3000}, "WEIGHTS", None),
    ("depthwise tiled", {"tile": 0}, "TILE", {"tile": 1}),
    ("depthwise tiled", {"tile": 7}, "TILE", None),
    ("depthwise tiled", {"k_w": 2}, "WINDOW", None),
    ("depthwise tiled", {"dilation_h": 2}, "WINDOW", None),
    ("depthwise tiled", {"scratch": ARENA - 220}, "SCRATCH", {"scratch": ARENA - 224}),
    ("depthwise tiled", {"groups": 2}, "GROUPS", None),
    ("dense", {"inputs": 0}, "ZERO", None),
    ("dense", {"outputs": 0}, "ZERO", None),
    ("dense", {"inputs": 12}, "INPUTS", {"inputs": 16}),
    ("dense", {"layout": 0}, "LAYOUT", None),
    ("dense", {"layout": 3}, "LAYOUT", None),
    ("dense", {"layout": 1}, "WEIGHT", None),
    ("dense", {"in": ARENA - 7}, "INPUT", {"in": ARENA - 8}),
    ("dense", {"out": ARENA - 7}, "OUTPUT", {"out": ARENA - 8}),
    ("dense", {"out": 7}, "OVERLAP", {"out": 8}),
    ("dense", {"scales": 2}, "SCALES", None),
    ("dense", {"weights": IN_DATA + 2}, "WEIGHTS", {"weights": IN_DATA + 4}),
    ("dense", {"weights": END - 28}, "WEIGHTS", {"weights": END - 32}),
    ("dense", {"params": END - 72}, "PARAMS", None),
    ("dense", {"params": IN_DATA + 3924}, "WEIGHT", None),
    ("dense", {"params": IN_DATA + 4000 - 32, "scales": 1}, "MULTIPLIER", None),
    ("dense", {"in_zp": 128}, "ZERO_POINT", None),
    ("dense", {"min": 128}, "CLAMP", {"min": 127}),
    ("conv4", {"weights": END - 53}, "WEIGHTS", {"weights": END - 54}),
    ("conv4", {"weights": 3000}, "WEIGHTS", None),
    ("conv4", {"unpacked": IN_DATA}, "WEIGHTS", None),
    ("conv4", {"unpacked": ARENA - 107}, "WEIGHTS", {"unpacked": ARENA - 108}),
    ("conv4", {"unpacked": 691}, "WEIGHTS", {"unpacked": 692}),
    ("conv4", {"unpacked": 119}, "WEIGHTS", {"unpacked": 120}),
    ("conv4", {"unpacked": 1024 - 107}, "OVERLAP", {"unpacked": 1024 - 108}),
    ("conv4", {"unpacked": 1024 + 17}, "OVERLAP", {"unpacked": 1024 + 18}),
    ("conv4", {"scratch": NONE}, "NO_SCRATCH", None),
    ("conv4", {"groups": 3}, "GROUPS", None),
    ("conv4", {"batch": 65535, "in_h": 65535, "in_w": 65535, "in_c": 0x10000000}, "INPUT", None),
    ("conv4", {"k_h": 65535, "k_w": 65535, "out_c": 0x4000000, "in_c": 1, "groups": 1}, "OUTPUT", None),
    ("conv4 tiled", {"tile": 1}, "TILE", {"tile": 0}),
    ("conv4 tiled", {"tile": 4}, "TILE", None),
    ("conv4 tiled", {"scratch": ARENA - 140}, "SCRATCH", {"scratch": ARENA - 144}),
    ("conv4 tiled", {"unpacked": 1024 + 143}, "OVERLAP", {"unpacked": 1024 + 144}),
    ("depthwise4", {"unpacked": 119}, "WEIGHTS", {"unpacked": 120}),
    ("depthwise4", {"weights": END - 35}, "WEIGHTS", {"weights": END - 36}),
    ("depthwise4 tiled", {"tile": 7}, "TILE", {"tile": 6}),
    ("depthwise4 tiled", {"k_w": 2}, "WINDOW", None),
    ("conv16", {"wide_sums": 2}, "RESERVED", {"wide_sums": 0}),
    ("conv16", {"scratch": 2048}, "RESERVED", None),
    ("conv16", {"tile": 2}, "RESERVED", None),
    ("conv16", {"params": END - 76}, "PARAMS", {"params": END - 80}),
    ("conv16", {"weights": END - 107}, "WEIGHTS", {"weights": END - 108}),
    ("conv16", {"weights": 512}, "WEIGHTS", {"weights": 872}),
    ("conv16", {"scales": 2}, "SCALES", {"scales": 1}),
    ("average pool", {"k_w": 0}, "ZERO", None),
    ("average pool", {"pad_h": 3}, "EMPTY_WINDOW", {"pad_h": 2}),
    ("average pool", {"stride_w": 2}, "EMPTY_WINDOW", {"stride_w": 2, "out_w": 3}),
    ("average pool", {"reserved": 1}, "RESERVED", None),
    ("average pool", {"channels": BIG}, "INPUT", None),
    ("max pool", {"out": ARENA - 476}, "OUTPUT", {"out": ARENA - 480}),
    ("max pool", {"out": 476}, "OVERLAP", {"out": 480}),
    ("int16 pool", {"in": 1}, "INPUT", {"in": 2}),
    ("int16 pool", {"min": 5, "max": 4}, "CLAMP", {"min": -32768, "max": 32767}),
    ("l2 pool", {"min": NAN}, "CLAMP", None),
    ("add", {"out": ARENA - 69}, "OUTPUT", {"out": ARENA - 70}),
    ("add", {"in1": ARENA - 69}, "OPERAND", {"in1": ARENA - 70}),
    ("add", {"in2": END - 6}, "OPERAND", {"in2": END - 7}),
    ("add", {"in2": 69}, "OVERLAP", {"in2": 70}),
    ("add", {"in1": 1}, "OVERLAP", {"in1": 0}),
    ("add", {"left_shift": 31}, "MULTIPLIER", {"left_shift": 30}),
    ("add", {"multiplier2": -1}, "MULTIPLIER", {"multiplier2": 0}),
    ("add", {"shift": 31}, "MULTIPLIER", {"shift": 30}),
    ("add", {"shift1": -32}, "MULTIPLIER", {"shift1": -31}),
    ("add", {"function": 1}, "RESERVED", None),
    ("mul", {"function": 3}, "RESERVED", None),
    ("add", {"loops": 7}, "RECORD", None),
    ("add", {"loops": 1}, "RECORD", None),
    ("combine", {"function": 0}, "FUNCTION", None),
    ("combine", {"function": 18}, "FUNCTION", {"function": 17}),
    ("combine", {"function": 10}, "FUNCTION", {"function": 7}),
    ("combine", {"out": ARENA - 276}, "OUTPUT", {"out": ARENA - 280}),
    ("combine", {"in1": ARENA - 276}, "OPERAND", {"in1": ARENA - 280}),
    ("combine", {"in2": END - 24}, "OPERAND", {"in2": END - 28}),
    ("combine", {"in2": 2}, "OPERAND", {"in2": 4}),
    ("combine", {"min": 1, "max": 0}, "CLAMP", {"min": 0, "max": 0}),
    ("compare", {"out": ARENA - 69}, "OUTPUT", {"out": ARENA - 70}),
    ("select", {"in1": ARENA - 69}, "OPERAND", {"in1": ARENA - 70}),
    ("select", {"in1": 400}, "OVERLAP", None),
    ("apply", {"function": 0}, "FUNCTION", None),
    ("apply", {"function": 20}, "FUNCTION", None),
    ("apply", {"function": 16}, "FUNCTION", {"function": 15}),
    ("apply", {"out_type": ord("b")}, "FUNCTION", None),
    ("apply", {"reserved": 1}, "RESERVED", None),
    ("apply", {"count": 0}, "ZERO", {"count": 1}),
    ("apply", {"count": 1025}, "INPUT", {"count": 1024}),
    ("apply", {"out": 396}, "OVERLAP", {"out": 400}),
    ("not", {"out_type": ord("b")}, "FUNCTION", None),
    ("cast", {"out_type": ord("q")}, "FUNCTION", {"out_type": ord("f")}),
    ("cast", {"out": 96}, "OVERLAP", {"out": 100}),
    ("quantize to int16", {"alpha": 0.0}, "SCALE", {"alpha": 1e-40}),
    ("quantize to int16", {"zero_point": 32768}, "ZERO_POINT", {"zero_point": 32767}),
    ("quantize to int16", {"out_type": ord("b")}, "FUNCTION", {"out_type": ord("B")}),
    ("dequantize int16", {"alpha": INF}, "SCALE", {"alpha": 3e38}),
    ("rescale", {"function": 0}, "FUNCTION", None),
    ("rescale", {"function": 4}, "FUNCTION", {"function": 3}),
    ("rescale", {"out_type": ord("f")}, "FUNCTION", {"out_type": ord("i")}),
    ("rescale", {"shift": 31}, "MULTIPLIER", {"shift": 30}),
    ("rescale", {"negative_shift": -32}, "MULTIPLIER", {"negative_shift": -31}),
    ("rescale", {"multiplier": -(2**31)}, "MULTIPLIER", {"multiplier": 1 - 2**31}),
    ("rescale", {"in_zp": 32768}, "ZERO_POINT", {"in_zp": 32767}),
    ("rescale", {"out_zp": -32769}, "ZERO_POINT", {"out_zp": -32768}),
    ("rescale", {"min": 256}, "CLAMP", {"min": 255}),
    ("rescale", {"out": ARENA - 198}, "OUTPUT", {"out": ARENA - 200}),
    ("rescale", {"out": 98}, "OVERLAP", {"out": 100}),
    ("mean", {"keep": 200, "reduce": 100}, "RECORD", None),
    ("mean", {"keep": 2, "reduce": 0}, "ZERO", None),
    ("mean", {"out": 199}, "OVERLAP", {"out": 200}),
    ("mean", {"in": ARENA - 199}, "INPUT", {"in": ARENA - 200, "out": 0}),
    ("mean", {"in": IN_DATA}, "INPUT", None),
    ("mean", {"out": ARENA - 9}, "OUTPUT", {"out": ARENA - 10}),
    ("mean", {"shift": 31}, "MULTIPLIER", {"shift": 30}),
    ("mean", {"function": 1}, "RESERVED", None),
    ("mean", {"left_shift": 1}, "RESERVED", None),
    ("reduce", {"function": 0}, "FUNCTION", None),
    ("reduce", {"function": 6}, "FUNCTION", {"function": 5}),
    ("reduce", {"left_shift": 31}, "MULTIPLIER", {"left_shift": 30}),
    ("arg max", {"out": 3002}, "OUTPUT", {"out": 3004}),
    ("arg max", {"out": ARENA - 36}, "OUTPUT", {"out": ARENA - 40}),
    ("scan", {"inner": 0}, "ZERO", None),
    ("scan", {"exclusive": 2}, "RESERVED", {"exclusive": 1}),
    ("scan", {"reverse": 2}, "RESERVED", {"reverse": 1}),
    ("scan", {"left_shift": 31}, "MULTIPLIER", {"left_shift": 30}),
    ("scan", {"out": 29}, "OVERLAP", {"out": 30}),
    ("scan", {"in_zp": 128}, "ZERO_POINT", {"in_zp": 127}),
    ("float scan", {"in": ARENA - 116, "out": 0}, "INPUT", {"in": ARENA - 120, "out": 0}),
    ("normalize", {"function": 0}, "FUNCTION", None),
    ("normalize", {"function": 4}, "FUNCTION", None),
    ("normalize", {"entries": 1009}, "TABLE", {"entries": 1008}),
    ("normalize", {"reverse_multiplier": -1}, "MULTIPLIER", {"reverse_multiplier": 0}),
    ("normalize", {"shift": -32}, "MULTIPLIER", {"shift": -31}),
    ("to int16", {"out": 28}, "OVERLAP", {"out": 30}),
    ("to int16", {"out": ARENA - 58}, "OUTPUT", {"out": ARENA - 60}),
    ("float normalize", {"function": 3}, "FUNCTION", {"function": 2}),
    ("move", {"run": 0}, "ZERO", {"run": 1}),
    ("move", {"run": BIG}, "OUTPUT", None),
    ("move", {"out": ARENA - 99}, "OUTPUT", {"out": ARENA - 100}),
    ("move", {"out": IN_DATA}, "OUTPUT", None),
    ("move", {"in": END - 189}, "OPERAND", {"in": END - 190}),
    ("move", {"out": 189}, "OVERLAP", {"out": 190}),
    ("move", {"loops": 1}, "RECORD", None),
    ("reversed", {"in": 89}, "OPERAND", {"in": 90}),
    ("gather", {"count": 0}, "ZERO", {"count": 1}),
    ("gather", {"in": ARENA - 39}, "OPERAND", {"in": ARENA - 40}),
    ("gather", {"indices": END - 8}, "OPERAND", {"indices": END - 12}),
    ("gather", {"indices": IN_DATA + 2}, "OPERAND", {"indices": IN_DATA + 4}),
    ("gather", {"out": ARENA - 23}, "OUTPUT", {"out": ARENA - 24}),
    ("gather", {"out": 39}, "OVERLAP", {"out": 40}),
    ("gather", {"indices": 1020}, "OVERLAP", {"indices": 1024}),
    ("update", {"in": END - 7}, "OPERAND", {"in": END - 8}),
    ("update", {"starts": END - 4}, "OPERAND", {"starts": END - 8}),
    ("update", {"out": ARENA - 49}, "OUTPUT", {"out": ARENA - 50}),
    ("update", {"in": 1049}, "OVERLAP", {"in": 1050}),
    ("update", {"starts": 996}, "OVERLAP", {"starts": 992}),
    ("update", {"loops": 1}, "RECORD", None),
    ("fill", {"count": 1024}, "OUTPUT", {"count": 1023}),
    ("fill", {"size": 3}, "FILL", {"size": 2}),
    ("fill", {"count": 0}, "ZERO", {"count": 1}),
    ("softmax", {"entries": 1009}, "TABLE", {"entries": 1008}),
    ("softmax", {"table": IN_DATA + 2}, "TABLE", {"table": IN_DATA + 4}),
    ("softmax", {"rows": 0}, "ZERO", None),
    ("softmax", {"out": 29}, "OVERLAP", {"out": 30}),
    ("float softmax", {"rows": 65536, "depth": 65536}, "INPUT", None),
    ("lut", {"table": END - 255}, "TABLE", {"table": END - 256}),
    ("lut", {"in": ARENA}, "INPUT", {"in": ARENA - 1}),
    ("quantize", {"scale": 0.0}, "SCALE", {"scale": 1e-40}),
    ("quantize", {"scale": INF}, "SCALE", {"scale": 3e38}),
    ("quantize", {"zero_point": 128}, "ZERO_POINT", {"zero_point": 127}),
    ("dequantize", {"out": 96}, "OVERLAP", {"out": 100}),
    ("dequantize", {"out": ARENA - 396}, "OUTPUT", {"out": ARENA - 400}),
    ("clamp", {"max": -1.0}, "CLAMP", {"max": 0.0}),
    ("logistic", {"out": 396}, "OVERLAP", {"out": 400}),
    ("tanh", {"count": 1025}, "INPUT", {"count": 1024}),
    ("matmul", {"depth": 0}, "ZERO", None),
    ("matmul", {"depth1": 0}, "OPERAND", None),
    ("matmul", {"row1": BIG}, "OPERAND", None),
    ("matmul", {"in2": END - 29}, "OPERAND", {"in2": END - 30}),
    ("matmul", {"out": 39}, "OVERLAP", {"out": 40}),
    ("matmul", {"out": ARENA - 47}, "OUTPUT", {"out": ARENA - 48}),
    ("matmul", {"bias": 0}, "PARAMS", {"bias": NONE}),
    ("matmul", {"bias": END - 20}, "PARAMS", {"bias": END - 24}),
    ("matmul", {"shift": 31}, "MULTIPLIER", {"shift": 30}),
    ("matmul", {"loops": 0}, "RECORD", None),
    ("int16 matmul", {"shift": 15}, "MULTIPLIER", {"shift": 14}),
    ("int16 matmul", {"bias": END - 44}, "PARAMS", {"bias": END - 48}),
    ("resize", {"out_w": 0}, "ZERO", None),
    ("resize", {"half_pixel": 2}, "RESERVED", {"half_pixel": 0}),
    ("resize", {"step_h": -1}, "SCALE", {"step_h": 0}),
    ("resize", {"out": 59}, "OVERLAP", {"out": 60}),
    ("resize", {"out": ARENA - 125}, "OUTPUT", {"out": ARENA - 126}),
    ("float resize", {"step_w": NAN}, "SCALE", None),
    ("float resize", {"step_w": INF}, "SCALE", {"step_w": 3e38}),
    ("curve", {"function": 0}, "FUNCTION", None),
    ("curve", {"function": 4}, "FUNCTION", None),
    ("curve", {"reserved": 1}, "RESERVED", None),
    ("curve", {"shift": -1}, "MULTIPLIER", {"shift": 31}),
    ("curve", {"multiplier": 1 << 15}, "MULTIPLIER", {"multiplier": (1 << 15) - 1}),
    ("curve", {"table": END - 510}, "TABLE", {"table": END - 512}),
    ("int16 softmax", {"table": END - 2050}, "TABLE", {"table": END - 2052}),
    ("jump", {"condition": ARENA}, "INPUT", {"condition": ARENA - 1}),
    ("jump", {"condition": IN_DATA}, "INPUT", {"condition": NONE}),
    ("jump", {"target": 3}, "TARGET", {"target": 2}),
    ("detect", {"boxes": 0}, "ZERO", None),
    ("detect", {"detections": 0}, "ZERO", None),
    ("detect", {"boxes": BIG}, "INPUT", None),
    ("detect", {"detections": 0x10000001}, "OUTPUT", None),
    ("detect", {"classes": 0}, "COUNTS", None),
    ("detect", {"classes": 1}, "COUNTS", {"classes": 3}),
    ("detect", {"classes": 4}, "COUNTS", None),
    ("detect", {"coordinates": 3}, "COUNTS", None),
    ("detect", {"coordinates": 5}, "OVERLAP", {"coordinates": 5, "in": 2000}),
    ("detect", {"anchors": END - 156}, "OPERAND", {"anchors": END - 160}),
    ("detect", {"anchors": ARENA - 156}, "OPERAND", {"anchors": ARENA - 160}),
    ("detect each class", {"anchors": 700}, "OVERLAP", {"anchors": 712}),
    ("detect", {"scratch": ARENA - 36}, "STATE", {"scratch": ARENA - 40}),
    ("detect each class", {"scratch": ARENA - 108}, "STATE", {"scratch": ARENA - 112}),
    ("detect", {"out_count": 482}, "STATE", None),
    ("detect", {"out_count": 516}, "OVERLAP", {"out_count": 520}),
    ("detect", {"overlap_threshold": 0.0}, "SCALE", {"overlap_threshold": 1e-40}),
    ("detect", {"overlap_threshold": 1.5}, "SCALE", {"overlap_threshold": 1.0}),
    ("detect", {"overlap_threshold": NAN}, "SCALE", None),
    ("detect", {"scale3": 0.0}, "SCALE", {"scale3": 1e-40}),
    ("svdf", {"memory": 0}, "ZERO", None),
    ("svdf", {"in": ARENA - 9}, "INPUT", {"in": ARENA - 10}),
    ("svdf", {"out": ARENA - 5}, "OUTPUT", {"out": ARENA - 6}),
    ("svdf", {"state": ARENA - 166}, "STATE", {"state": ARENA - 168}),
    ("svdf", {"state": 201}, "STATE", {"state": 202}),
    ("svdf", {"state": IN_DATA}, "STATE", None),
    ("svdf", {"state": 104}, "OVERLAP", {"state": 106}),
    ("svdf", {"out": 9}, "OVERLAP", {"out": 10}),
    ("svdf", {"batch": BIG, "units": BIG, "rank": BIG}, "INPUT", None),
    ("svdf", {"weights": END - 29}, "WEIGHTS", {"weights": END - 30}),
    ("svdf", {"time": END - 82}, "WEIGHTS", {"time": END - 84}),
    ("svdf", {"params": END - 32}, "PARAMS", {"params": END - 36}),
    ("svdf", {"shift": 31}, "MULTIPLIER", {"shift": 30}),
    ("svdf", {"feature_multiplier": -1}, "MULTIPLIER", {"feature_multiplier": 0}),
    ("svdf", {"state_type": ord("f")}, "TYPE", {"state_type": ord("b")}),
    ("float svdf", {"state_type": ord("h")}, "TYPE", None),
    ("lstm", {"steps": 0}, "ZERO", None),
    ("lstm", {"hidden": 27}, "OVERLAP", {"hidden": 30}),
    ("lstm", {"cell": 206}, "OVERLAP", {"cell": 208}),
    ("lstm", {"cell": 301}, "STATE", {"cell": 302}),
    ("lstm", {"hidden": ARENA - 7}, "STATE", {"hidden": ARENA - 8}),
    ("lstm", {"units": 0x40000000, "batch": 4}, "OUTPUT", None),
    ("lstm", {"weights": END - 143}, "WEIGHTS", {"weights": END - 144}),
    ("lstm", {"params": END - 180}, "PARAMS", None),
    ("int16 lstm", {"params": END - 180}, "PARAMS", None),
    ("float lstm", {"params": END - 60}, "PARAMS", {"params": END - 64}),
    ("lstm", {"table": END - 510}, "TABLE", {"table": END - 512}),
    ("lstm", {"table": NONE}, "TABLE", None),
    ("lstm", {"cell_shift": 15}, "MULTIPLIER", {"cell_shift": 14}),
    ("lstm", {"cell_shift": -31}, "MULTIPLIER", {"cell_shift": -30}),
    ("lstm", {"reserved": 1}, "RESERVED", None),
    ("lstm", {"time_major": 2}, "RESERVED", {"time_major": 0}),
    ("lstm", {"out_zp": 128}, "ZERO_POINT", {"out_zp": 127}),
    ("lstm", {"min": 5, "max": 4}, "CLAMP", {"min": 5, "max": 5}),
]


def write_hog(
    *records: bytes,
    arena: int = ARENA,
    io: bytes | None = None,
    steps: int = STEPS,
    turns: int = 0,
    initial: int = 0,
) -> bytearray:
    """A file with these operators' bytes; one int8 input and output of 2x3 unless `io` says otherwise."""
    tensor = struct.pack("<IBBHfi2I", 0, ord("b"), 2, 0, 0.5, 1, 2, 3)
    plan = struct.pack("<4H", 1, 1, len(records), initial) + (io or tensor * 2) + b"".join(records)
    table = 32 + 3 * 12
    data = (table + 4 + len(plan) + 15) // 16 * 16
    sections = [(b"META", table, 4), (b"PLAN", table + 4, len(plan)), (b"DATA", data, len(DATA))]
    body = struct.pack("<IIII", arena, 0, steps, turns) + b"".join(struct.pack("<4sII", *s) for s in sections)
    body += b"{}  " + plan
    file = bytearray(16) + body + bytes(data - 16 - len(body)) + DATA
    file[:8] = struct.pack("<4sHH", b"HOGN", 2, 3)
    return seal(file)


def seal(file: bytearray) -> bytearray:
    struct.pack_into("<II", file, 8, len(file), zlib.crc32(file[16:]))
    return file


def load(file: bytes) -> int:
    return engine.load(file, bytearray(engine.STATE_SIZE))


def refuses(file: bytes, error: str, operator: int | None = None) -> None:
    """In the words of that error, with the number of the operator."""
    where = "" if operator is None else f"operator {operator}: "
    with pytest.raises(ValueError, match=f"^{re.escape(where + ERRORS[error])}$"):
        load(file)


def changed(name: str, change: Fields) -> bytes:
    return replace(VALID[name], fields={**VALID[name].fields, **change}).pack()


def test_every_operator_has_a_record() -> None:
    assert {record.name for record in VALID.values()} == set(OPERATORS)
    assert {VALID[name].name for name, *_ in LIMITS} == set(OPERATORS)


@pytest.mark.parametrize("name", VALID)
def test_valid(name: str) -> None:
    assert load(write_hog(VALID[name].pack())) == ARENA


@pytest.mark.parametrize(("name", "change", "error", "good"), LIMITS, ids=lambda v: str(v)[:40])
def test_limits(name: str, change: Fields, error: str, good: Fields | None) -> None:
    fill = VALID["fill"].pack()
    refuses(write_hog(fill, changed(name, change)), error, 1)
    if good is not None:
        assert load(write_hog(fill, changed(name, good))) == ARENA


@pytest.mark.parametrize("multiplier, shift", [(-1, 0), (0, 31), (0, -32)])
def test_parameters_in_data(multiplier: int, shift: int) -> None:
    file = write_hog(VALID["conv"].pack())
    at = len(file) - len(DATA) + 2048 + 6 * 4 + 5 * 4
    struct.pack_into("<i5xb", file, at, multiplier, shift)
    refuses(seal(file), "MULTIPLIER", 0)


@pytest.mark.parametrize(
    ("name", "loop", "error"),
    [
        ("move", Loop(0), "ZERO"),
        ("move", Loop(7, 1 << 30), "OPERAND"),
        ("move", Loop(0xFFFFFFFF, -(1 << 31)), "OUTPUT"),
        ("move", Loop(4000, 1), "OUTPUT"),
        ("move", Loop(3, -1), "OPERAND"),
        ("add", Loop(0, 1, 1), "ZERO"),
        ("add", Loop(BIG, 1, 1), "OUTPUT"),
        ("add", Loop(7, BIG, 1), "OPERAND"),
        ("mean", Loop(0, 1), "ZERO"),
        ("mean", Loop(BIG, 1), "INPUT"),
        ("mean", Loop(20, 300), "INPUT"),
        ("update", Loop(4, -1, 6), "OUTPUT"),
        ("update", Loop(4, 1, -1), "OUTPUT"),
        ("update", Loop(0, 1, 6), "ZERO"),
        ("update", Loop(4, BIG, BIG), "OUTPUT"),
        ("matmul", Loop(0, 20, 0), "ZERO"),
        ("matmul", Loop(BIG, 20, 0), "OUTPUT"),
        ("matmul", Loop(2, BIG, 0), "OPERAND"),
    ],
)
def test_loops(name: str, loop: Loop, error: str) -> None:
    record = VALID[name]
    refuses(write_hog(replace(record, loops=[*record.loops[:-1], loop]).pack()), error, 0)


def test_as_many_loops_as_there_may_be() -> None:
    for count, error in ((6, None), (7, "LOOPS")):
        file = write_hog(replace(VALID["move"], loops=[Loop(1)] * count).pack())
        if error:
            refuses(file, error, 0)
        else:
            load(file)


def of_type(record: Record, kind: str) -> bytes:
    """With another type in its first word."""
    packed = record.pack()
    return packed[:1] + kind.encode() + packed[2:]


@pytest.mark.parametrize(
    ("record", "error", "operator"),
    [
        (b"\x00b\x01\x00", "ABSENT", 0),
        (b"\xffb\x01\x00", "ABSENT", 0),
        (b"\x01b\x00\x00", "RECORD", 0),
        (b"\x01b\x12\x00", "RECORD", 0),
        (VALID["fill"].pack() + b"\x00\x00\x00\x00", "PLAN_END", None),
        (of_type(VALID["tanh"], "b"), "ABSENT", 0),
        (of_type(VALID["lut"], "f"), "ABSENT", 0),
        (of_type(VALID["tiled"], "f"), "ABSENT", 0),
        (of_type(VALID["conv16"], "b"), "ABSENT", 0),
        (of_type(VALID["fill"], "x"), "TYPE", 0),
    ],
)
def test_records(record: bytes, error: str, operator: int | None) -> None:
    refuses(write_hog(record), error, operator)


def test_a_plan_that_ends_early() -> None:
    refuses(write_hog(b""), "PLAN")


# --- work ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VALID)
def test_the_work_of_each_operator(name: str) -> None:
    """The host's sum is the engine's: one step less in the header is refused."""
    records = [VALID["fill"], VALID[name]]
    steps = work(records)
    packed = [record.pack() for record in records]
    load(write_hog(*packed, steps=steps))
    refuses(write_hog(*packed, steps=steps - 1), "WORK")


@pytest.mark.parametrize(
    ("steps", "turns"), [(1 << 16, (1 << 17) - 1), (STEPS, 1), (100, MAX_WORK // 100 - 1)]
)
def test_the_work_of_all_iterations(steps: int, turns: int) -> None:
    fill = VALID["fill"].pack()
    load(write_hog(fill, steps=steps, turns=turns))
    refuses(write_hog(fill, steps=steps, turns=turns + 1), "TOO_MUCH_WORK")


def test_work_that_no_header_can_state() -> None:
    """More than 2^32 steps, which operands that overlap themselves need little memory for."""
    large = {"in1": 0, "in2": 0, "out": 100_000, "rows": 1, "columns": 100_000, "depth": 100_000}
    large |= {"depth1": 1, "column2": 1, "depth2": 0, "bias": NONE}
    record = replace(VALID["matmul"], fields={**MATMUL, **large}, loops=[])
    assert work([record]) > STEPS
    refuses(write_hog(record.pack(), arena=200_000), "TOO_MUCH_WORK")


def test_jumps_back() -> None:
    """Not in what a reset runs: a reset states no number of iterations."""
    fill = VALID["fill"].pack()
    ahead, back = (replace(VALID["jump"], fields={"condition": 5, "target": n}).pack() for n in (2, 1))
    for initial in (0, 1):
        load(write_hog(fill, back, fill, initial=initial))
    load(write_hog(fill, ahead, fill, initial=2))
    refuses(write_hog(fill, back, fill, initial=2), "TARGET", 1)
    refuses(write_hog(fill, back, fill, initial=2), "TARGET", 1)
    refuses(write_hog(fill, fill, back, initial=2), "TARGET", 2)
    refuses(write_hog(fill, initial=2), "PLAN")


def test_the_work_of_a_reset() -> None:
    """At most 2^24 steps, of the first operators only; an operator has one for itself."""
    n = 1 << 23
    half, more = (
        replace(VALID["fill"], fields={"out": 0, "count": count, "size": 1, "value": 0}).pack()
        for count in (n - 1, n)
    )
    load(write_hog(half, half, arena=n, initial=2, steps=1 << 25))
    refuses(write_hog(half, more, arena=n, initial=2, steps=1 << 25), "RESET_WORK")
    load(write_hog(half, more, arena=n, initial=1, steps=1 << 25))


# --- the file -----------------------------------------------------------------------------------


def test_header() -> None:
    good = write_hog(VALID["fill"].pack())

    def refused(error: str, at: int, form: str, *values: object, sealed: bool = True) -> None:
        file = bytearray(good)
        struct.pack_into("<" + form, file, at, *values)
        refuses(seal(file) if sealed else file, error)

    load(good)
    refused("MAGIC", 0, "4s", b"TFL3")
    refused("VERSION", 4, "H", 1)
    refused("VERSION", 4, "H", 3)
    refused("SECTIONS", 6, "H", 17)
    refused("SECTION_MISSING", 6, "H", 2)
    refused("LENGTH", 8, "I", len(good) - 1, sealed=False)
    refused("CHECKSUM", 12, "I", 0, sealed=False)
    refused("ARENA", 16, "I", 1 << 31)
    refused("FEATURES", 20, "I", 1)
    refused("FEATURES", 20, "I", 1 << 31)
    refused("WORK", 24, "I", 20)
    refused("TOO_MUCH_WORK", 28, "I", 2)
    refused("SECTION", 32, "4s", b"ATEM")
    refused("SECTION", 32, "4s", b"PLAN")
    refused("SECTION", 36, "I", 70)
    refused("SECTION", 36, "I", 28)
    refused("SECTION", 40, "I", 0xFFFFFFFF)
    refused("SECTION_OVERLAP", 40, "I", 8)
    refused("SECTION", 60, "I", len(good) - len(DATA) - 4)
    refused("IO_COUNT", 72, "H", 0)
    refused("IO_COUNT", 74, "H", 65)
    refused("PLAN", 76, "H", 2)
    refused("PLAN", 78, "H", 2)
    refused("IO", 80, "I", ARENA - 5)
    refused("TYPE", 84, "B", ord("x"))
    refused("PLAN", 85, "B", 255)
    refused("RESERVED", 86, "H", 1)
    refused("IO_SCALE", 88, "f", -1.0)
    refused("IO_SCALE", 88, "f", NAN)
    refused("IO_SCALE", 92, "i", 128)
    refused("ZERO", 96, "I", 0)
    refused("IO", 96, "II", 1 << 31, 1 << 31)


def test_a_file_of_version_1() -> None:
    """Its header is shorter; it says so in the same place."""
    old = struct.pack("<4sHHIIII", b"HOGN", 1, 0, 24, 0, 0, 0)
    refuses(bytearray(old), "VERSION")


def test_every_truncation() -> None:
    good = bytes(write_hog(VALID["conv"].pack()))
    for length in [*range(0, 300), len(good) - 1]:
        with pytest.raises(ValueError):
            load(good[:length])
        if length >= 32:
            with pytest.raises(ValueError):
                load(seal(bytearray(good[:length])))
