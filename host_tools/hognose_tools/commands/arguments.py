# SPDX-License-Identifier: MIT
"""Arguments that several verbs have."""

import argparse
from typing import Any

from ..errors import UserError
from ..runners import ENGINES, RUNNERS


def add_output(parser: argparse.ArgumentParser, *flags: str, kind: str, **options: Any) -> None:
    """A file that the verb writes, checked before it runs. `kind`: the ending of such files."""
    action = parser.add_argument(*flags, **options)
    written = parser.get_default("written") or {}
    if not written:
        parser.add_argument(
            "--force", action="store_true", help="overwrite what is read, and files of another kind"
        )
    parser.set_defaults(written={**written, action.dest: kind})


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
        help="a model that keeps state forgets it after every N samples (default: all are one sequence)",
    )


def check_sequence(sequence: int) -> None:
    if sequence < 0:
        raise UserError("--sequence must be at least 1, or 0 for one sequence of all samples")


def add_signature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--signature", metavar="NAME", help="of a file with several (default: its first subgraph, as TFLM)"
    )


def add_windows(parser: argparse.ArgumentParser) -> None:
    """How recordings are cut."""
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
        help="from one window's start to the next's (default: half a window)",
    )
