# SPDX-License-Identifier: MIT
"""A MobileNet 0.25 for 96x96 grey images, int8, for the benchmarks: random weights, and as in trained ones a
third of the channels dead (the gamma of their batch normalization is 0)."""

from pathlib import Path

import numpy as np

DEAD = 0.35  # of the channels


def write(path: Path) -> None:
    """The same network each time."""
    import tensorflow as tf

    chance = np.random.default_rng(0)
    model = tf.keras.applications.MobileNet((96, 96, 1), alpha=0.25, weights=None, classes=2)
    tf.keras.utils.set_random_seed(0)
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            _, _, mean, variance = layer.get_weights()
            gamma, beta = chance.uniform(0.5, 1.5, len(mean)), chance.normal(0, 0.5, len(mean))
            if "dw" in layer.name or "pw" in layer.name:
                dead = chance.random(len(mean)) < DEAD
                gamma[dead], beta[dead] = 0, -1
            layer.set_weights([gamma, beta, mean, variance])
        elif layer.weights:
            layer.set_weights([_glorot(chance, w.shape) for w in layer.weights])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [chance.uniform(-1, 1, (1, 96, 96, 1)).astype(np.float32)] for _ in range(20)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(converter.convert())


def _glorot(chance: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Glorot and Bengio's uniform distribution (2010), as Keras draws it."""
    if len(shape) < 2:
        return np.zeros(shape)
    taps = int(np.prod(shape[:-2]))
    reach = np.sqrt(6 / (taps * (shape[-2] + shape[-1])))
    return chance.uniform(-reach, reach, shape)
