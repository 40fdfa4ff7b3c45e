# SPDX-License-Identifier: MIT
"""What is in a model: all facts, before it goes anywhere."""

from dataclasses import asdict
from typing import Any

from ..compiler import Compiled, compile_tflite
from ..compiler.disassemble import HogFile, disassemble
from ..compiler.lower import Step, View
from ..compiler.ports import Port
from ..compiler.records import TYPECODE
from . import cost

DTYPE = {code: name for name, code in TYPECODE.items()}


def inspect(data: bytes, name: str = "", board: str | None = None) -> dict[str, Any]:
    """Facts about a `.tflite` (as it would be packed) or a `.hog`, for JSON; `board`: with a forecast."""
    compiled = None if data[:4] == b"HOGN" else compile_tflite(data, name=name)
    hog = disassemble(compiled.hog if compiled else data)
    layers = [asdict(layer) | {"type": DTYPE[layer.type]} for layer in hog.layers]
    if compiled:
        for layer, step in zip(layers, compiled.lowered.steps, strict=True):
            layer["operator"] = step.operator.kind
            layer["output_shape"] = list(step.tensor.shape)
            layer["layer"] = step.tensor.name
            layer["in_place"] = _overwrites(step)
    there = cost.forecast(hog, board) if board else {}
    for layer, cycles in zip(layers, there.pop("layers", []), strict=False):
        layer["cycles"] = cycles
    return {
        "format": "tflite" if compiled else "hog",
        "name": hog.meta.get("name", ""),
        "file_size": len(data),
        "hog_size": hog.size,
        "arena_size": hog.arena_size,
        "ram": hog.size + hog.arena_size,
        "ram_streamed": hog.streamed + hog.arena_size,
        **_plan(compiled),
        "macs": sum(layer.macs for layer in hog.layers),
        "work": hog.work,
        "turns": hog.turns,
        "weights": sum(layer.weights for layer in hog.layers),
        "inputs": [_port(p) for p in hog.inputs],
        "outputs": [_port(p) for p in hog.outputs],
        "keeps_state": hog.initial > 0,
        "meta": _user_meta(hog),
        "layers": layers,
        **({"forecast": there} if there else {}),
    }


def _overwrites(step: Step) -> bool:
    """Whether the output overlaps an input in the arena."""
    buffers = {k: v.buffer for k, v in step.fields.items() if isinstance(v, View)}
    out = buffers.pop("out", None)
    inputs = [b for k, b in buffers.items() if k in ("in", "in1", "in2")]
    return out is not None and any(b.offset < out.end and out.offset < b.end for b in inputs)


def _plan(compiled: Compiled | None) -> dict[str, Any]:
    """The arena plan, which a `.hog` does not keep."""
    if not compiled:
        return {}
    buffers = sorted(compiled.lowered.buffers, key=lambda b: (b.first, b.offset))
    return {
        "arena_lower_bound": compiled.lower_bound,
        "arena_plan": [
            {"offset": b.offset, "size": b.size, "first": b.first, "last": b.last} for b in buffers
        ],
    }


def _port(p: Port) -> dict[str, Any]:
    return {
        "name": p.name,
        "shape": list(p.shape),
        "dtype": DTYPE[p.type],
        "scale": p.scale,
        "zero_point": p.zero_point,
    }


def _user_meta(hog: HogFile) -> dict[str, Any]:
    return {k: v for k, v in hog.meta.items() if k not in ("name", "inputs", "outputs")}
