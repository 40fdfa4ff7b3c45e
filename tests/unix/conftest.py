# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The interpreters and engines of this rung, and the folder of models that all of them run."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "host"))  # its builders of models are this rung's, too

import device_models  # noqa: E402

UNIX = ROOT / ".build" / "unix" / "micropython"
STOCK = ROOT / ".build" / "unix-stock" / "micropython"
MPY = ROOT / ".build" / "natmod" / "x64_6.3"


@dataclass(frozen=True)
class Target:
    """An interpreter and an engine: `paths` is where its modules are, beside device_lib."""

    name: str
    program: Path
    engine: str
    paths: tuple[Path, ...] = ()

    def run(self, *arguments: str | Path, heap: str = "4m") -> subprocess.CompletedProcess:
        """Runs a script with arguments; skips where the interpreter or module is not built."""
        for needed in (self.program, *self.paths):
            if not needed.exists():
                pytest.skip(f"{needed.relative_to(ROOT)} is not built: make unix natmod")
        paths = os.pathsep.join(str(p) for p in (ROOT / "device_lib", *self.paths))
        python = self.name.startswith("cpython")
        command = [self.program, *([] if python else ["-X", f"heapsize={heap}"]), *arguments]
        environment = {**os.environ, "PYTHONPATH" if python else "MICROPYPATH": paths}
        return subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
        )


TARGETS = [
    Target("cpython-native", Path(sys.executable), "native"),
    Target("cpython-reference", Path(sys.executable), "reference"),
    Target("unix-native", UNIX, "native"),
    Target("stock-mpy", STOCK, "native", (MPY,)),
    Target("stock-reference", STOCK, "reference"),
]


@pytest.fixture(params=TARGETS, ids=lambda t: t.name)
def target(request: pytest.FixtureRequest) -> Target:
    return request.param


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NAME.hog, and for each TFLM's own answer to some inputs: NAME.in0 …, NAME.out0 …."""
    folder = tmp_path_factory.mktemp("models")
    device_models.write_all(folder)
    return folder
