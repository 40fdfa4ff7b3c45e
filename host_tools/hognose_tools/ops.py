# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""`hognose ops`: the operators that can be packed, and for which element types."""

import argparse
import json

from .compiler.lower import LOWER
from .compiler.lower.types import types_of
from .compiler.records import TYPECODE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> int:
    table = operators()
    if args.json:
        print(json.dumps(table, indent=2))
        return 0
    print(f"{'operator':26}" + "".join(f"{t:>9}" for t in TYPECODE))
    for name, types in table.items():
        print(f"{name:26}" + "".join(f"{types.get(t, '-'):>9}" for t in TYPECODE))
    print("\nsmall: every engine runs it; full: the native module must be the full one")
    return 0


def operators() -> dict[str, dict[str, str]]:
    """By operator and type: "small" where every engine runs it, "full" where only full ones do."""
    return {name: types_of(name) for name in sorted(LOWER)}


def markdown() -> list[str]:
    """The same as the lines of a table."""
    marks = {"small": "✓", "full": "full"}
    head = ["| operator | " + " | ".join(TYPECODE) + " |", "|---|" + ":-:|" * len(TYPECODE)]
    return head + [
        f"| {name} | " + " | ".join(marks.get(types.get(t, ""), "") for t in TYPECODE) + " |"
        for name, types in operators().items()
    ]
