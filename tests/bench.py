# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""`make bench`: counts, never times. Writes its tables into native_module/README.md.

A table stands between `<!-- NAME -->` and `<!-- /NAME -->`, so that the page shows what a command measured.
"""

import os
import re
import sys
from pathlib import Path

from hognose_tools import files
from hognose_tools.compiler import compile_tflite
from hognose_tools.errors import UserError
from hognose_tools.oracle import Oracle

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "native_module" / "README.md"
MODELS = Path(os.environ.get("HOGNOSE_MODELS", ROOT.parent / "shared" / "models"))
NATMOD = ROOT / ".build" / "natmod"


def sizes() -> list[str]:
    """File and arena of each model that can be packed, beside TFLM's."""
    rows = [
        "| model | MACs | .tflite | .hog | | arena | lower bound | TFLM's arena | |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for path in sorted(MODELS.glob("*.tflite")):
        tflite = files.read(path)
        try:
            c = compile_tflite(tflite, name=path.stem)
        except UserError as e:
            print(f"left out: {path.name}: {e}")
            continue
        tflm = Oracle(tflite).arena_used
        rows.append(
            f"| {path.stem} | {c.macs:,} | {len(tflite):,} | {len(c.hog):,} | {len(c.hog) / len(tflite):.2f} "
            f"| {c.arena_size:,} | {c.lower_bound:,} | {tflm:,} | {c.arena_size / tflm:.2f} |"
        )
    return rows


def modules() -> list[str]:
    """Size of the native module for each architecture that is built."""
    built = sorted(NATMOD.glob("*/_hognose.mpy"))
    return ["| architecture | _hognose.mpy, bytes |", "|---|--:|"] + [
        f"| {path.parent.name} | {path.stat().st_size:,} |" for path in built
    ]


def main() -> int:
    if not MODELS.is_dir():
        print(f"no models in {MODELS}: set HOGNOSE_MODELS to a folder of .tflite files", file=sys.stderr)
        return 2
    page = PAGE.read_text()
    for name, rows in {"sizes": sizes(), "modules": modules()}.items():
        print("\n".join(rows), end="\n\n")
        marks = f"<!-- {name} -->", f"<!-- /{name} -->"
        table = "\n".join([marks[0], "", *rows, "", marks[1]])
        page, found = re.subn(f"{marks[0]}.*{marks[1]}", lambda _, t=table: t, page, flags=re.DOTALL)
        if not found:
            raise ValueError(f"{PAGE} has no place for the table {name}")
    files.write(PAGE, page.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
