# SPDX-License-Identifier: MIT
"""Arguments that several verbs have."""

import argparse
from typing import Any

from ..analysis.oracle import SECONDS
from ..errors import UserError
from ..runners import ENGINES, RUNNERS


def add_output(parser: argparse.ArgumentParser, *flags: str, kind: str, **options: Any) -> None:
    """A file that the verb writes, checked before it runs. `kind`: the ending of such files."""
    action = parser.add_argument(*flags, **options)
    written = parser.get_default("written") or {}
    if not written:
        add_force(parser)
    parser.set_defaults(written={**written, action.dest: kind})


def add_force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="overwrite inputs and files of another kind")


def add_runner(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=ENGINES, default="native", help="default: native")
    where = f"{{{','.join(sorted(RUNNERS))},board:PORT}}"
    parser.add_argument("--on", metavar=where, default="cpython", help="default: cpython")


def add_sequence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sequence",
        type=int,
        default=0,
        metavar="N",
        help="reset a model that keeps state after every N samples (default: never)",
    )


def add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=float,
        default=SECONDS,
        metavar="SECONDS",
        help=f"what TensorFlow Lite Micro may take for one sample (default: {SECONDS:g})",
    )


def check_timeout(seconds: float) -> None:
    if not 0 < seconds <= 1e6:
        raise UserError("--timeout must be a number of seconds")


def check_sequence(sequence: int) -> None:
    if sequence < 0:
        raise UserError("--sequence must be at least 1, or 0 for one sequence of all samples")


def add_signature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--signature",
        metavar="NAME",
        help="which signature of a file with several (default: the first subgraph, as in TFLM)",
    )


def add_windows(parser: argparse.ArgumentParser) -> None:
    """How recordings are cut into windows."""
    parser.add_argument(
        "--window",
        type=int,
        metavar="SAMPLES",
        help="cut recordings into windows of this many samples",
    )
    parser.add_argument(
        "--hop",
        type=int,
        metavar="SAMPLES",
        help="samples from the start of one window to the start of the next (default: half a window)",
    )
