# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Recorded data to train on: `.npz`, CSV files sorted into folders, `.ts` files, data sets by name."""

from __future__ import annotations

import csv
import importlib.util
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import files
from ..errors import UserError

AEON = "pip install --no-deps --ignore-requires-python aeon==1.6.0"
TIME_COLUMNS = {"time", "timestamp", "t", "ms", "us", "seconds", "index"}
MAX_LABELS = 10_000  # a larger number in `y` is no class
TRAIN_FOLDERS, TEST_FOLDERS = ("train", "training"), ("test", "testing")


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
    name, train, test, labels = _recordings(source, seed)
    labels = labels or sorted({y for _, y in train})
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


Recordings = list[tuple[np.ndarray, str]]  # each float32 [samples, channels], and its label


def _recordings(source: str | Path, seed: int) -> tuple[str, Recordings, Recordings, list[str]]:
    """Name, train, test, labels (empty where the data has no list of them)."""
    path = Path(source)
    if path.is_dir():
        return path.name, *_folder(path, seed), []
    if path.suffix == ".npz":
        return path.stem, *_npz(path, seed)
    if path.suffix != ".ts":
        if path.exists():
            raise UserError(f"{path}: {path.suffix or 'this'} is no kind of data; give .npz, .ts or a folder")
        path = _packaged(str(source))
    name = path.name.removesuffix(".ts").removesuffix("_TRAIN")
    train, labels = read_ts(path)
    test, _ = read_ts(path.with_name(f"{name}_TEST.ts"))
    return name, train, test, labels


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


# .npz


def _npz(path: Path, seed: int) -> tuple[Recordings, Recordings, list[str]]:
    arrays = files.read_npz(path)
    labels = [str(label) for label in np.ravel(arrays.get("labels", []))]
    pairs = [("x_train", "y_train"), ("x_test", "y_test")] if "x_train" in arrays else [("x", "y")]
    missing = [key for pair in pairs for key in pair if key not in arrays]
    if missing:
        raise UserError(
            f"{path} lacks {', '.join(missing)} (it has {', '.join(arrays) or 'nothing'}); "
            "it needs x and y, or x_train, y_train, x_test, y_test"
        )
    for _, y in pairs:
        arrays[y] = _classes(arrays[y])
    parts = [_examples(path, x, arrays[x], y, arrays[y], labels) for x, y in pairs]
    if len(parts) == 1:
        parts = list(_split(path.stem, parts[0], seed))
    if not labels and all(arrays[y].dtype.kind in "iub" for _, y in pairs):
        # Without names the numbers are the classes, and those in between keep their place.
        labels = [str(i) for i in range(1 + max(int(arrays[y].max()) for _, y in pairs))]
    return parts[0], parts[1], labels


def _classes(y: np.ndarray) -> np.ndarray:
    """Labels, one an example: text, or whole numbers where they can be such (one-hot, floats)."""
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "iuf":
        return y.argmax(1)
    y = y.ravel()
    if y.dtype.kind == "f" and np.isfinite(y).all() and (np.trunc(y) == y).all():
        return np.clip(y, -MAX_LABELS, MAX_LABELS).astype(np.int64)
    return y


def _examples(
    path: Path, x_key: str, x: np.ndarray, y_key: str, y: np.ndarray, labels: Sequence[str]
) -> Recordings:
    if x.dtype.kind not in "iuf" or x.ndim < 2 or 0 in x.shape[1:]:
        raise UserError(f"{path}: {x_key} is {x.dtype} {list(x.shape)}; it must be numbers, [examples, …]")
    if len(x) != len(y) or not len(x):
        raise UserError(
            f"{path}: {len(x)} examples in {x_key} and {len(y)} labels in {y_key}; they must match"
        )
    with np.errstate(over="ignore"):  # beyond float32 is infinity
        x = (x[:, :, None] if x.ndim == 2 else x).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(1))
    if len(bad):
        raise UserError(f"{path}: {x_key}[{bad[0]}] has a NaN or infinity; leave such examples out")
    if y.dtype.kind in "iub":
        if y.min() < 0 or y.max() >= (len(labels) or MAX_LABELS):
            raise UserError(f"{path}: {y_key} holds {y.min()} to {y.max()}; labels are numbered from 0")
        return [(a, labels[i] if labels else str(i)) for a, i in zip(x, y.tolist(), strict=True)]
    if y.dtype.kind != "U":
        raise UserError(f"{path}: {y_key} is {y.dtype}; labels are integers or text")
    return list(zip(x, y.tolist(), strict=True))


