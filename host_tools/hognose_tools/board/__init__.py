# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The rungs that a model can run on: a table, and the bytes that go there and come back."""

import argparse
import contextlib
import functools
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import hognose

from ..compiler.disassemble import HogFile, disassemble
from ..errors import UserError
from ..progress import bar
from ..samples import float32
from . import device_run

ENGINES = ("native", "reference", "tflm")
ROOT = Path(__file__).parents[3]

# model, engine, mode, length of a sequence, samples as bytes, called after each sample ▶ results as bytes
Rung = Callable[[bytes, str, str, int, bytes, Callable[[], object]], bytes]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=ENGINES, default="native", help="default: native")
    where = f"{{{','.join(sorted(RUNGS))},board:PORT}}"
    parser.add_argument("--on", metavar=where, default="cpython", help="default: cpython")


def add_sequence_argument(parser: argparse.ArgumentParser) -> None:
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


def run(
    hog: bytes, inputs: list[np.ndarray], engine: str, on: str, mode: str, sequence: int = 0
) -> list[np.ndarray]:
    """Samples in order through one model object, in mode "raw" or "numbers" (see device_run).

    The model is reset before every `sequence` samples; 0: never, all are one sequence.

    `inputs`: each [samples, *shape], raw elements or (mode "numbers") any numbers. Returns each output
    [samples, *shape].
    """
    sink = _samples(hog, inputs, engine, on, mode, sequence)
    return _split(sink, disassemble(hog), len(inputs[0]), mode)


def run_layers(
    hog: bytes, inputs: list[np.ndarray], engine: str, on: str, places: list[tuple[int, int, int]]
) -> list[np.ndarray]:
    """What lies at `places` (offset in the arena, bytes, end), one an operator, when those before `end` ran.

    `inputs`: raw, each [samples, *shape]. Returns arrays uint8 [samples, bytes].
    """
    mode = " ".join(["layers", *(f"{at}:{size}:{end}" for at, size, end in places)])
    sizes = [size for _, size, _ in places]
    sink = _samples(hog, inputs, engine, on, mode)
    table = np.frombuffer(sink, np.uint8).reshape(len(inputs[0]), sum(sizes))
    return np.split(table, np.cumsum(sizes)[:-1], axis=1)


def _samples(
    hog: bytes, inputs: list[np.ndarray], engine: str, on: str, mode: str, sequence: int = 0
) -> bytes:
    if engine == "tflm" and on == "cpython":
        raise UserError("the tflm engine is a MicroPython module: use --on unix")
    count = len(inputs[0])
    flat = [_flat(a, mode) for a in inputs]
    source = b"".join(a[i].tobytes() for i in range(count) for a in flat)
    with bar(f"{engine} on {on}", count, "samples", quiet=True) as progress:
        return _rung(on)(hog, engine, mode, sequence, source, progress.update)


def _rung(on: str) -> Rung:
    """By its name; `board:PORT` is the board on that port."""
    name, _, port = on.partition(":")
    if name not in RUNGS or (port and name != "board"):
        raise UserError(f"--on {on}: choose from {', '.join(sorted(RUNGS))}, board:PORT")
    return functools.partial(_on_board, port=port) if port else RUNGS[name]


def _flat(a: np.ndarray, mode: str) -> np.ndarray:
    return np.ascontiguousarray(float32(a) if mode == "numbers" else a).reshape(len(a), -1)


def _split(sink: bytes, facts: HogFile, count: int, mode: str) -> list[np.ndarray]:
    dtypes = [np.dtype("<f4") if mode == "numbers" else p.dtype for p in facts.outputs]
    sizes = [p.size * d.itemsize for p, d in zip(facts.outputs, dtypes, strict=True)]
    table = np.frombuffer(sink, np.uint8).reshape(count, sum(sizes))
    arrays, at = [], 0
    for port, dtype, size in zip(facts.outputs, dtypes, sizes, strict=True):
        part = np.ascontiguousarray(table[:, at : at + size]).view(dtype)
        arrays.append(part.reshape(count, *port.shape))
        at += size
    return arrays


def _on_cpython(
    hog: bytes, engine: str, mode: str, sequence: int, source: bytes, done: Callable[[], object]
) -> bytes:
    try:
        model = hognose.Model(hog, engine=engine)
    except (ImportError, RuntimeError) as e:
        raise UserError(f"the {engine} engine is not there: {e}") from e
    except (ValueError, MemoryError) as e:
        raise UserError(str(e)) from e
    sink = io.BytesIO()
    device_run.run(model, mode, sequence, io.BytesIO(source), sink, done)
    return sink.getvalue()


def micropython(engine: str = "native") -> Path:
    """The unix port with our module: HOGNOSE_MICROPYTHON, or the one that `make unix` builds."""
    folder = "unix-tflm" if engine == "tflm" else "unix"
    path = Path(os.environ.get("HOGNOSE_MICROPYTHON", ROOT / ".build" / folder / "micropython"))
    if not path.is_file():
        raise UserError(
            f"no MicroPython at {path}: run `make {folder}` in hognose's checkout, or set HOGNOSE_MICROPYTHON"
        )
    return path.resolve()


def _on_unix(
    hog: bytes, engine: str, mode: str, sequence: int, source: bytes, done: Callable[[], object]
) -> bytes:
    library = Path(hognose.__file__).parents[1]
    # Room for the model, its arena, and what the reference engine makes of both.
    heap = 64 * (len(hog) + disassemble(hog).arena_size) + (64 << 20)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model").write_bytes(hog)
        Path(folder, "source").write_bytes(source)
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
        said = b""
        try:
            while byte := process.stdout.read(1):
                if byte == b"." and not said:
                    done()
                else:
                    said += byte
            code = process.wait()
        finally:
            process.kill()
            process.stdout.close()
        if code:
            lines = said.decode(errors="replace").strip().splitlines()
            raise UserError(f"MicroPython failed: {lines[-1] if lines else 'without a word'}")
        return Path(folder, "sink").read_bytes()


def _on_board(
    hog: bytes,
    engine: str,
    mode: str,
    sequence: int,
    source: bytes,
    done: Callable[[], object],
    port: str | None = None,
) -> bytes:
    from . import remote  # mpremote is for those who have a board

    return remote.run(port, hog, engine, mode, sequence, source, done)


@contextlib.contextmanager
def emulated_pico(data: bytes = b"") -> Iterator[tuple[str, int]]:
    """A fresh emulated Pico: its port, and the address of `data` in its flash. UserError: it cannot run."""
    from .pico import Pico, PicoError, missing, place

    try:
        reason = missing()
        if reason:
            raise PicoError(f"no emulated Pico: {reason}")
        with tempfile.TemporaryDirectory() as folder:
            flash = Path(folder) / "flash.img"
            image, address = place(data)
            flash.write_bytes(image)
            with Pico(flash=flash) as pico:
                yield pico.url, address
    except PicoError as e:
        raise UserError(str(e)) from e


def _on_rp2040(
    hog: bytes, engine: str, mode: str, sequence: int, source: bytes, done: Callable[[], object]
) -> bytes:
    with emulated_pico() as (port, _):
        return _on_board(hog, engine, mode, sequence, source, done, port)


RUNGS: dict[str, Rung] = {"board": _on_board, "cpython": _on_cpython, "rp2040": _on_rp2040, "unix": _on_unix}
