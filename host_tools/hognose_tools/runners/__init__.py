# SPDX-License-Identifier: MIT
"""Where a model can run: the table of runners, and how samples get there and back."""

import functools
from collections.abc import Callable

import numpy as np

from ..compiler.disassemble import HogFile, disassemble
from ..data.samples import float32
from ..errors import UserError
from ..progress import bar
from . import board, cpython, pico, unix

ENGINES = ("native", "reference", "tflm")

# (model, engine, mode, length of a sequence, samples as bytes, called after each sample) ▶ results as bytes
Runner = Callable[[bytes, str, str, int, bytes, Callable[[], object]], bytes]

# By what `--on` takes.
RUNNERS: dict[str, Runner] = {
    "board": board.run,
    "cpython": cpython.run,
    "rp2040": pico.run,
    "unix": unix.run,
}


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
    """For each of `places` (offset, size, end), the bytes in the arena after the operators before `end`.

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
        return _runner(on)(hog, engine, mode, sequence, source, progress.update)


def _runner(on: str) -> Runner:
    """The runner that `--on` names; `board:PORT` is the board on that port."""
    name, _, port = on.partition(":")
    if name not in RUNNERS or (port and name != "board"):
        raise UserError(f"--on {on}: choose from {', '.join(sorted(RUNNERS))}, board:PORT")
    return functools.partial(board.run, port=port) if port else RUNNERS[name]


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
