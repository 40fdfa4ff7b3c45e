# SPDX-License-Identifier: MIT
"""`hognose train`: a small network on recorded data."""

import argparse
from pathlib import Path

from ..data import datasets
from ..errors import UserError
from ..text import printable
from ..training.train import accuracy, predict, save, train
from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", metavar="DATA", help=".npz, .ts, a folder of CSV files, or a name: BasicMotions"
    )
    arguments.add_output(parser, "-o", "--output", kind=".keras", required=True, metavar="MODEL.keras")
    parser.add_argument(
        "--epochs", type=int, help="passes over the data (default: enough for 1000 steps, 30 at least)"
    )
    parser.add_argument(
        "--filters",
        type=int,
        default=8,
        help="number of filters in the first layer, which sets the size of the network (default: 8)",
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments.add_windows(parser)


def main(args: argparse.Namespace) -> int:
    if Path(args.output).suffix != ".keras":
        raise UserError(f"{args.output}: a Keras model's file name ends in .keras")
    if not 0 <= args.seed < 1 << 32:
        raise UserError("--seed is 0 to 4294967295")
    dataset = datasets.load(args.data, args.window, args.hop, args.seed)
    model = train(dataset, args.epochs, args.filters, args.seed)
    save(model, args.output)
    share = accuracy(predict(model, dataset.x_test), dataset.y_test)
    print(
        f"{args.output}: {model.count_params()} parameters, input {list(model.input_shape[1:])}, accuracy "
        f"{share:.3f} on {len(dataset.x_test)} test examples; labels {printable(','.join(dataset.labels))}"
    )
    return 0
