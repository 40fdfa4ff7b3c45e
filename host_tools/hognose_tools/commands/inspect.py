# SPDX-License-Identifier: MIT
"""`hognose inspect`: what is in a model, before it goes anywhere."""

import argparse
import json
from pathlib import Path
from typing import Any

from .. import files
from ..analysis.inspect import inspect
from ..board.architectures import BOARDS
from ..text import clipped, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.(tflite|hog)")
    boards = ",".join(sorted(BOARDS))
    parser.add_argument("--board", metavar=boards, help="also forecast cycles, time, RAM and flash there")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    facts = inspect(files.read(args.model), Path(args.model).stem, args.board)
    print(json.dumps(facts, indent=2) if args.json else _table(facts))
    return 0


def _table(facts: dict[str, Any]) -> str:
    lines = [
        f"{printable(facts['name']) or 'model'}: {facts['file_size']:,} bytes"
        + (f", {facts['hog_size']:,} as .hog" if facts["format"] == "tflite" else ""),
        f"arena {facts['arena_size']:,} bytes"
        + (f" (lower bound {facts['arena_lower_bound']:,})" if "arena_lower_bound" in facts else "")
        + f", weights {facts['weights']:,} bytes, {facts['macs']:,} MACs",
        f"work {facts['work']:,} steps"
        + (f", and again after each of up to {facts['turns']:,} jumps back" if facts["turns"] else " a run"),
    ]
    if facts["ram_streamed"] < facts["ram"] / 2:
        streamed = f"{facts['ram_streamed']:,} with Model(path, stream=True)"
        lines.append(f"RAM: file and arena {facts['ram']:,} bytes; {streamed}")
    if facts["keeps_state"]:
        lines.append("keeps state from run to run: model.reset() clears it")
    for kind in ("inputs", "outputs"):
        for i, p in enumerate(facts[kind]):
            numbers = f", scale {p['scale']:.6g}, zero point {p['zero_point']}" if p["scale"] else ""
            name = clipped(printable(p["name"]), 80)
            lines.append(f"{kind[:-1]} {i}: {name} {p['dtype']}{p['shape']}{numbers}")
    lines += [
        printable(f"{key}: {json.dumps(value, ensure_ascii=False)}") for key, value in facts["meta"].items()
    ]
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
        lines += _forecast(facts["forecast"])
    return "\n".join(lines)


def _cycles(layer: dict[str, Any]) -> str:
    """The column that --board adds."""
    if "cycles" not in layer:
        return ""
    return f"{layer['cycles']:14,}" if layer["cycles"] is not None else f"{'?':>14}"


def _forecast(facts: dict[str, Any]) -> list[str]:
    """The totals of a forecast."""
    lines = [f"on a {facts['board']}: " + _time(facts)]
    streamed = facts["ram"] > facts["ram_free"] and facts["ram_streamed"] <= facts["ram_free"]
    need = facts["ram_streamed"] if streamed else facts["ram"]
    lines.append(
        f"RAM: {need:,} of {facts['ram_free']:,} bytes, with library and native module"
        + (", if it is opened with stream=True" if streamed else "")
        + ("" if need <= facts["ram_free"] else ": too much")
        + f"; flash: {facts['flash']:,} of {facts['flash_free']:,}"
        + ("" if facts["flash"] <= facts["flash_free"] else ": too much")
    )
    return lines


def _time(facts: dict[str, Any]) -> str:
    said = f"about {facts['at_least']:,} cycles, {facts['milliseconds']:,} ms"
    return said + (
        ", and operators marked ?, which have not been measured" if facts["cycles"] is None else ""
    )
