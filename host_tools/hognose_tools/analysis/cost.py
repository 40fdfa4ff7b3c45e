# SPDX-License-Identifier: MIT
"""What a layer costs on a board, before it is there: cycles as a sum of what its kernel counts.

The weights are in cost.json, fitted by tests/fit_cost.py to cycles on the emulated Pico (flash as if cached,
the native module in RAM). An operator that was not measured has no figure rather than a guess.
"""

import json
from collections.abc import Callable
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from ..board.architectures import BOARDS
from ..board.library import LIBRARY_RAM
from ..board.native_module import module_size
from ..compiler.disassemble import HogFile, needs
from ..compiler.records import Record
from ..errors import UserError

FITTED = Path(__file__).with_name("cost.json")

Fields = dict[str, Any]


CALL = "call"  # from `model.invoke` to the first operator, and back


def forecast(hog: HogFile, board: str) -> dict[str, Any]:
    """What a model needs on a board: `cycles` of each operator and in all, RAM and flash in bytes.

    None stands for what was not measured; `at_least` counts all other cycles. UserError: an unknown board.
    """
    if board not in BOARDS:
        raise UserError(f"--board {board}: known are {', '.join(BOARDS)}")
    there = BOARDS[board]
    layers = [predict(r) if i >= hog.initial else 0 for i, r in enumerate(hog.records)]
    known = sum(n or 0 for n in layers) + _call(hog)
    total = None if None in layers else known
    code = LIBRARY_RAM + module_size(there.architecture, needs(hog))
    return {
        "board": there.title,
        "cycles": total,
        "at_least": known,
        "milliseconds": round(known / there.hertz * 1000, 3),
        "layers": layers,
        "ram": code + hog.size + hog.arena_size,
        "ram_streamed": code + hog.streamed + hog.arena_size,
        "ram_free": there.ram,
        "flash": code + hog.size,
        "flash_free": there.flash,
    }


def _call(hog: HogFile) -> float:
    weights = _weights()[CALL]
    return round(sum(w * v for w, v in zip(weights, call_counts(hog), strict=True)))


def call_counts(hog: HogFile) -> list[float]:
    """What the cycles of a call depend on, beside the operators."""
    ports = [*hog.inputs, *hog.outputs]
    return [1, len(ports), sum(p.size * p.dtype.itemsize for p in ports)]


def predict(record: Record) -> int | None:
    """Cycles of one operator on the Pico; None where its kernel was not measured."""
    counted = counts(record)
    if counted is None or counted[0] not in _weights():
        return None
    kernel, values = counted
    return round(sum(w * v for w, v in zip(_weights()[kernel], values, strict=True)))


@cache
def _weights() -> dict[str, list[float]]:
    found: dict[str, list[float]] = json.loads(FITTED.read_text())["kernels"]
    return found


def counts(record: Record) -> tuple[str, list[float]] | None:
    """The kernel that runs a record on a Pico, and the counts its cycles depend on; None: not measured."""
    name = record.name
    if name not in _COUNTS or (record.type != "b" and name not in _MOVING):
        return None
    return _COUNTS[name](name, record.fields, record)


def _dense(_: str, f: Fields, __: Record) -> tuple[str, list[float]]:
    return "dense", _products(f, f["outputs"], f["outputs"], f["inputs"])


