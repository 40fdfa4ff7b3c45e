# SPDX-License-Identifier: MIT
"""`hognose quantize`: a Keras model into a quantized `.tflite`."""

import argparse
import json
import sys
from dataclasses import asdict

from .. import files
from ..analysis import fidelity
from ..training import representative
from ..training.quantize import TYPES, convert
from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.keras")
    arguments.add_output(parser, "-o", "--output", kind=".tflite", required=True, metavar="MODEL.tflite")
    parser.add_argument(
        "--representative",
        metavar="DATA",
        help="typical inputs, ideally the training data: what `hognose train` takes, or an .npz with an "
        "array x or, for several inputs, arrays with their names, or 0, 1, … in Keras's order",
    )
    parser.add_argument(
        "--type", choices=TYPES, default="int8", help="type of weights and activations (default: int8)"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments.add_windows(parser)


def main(args: argparse.Namespace) -> int:
    given = None
    if args.representative is not None:
        given = representative.load(args.representative, args.window, args.hop)
    result = convert(args.model, given, args.type)
    files.write(args.output, result.tflite)
    found = fidelity.compare(result.tflite, result.inputs, result.keras, result.lite)
    warnings = [*result.notes, *fidelity.warnings(result.tflite, found)]
    if args.json:
        facts = {"file": args.output, "bytes": len(result.tflite), "type": args.type, **asdict(found)}
        print(json.dumps({**facts, "warnings": warnings}, indent=2))
        return 0
    print(f"{args.output}: {len(result.tflite)} bytes, {args.type}")
    for line in _table(found):
        print(line)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _table(found: fidelity.Fidelity) -> list[str]:
    """Each output's error, in parts of the range that it has in Keras."""
    if not found.errors:
        return []
    width = max(6, *(len(e.name) for e in found.errors))
    head = f"{'output':{width}}  {'range in Keras':>22}  largest error   mean"
    lines = [f"{head}   ({found.examples} examples)"]
    for e in found.errors:
        span = f"{e.low:.4g} … {e.high:.4g}"
        same = "" if e.same_class is None else f"   same class: {e.same_class:.0%}"
        lines.append(f"{e.name:{width}}  {span:>22}  {e.max_error:13.2%}{e.mean_error:7.2%}{same}")
    return lines
