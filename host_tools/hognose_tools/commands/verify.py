# SPDX-License-Identifier: MIT
"""`hognose verify`: compares every byte of an engine's output with TensorFlow Lite Micro's."""

import argparse
import json
from pathlib import Path

from .. import files
from ..analysis.oracle import OracleError
from ..analysis.verify import TOLERANCE, verify
from ..compiler import any_batch, carry_tflite, compile_tflite, signature
from ..compiler.disassemble import disassemble
from ..data import samples
from ..errors import UserError
from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.tflite")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--inputs", metavar="IN.npz", help='arrays "0", "1", … with a leading sample axis')
    source.add_argument("--samples", type=int, default=10, metavar="N", help="random samples (default: 10)")
    arguments.add_signature(parser)
    arguments.add_sequence(parser)
    arguments.add_timeout(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments.add_runner(parser)


def main(args: argparse.Namespace) -> int:
    if args.samples < 1:
        raise UserError("--samples must be at least 1")
    arguments.check_sequence(args.sequence)
    arguments.check_timeout(args.timeout)
    tflite = signature.choose(files.read(args.model), args.signature)
    name = Path(args.model).stem
    compiled = None if args.engine == "tflm" else compile_tflite(tflite, name=name)
    if compiled and compiled.undefined:
        raise UserError(f"TFLM's own answer means nothing here: {compiled.undefined[0]}")
    hog = compiled.hog if compiled else carry_tflite(tflite, name=name)
    packed = disassemble(hog)
    ports = packed.inputs
    if args.inputs:
        loaded = samples.load(args.inputs, ports)
        inputs = [samples.elements(a, p, args.inputs) for a, p in zip(loaded, ports, strict=True)]
    else:
        inputs = samples.random(ports, args.samples)
    where = f"{args.engine} engine on {args.on}"
    try:
        difference = verify(
            tflite, compiled or hog, inputs, args.engine, args.on, args.sequence, args.timeout
        )
    except OracleError as e:
        hint = any_batch(compiled.graph) if compiled else ""
        if not args.inputs and any(p.type in "iq" for p in ports):
            hint = "random integers may make no sense to the model, give it samples with --inputs; now: "
        raise UserError(f"{hint}{e}") from e
    exact = all(p.type != "f" for p in packed.outputs)
    what = "bytes" if exact else f"values (float32 to {TOLERANCE})"
    if args.json:
        facts = {"model": args.model, "engine": args.engine, "on": args.on, "samples": len(inputs[0])}
        facts |= {"tolerance": 0 if exact else TOLERANCE, "difference": difference}
        print(json.dumps(facts, indent=2))
    else:
        print(
            f"{args.model}, {where}: " + (difference or f"all {what} of {len(inputs[0])} samples are TFLM's")
        )
    return 1 if difference else 0
