# SPDX-License-Identifier: MIT
"""Compares every byte of an engine's output with TensorFlow Lite Micro's."""

from dataclasses import dataclass

import numpy as np

from .. import runners
from ..compiler import Compiled
from ..progress import bar
from . import layers
from .oracle import SECONDS, Oracle, OracleError

# float32 operations are the same in the same order, except in exp and what uses it. The tolerance is relative
# to the value or, where terms cancel, to the largest value of the tensor, but at most to 1.
TOLERANCE = 1e-6


@dataclass
class Difference:
    """Where an output differs from TFLM's."""

    where: str
    index: int
    count: int
    size: int
    got: float
    expected: float

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.count} of {self.size} values differ, "
            f"the first at {self.index}: {self.got!r}, TFLM has {self.expected!r}"
        )


def compare(got: np.ndarray, expected: np.ndarray, where: str) -> Difference | None:
    """None where two arrays are equal: all bytes, or float32 within TOLERANCE (and equal NaN, infinity)."""
    got, expected = got.reshape(-1), expected.reshape(-1)
    different = got != expected
    if got.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            sizes = np.abs(expected.astype(float))
            finite = np.isfinite(sizes)
            largest = sizes.max(initial=0, where=finite)
            bounds = TOLERANCE * np.maximum(sizes, min(largest, 1))
            close = finite & (np.abs(got.astype(float) - expected) <= bounds)
        different &= ~close & ~(np.isnan(got) & np.isnan(expected))
    places = np.flatnonzero(different)
    if not len(places):
        return None
    i = int(places[0])
    return Difference(where, i, len(places), got.size, got[i].item(), expected[i].item())


def verify(
    tflite: bytes,
    packed: Compiled | bytes,
    inputs: list[np.ndarray],
    engine: str,
    on: str,
    sequence: int = 0,
    seconds: float = SECONDS,
) -> str | None:
    """The first difference, in words, or None. `inputs`: raw, each [samples, *shape].

    A model that keeps state is reset before every `sequence` samples, and so is TFLM's; 0: never.
    `packed`: what the compiler made, or only the bytes of a `.hog`; then no layer is named.
    `seconds`: what TFLM may take for one sample.
    """
    count = len(inputs[0])
    hog = packed if isinstance(packed, bytes) else packed.hog
    answers = runners.run(hog, inputs, engine, on, "raw", sequence)
    oracle = Oracle(tflite, seconds=seconds)
    with bar("TFLM", count, "samples", quiet=True) as progress:
        for i in range(count):
            if sequence and i % sequence == 0:
                oracle.reset()
            expected = oracle.run([a[i] for a in inputs])
            for o, (answer, right) in enumerate(zip(answers, expected, strict=True)):
                found = compare(answer[i], right, f"sample {i}, output {o}")
                if found:
                    if isinstance(packed, bytes):
                        return str(found)
                    first = i - i % sequence if sequence else 0 if packed.lowered.initial else i
                    until = [a[first : i + 1] for a in inputs]
                    return f"{found}. {_first_layer(tflite, packed, until, engine, on, seconds)}"
            progress.update()
    return None


def _first_layer(
    tflite: bytes, compiled: Compiled, inputs: list[np.ndarray], engine: str, on: str, seconds: float
) -> str:
    """The first layer that differs on the samples of `inputs`, a sequence from a reset on."""
    left = layers.on_engine(compiled, inputs, engine, on)
    try:
        right = layers.in_tflm(tflite, inputs, left, seconds)
    except OracleError as e:  # it keeps all tensors there, which it did not before
        return f"Which layer differs first is not known: {e}"
    for step in compiled.lowered.steps:
        index = step.tensor.index
        if index not in left or left[index].size != right[index].size:
            continue  # it has no tensor of its own, or channels were pruned
        if found := compare(left[index], right[index], step.operator.label):
            return f"First layer that differs: {found}"
    if any(step.name == "JUMP" for step in compiled.lowered.steps):
        return "What differs first is in a subgraph of IF or WHILE, which cannot be looked into"
    return "No single layer differs: the first to differ depends on the samples before this one"
