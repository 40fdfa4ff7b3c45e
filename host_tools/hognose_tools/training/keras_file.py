# SPDX-License-Identifier: MIT
"""A Keras model from its file, also from Keras 2's where Keras 3 can read it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..text import one_line
from .quiet_tensorflow import tensorflow

if TYPE_CHECKING:
    import keras


def load(path: Path) -> keras.Model:
    """The model in a .keras or .h5 file; `path` may be changed."""
    tensorflow()
    import keras

    version = _keras_of(path)
    while True:
        try:
            return keras.saving.load_model(path, compile=False)
        except Exception as e:
            if path.suffix == ".h5" and _without_defaults(path, str(e)):
                continue
            remedy = "a model that your Python can build is converted there: `quantize(model, data)` from "
            remedy += "hognose_tools.training.quantize"
            if version.startswith(("1.", "2.")):
                remedy = (
                    f"it was saved by Keras {version}: convert it there, with tf.lite.TFLiteConverter, and "
                    "give the .tflite to `hognose pack`; or save it anew with Keras 3"
                )
            raise UserError(f"this model cannot be loaded ({one_line(e, 250)}); {remedy}") from e


def _keras_of(path: Path) -> str:
    if path.suffix != ".h5":
        return ""
    import h5py

    with h5py.File(path) as file:
        return str(file.attrs.get("keras_version", ""))


def _without_defaults(path: Path, error: str) -> bool:
    """Takes arguments out of a layer's settings that Keras 2 wrote and Keras 3 does not know, as `error`
    says, where they ask for nothing: `groups` of a depthwise convolution is 1. False: there are none."""
    import h5py

    found = re.search(r"Unrecognized keyword arguments passed to (\w+): (\{.*?\})", error, re.DOTALL)
    if not found:
        return False
    kind, arguments = found[1], ast.literal_eval(found[2])
    if any(value not in (None, False, 1) for value in arguments.values()):
        return False
    with h5py.File(path, "r+") as file:
        text = file.attrs["model_config"]
        config = json.loads(text)
        changed = _drop(config, kind, arguments)
        file.attrs["model_config"] = json.dumps(config)
    return changed


def _drop(config: Any, kind: str, arguments: dict[str, Any]) -> bool:
    changed = False
    if isinstance(config, dict):
        if config.get("class_name") == kind and isinstance(config.get("config"), dict):
            for key in arguments:
                changed |= config["config"].pop(key, arguments) is not arguments
        config = list(config.values())
    if isinstance(config, list):
        for item in config:
            changed |= _drop(item, kind, arguments)
    return changed