def _conv(_: str, f: Fields, __: Record) -> tuple[str, list[float]]:
    outputs = f["batch"] * f["out_h"] * f["out_w"] * f["out_c"]
    return "dot", _products(f, outputs, f["out_c"], f["k_h"] * f["k_w"] * f["in_c"] // f["groups"])


def _products(f: Fields, outputs: int, channels: int, k: int) -> list[float]:
    """What dot products of `k` values go with."""
    return [1, outputs * k, outputs, outputs if f["scales"] > 1 else 0, k * -(-channels // 32)]


def _conv_tiled(_: str, f: Fields, __: Record) -> tuple[str, list[float]]:
    pixels, channels = f["batch"] * f["out_h"] * f["out_w"], f["out_c"]
    depth = f["in_c"] // f["groups"]
    k, outputs = f["k_h"] * f["k_w"] * depth, pixels * channels
    relu = f["min"] == f["out_zp"]
    passes = -(-(channels // f["groups"]) // f["tile"]) * f["groups"]
    bytes_read = pixels * k * passes
    aligned = depth == f["in_c"] and f["in_c"] % 4 == 0 and f["dilation_w"] == 1
    whole = depth == f["in_c"] and f["k_w"] * depth % 4 == 0 and f["in_w"] * f["in_c"] % 4 == 0 and aligned
    inside = _inside(f, "h") * _inside(f, "w") * f["batch"] / pixels if whole else 0
    border = (1 - inside) if whole else 0
    gathered = 0 if whole else 1
    values = [
        1,
        outputs * -(-k // 4),
        0 if relu else outputs,
        outputs if relu else 0,
        channels * -(-k // 4),
        pixels * passes * inside,
        pixels * passes * inside * f["k_h"],
        bytes_read * inside,
        pixels * passes * border * f["k_h"],
        bytes_read * border,
        pixels * passes * gathered * f["k_h"],
        bytes_read * gathered,
        pixels * passes * (1 - inside),
    ]
    return "convolution", values


def _inside(f: Fields, axis: str) -> int:
    """Positions of the window along an axis that lie inside the input."""
    size, out, stride, pad = f[f"in_{axis}"], f[f"out_{axis}"], f[f"stride_{axis}"], f[f"pad_{axis}"]
    reach = (f[f"k_{axis}"] - 1) * f[f"dilation_{axis}"] + 1
    first = -(-pad // stride)
    end = min(out, (size + pad - reach) // stride + 1) if size + pad >= reach else 0
    return max(0, end - first)


def _depthwise(_: str, f: Fields, __: Record) -> tuple[str, list[float]]:
    outputs = f["batch"] * f["out_h"] * f["out_w"] * f["out_c"]
    taps = f["k_h"] * f["k_w"]
    border = f["batch"] * (f["out_h"] * f["out_w"] - _inside(f, "h") * _inside(f, "w")) * f["out_c"]
    return "depthwise, any", [1, outputs * taps, outputs, outputs * f["k_h"], border, border * taps]


def _depthwise_tiled(_: str, f: Fields, __: Record) -> tuple[str, list[float]]:
    outputs = f["batch"] * f["out_h"] * f["out_w"] * f["out_c"]
    relu = f["min"] == f["out_zp"]
    tiles = f["batch"] * -(-f["out_h"] // f["tile"])
    rows = f["batch"] * f["out_h"] * f["stride_h"] + 2 * tiles
    columns = min(f["in_w"], (f["out_w"] - 1) * f["stride_w"] + 3 - f["pad_w"])
    values = [
        1,
        0 if relu else outputs,
        outputs if relu else 0,
        tiles * f["out_c"],
        f["in_c"] * rows * columns,
        f["in_c"] * tiles * columns,
        f["batch"] * f["out_h"] * f["out_c"],
    ]
    return "depthwise, 3x3", values


def _pool(name: str, f: Fields, _: Record) -> tuple[str, list[float]]:
    pixels = f["batch"] * f["out_h"] * f["out_w"]
    outputs = pixels * f["channels"]
    rows, columns = min(f["k_h"], f["in_h"]), min(f["k_w"], f["in_w"])
    return name, [1, outputs, outputs * rows, outputs * rows * columns, pixels]


def _loops(name: str, f: Fields, record: Record) -> tuple[str, list[float]]:
    sizes = [v.n for v in record.loops]
    whole = name == "ADD" and (record.loops[-1].a, record.loops[-1].b) == (1, 1)
    return name + (", alike" if whole else ""), [1, prod(sizes), prod(sizes[:-1])]


def _mean(name: str, f: Fields, record: Record) -> tuple[str, list[float]]:
    kept = prod(v.n for v in record.loops[: f["keep"]])
    return name, [1, kept, kept * prod(v.n for v in record.loops[f["keep"] :])]


def _move(name: str, f: Fields, record: Record) -> tuple[str, list[float]]:
    runs = prod(v.n for v in record.loops)
    return name, [1, runs, runs * f["run"] if f["run"] > 8 else 0, runs * f["run"] if f["run"] <= 8 else 0]


def _fill(name: str, f: Fields, _: Record) -> tuple[str, list[float]]:
    return name, [1, f["count"] * f["size"]]


def _rows(name: str, f: Fields, _: Record) -> tuple[str, list[float]]:
    return name, [1, f["rows"], f["rows"] * f["depth"]]


def _elements(name: str, f: Fields, _: Record) -> tuple[str, list[float]]:
    return name, [1, f["count"]]


_MOVING = ("MOVE", "FILL", "QUANTIZE", "DEQUANTIZE")
_COUNTS: dict[str, Callable[[str, Fields, Record], tuple[str, list[float]]]] = {
    "CONV": _conv,
    "CONV_TILED": _conv_tiled,
    "DENSE": _dense,
    "DEPTHWISE": _depthwise,
    "DEPTHWISE_TILED": _depthwise_tiled,
    "AVERAGE_POOL": _pool,
    "MAX_POOL": _pool,
    "ADD": _loops,
    "MUL": _loops,
    "MEAN": _mean,
    "MOVE": _move,
    "FILL": _fill,
    "SOFTMAX": _rows,
    "LUT": _elements,
    "QUANTIZE": _elements,
    "DEQUANTIZE": _elements,
}
