# SPDX-License-Identifier: MIT
"""Models of one operator each, their inputs, and TFLM's answer."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hognose_tools.analysis import verify
from hognose_tools.compiler.disassemble import disassemble

Case = tuple[str, bytes, bytes, bytes]  # name, .hog, inputs and outputs one after another


def cases_in(folder: Path) -> list[Case]:
    """What device_models has written."""
    hogs = sorted((folder / "cases").glob("*.hog"))
    return [(hog.stem, hog.read_bytes(), _content(hog, "in"), _content(hog, "out")) for hog in hogs]


def _content(hog: Path, way: str) -> bytes:
    return b"".join(p.read_bytes() for p in sorted(hog.parent.glob(f"{hog.stem}.{way}?")))


def differences(hog: bytes, answer: bytes, expected: bytes) -> Iterator[verify.Difference]:
    """Where outputs differ, one after another."""
    assert len(answer) == len(expected)
    at = 0
    for i, port in enumerate(disassemble(hog).outputs):
        end = at + port.size * port.dtype.itemsize
        pair = (np.frombuffer(b[at:end], port.dtype) for b in (answer, expected))
        found = verify.compare(*pair, f"output {i}")
        if found:
            yield found
        at = end
