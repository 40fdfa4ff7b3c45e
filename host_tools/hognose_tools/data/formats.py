# SPDX-License-Identifier: MIT
"""Recordings from files: `.npz`, CSV files sorted into folders, `.ts` files, data sets by name."""

from __future__ import annotations

import csv
import importlib.util
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import files
from ..errors import UserError

AEON = "pip install --no-deps --ignore-requires-python aeon==1.6.0"
TIME_COLUMNS = {"time", "timestamp", "t", "ms", "us", "seconds", "index"}
MAX_LABELS = 10_000  # a larger number in `y` cannot be a class
TRAIN_FOLDERS, TEST_FOLDERS = ("train", "training"), ("test", "testing")

Recordings = list[tuple[np.ndarray, str]]  # each float32 [samples, channels], and its label


@dataclass
class Recorded:
    """What a source holds."""

    name: str
    train: Recordings
    test: Recordings | None = None  # None: it does not tell them apart
    labels: list[str] = field(default_factory=list)  # empty: it has no list of them


def read(source: str | Path) -> Recorded:
    """The recordings of `source` (see datasets.load). Raises UserError."""
    path = Path(source)
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".npz":
        return _npz(path)
    if path.suffix != ".ts":
        if path.exists():
            raise UserError(
                f"{path}: {path.suffix or 'this'} is not a known kind of data; give .npz, .ts or a folder"
            )
        path = _packaged(str(source))
    name = path.name.removesuffix(".ts").removesuffix("_TRAIN")
    train, labels = read_ts(path)
    test, _ = read_ts(path.with_name(f"{name}_TEST.ts"))
    return Recorded(name, train, test, labels)


# .npz


def _npz(path: Path) -> Recorded:
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
    if not labels and all(arrays[y].dtype.kind in "iub" for _, y in pairs):
        # Without names the numbers are the classes; numbers that do not occur keep their place.
        labels = [str(i) for i in range(1 + max(int(arrays[y].max()) for _, y in pairs))]
    return Recorded(path.stem, parts[0], parts[1] if len(parts) > 1 else None, labels)


def _classes(y: np.ndarray) -> np.ndarray:
    """One label per example: text, or integers where the values allow it (one-hot rows, whole floats)."""
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


def _folder(path: Path) -> Recorded:
    ts = sorted(path.glob("*_TRAIN.ts"))
    if ts:
        test = ts[0].with_name(ts[0].name.replace("_TRAIN", "_TEST"))
        return Recorded(path.name, read_ts(ts[0])[0], read_ts(test)[0])
    halves = [[path / n for n in names if (path / n).is_dir()] for names in (TRAIN_FOLDERS, TEST_FOLDERS)]
    if halves[0] and halves[1]:
        return Recorded(path.name, *(_labelled_folders(half[0]) for half in halves))
    return Recorded(path.name, _labelled_folders(path))


def _labelled_folders(path: Path) -> Recordings:
    recordings = [
        (read_csv(file), folder.name)
        for folder in sorted(path.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in (".csv", ".tsv", ".txt")
    ]
    if not recordings:
        raise UserError(f"{path} has no recordings: make a folder for each label and put CSV files into it")
    return recordings


def read_csv(path: str | Path) -> np.ndarray:
    """One recording, float32 [samples, channels], without its time column, which is known by its header."""
    text = files.read(path).decode("utf-8-sig", "replace")
    delimiter = next((d for d in (",", ";", "\t") if d in text), " ")
    lines = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    try:
        rows = [(i, [c for c in row if c or delimiter != " "]) for i, row in enumerate(lines, 1) if any(row)]
    except csv.Error as e:
        raise UserError(f"{path} is not a CSV file: {e}") from e
    keep = None
    if rows and _floats(rows[0][1]) is None:
        keep = [i for i, title in enumerate(rows[0][1]) if title.strip().lower() not in TIME_COLUMNS]
        rows = rows[1:]
    samples: list[list[float]] = []
    for number, row in rows:
        values = _floats(row if keep is None else [row[i] for i in keep if i < len(row)])
        if values is None or not all(map(math.isfinite, values)):
            raise UserError(f"{path}, line {number}: a value is not a finite number")
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
    """Recordings and labels of a `.ts` file: in each line the channels and then the label, between colons."""
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
                f"{path}, line {number}: channels of different lengths, or a value is not a finite number"
            )
        recordings.append((np.array(values, np.float32).T, label))
    if not recordings or not labels:
        raise UserError(f"{path} has no @data or no @classLabel; it is not classification data")
    return recordings, labels
