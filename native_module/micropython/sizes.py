#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Prints a table of native modules: sizes.py .build/natmod/<arch>_6.3/_hognose.mpy …"""

import sys
from pathlib import Path


def loaded(module: Path) -> int:
    """Bytes that the module takes in a board's RAM: code and constants, as the linker counted them."""
    log = (module.parent / "obj" / "link.log").read_text()
    sizes = dict(line.split(":") for line in log.splitlines() if "size:" in line)
    return sum(int(size) for size in sizes.values())


def main() -> None:
    print(f"{'architecture':16}{'.mpy':>8}{'in RAM':>8}")
    for module in map(Path, sys.argv[1:]):
        name = module.parent.name.rpartition("_")[0]
        name += " full" if module.parents[1].name == "full" else ""
        print(f"{name:16}{module.stat().st_size:8}{loaded(module):8}")


if __name__ == "__main__":
    main()
