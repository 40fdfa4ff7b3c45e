# SPDX-License-Identifier: MIT
"""Data sets to train on: recordings divided into train and test, cut into windows of one length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from . import formats
from .formats import Recordings


@dataclass
class Dataset:
    """Labelled examples: x float32 [examples, samples, channels] in the sensor's units, y int64 [examples].

    A user's own .npz may hold x of any other shape; a class's number is its place in `labels`.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    labels: list[str]


def load(source: str | Path, window: int | None = None, hop: int | None = None, seed: int = 0) -> Dataset:
    """The data set `source`: a path, or the name of one that the package aeon holds (BasicMotions).

    - `.npz` with x_train, y_train, x_test, y_test or with x, y; `labels` names the classes
    - a folder with one folder per label, in it one CSV file per recording: a line per sample, a column
      per channel, an optional header whose time column is ignored; or two such, `train` and `test`
    - a `.ts` file NAME_TRAIN.ts with NAME_TEST.ts beside it

    Where train and test are not told apart, a quarter of each label's recordings, drawn with `seed`, is
    for testing. Recordings are cut into windows where `window` is given; all of one recording's windows
    are on the same side. Raises UserError.
    """
    if min(window or 1, hop or 1) < 1 or 0 in (window, hop):
        raise UserError("a window and a hop are at least 1 sample long")
    if hop is not None and window is None:
        raise UserError("--hop needs --window")
    found = formats.read(source)
    name, train, test = found.name, found.train, found.test
    if test is None:
        train, test = _split(name, train, seed)
    labels = found.labels or sorted({y for _, y in train})
    strangers = sorted({y for _, y in train + test} - set(labels))
    if strangers:
        raise UserError(
            f"{name}: the label {strangers[0]} is in the test data only, or not in the list of labels"
        )
    if len(labels) < 2:
        raise UserError(f"{name}: only the label {labels[0]}; a classifier needs two or more")
    widths = sorted({a.shape[1:] for a, _ in train + test})
    if len(widths) > 1:
        raise UserError(f"{name}: recordings differ in their channels: {widths[0][-1]} and {widths[-1][-1]}")
    size = window or _common_length(name, train + test)
    step = hop or max(size // 2, 1)
    x_train, y_train = _windows(name, train, labels, size, step)
    x_test, y_test = _windows(name, test, labels, size, step)
    return Dataset(name, x_train, y_train, x_test, y_test, labels)


def _common_length(name: str, recordings: Recordings) -> int:
    lengths = sorted({len(a) for a, _ in recordings})
    if len(lengths) > 1:
        raise UserError(
            f"{name}: recordings are {lengths[0]} to {lengths[-1]} samples long; choose a window that fits, "
            f"such as --window {lengths[0]}"
        )
    return lengths[0]


def _windows(
    name: str, recordings: Recordings, labels: Sequence[str], size: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """The examples cut from recordings: x [examples, size, …], y [examples]."""
    shortest = min(len(a) for a, _ in recordings)
    if size > shortest:
        raise UserError(f"{name}: a recording has only {shortest} samples; use --window {shortest} or less")
    x, y = [], []
    for samples, label in recordings:
        for start in range(0, len(samples) - size + 1, step):
            x.append(samples[start : start + size])
            y.append(labels.index(label))
    return np.ascontiguousarray(np.stack(x), np.float32), np.array(y, np.int64)


def _split(name: str, recordings: Recordings, seed: int) -> tuple[Recordings, Recordings]:
    """A quarter of each label's recordings, at least one, for testing."""
    order = np.random.default_rng(seed).permutation(len(recordings))
    train: Recordings = []
    test: Recordings = []
    for label in sorted({y for _, y in recordings}):
        own = [recordings[i] for i in order if recordings[i][1] == label]
        if len(own) < 2:
            raise UserError(f"{name}: only one recording of {label}; make two or more, one to test with")
        count = max(1, len(own) // 4)
        test += own[:count]
        train += own[count:]
    return train, test
