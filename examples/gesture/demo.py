# SPDX-License-Identifier: MIT
"""The whole job before your eyes: train, quantize, pack, compare, and run main.py in MicroPython."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import train as example

import hognose
from hognose_tools import files
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import Compiled
from hognose_tools.data import datasets, samples
from hognose_tools.errors import UserError
from hognose_tools.progress import bar
from hognose_tools.training.train import accuracy, predict

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MICROPYTHON = ROOT / ".build" / "unix" / "micropython"
BOARD = example.BUILD / "board"  # holds what a board's file system would


def main() -> int:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # in step with the bars on stderr
    if not MICROPYTHON.exists():
        raise UserError(f"{MICROPYTHON} is missing: `make demo` in the checkout builds it first")
    print(
        "BasicMotions: four people standing, walking, running, playing badminton (README.md has its origin)"
    )
    dataset, model, tflite, packed = example.build()
    scores = compare_with_tflm(packed, tflite, dataset.x_test)
    print_figures(dataset, model, packed, len(tflite), scores)
    return run_main(dataset, scores.argmax(1))


def compare_with_tflm(packed: Compiled, tflite: bytes, x: np.ndarray) -> np.ndarray:
    """The native engine's int8 scores [examples, labels]; UserError where a byte is not TFLM's."""
    model, oracle = hognose.Model(packed.hog, engine="native"), Oracle(tflite)
    port = samples.Port("samples", (1, *x.shape[1:]), "b", model.input_scale[0], model.input_zero_point[0])
    outputs = np.zeros((len(x), len(model.labels)), np.int8)
    with bar("compare", len(x), "examples") as progress:
        for raw, output in zip(samples.quantized(x, port), outputs, strict=True):
            model.invoke(raw, output)
            (truth,) = oracle.run([raw[None]])
            if output.tobytes() != truth.tobytes():
                raise UserError(
                    f"example {progress.n}: {output} here, {truth.ravel()} from TensorFlow Lite Micro"
                )
            progress.update(1)
    print(f"native engine and TensorFlow Lite Micro: the same bytes on all {len(x)} test examples")
    return outputs


def print_figures(
    dataset: datasets.Dataset, model: Any, packed: Compiled, tflite_size: int, scores: np.ndarray
) -> None:
    """Float against int8, and what the board has to hold."""
    float_accuracy = accuracy(predict(model, dataset.x_test), dataset.y_test)
    board = hognose.Model(packed.hog, engine="native")
    print(
        f"""\
                    accuracy         bytes
  float32, Keras       {float_accuracy:.3f}    {4 * model.count_params():10,}  (weights alone)
  int8, .tflite                 {tflite_size:10,}
  int8, .hog           {accuracy(scores, dataset.y_test):.3f}    {len(packed.hog):10,}

  {model.count_params():,} parameters, {packed.macs:,} multiply-accumulates a prediction
  RAM: {board.ram + len(packed.hog):,} bytes: the file, {packed.arena_size:,} of arena, the engine's state
"""
    )


# main.py in MicroPython


def run_main(dataset: datasets.Dataset, expected: np.ndarray) -> int:
    """Replays the test recordings to main.py; 0 where it predicts what the engine did on this machine."""
    recordings = datasets.load("BasicMotions")
    write_board(recordings.x_test)
    each = len(dataset.x_test) // len(recordings.x_test)
    print(f"main.py in MicroPython, {len(recordings.x_test)} recordings of 10 s ('!' is a wrong prediction):")
    right = same = count = steady = decided = 0
    for label, decision in predictions():
        if count >= len(expected):
            raise UserError("main.py predicted more often than there are windows")
        recording, nth = divmod(count, each)
        truth = dataset.labels[dataset.y_test[count]]
        if nth == 0:
            print(f"  {recording + 1:2} {truth + ':':10}", end="")
        print(f" {label}{'' if label == truth else '!'}", end="\n" if nth == each - 1 else "", flush=True)
        right += label == truth
        same += label == dataset.labels[expected[count]]
        decided += decision in dataset.labels
        steady += decision == truth
        count += 1
    print(f"decisions (2 of the last 3 predictions) that were right: {steady} of {decided}")
    print(f"accuracy in MicroPython: {right / max(count, 1):.3f} ({right} of {count} predictions)")
    if same != len(expected):
        print(
            f"only {same} of {len(expected)} predictions are those of the engine on this machine",
            file=sys.stderr,
        )
    return int(same != len(expected))


def write_board(recordings: np.ndarray) -> None:
    """The board's files: main.py as it is, the model, and the recordings behind a sensor module."""
    shutil.rmtree(BOARD, ignore_errors=True)
    BOARD.mkdir(parents=True)
    for source in (HERE / "main.py", HERE / "replay" / "sensor.py", example.BUILD / "gesture.hog"):
        shutil.copy(source, BOARD)
    gap = np.full((len(recordings), 1, recordings.shape[2]), np.nan, np.float32)
    files.write(BOARD / "samples.bin", np.concatenate([recordings, gap], 1).astype("<f4").tobytes())


def predictions() -> Iterator[tuple[str, str]]:
    """The label predicted and the one decided on, of each line that main.py prints, as it comes."""
    environment = {**os.environ, "MICROPYPATH": str(ROOT / "device_lib")}
    process = subprocess.Popen(
        [str(MICROPYTHON), "main.py"],
        cwd=BOARD,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            match = re.fullmatch(r"(\w+) \d\.\d\d, so (\w+)\n", line)
            if not match:
                said = " ".join((line + process.stdout.read()).split())
                raise UserError(f"main.py said: {said}")
            yield match[1], match[2]
    if process.wait():
        raise UserError(f"main.py ended with code {process.returncode}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as e:
        sys.exit(f"demo: {e}")
