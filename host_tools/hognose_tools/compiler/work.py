# SPDX-License-Identifier: MIT
"""The work of one run of a model, in steps: the header states it, and every loader checks it.

A step is what an innermost loop does once: a multiply-accumulate, a comparison, the copy of a byte.
"""

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

from .records import Record

MAX_WORK = 2**33  # steps of one run, with all of its iterations, that an engine accepts
MAX_TURNS = 65536  # jumps back that one run may take

Fields = dict[str, Any]


def work(records: Iterable[Record]) -> int:
    """Steps of one pass over the operators; each operator counts as one more."""
    return sum(1 + steps(r) for r in records)


def steps(record: Record) -> int:
    """Steps of one operator; where it multiplies and accumulates, these are the MACs."""
    return _STEPS[record.name](record.fields, prod(v.n for v in record.loops))


def turns(records: Iterable[Record], one_pass: int) -> int:
    """The most jumps back that one run may take: none where no jump leads back."""
    back = any(r.name == "JUMP" and r.fields["target"] <= i for i, r in enumerate(records))
    return min(MAX_TURNS, MAX_WORK // one_pass - 1) if back else 0


# Of each operator, by its fields and the iterations of its loop nest.
Steps = Callable[[Fields, int], int]


def _product(*names: str) -> Steps:
    return lambda f, _: prod(f[name] for name in names)


def _convolution(f: Fields, _: int) -> int:
    outputs = f["batch"] * f["out_h"] * f["out_w"] * f["out_c"]
    return outputs * f["k_h"] * f["k_w"] * (f["in_c"] // f["groups"])


def _pool(f: Fields, _: int) -> int:
    window = min(f["k_h"], f["in_h"]) * min(f["k_w"], f["in_w"])
    return f["batch"] * f["out_h"] * f["out_w"] * f["channels"] * window


def _nest(_: Fields, iterations: int) -> int:
    return iterations


def _detect(f: Fields, _: int) -> int:
    rounds = f["boxes"] * (f["classes"] if f["max_per_class"] else 1)
    compared = f["boxes"] // 2 + f["detections"] // 2 + f["max_per_class"]
    return f["boxes"] * f["columns"] + rounds * compared


_CONVOLUTIONS = ("CONV", "CONV_TILED", "DEPTHWISE", "DEPTHWISE_TILED", "CONV16", "CONV4", "DEPTHWISE4")
_NESTS = ("ADD", "MUL", "COMBINE", "MEAN", "REDUCE", "UPDATE")
_ELEMENTS = (
    *("FILL", "LUT", "QUANTIZE", "DEQUANTIZE", "CLAMP", "LOGISTIC", "TANH"),
    *("APPLY", "RESCALE"),
)
_STEPS: dict[str, Steps] = {
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
    **dict.fromkeys(("AVERAGE_POOL", "MAX_POOL", "L2_POOL"), _pool),
    **dict.fromkeys(_NESTS, _nest),
    **dict.fromkeys(_ELEMENTS, _product("count")),
    **dict.fromkeys(("SOFTMAX", "NORMALIZE", "CURVE"), _product("rows", "depth")),
    "DENSE": _product("inputs", "outputs"),
    "MOVE": lambda f, iterations: iterations * f["run"],
    "MATMUL": lambda f, iterations: iterations * f["rows"] * f["columns"] * f["depth"],
    "SCAN": _product("outer", "depth", "inner"),
    "GATHER": _product("outer", "count", "run"),
    "RESIZE": lambda f, _: 4 * f["batch"] * f["out_h"] * f["out_w"] * f["channels"],
    "SVDF": lambda f, _: f["batch"] * f["units"] * f["rank"] * (f["inputs"] + f["memory"]),
    "LSTM": lambda f, _: f["batch"] * f["steps"] * 4 * f["units"] * (f["inputs"] + f["units"]),
    "DETECT": _detect,
    "JUMP": lambda f, _: 0,
}
