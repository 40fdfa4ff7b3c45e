# SPDX-License-Identifier: MIT
"""Representative data: which array is for which input, whether it can be used, and whether it is any good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..data import datasets
from ..errors import UserError
from ..text import listed
from .keras_ports import Input, unique_names

MAX_EXAMPLES = 500  # more hardly move a range
MOST = 0.5  # of the examples: that many under one step make a model that hardly sees its input
STEPS = {"int8": 255, "16x8": 65535}


def load(source: str, window: int | None = None, hop: int | None = None) -> dict[str, np.ndarray]:
    """Arrays by name from an .npz, or x from what `hognose train` takes."""
    if Path(source).suffix != ".npz" or window is not None:
        return {"x": datasets.load(source, window, hop).x_train}
    return files.read_npz(source)


def flatten(given: Any) -> dict[str, np.ndarray]:
    """The arrays in a structure of dictionaries, lists and tuples, by their keys or else by number."""
    found = list(_leaves(given, ()))
    paths = [path for path, _ in found]
    if not all(path and isinstance(path[-1], str) for path in paths):
        paths = [()] * len(found)
    names = unique_names(paths, [str(i) for i in range(len(found))])
    return dict(zip(names, (np.asarray(a) for _, a in found), strict=True))


def _leaves(given: Any, path: tuple[str | int, ...]) -> Any:
    """In Keras's order: dictionaries by their sorted keys."""
    if isinstance(given, Mapping):
        for key in sorted(given):
            yield from _leaves(given[key], (*path, key))
    elif isinstance(given, list | tuple):
        for i, item in enumerate(given):
            yield from _leaves(item, (*path, i))
    else:
        yield path, given


def prepare(given: dict[str, np.ndarray], inputs: Sequence[Input]) -> list[np.ndarray]:
    """One array for each input, of its type, [examples, *shape]; UserError where something does not fit."""
    selected = zip(_select(given, inputs), inputs, strict=True)
    arrays = [_fitting(array, i, port) for i, (array, port) in enumerate(selected)]
    for port, array in zip(inputs, arrays, strict=True):
        if len(array) != len(arrays[0]):
            raise UserError(
                f"representative data for {port.name}: {len(array)} examples, {inputs[0].name} has "
                f"{len(arrays[0])}"
            )
    return arrays


def thin_out(arrays: list[np.ndarray], count: int = MAX_EXAMPLES) -> list[np.ndarray]:
    """At most so many examples, spread evenly."""
    chosen = np.linspace(0, len(arrays[0]) - 1, min(len(arrays[0]), count)).astype(int)
    return [a[chosen] for a in arrays]


def _select(given: dict[str, np.ndarray], inputs: Sequence[Input]) -> list[np.ndarray]:
    numbers = [str(i) for i in range(len(inputs))]
    named = [next((n for n in port.names if n in given), "") for port in inputs]
    if len(inputs) == 1:
        named = [next((n for n in (*named, "x_train", "x") if n in given), "")]
        if not named[0] and len(given) == 1:
            named = list(given)
    if all(key in given for key in named):
        return [given[key] for key in named]
    if sorted(key for key in given if key.isdigit()) == sorted(numbers):
        return [given[key] for key in numbers]
    if given and all(key.isdigit() for key in given):
        raise UserError(
            f"representative data for {len(given)} inputs; the model has {len(inputs)}: "
            f"{listed([port.name for port in inputs])}"
        )
    raise UserError(
        f"the representative data has {listed(list(given)) or 'no arrays'}; the model's inputs are "
        f"{listed([port.name for port in inputs])}: name the arrays so, or 0, 1, …"
    )


def _fitting(array: np.ndarray, index: int, port: Input) -> np.ndarray:
    """The array as the input has it: nothing is lost but digits of floats."""
    where = f"representative data for {port.name}"
    if array.ndim < 1 or not len(array) or array.dtype.kind not in "iufb":
        raise UserError(
            f"{where}: {array.dtype} {list(array.shape)}; it must be numbers, [examples, …], at least one"
        )
    if _without_ones(array.shape[1:]) != _without_ones(port.shape):
        wanted = ", ".join(["examples", *map(str, port.shape)])
        raise UserError(
            f"{where} (input {index}): the array is {list(array.shape)}; the model takes [{wanted}] "
            "(recordings are cut with --window; arrays may have the names of the inputs)"
        )
    array = array.reshape(len(array), *port.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(port.dtype)
        wrong = ~np.isfinite(cast) if port.dtype.kind == "f" else cast != array
    if wrong.any():
        example, *place = map(int, np.argwhere(wrong)[0])
        value = array[(example, *place)]
        remedy = "leave such examples out"
        if np.isfinite(value):
            remedy = f"the input takes {port.dtype}"
        raise UserError(f"{where}: example {example} has {value} at {place}: {remedy}")
    return cast


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [n for n in shape if n != 1]


# Data that can be used and should not


def warnings(arrays: Sequence[np.ndarray], inputs: Sequence[Input], type: str) -> list[str]:
    """What makes a dead model, in words: inputs that never change, and those that int8 hardly sees."""
    found = []
    for array, port in zip(arrays, inputs, strict=False):  # there may be no data at all
        if still := _still(array):
            found.append(
                f"the input {port.name} is {still}: ranges that are measured on it make a model that gives "
                "the same answer for anything; record what the sensor really gives"
            )
        elif port.dtype.kind == "f" and type in STEPS:
            found += _faint(array, port.name, type)
    return found


def _still(array: np.ndarray) -> str:
    if (array == array.flat[0]).all():
        return f"{array.flat[0]:.6g} in all {len(array)} examples"
    if len(array) > 1 and (array == array[0]).all():
        return f"the same in all {len(array)} examples"
    return ""


def _faint(array: np.ndarray, name: str, type: str) -> list[str]:
    """Examples that differ from the typical one by less than a step of the integers that span all of them."""
    low, high = min(float(array.min()), 0.0), max(float(array.max()), 0.0)
    step = (high - low) / STEPS[type]
    flat = array.reshape(len(array), -1).astype(np.float64)
    apart = np.sqrt(np.mean((flat - np.median(flat, 0)) ** 2, 1))
    faint = int(np.sum(apart < step))
    if faint > MOST * len(array) and len(array) > 1:
        other = "--type 16x8" if type == "int8" else "--type float32"
        return [
            f"{faint} of {len(array)} examples of the input {name} differ from the typical one by less than "
            f"one step of {type} ({step:.3g}, for values from {low:.3g} to {high:.3g}), and the model hardly "
            f"sees them: scale each example by its own size, on the board as well, leave out outliers (the "
            f"largest value is in example {int(np.abs(flat).max(1).argmax())}), or use {other}"
        ]
    return [
        f"channel {channel} of the input {name} is so small beside the others that int8 hardly sees it: "
        "give it a larger unit (degrees instead of radians), or use --type 16x8"
        for channel in (coarse_channels(array) if type == "int8" else [])
    ]


def coarse_channels(x: np.ndarray) -> list[int]:
    """Channels (last axis) whose standard deviation is under one step of an int8 that spans all of x."""
    if x.ndim < 2:
        return []
    step = (max(float(x.max()), 0) - min(float(x.min()), 0)) / 255
    deviations = x.reshape(-1, x.shape[-1]).std(0)
    return np.flatnonzero((deviations > 0) & (deviations < step)).tolist()
