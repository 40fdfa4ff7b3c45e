# SPDX-License-Identifier: MIT
"""`hognose quantize`: a Keras model into a quantized `.tflite`."""

import argparse
import sys

from .. import files
from ..training.quantize import TYPES, coarse_channels, load_representative, quantize
from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.keras")
    parser.add_argument("-o", "--output", required=True, metavar="MODEL.tflite")
    parser.add_argument(
        "--representative",
        metavar="DATA",
        help="typical inputs, ideally the training data: what `hognose train` takes, or an .npz with an "
        'array x or, for several inputs, "0", "1", …',
    )
    parser.add_argument(
        "--type", choices=TYPES, default="int8", help="type of weights and activations (default: int8)"
    )
    arguments.add_windows(parser)


def main(args: argparse.Namespace) -> int:
    files.check(args.output)
    representative = None
    if args.representative is not None and args.type != "float32":
        representative = load_representative(args.representative, args.window, args.hop)
    tflite = quantize(args.model, representative, args.type)
    files.write(args.output, tflite)
    print(f"{args.output}: {len(tflite)} bytes, {args.type}")
    for channel in coarse_channels(representative[0]) if args.type == "int8" and representative else []:
        print(
            f"note: channel {channel} is so small beside the others that int8 hardly sees it: "
            "give it a larger unit (degrees instead of radians), or use --type 16x8",
            file=sys.stderr,
        )
    return 0
