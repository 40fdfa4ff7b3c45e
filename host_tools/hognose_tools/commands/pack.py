# SPDX-License-Identifier: MIT
"""`hognose pack`: a `.tflite` into a `.hog`."""

import argparse
import json
from pathlib import Path
from typing import Any

from .. import files
from ..compiler import carry_tflite, compile_tflite, signature
from ..errors import UserError
from ..text import listed, printable
from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.tflite")
    arguments.add_output(parser, "-o", "--output", kind=".hog", required=True, metavar="MODEL.hog")
    parser.add_argument("--labels", metavar="A,B,C", help="class names, in the order of the output's values")
    parser.add_argument(
        "--engine",
        choices=("native", "tflm"),
        default="native",
        help="tflm: keep the .tflite, stripped, for firmware with TensorFlow Lite Micro built in",
    )
    arguments.add_signature(parser)
    parser.add_argument(
        "--meta",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="metadata for the app (may be repeated)",
    )


def main(args: argparse.Namespace) -> int:
    labels = [label.strip() for label in args.labels.split(",")] if args.labels is not None else None
    if labels is not None and not all(labels):
        raise UserError("a label is empty; give --labels as A,B,C")
    source = signature.choose(files.read(args.model), args.signature)
    facts = labels, parse_meta(args.meta), Path(args.model).stem
    if args.engine == "tflm":
        hog = carry_tflite(source, *facts)
        files.write(args.output, hog)
        saved = len(source) - len(hog)
        print(f"{args.output}: {len(hog)} bytes, {saved} saved of {args.model}; for firmware with TFLM")
        return 0
    compiled = compile_tflite(source, *facts)
    files.write(args.output, compiled.hog)
    print(
        f"{args.output}: {len(compiled.hog)} bytes ({len(compiled.hog) / len(source):.0%} of {args.model}), "
        f"arena {compiled.arena_size} bytes, {compiled.macs:,} MACs"
        + (f"; {compiled.removed} dead channels pruned" if compiled.removed else "")
        + ("; keeps state from run to run, model.reset() clears it" if compiled.lowered.initial else "")
    )
    others = [] if args.signature else signature.names(source)
    if len(others) > 1:
        print(f"this is its first subgraph; --signature takes {printable(listed(others, 9))}")
    for note in compiled.undefined:
        print(f"computed as in TensorFlow: {note}")
    return 0


def parse_meta(pairs: list[str]) -> dict[str, Any]:
    """A dict of KEY=VALUE pairs. A value that is JSON (a number, a list) is parsed, any other is text."""
    meta: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UserError(f"--meta {pair}: give KEY=VALUE")
        if key in meta:
            raise UserError(f"--meta gives {key} twice")
        try:
            meta[key] = json.loads(value)
            json.dumps(meta[key], allow_nan=False)  # NaN and infinity are no JSON, though Python reads them
        except (ValueError, RecursionError):
            meta[key] = value
    return meta
