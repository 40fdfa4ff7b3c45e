# SPDX-License-Identifier: MIT
"""Models on this computer, in MicroPython's unix port."""

import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import hognose

from .. import files
from ..compiler.disassemble import disassemble
from ..errors import UserError
from . import device_run

ROOT = Path(__file__).parents[3]


def micropython(engine: str = "native") -> Path:
    """The unix port with the engine in it: HOGNOSE_MICROPYTHON, or the one that `make unix` builds."""
    folder = "unix-tflm" if engine == "tflm" else "unix"
    path = Path(os.environ.get("HOGNOSE_MICROPYTHON", ROOT / ".build" / folder / "micropython"))
    if not path.is_file():
        raise UserError(
            f"no MicroPython at {path}: run `make {folder}` in hognose's checkout, or set HOGNOSE_MICROPYTHON"
        )
    return path.resolve()


def run(
    hog: bytes,
    engine: str,
    mode: str,
    sequence: int,
    source: bytes,
    done: Callable[[], object],
    seconds: float | None = None,
) -> bytes:
    library = Path(hognose.__file__).parents[1]
    # Enough for the model, its arena, and what the reference engine allocates for both.
    heap = 64 * (len(hog) + disassemble(hog).arena_size) + (64 << 20)
    with files.temporary_folder() as folder:
        (folder / "model").write_bytes(hog)
        (folder / "source").write_bytes(source)
        command = [str(micropython(engine)), "-X", f"heapsize={heap}", device_run.__file__]
        process = subprocess.Popen(
            [*command, "model", engine, mode, str(sequence), "source", "sink"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MICROPYPATH": str(library)},
        )
        assert process.stdout
        try:
            said = _watch(process.stdout.fileno(), done, seconds)
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        if code:
            lines = said.decode(errors="replace").strip().splitlines()
            raise UserError(f"MicroPython failed: {lines[-1] if lines else _end(code)}")
        return (folder / "sink").read_bytes()


def _watch(stdout: int, done: Callable[[], object], seconds: float | None) -> bytes:
    """What the process prints until it ends, without the dot for each sample that is done."""
    said = b""
    while True:
        if not select.select([stdout], [], [], seconds)[0]:
            raise UserError(
                f"MicroPython was not done with a sample after {seconds:g} s: a loop in the model does not "
                "end, or it needs more time (--timeout SECONDS)"
            )
        piece = os.read(stdout, 4096)
        if not piece:
            return said
        dots = 0 if said else len(piece) - len(piece.lstrip(b"."))
        for _ in range(dots):
            done()
        said += piece[dots:]


def _end(code: int) -> str:
    """How a process ended that said nothing."""
    try:
        return f"it stopped with {signal.Signals(-code).name}"
    except ValueError:
        return f"it said nothing (exit code {code})"
