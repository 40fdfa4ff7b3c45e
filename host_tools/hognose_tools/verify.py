# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""`hognose verify`: every byte of an engine against TensorFlow Lite Micro's own answer."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import board, files, layers, samples
from .compiler import Compiled, any_batch, carry_tflite, compile_tflite, signature
from .compiler.disassemble import disassemble
from .errors import UserError
from .oracle import Oracle, OracleError
from .pack import add_signature_argument
from .progress import bar

# float32 is the same operations in the same order, but for exp and what is made of it. This part of a value,
# or, where terms cancel, of the largest one beside it, but no more than of 1.
TOLERANCE = 1e-6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.tflite")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--inputs", metavar="IN.npz", help='arrays "0", "1", … with a leading sample axis')
    source.add_argument("--samples", type=int, default=10, metavar="N", help="random samples (default: 10)")
    add_signature_argument(parser)
    board.add_sequence_argument(parser)
    board.add_arguments(parser)


def main(args: argparse.Namespace) -> int:
    if args.samples < 1:
        raise UserError("--samples must be at least 1")
    board.check_sequence(args.sequence)
    tflite = signature.choose(files.read(args.model), args.signature)
    name = Path(args.model).stem
    compiled = None if args.engine == "tflm" else compile_tflite(tflite, name=name)
    if compiled and compiled.undefined:
        raise UserError(f"TFLM's own answer means nothing here: {compiled.undefined[0]}")
    hog = compiled.hog if compiled else carry_tflite(tflite, name=name)
    facts = disassemble(hog)
    ports = facts.inputs
    if args.inputs:
        loaded = samples.load(args.inputs, ports)
        inputs = [elements(a, p, args.inputs) for a, p in zip(loaded, ports, strict=True)]
    else:
        inputs = samples.random(ports, args.samples)
    where = f"{args.engine} engine on {args.on}"
    try:
        difference = verify(tflite, compiled or hog, inputs, args.engine, args.on, args.sequence)
    except OracleError as e:
        hint = any_batch(compiled.graph) if compiled else ""
        if not args.inputs and any(p.type in "iq" for p in ports):
            hint = "random integers may make no sense to the model, give it samples with --inputs; now: "
        raise UserError(f"{hint}{e}") from e
    if difference:
        print(f"{args.model}, {where}: {difference}")
        return 1
    exact = all(p.type != "f" for p in facts.outputs)
    what = "bytes" if exact else f"values (float32 to {TOLERANCE})"
    print(f"{args.model}, {where}: all {what} of {len(inputs[0])} samples are TFLM's")
    return 0


def elements(array: np.ndarray, port: samples.Port, where: str) -> np.ndarray:
    """Arrays of the input's own type are raw; any others are numbers, quantized as the board does."""
    if array.dtype == port.dtype:
        return array
    if port.type != "f" and array.dtype.kind == "f" and np.isnan(array).any():
        raise UserError(f"{where}: NaN cannot be quantized; remove such samples")
    return samples.quantized(array, port)


@dataclass
class Difference:
    """Where an answer is not TFLM's."""

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
) -> str | None:
    """What differs first, in words, or None. `inputs`: raw, each [samples, *shape].

    A model that keeps state is reset before every `sequence` samples, and so is TFLM's; 0: never.
    `packed`: what the compiler made, or only the bytes of a `.hog`; then no layer is named.
    """
    count = len(inputs[0])
    hog = packed if isinstance(packed, bytes) else packed.hog
    answers = board.run(hog, inputs, engine, on, "raw", sequence)
    oracle = Oracle(tflite)
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
                    layer = _first_layer(tflite, packed, [a[first : i + 1] for a in inputs], engine, on)
                    return f"{found}. {layer}"
            progress.update()
    return None


def _first_layer(tflite: bytes, compiled: Compiled, inputs: list[np.ndarray], engine: str, on: str) -> str:
    """The first layer that differs on the samples of `inputs`, a sequence from a reset on."""
    left = layers.on_engine(compiled, inputs, engine, on)
    right = layers.in_tflm(tflite, inputs, left)
    for step in compiled.lowered.steps:
        index = step.tensor.index
        if index not in left or left[index].size != right[index].size:
            continue  # no tensor of its own, or without channels that nothing needs
        if found := compare(left[index], right[index], step.operator.label):
            return f"First layer that differs: {found}"
    if any(step.name == "JUMP" for step in compiled.lowered.steps):
        return "What differs first is in a subgraph of IF or WHILE, which cannot be looked into"
    return "No single layer differs: the first to differ depends on the samples before this one"
