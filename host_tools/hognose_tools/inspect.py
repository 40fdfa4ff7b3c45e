# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""`hognose inspect`: what is in a model, before it goes anywhere."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import cost, files
from .compiler import Compiled, compile_tflite
from .compiler.disassemble import HogFile, disassemble
from .compiler.lower import Step, View
from .compiler.records import TYPECODE
from .samples import Port

DTYPE = {code: name for name, code in TYPECODE.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.(tflite|hog)")
    parser.add_argument("--board", metavar="pico", help="what it needs there: cycles, time, RAM, flash")
    parser.add_argument("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> int:
    facts = inspect(files.read(args.model), Path(args.model).stem, args.board)
    print(json.dumps(facts, indent=2) if args.json else _table(facts))
    return 0


def inspect(data: bytes, name: str = "", board: str | None = None) -> dict[str, Any]:
    """All facts about a `.tflite` (as it would be packed) or a `.hog`, ready for JSON; on a `board`, too."""
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
        "weights": sum(layer.weights for layer in hog.layers),
        "inputs": [_port(p) for p in hog.inputs],
        "outputs": [_port(p) for p in hog.outputs],
        "keeps_state": hog.initial > 0,
        "native_module": "full" if hog.needs_full else "small",
        "meta": _user_meta(hog),
        "layers": layers,
        **({"forecast": there} if there else {}),
    }


def _overwrites(step: Step) -> bool:
    """Whether the output lies where an input, or some of it, was."""
    buffers = {k: v.buffer for k, v in step.fields.items() if isinstance(v, View)}
    out = buffers.pop("out", None)
    inputs = [b for k, b in buffers.items() if k in ("in", "in1", "in2")]
    return out is not None and any(b.offset < out.end and out.offset < b.end for b in inputs)


def _plan(compiled: Compiled | None) -> dict[str, Any]:
    """The arena plan: only the packer knows each buffer's lifetime."""
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


def _table(facts: dict[str, Any]) -> str:
    lines = [
        f"{facts['name'] or 'model'}: {facts['file_size']:,} bytes"
        + (f", {facts['hog_size']:,} as .hog" if facts["format"] == "tflite" else ""),
        f"arena {facts['arena_size']:,} bytes"
        + (f" (lower bound {facts['arena_lower_bound']:,})" if "arena_lower_bound" in facts else "")
        + f", weights {facts['weights']:,} bytes, {facts['macs']:,} MACs",
    ]
    if facts["ram_streamed"] < facts["ram"] / 2:
        streamed = f"{facts['ram_streamed']:,} with Model(path, stream=True)"
        lines.append(f"RAM: file and arena {facts['ram']:,} bytes; {streamed}")
    if facts["keeps_state"]:
        lines.append("keeps state from run to run: model.reset() clears it")
    if facts["native_module"] == "full":
        lines.append("needs the full native module (hognose deploy takes it)")
    for kind in ("inputs", "outputs"):
        for i, p in enumerate(facts[kind]):
            numbers = f", scale {p['scale']:.6g}, zero point {p['zero_point']}" if p["scale"] else ""
            lines.append(f"{kind[:-1]} {i}: {p['name']} {p['dtype']}{p['shape']}{numbers}")
    lines += [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts["meta"].items()]
    lines.append(
        f"{'#':>3} {'operator':18}{'output':18}{'type':>8}{'MACs':>12}{'weights':>9}{'arena at':>9}"
        + (f"{'cycles':>23}" if "forecast" in facts else "")
    )
    for layer in facts["layers"]:
        shape = "x".join(map(str, layer["output_shape"]))
        place = "-" if layer["output"] is None else f"{layer['output']:,}"
        lines.append(
            f"{layer['index']:3} {layer.get('operator', layer['name']):18}{shape:18}{layer['type']:>8}"
            f"{layer['macs']:12,}{layer['weights']:9,}{place:>9}"
            + (" in place" if layer.get("in_place") else " " * 9 if "cycles" in layer else "")
            + _cycles(layer)
        )
    if "forecast" in facts:
        lines += cost.text(facts["forecast"])
    return "\n".join(lines)


def _cycles(layer: dict[str, Any]) -> str:
    """The column that --board adds."""
    if "cycles" not in layer:
        return ""
    return f"{layer['cycles']:14,}" if layer["cycles"] is not None else f"{'?':>14}"
