# SPDX-License-Identifier: MIT
"""`hognose run`: runs a `.hog` on the samples in an .npz, on any runner."""

import argparse

from .. import files, runners
from ..compiler.disassemble import disassemble
from ..data import samples
from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.hog")
    parser.add_argument(
        "--inputs", required=True, metavar="IN.npz", help='arrays "0", "1", … with a leading sample axis'
    )
    arguments.add_output(parser, "--outputs", kind=".npz", required=True, metavar="OUT.npz")
    parser.add_argument(
        "--raw", action="store_true", help="inputs and outputs are the quantized integers themselves"
    )
    arguments.add_sequence(parser)
    arguments.add_runner(parser)


def main(args: argparse.Namespace) -> int:
    arguments.check_sequence(args.sequence)
    hog = files.read(args.model)
    ports = disassemble(hog).inputs
    inputs = samples.load(args.inputs, ports)
    if args.raw:
        inputs = [
            samples.raw(a, p, f"{args.inputs}, input {i}")
            for i, (a, p) in enumerate(zip(inputs, ports, strict=True))
        ]
    mode = "raw" if args.raw else "numbers"
    outputs = runners.run(hog, inputs, args.engine, args.on, mode, args.sequence)
    samples.save(args.outputs, outputs)
    print(f"{args.outputs}: {len(inputs[0])} samples, {args.engine} engine on {args.on}")
    return 0
