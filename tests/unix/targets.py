# SPDX-License-Identifier: MIT
"""The interpreters and engines of this rung."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
UNIX = ROOT / ".build" / "unix" / "micropython"
STOCK = ROOT / ".build" / "unix-stock" / "micropython"
MPY = ROOT / ".build" / "natmod" / "full" / "x64_6.3"


@dataclass(frozen=True)
class Target:
    """An interpreter and an engine: `paths` is where its modules are, beside device_lib."""

    name: str
    program: Path
    engine: str
    paths: tuple[Path, ...] = ()
    full: bool = False  # has all operators, and tests/host does not run them there

    def run(self, *arguments: str | Path, heap: str = "4m") -> subprocess.CompletedProcess:
        """Runs a script with arguments; skips where the interpreter or module is not built."""
        return subprocess.run(
            **self._process(arguments, heap),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def start(self, *arguments: str | Path, heap: str = "4m") -> subprocess.Popen:
        """The same while it runs; its output comes at once."""
        return subprocess.Popen(
            **self._process(arguments, heap), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )

    def _process(self, arguments: tuple[str | Path, ...], heap: str) -> dict[str, Any]:
        for needed in (self.program, *self.paths):
            if not needed.exists():
                pytest.skip(f"{needed.relative_to(ROOT)} is not built: make unix natmod")
        paths = os.pathsep.join(str(p) for p in (ROOT / "device_lib", *self.paths))
        python = self.name.startswith("cpython")
        command = [self.program, *([] if python else ["-X", f"heapsize={heap}"]), *arguments]
        environment = {
            **os.environ,
            "PYTHONPATH" if python else "MICROPYPATH": paths,
            "PYTHONUNBUFFERED": "1",
        }
        return {"args": command, "env": environment}


TARGETS = [
    Target("cpython-native", Path(sys.executable), "native"),
    Target("cpython-reference", Path(sys.executable), "reference"),
    Target("unix-native", UNIX, "native", full=True),
    Target("stock-mpy", STOCK, "native", (MPY,)),
    Target("stock-reference", STOCK, "reference", full=True),
]
