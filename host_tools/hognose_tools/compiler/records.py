# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The operator records of a `.hog`: the one table of their fields (native_module/README.md, hog.h)."""

import struct
from dataclasses import dataclass, field
from typing import Any

NONE = 0xFFFFFFFF
IN_DATA = 0x80000000
TYPECODE = {
    "int8": "b",
    "float32": "f",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "bool": "?",
}
ITEMSIZE = {"b": 1, "f": 4, "h": 2, "i": 4, "q": 8, "B": 1, "?": 1}
MAX_LOOPS = 6

_WINDOW = "stride_h:H stride_w:H"
# A clamp is 8 bytes; which of the two forms, the operator's type says.
_QUANTIZED = "in_zp:h out_zp:h min:h max:h"
_CLAMP = {"b": _QUANTIZED, "h": _QUANTIZED, "f": "min:f max:f"}
_CLAMP |= dict.fromkeys("iqB?", "min:i max:i")
_CONV = (
    "in:I out:I weights:I params:I scratch:I in_c:I out_c:I batch:H in_h:H in_w:H out_h:H out_w:H "
    f"k_h:H k_w:H groups:H {_WINDOW} dilation_h:H dilation_w:H pad_h:H pad_w:H scales:H block:H clamp"
)
_POOL = (
    "in:I out:I channels:I batch:H in_h:H in_w:H out_h:H out_w:H "
    f"k_h:H k_w:H {_WINDOW} pad_h:H pad_w:H reserved:H clamp"
)
_BINARY = (
    "in1:I in2:I out:I loops:H left_shift:H clamp multiplier1:i multiplier2:i multiplier:i "
    "shift1:b shift2:b shift:b in2_zp:b *"
)
_COMBINE = _BINARY.replace("left_shift:H", "left_shift:B function:B")
_UNARY = "in:I out:I count:I min:f max:f"
_QUANTIZE = "in:I out:I count:I scale:f zero_point:i"

# name: (code, fields in file order; "*" is the loop nest)
RECORDS: dict[str, tuple[int, str | dict[str, str]]] = {
    "CONV": (1, _CONV),
    "DEPTHWISE": (2, _CONV),
    "AVERAGE_POOL": (3, _POOL),
    "MAX_POOL": (4, _POOL),
    "ADD": (5, _BINARY),
    "MUL": (6, _BINARY),
    "MEAN": (7, "in:I out:I keep:B reduce:B reserved:H clamp multiplier:i shift:i *"),
    "MOVE": (8, "in:I out:I run:I loops:I *"),
    "FILL": (9, "out:I count:I size:I value:I"),
    "SOFTMAX": (
        10,
        {"b": "in:I out:I rows:I depth:I table:I entries:I", "f": "in:I out:I rows:I depth:I table:I beta:f"},
    ),
    "LUT": (11, "in:I out:I count:I table:I"),
    "QUANTIZE": (12, _QUANTIZE),
    "DEQUANTIZE": (13, _QUANTIZE),
    "CLAMP": (14, _UNARY),
    "LOGISTIC": (15, _UNARY),
    "TANH": (16, _UNARY),
    "COMBINE": (17, _COMBINE),
    "APPLY": (18, "in:I out:I count:I function:B out_type:B reserved:H alpha:f zero_point:i"),
    "REDUCE": (
        20,
        "in:I out:I keep:B reduce:B function:B left_shift:B clamp multiplier:i shift:i *",
    ),
    "SCAN": (
        21,
        "in:I out:I outer:I depth:I inner:I exclusive:B reverse:B left_shift:B shift:b clamp multiplier:i",
    ),
    "L2_POOL": (22, _POOL),
    "NORMALIZE": (
        23,
        "in:I out:I rows:I depth:I table:I entries:I function:B shift:b reverse_shift:b in_zp:b "
        "multiplier:i reverse_multiplier:i",
    ),
    "GATHER": (24, "in:I indices:I out:I outer:I axis:I count:I run:I"),
    "UPDATE": (25, "in:I starts:I out:I loops:I *"),
    "SVDF": (
        26,
        "in:I out:I weights:I time:I params:I state:I batch:I inputs:I units:I rank:I memory:I clamp "
        "feature_multiplier:i multiplier:i feature_shift:b shift:b state_type:B state_zp:b",
    ),
    "LSTM": (
        27,
        "in:I out:I hidden:I cell:I weights:I params:I table:I batch:I steps:I inputs:I units:I "
        "time_major:B cell_shift:b reserved:H clamp",
    ),
    "MATMUL": (
        28,
        "in1:I in2:I out:I bias:I rows:I depth:I columns:I row1:I depth1:I column2:I depth2:I "
        "multiplier:i clamp shift:b in2_zp:b loops:H *",
    ),
    "RESIZE": (
        29,
        {
            "b": "in:I out:I channels:I batch:H in_h:H in_w:H out_h:H out_w:H half_pixel:H step_h:i step_w:i",
            "f": "in:I out:I channels:I batch:H in_h:H in_w:H out_h:H out_w:H half_pixel:H step_h:f step_w:f",
        },
    ),
    "CONV16": (30, _CONV.replace("block", "wide")),
    "CONV4": (34, _CONV + " unpacked:I"),
    "DEPTHWISE4": (35, _CONV + " unpacked:I"),
    "JUMP": (32, "condition:I target:I"),
    "DETECT": (
        33,
        "in:I scores:I anchors:I out:I out_classes:I out_scores:I out_count:I scratch:I boxes:I "
        "coordinates:I columns:I classes:I detections:I a_class:I score_threshold:f overlap_threshold:f "
        "scale_y:f scale_x:f scale_h:f scale_w:f",
    ),
    "CURVE": (
        31,
        "in:I out:I rows:I depth:I table:I multiplier:i function:B shift:b reserved:H",
    ),
    "RESCALE": (
        19,
        "in:I out:I count:I function:B out_type:B shift:b negative_shift:b "
        "multiplier:i negative_multiplier:i in_zp:i out_zp:i min:i max:i",
    ),
}
NAMES = {code: name for name, (code, _) in RECORDS.items()}
# Functions of COMBINE, APPLY, …: the numbers of hog.h.
FUNCTIONS = {
    "COMBINE": [
        "ADD",
        "SUB",
        "MUL",
        "DIV",
        "MAXIMUM",
        "MINIMUM",
        "SQUARED_DIFFERENCE",
        "FLOOR_DIV",
        "FLOOR_MOD",
        "PRELU",
        "SELECT",
        "LOGICAL_AND",
        "LOGICAL_OR",
        "EQUAL",
        "NOT_EQUAL",
        "LESS",
        "LESS_EQUAL",
    ],
    "APPLY": [
        "ABS",
        "NEG",
        "SQUARE",
        "SQRT",
        "RSQRT",
        "EXP",
        "LOG",
        "SIN",
        "COS",
        "FLOOR",
        "CEIL",
        "ROUND",
        "ELU",
        "LEAKY_RELU",
        "HARD_SWISH",
        "LOGICAL_NOT",
        "CAST",
        "QUANTIZE",
        "DEQUANTIZE",
    ],
    "RESCALE": ["SIGN", "ABS", "RSQRT"],
    "REDUCE": ["SUM", "MAX", "MIN", "ARG_MAX", "ARG_MIN"],
    "NORMALIZE": ["L2", "LOG_SOFTMAX", "SOFTMAX"],
    "CURVE": ["LOGISTIC", "TANH", "SOFTMAX"],
}
REFS = (
    *("in", "in1", "in2", "out", "weights", "params", "bias", "scratch", "table", "indices", "starts"),
    *("unpacked", "time", "state", "hidden", "cell", "condition"),
    *("scores", "anchors", "out_classes", "out_scores", "out_count"),
)


