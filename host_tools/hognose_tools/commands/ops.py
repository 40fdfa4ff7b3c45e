# SPDX-License-Identifier: MIT
"""`hognose ops`: the operators that can be packed, and for which element types."""

import argparse
import json

from ..analysis.operators import operators
from ..compiler.records import TYPECODE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    table = operators()
    if args.json:
        print(json.dumps(table, indent=2))
        return 0
    print(f"{'operator':29}" + "".join(f"{t:>9}" for t in TYPECODE))
    for name, types in table.items():
        print(f"{name:29}" + "".join(f"{'yes' if t in types else '-':>9}" for t in TYPECODE))
    return 0