# CSV files in folders


def _folder(path: Path, seed: int) -> tuple[Recordings, Recordings]:
    ts = sorted(path.glob("*_TRAIN.ts"))
    if ts:
        return read_ts(ts[0])[0], read_ts(ts[0].with_name(ts[0].name.replace("_TRAIN", "_TEST")))[0]
    halves = [[path / n for n in names if (path / n).is_dir()] for names in (TRAIN_FOLDERS, TEST_FOLDERS)]
    if halves[0] and halves[1]:
        return _labelled_folders(halves[0][0]), _labelled_folders(halves[1][0])
    return _split(path.name, _labelled_folders(path), seed)


def _labelled_folders(path: Path) -> Recordings:
    recordings = [
        (read_csv(file), folder.name)
        for folder in sorted(path.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in (".csv", ".tsv", ".txt")
    ]
    if not recordings:
        raise UserError(f"{path} has no recordings: make a folder per label and put CSV files into it")
    return recordings


def read_csv(path: str | Path) -> np.ndarray:
    """One recording, float32 [samples, channels]. A time column, known by its header, is left out."""
    text = files.read(path).decode("utf-8-sig", "replace")
    delimiter = next((d for d in (",", ";", "\t") if d in text), " ")
    lines = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    try:
        rows = [(i, [c for c in row if c or delimiter != " "]) for i, row in enumerate(lines, 1) if any(row)]
    except csv.Error as e:
        raise UserError(f"{path} is no CSV file: {e}") from e
    keep = None
    if rows and _floats(rows[0][1]) is None:
        keep = [i for i, title in enumerate(rows[0][1]) if title.strip().lower() not in TIME_COLUMNS]
        rows = rows[1:]
    samples: list[list[float]] = []
    for number, row in rows:
        values = _floats(row if keep is None else [row[i] for i in keep if i < len(row)])
        if values is None or not all(map(math.isfinite, values)):
            raise UserError(f"{path}, line {number}: a value is no finite number")
        if samples and len(values) != len(samples[0]):
            raise UserError(
                f"{path}, line {number}: {len(values)} values, the line before has {len(samples[0])}"
            )
        samples.append(values)
    if not samples or not samples[0]:
        raise UserError(f"{path} holds no samples; record again or remove it")
    return np.array(samples, np.float32)


def _floats(row: Iterable[str]) -> list[float] | None:
    try:
        return [float(v) for v in row]
    except ValueError:
        return None


# .ts


def _packaged(name: str) -> Path:
    """The file of a data set that the package aeon holds; aeon itself, which is slow, is not imported."""
    spec = importlib.util.find_spec("aeon")
    if spec is None or not spec.origin:
        raise UserError(f"{name}: no such file or folder; for a data set by name: {AEON}")
    folder = Path(spec.origin).parent / "datasets" / "data"
    path = folder / name / f"{name}_TRAIN.ts"
    if Path(name).name != name or not path.is_file():
        known = ", ".join(sorted(p.parent.name for p in folder.glob("*/*_TEST.ts") if "_eq_" not in p.name))
        raise UserError(f"{name}: no such file, folder or data set (aeon holds {known})")
    return path


def read_ts(path: Path) -> tuple[Recordings, list[str]]:
    """Recordings and labels of a `.ts` file: channels, and last the label, separated by colons."""
    recordings: Recordings = []
    labels: list[str] = []
    in_data = False
    for number, line in enumerate(files.read(path).decode("utf-8", "replace").splitlines(), 1):
        words = line.split()
        if not words or line[0] in "#%":
            continue
        if not in_data:
            key = words[0].lower()
            in_data = key == "@data"
            if key == "@timestamps" and words[1:2] == ["true"]:
                raise UserError(f"{path}: samples with timestamps are not read; resample to a fixed rate")
            if key == "@classlabel":
                labels = words[2:]
            continue
        *channels, label = line.strip().split(":")
        values = [_floats(c.split(",")) or [] for c in channels]
        lengths = {len(v) for v in values}
        if len(lengths) != 1 or not values[0] or not np.isfinite(values).all():
            raise UserError(
                f"{path}, line {number}: channels of different lengths, or a value is no finite number"
            )
        recordings.append((np.array(values, np.float32).T, label))
    if not recordings or not labels:
        raise UserError(f"{path} has no @data or no @classLabel; it is no classification data")
    return recordings, labels