@dataclass
class Loop:
    """One level of a loop nest: count, stride of the first and of the second operand."""

    n: int
    a: int = 0
    b: int = 0


def function(record: str, name: str) -> int:
    """The number of a function of COMBINE, APPLY, …"""
    return FUNCTIONS[record].index(name) + 1


@dataclass
class Record:
    """One operator: its fields by name, and its loop nest."""

    name: str
    type: str
    fields: dict[str, Any]  # integers and floats
    loops: list[Loop] = field(default_factory=list)

    def values(self) -> list[Any]:
        """The fields in file order."""
        return [self.fields.get(n, 0) for n in _layout(self.name, self.type)[0]]

    def pack(self) -> bytes:
        """The record's bytes. Raises OverflowError where a number does not fit its field."""
        code, _ = RECORDS[self.name]
        _, form, nest = _layout(self.name, self.type)
        try:
            body = struct.pack("<" + form, *self.values())
            if nest:
                body += b"".join(struct.pack("<Iii", v.n, v.a, v.b) for v in self.loops)
            return struct.pack("<BBH", code, ord(self.type), 1 + len(body) // 4) + body
        except struct.error as e:
            raise OverflowError(str(e)) from e


def unpack(plan: bytes, offset: int) -> tuple[Record, int]:
    """The record at `offset` of a valid PLAN, and the offset of the next one."""
    code, kind, words = struct.unpack_from("<BBH", plan, offset)
    names, form, nest = _layout(NAMES[code], chr(kind))
    values = struct.unpack_from("<" + form, plan, offset + 4)
    start, end = offset + 4 + struct.calcsize("<" + form), offset + 4 * words
    loops = [Loop(*struct.unpack_from("<Iii", plan, at)) for at in range(start, end, 12)]
    return Record(NAMES[code], chr(kind), dict(zip(names, values, strict=True)), loops if nest else []), end


def _layout(name: str, kind: str) -> tuple[list[str], str, bool]:
    """Field names, their struct format, and whether a loop nest follows."""
    fields = RECORDS[name][1]
    if isinstance(fields, dict):
        fields = fields[kind]
    words = fields.replace("clamp", _CLAMP[kind]).split()
    pairs = [w.split(":") for w in words if w != "*"]
    return [p[0] for p in pairs], "".join(p[1] for p in pairs), words[-1] == "*"
