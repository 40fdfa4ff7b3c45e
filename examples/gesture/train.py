# SPDX-License-Identifier: MIT
"""From recorded motion to gesture.hog, the file for the board. `demo.py` then shows what it is worth."""

from pathlib import Path
from typing import Any

from hognose_tools import files
from hognose_tools.compiler import Compiled, compile_tflite
from hognose_tools.data import datasets
from hognose_tools.training.quantize import quantize
from hognose_tools.training.train import save, train

BUILD = Path(__file__).resolve().parents[2] / ".build" / "gesture"
WINDOW, HOP = 50, 10  # samples, ten a second: 5 s, and a prediction each second


def build() -> tuple[datasets.Dataset, Any, bytes, Compiled]:
    """The data, the Keras model, its int8 `.tflite` and what was packed of that; all files go to BUILD."""
    BUILD.mkdir(parents=True, exist_ok=True)
    dataset = datasets.load("BasicMotions", WINDOW, HOP)
    model = train(dataset, epochs=60, seed=1)
    save(model, BUILD / "gesture.keras")
    tflite = quantize(model, dataset.x_train)
    files.write(BUILD / "gesture.tflite", tflite)
    packed = compile_tflite(tflite, dataset.labels, {"sample_rate": 10}, "gesture")
    files.write(BUILD / "gesture.hog", packed.hog)
    return dataset, model, tflite, packed


if __name__ == "__main__":
    built = build()[-1]
    print(f"{BUILD / 'gesture.hog'}: {len(built.hog)} bytes, {built.arena_size} bytes of arena")
