# SPDX-License-Identifier: MIT
"""A Keras model into a SavedModel for the converter, with examples and Keras's own answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files
from . import representative
from .keras_ports import ports_of
from .plain_operators import plain_operators
from .quiet_tensorflow import tensorflow

if TYPE_CHECKING:
    import keras

SERVE = "serve"  # the name of what is converted in the SavedModel
COMPARED = 100  # examples: enough for a mean, and TFLM is slow on a computer


def export(model: keras.Model, given: Any, folder: Path, type: str) -> None:
    """Leaves a SavedModel with a batch of 1 in `folder` (to find a free batch's size takes operators), the
    examples for it, the model's own answers, and what there is to say of all of it."""
    tf = tensorflow()
    import keras

    ports = ports_of(model, given)
    layers = [f"{layer.__class__.__name__} {layer.name}" for layer in _layers(model)]
    (folder / "layers").write_text("\n".join(layers))
    arrays = [] if given is None else representative.prepare(representative.flatten(given), ports.inputs)
    notes = representative.warnings(arrays, ports.inputs, type)
    arrays = representative.thin_out(arrays) if arrays else []
    signature = [
        tf.TensorSpec((1, *port.shape), port.dtype, name=name)
        for name, port in zip(port_names("input", len(ports.inputs)), ports.inputs, strict=True)
    ]
    outputs: list[str] = []

    def serve(*flat: Any) -> dict[str, Any]:
        result = ports.call(list(flat))
        outputs[:] = ports.output_names(result)
        return dict(zip(port_names("output", len(outputs)), keras.tree.flatten(result), strict=True))

    answers = _answers(tf.function(serve, input_signature=signature, autograph=False), arrays)
    archive = keras.export.ExportArchive()
    archive.track(model)
    with plain_operators():
        archive.add_endpoint(SERVE, serve, input_signature=signature)
        archive.write_out(str(folder / "saved_model"), verbose=False)  # which traces it once more
    examples = dict(zip(port_names("input", len(arrays)), arrays, strict=True))
    (folder / "examples.npz").write_bytes(files.npz(examples))
    (folder / "answers.npz").write_bytes(files.npz(answers))
    facts = {"inputs": [port.name for port in ports.inputs], "outputs": outputs, "notes": notes}
    (folder / "facts.json").write_text(json.dumps(facts))


def port_names(what: str, count: int) -> list[str]:
    return [f"{what}_{i:02}" for i in range(count)]


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        yield from _layers(layer) if hasattr(layer, "layers") else (layer,)


def _answers(function: Callable[..., dict[str, Any]], arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """What Keras gives for the examples that are compared, by output, [examples, *shape]."""
    if not arrays:
        function.get_concrete_function()  # type: ignore[attr-defined]  # so that a model that fails does it here
        return {}
    examples = zip(*representative.thin_out(arrays, COMPARED), strict=True)
    found = [function(*(a[None] for a in example)) for example in examples]
    return {name: np.stack([np.asarray(answer[name]) for answer in found]) for name in found[0]}
