# SPDX-License-Identifier: MIT
"""A Keras model into a quantized `.tflite`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files
from ..errors import UserError
from ..text import one_line
from . import converter_process, representative
from .export import export

if TYPE_CHECKING:
    import keras

TYPES = ("int8", "16x8", "float32")
SUFFIXES = (".keras", ".h5")


@dataclass
class Quantized:
    """A `.tflite`, and what it takes to judge it.

    `inputs`: some of the representative examples, raw, [examples, 1, *shape]; `keras`: float Keras's answers
    to these by the name of the output; `lite`: TensorFlow Lite's, raw. All empty without representative data,
    `lite` also where it cannot run the model. `notes`: what to say of the data, a line each.
    """

    tflite: bytes
    inputs: list[np.ndarray] = field(default_factory=list)
    keras: dict[str, np.ndarray] = field(default_factory=dict)
    lite: list[np.ndarray] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def quantize(
    model: keras.Model | str | Path,
    representative: np.ndarray | Sequence[Any] | Mapping[str, Any] | None = None,
    type: str = "int8",
) -> bytes:
    """The `.tflite` of a Keras model (or of the .keras file of one), for one sample at a time.

    `representative`: typical inputs in plain units, [examples, *input shape], from which the ranges of all
    tensors are measured: an array, or several in a list in Keras's order, in a dictionary by the names of
    the inputs, or nested as the model takes them; at most 500 examples are used, spread evenly. `type`:
    int8 (weights, activations, input and output), 16x8 (int16 activations, int8 weights) or float32 (no
    quantization). Inputs and outputs have Keras's order and names; integer inputs stay what they are.
    Raises UserError with what is wrong: with the model, with the data, or a layer that would have stayed
    in float.
    """
    return convert(model, representative, type).tflite


def convert(model: keras.Model | str | Path, given: Any = None, type: str = "int8") -> Quantized:
    """The same, with what it takes to judge it. `given` is `representative`."""
    if type not in TYPES:
        raise UserError(f"the type {type} is unknown; choose {', '.join(TYPES)}")
    content = _read(Path(model)) if isinstance(model, str | Path) else b""
    if given is None and type != "float32":
        raise UserError(
            f"{type} needs representative data to measure ranges on; give --representative DATA, "
            "best the training data"
        )
    with files.temporary_folder() as folder:
        if isinstance(model, str | Path):
            (folder / f"model{Path(model).suffix}").write_bytes(content)
            arrays = {} if given is None else representative.flatten(given)
            (folder / "given.npz").write_bytes(files.npz(arrays))
        else:
            _export(model, given, folder, type)
        converter_process.run(folder, type)
        facts = json.loads((folder / "facts.json").read_text())
        return Quantized(
            (folder / "model.tflite").read_bytes(),
            list(_arrays(folder / "samples.npz").values()),
            dict(zip(facts["outputs"], _arrays(folder / "answers.npz").values(), strict=False)),
            list(_arrays(folder / "lite.npz").values()),
            facts["notes"],
        )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    return files.read_npz(path) if path.exists() else {}


def _export(model: keras.Model, given: Any, folder: Path, type: str) -> None:
    try:
        export(model, given, folder, type)
    except UserError:
        raise
    except Exception as e:  # of Keras, or of the model's own code
        raise UserError(f"Keras cannot run this model by itself: {one_line(e, 400)}") from e


def _read(path: Path) -> bytes:
    """A model's file; UserError where it is another kind of file, with what that one is for."""
    if path.is_dir():
        raise UserError(f"{path} is a folder: save the model as one file, model.save('model.keras')")
    content = files.read(path)
    if content[4:8] == b"TFL3":
        raise UserError(f"{path} is a .tflite file already: `hognose pack` makes a .hog of it")
    if content[:4] == b"HOGN":
        raise UserError(f"{path} is a .hog file, which is what comes last: give the Keras model")
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: a Keras model's file name ends in {' or '.join(SUFFIXES)}")
    if not zipfile.is_zipfile(path) and not content.startswith(b"\x89HDF"):
        raise UserError(f"{path} is no Keras model; write it with model.save()")
    return content
