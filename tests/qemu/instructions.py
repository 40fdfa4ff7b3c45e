#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions of one inference on the emulated boards, for `make bench`.

With -icount QEMU's clock moves by 2^SHIFT ns an instruction, and a timer that MicroPython reads counts them.
As a program: instructions.py BOARD MODEL.tflite prints those of each layer.
"""

import json
import sys
from pathlib import Path
from typing import Any

from session import Session

import qemu
from hognose_tools.board.link import link
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble, needs
from hognose_tools.runners import device_bench

SHIFT = 7  # a tick of every timer is shorter than 128 ns

# A free-running counter of 32 bits and its tick in ns.
CLOCKS = {
    "M3": ("start(0x40000000)", "-mem32[0x40000004]", 40),
    "M4F": ("start(0x40000000)", "-mem32[0x40000004]", 40),
    "M7F": ("start(0x40000000)", "-mem32[0x40000004]", 40),
    "M33F": ("start(0x50000000)", "-mem32[0x50000004]", 50),
    "RV32": ("", "mem32[0x0200bff8]", 100),
}

_MEASURE = """
import device_bench, json
from machine import mem32

def start(timer):
    mem32[timer + 8] = mem32[timer + 4] = 0xFFFFFFFF
    mem32[timer] = 1

{start}

def clock():
    return {read}

def nothing(_=None):
    pass

print(json.dumps(device_bench.measure(memoryview(memory)[{place}], clock, nothing, nothing, True)))
"""


def count(board: str, hog: bytes) -> dict[str, Any]:
    """`invoke`: instructions of one inference; `layers`: those of each operator."""
    start, read, tick = CLOCKS[board]
    options = ("-icount", f"shift={SHIFT}")
    files = {"device_bench.py": Path(device_bench.__file__).read_bytes()}
    module = link(qemu.MACHINES[board].arch, needs(disassemble(hog))).mpy
    with Session(board, [hog], module=module, more=files, options=options) as session:
        found = json.loads(session.execute(_MEASURE, start=start, read=read, hog=0))
    for key in ("invoke", "again"):
        found[key] = found[key] * tick >> SHIFT
    found["layers"] = [n * tick >> SHIFT for n in found["layers"]]
    return found


def main() -> None:
    board, path = sys.argv[1:]
    hog = compile_tflite(Path(path).read_bytes(), name=Path(path).stem).hog
    found = count(board, hog)
    print(f"{board}, {path}: {found['invoke']:,} instructions")
    for layer, n in zip(disassemble(hog).layers, found["layers"], strict=True):
        rate = f"{n / layer.macs:8.2f}" if layer.macs else ""
        print(f"{layer.index:3} {layer.name:14}{layer.macs:12,}{n:14,}{rate}")


if __name__ == "__main__":
    main()
