# SPDX-License-Identifier: MIT
"""`hognose bench`: what one inference costs on a board, in cycles (emulated) or microseconds (real)."""

import argparse
import json
from pathlib import Path
from typing import Any

from .. import files
from ..analysis.bench import bench
from ..compiler import compile_tflite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.(tflite|hog)")
    parser.add_argument("--on", default="rp2040", metavar="{rp2040,board[:PORT]}", help="default: rp2040")
    parser.add_argument("--layers", action="store_true", help="also each operator")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    data = files.read(args.model)
    hog = data if data[:4] == b"HOGN" else compile_tflite(data, name=Path(args.model).stem).hog
    facts = bench(hog, args.on, layers=args.layers)
    print(json.dumps(facts, indent=2) if args.json else table(args.model, facts))
    return 0


def table(name: str, facts: dict[str, Any]) -> str:
    """The result of bench() as text."""
    unit = "cycles" if "cycles" in facts else "microseconds"
    rate = f" ({facts['cycles_per_mac']} a MAC)" if facts.get("cycles_per_mac") else ""
    lines = [
        f"{name}: {facts[unit]:,} {unit}{rate}, {facts['macs']:,} MACs",
        f"peak RAM {facts['peak_ram']:,} bytes (arena {facts['arena']:,}), "
        f"on the heap with Python's objects {facts['heap']:,}; load {facts['load_' + unit]:,} {unit}",
    ]
    for layer in facts.get("layers", []):
        rate = f"{layer[unit] / layer['macs']:8.2f}" if layer["macs"] else " " * 8
        lines.append(f"{layer['index']:3} {layer['name']:14}{layer['macs']:12,}{layer[unit]:14,}{rate}")
    return "\n".join(lines)
