# SPDX-License-Identifier: MIT
"""Keras's functions as one operator each, while a model is traced.

Keras follows NumPy to the letter: a negative index counts from the end, -0.0 is less than 0.0. For that it
traces operators that TFLM does not have, into each Embedding and each argmax.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from .quiet_tensorflow import tensorflow


@contextlib.contextmanager
def plain_operators() -> Iterator[None]:
    tf = tensorflow()
    from keras.src.backend import numpy

    plain = {"take": _take, "argmax": _index_of(tf.argmax), "argmin": _index_of(tf.argmin)}
    with contextlib.ExitStack() as stack:
        for name, function in plain.items():
            if hasattr(numpy, name):  # what another Keras has not, stays as it is
                stack.enter_context(mock.patch.object(numpy, name, function))
        yield


def _take(x: Any, indices: Any, axis: int | None = None) -> Any:
    tf = tensorflow()
    x = tf.convert_to_tensor(x)
    if axis is None:
        x, axis = tf.reshape(x, [-1]), 0
    return tf.gather(x, tf.convert_to_tensor(indices), axis=axis)


def _index_of(function: Callable[..., Any]) -> Callable[..., Any]:
    tf = tensorflow()

    def index(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        x = tf.convert_to_tensor(x)
        flat = tf.reshape(x, [-1]) if axis is None else x
        found = function(flat, axis=0 if axis is None else axis, output_type=tf.int32)
        if not keepdims:
            return found
        return tf.reshape(found, [1] * len(x.shape)) if axis is None else tf.expand_dims(found, axis)

    return index
