# SPDX-License-Identifier: MIT
"""A Keras model's inputs and outputs: in Keras's order, under Keras's names, however they are nested."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UserError

if TYPE_CHECKING:
    import keras

Path = Sequence[str | int]  # of keys and indices, to a tensor in a structure of dictionaries and lists


@dataclass
class Input:
    """`names`: the name in the `.tflite`, and others that mean this input; `shape` without the batch."""

    names: list[str]
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def name(self) -> str:
        return self.names[0]


@dataclass
class Ports:
    """`call` runs the model on a flat list of tensors; what it gives is named by `output_names`."""

    inputs: list[Input]
    call: Callable[[list[Any]], Any]
    layers: list[str] | None  # names of the layers that the outputs come from, where Keras tells

    def output_names(self, result: Any) -> list[str]:
        """Those of the tensors in what `call` gave, in the order of `keras.tree.flatten`."""
        import keras

        paths = [path for path, _ in keras.tree.flatten_with_path(result)]
        own = self.layers
        if own is None or len(own) != len(paths):
            own = [f"output_{i}" for i in range(len(paths))]
        return unique_names(paths, own)


def unique_names(paths: Sequence[Path], own: Sequence[str]) -> list[str]:
    """The keys that tensors have in dictionaries; where they have none, `own`."""
    found = [str(p[-1]) if p and isinstance(p[-1], str) else name for p, name in zip(paths, own, strict=True)]
    counts = Counter(found)
    names: list[str] = []
    for path, name in zip(paths, found, strict=True):
        if counts[name] > 1 and len(path) > 1 and isinstance(path[-1], str):
            name = "/".join(map(str, path))
        number, first = 0, name
        while name in names:
            number += 1
            name = f"{first}_{number}"
        names.append(name)
    return names


def ports_of(model: keras.Model, given: Any = None) -> Ports:
    """`given`: data for all inputs, structured as the model takes them; a model of a class of its own
    does not tell what it takes. UserError where that is not known, or has no fixed size."""
    import keras

    if not isinstance(model, keras.Model):
        raise UserError(f"this is no Keras model, but {type(model).__module__}.{type(model).__name__}")
    layers: list[str] | None = None
    if isinstance(model, keras.Sequential) and not model.built and given is not None:
        model(keras.tree.map_structure(lambda a: np.asarray(a)[:1], given))
    if isinstance(model, keras.Sequential) and model.built:
        structure, layers = model.inputs[0], [model.layers[-1].name]
    elif hasattr(model, "_inputs_struct"):  # a functional model; `inputs` is the same, flat
        structure, layers = model._inputs_struct, list(model.output_names)
    else:
        return _of_a_class(model, given)
    found = keras.tree.flatten_with_path(structure)
    own = [t._keras_history.operation.name for _, t in found]  # an input layer's, as for outputs
    names = unique_names([path for path, _ in found], own)
    inputs = [
        Input([name, layer, t.name], _shape(name, t.shape), _dtype(name, t.dtype))
        for name, layer, (_, t) in zip(names, own, found, strict=True)
    ]
    return Ports(inputs, _caller(model, structure), layers)


def _of_a_class(model: keras.Model, given: Any) -> Ports:
    """A subclassed model, by the data it is given; by what it was called with, where that is one tensor."""
    import keras

    parameters = [
        p.name
        for p in inspect.signature(model.call).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    several = len(parameters) > 1
    if given is None:
        shapes = [v for v in (getattr(model, "_build_shapes_dict", None) or {}).values() if v]
        if several or len(shapes) != 1 or not all(isinstance(n, int) for n in shapes[0][1:]):
            raise UserError(
                f"the model's class {type(model).__name__} does not say what its inputs are: "
                "give representative data"
            )
        given = np.zeros((1, *shapes[0][1:]), np.float32)
    if several and isinstance(given, dict):
        given = [given[name] for name in parameters if name in given]
    if several and len(given) != len(parameters):
        raise UserError(f"{type(model).__name__}.call takes {', '.join(parameters)}: give an array for each")
    found = keras.tree.flatten_with_path(given)
    paths = [path for path, _ in found]
    own = [f"input_{i}" for i in range(len(found))]
    if several or len(found) == 1:
        own = parameters[: len(found)] or own
    names = unique_names(paths, own)
    inputs = []
    for name, (_, array) in zip(names, found, strict=True):
        array = np.asarray(array)
        kind = np.dtype(np.int32) if array.dtype == np.int64 else array.dtype  # NumPy's own says nothing
        inputs.append(Input([name], _shape(name, array.shape), _dtype(name, kind)))
    return Ports(inputs, _caller(model, given, several), None)


def _caller(model: keras.Model, structure: Any, several: bool = False) -> Callable[[list[Any]], Any]:
    import keras

    def call(flat: list[Any]) -> Any:
        packed = keras.tree.pack_sequence_as(structure, flat)
        return model(*packed, training=False) if several else model(packed, training=False)

    return call


def _shape(name: str, shape: Sequence[int | None]) -> tuple[int, ...]:
    if any(n is None for n in shape[1:]):
        raise UserError(
            f"the input {name} is [{', '.join(str(n or '?') for n in shape[1:])}] with a size left open; "
            "give keras.Input all of them"
        )
    return tuple(int(n) for n in shape[1:] if n is not None)


def _dtype(name: str, dtype: Any) -> np.dtype:
    """Integers and bool as they are; any float is float32, and cast where the model has another."""
    if str(dtype) == "string":
        raise UserError(f"the input {name} is text: leave what splits it into numbers out of the model")
    if "float" in str(dtype):
        return np.dtype(np.float32)
    return np.dtype(str(dtype))
