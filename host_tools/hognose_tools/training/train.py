# SPDX-License-Identifier: MIT
"""A small one-dimensional convolutional network on recorded data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import files
from ..data.datasets import Dataset
from ..errors import UserError
from ..progress import bar
from .quiet_tensorflow import tensorflow

if TYPE_CHECKING:
    import keras

BATCH = 16  # examples per step
MAX_FILTERS = 1024  # far more than a microcontroller can run


def train(dataset: Dataset, epochs: int | None = None, filters: int = 8, seed: int = 1) -> keras.Model:
    """A Keras model float32 [batch, samples, channels] to probabilities [batch, labels].

    Its input is in the data's own units: the normalisation is part of the first layer's weights. The
    same data, seed and TensorFlow give the same model. Shows a progress bar. Raises UserError.
    """
    if dataset.x_train.ndim != 3:
        raise UserError(
            f"{dataset.name}: examples of shape {list(dataset.x_train.shape[1:])}; this trains on "
            "[samples, channels]; for others make a Keras model of your own and use `hognose quantize`"
        )
    if epochs is None:  # few examples make few steps an epoch
        epochs = max(30, math.ceil(1000 / math.ceil(len(dataset.x_train) / BATCH)))
    if epochs < 1 or not 1 <= filters <= MAX_FILTERS:
        raise UserError(f"--epochs is at least 1, --filters 1 to {MAX_FILTERS}")
    tf = tensorflow()
    import keras

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    mean = dataset.x_train.mean((0, 1), dtype=np.float64)
    deviation = dataset.x_train.std((0, 1), dtype=np.float64)
    deviation[deviation < 1e-9] = 1  # a channel that never moves
    model = _network(dataset.x_train.shape[1:], len(dataset.labels), filters)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    with bar("train", epochs, "epochs") as progress:

        def step(_: int, logs: dict[str, float]) -> None:
            note = f"loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.3f}"
            progress.set_postfix_str(note, refresh=False)
            progress.update(1)

        model.fit(
            ((dataset.x_train - mean) / deviation).astype(np.float32),
            dataset.y_train,
            batch_size=BATCH,
            epochs=epochs,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=step)],
        )
    _fold(model, mean, deviation)
    return model


def _network(shape: tuple[int, ...], classes: int, filters: int) -> keras.Model:
    from keras import Input, Model, layers

    x = inputs = Input(shape, name="samples")
    # No padding here: a padded zero would not be a normalised zero once `_fold` has been.
    x = layers.Conv1D(filters, min(5, shape[0]), strides=2, activation="relu")(x)
    x = layers.Conv1D(2 * filters, 5, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv1D(2 * filters, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(0.2)(x)
    return Model(inputs, layers.Dense(classes, activation="softmax", name="scores")(x))


def _fold(model: keras.Model, mean: np.ndarray, deviation: np.ndarray) -> None:
    """Weights of the first layer for plain x that give what they gave for (x - mean) / deviation."""
    first = model.layers[1]
    kernel, bias = first.get_weights()  # [kernel, channels, filters], [filters]
    kernel = kernel / deviation[None, :, None]
    first.set_weights([kernel, bias - np.einsum("kcf,c->f", kernel, mean)])


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Scores of the float model, [examples, labels]."""
    return model.predict(x, batch_size=256, verbose=0)


def accuracy(scores: np.ndarray, y: np.ndarray) -> float:
    """The share of examples whose highest score is their label's."""
    return float((np.asarray(scores).reshape(len(y), -1).argmax(1) == y).mean())


def save(model: keras.Model, path: str | Path) -> None:
    """Writes a .keras file, complete or not at all."""
    with files.temporary_folder() as folder:
        model.save(folder / "model.keras")
        content = (folder / "model.keras").read_bytes()
    files.write(path, content)
