# SPDX-License-Identifier: MIT
"""`hognose debug`: a model layer by layer, to see which layer quantization broke."""

import argparse
import json
import math
import sys
from dataclasses import asdict
from typing import Any

from .. import files
from ..analysis import debug_page
from ..analysis.debug import debug
from ..analysis.debug_table import Table, decibels, text
from ..compiler import carry_tflite, compile_graph
from ..compiler.disassemble import disassemble
from ..compiler.reader import read_tflite
from ..data import samples
from ..errors import UserError
from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.tflite")
    parser.add_argument(
        "--input", metavar="IN.npz", help='arrays "0", "1", … with a leading sample axis (default: random)'
    )
    parser.add_argument(
        "--samples", type=int, metavar="N", help="use only the first N, or N random ones (default: 10)"
    )
    parser.add_argument(
        "--float",
        metavar="FLOAT.tflite",
        help="the float model (default: the quantized weights, run in float)",
    )
    arguments.add_output(parser, "--html", kind=".html", metavar="OUT.html", help="the table with a plot")
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments.add_timeout(parser)
    arguments.add_runner(parser)


def main(args: argparse.Namespace) -> int:
    if args.samples is not None and args.samples < 1:
        raise UserError("--samples must be at least 1")
    arguments.check_timeout(args.timeout)
    tflite = files.read(args.model)
    compiled = None if args.engine == "tflm" else compile_graph(read_tflite(tflite), whole=True)
    ports = disassemble(compiled.hog if compiled else carry_tflite(tflite)).inputs
    if args.input:
        given = [a[: args.samples] for a in samples.load(args.input, ports)]
        inputs = [samples.elements(a, p, args.input) for a, p in zip(given, ports, strict=True)]
    else:
        given = inputs = samples.random(ports, args.samples or 10)
    floats = files.read(args.float) if args.float else None
    table = debug(tflite, compiled, inputs, given, args.engine, args.on, floats, args.timeout)
    table.title = f"{args.model}, {len(inputs[0])} samples, {args.engine} engine on {args.on}"
    if not args.input:
        table.notes.append("Random input: give real samples with --input for ranges that mean something.")
    if args.html:
        files.write(args.html, debug_page.page(table).encode())
    print(json.dumps(_facts(table), indent=2) if args.json else text(table))
    if table.error:
        print(f"hognose: {table.error}", file=sys.stderr)
        return 2
    return 1 if any(row.differing for row in table.rows) else 0


def _facts(table: Table) -> dict[str, Any]:
    """The table for JSON, which has no infinity."""
    facts = asdict(table)
    for row in facts["rows"]:
        for key in ("sqnr", "alone"):
            if row[key] is not None and not math.isfinite(row[key]):
                row[key] = decibels(row[key])
    return facts
