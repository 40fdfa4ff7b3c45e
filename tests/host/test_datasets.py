# SPDX-License-Identifier: MIT
"""Recorded data in all its forms, and what is said of data that cannot be used."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from hognose_tools.data import datasets, formats
from hognose_tools.errors import UserError

TS = """#a comment
@problemName Small
@timeStamps false
@classLabel true up down
@data
1,2,3,4:5,6,7,8:up
-1,-2,-3,-4:-5,-6,-7,-8:down
"""


def recording(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def csv_folder(root: Path, lengths: tuple[int, ...] = (8, 8, 8, 8)) -> Path:
    """Two labels; in each a recording per length whose values tell label, recording and sample."""
    for i, label in enumerate(("shake", "wave")):
        for j, length in enumerate(lengths):
            rows = "".join(f"{k * 10},{i}.5,{j}e0,{k}\n" for k in range(length))
            recording(root / label / f"{j}.csv", "time,x,y,z\n" + rows)
    return root


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def refusal(*arguments, **options) -> str:
    with pytest.raises(UserError) as e:
        datasets.load(*arguments, **options)
    assert "\n" not in str(e.value)
    return str(e.value)


# .ts


def test_ts_channels_become_the_last_axis(tmp_path: Path) -> None:
    recording(tmp_path / "Small_TRAIN.ts", TS)
    recording(tmp_path / "Small_TEST.ts", TS)
    for source in (tmp_path / "Small_TRAIN.ts", tmp_path):
        d = datasets.load(source)
        assert d.x_train.shape == (2, 4, 2) and d.x_train.dtype == np.float32
        assert d.x_train[0].tolist() == [[1, 5], [2, 6], [3, 7], [4, 8]]
        assert d.x_train.flags.c_contiguous
    assert datasets.load(tmp_path / "Small_TRAIN.ts").labels == ["up", "down"]


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("5,6,7,8:up", "5,6,7:up", "line 6"),
        ("5,6,7,8:up", "5,6,?,8:up", "line 6"),
        ("5,6,7,8:up", "5,6,nan,8:up", "line 6"),
        ("@timeStamps false", "@timeStamps true", "timestamps"),
        ("@classLabel true up down\n", "", "@classLabel"),
        ("@data", "@dota", "@data"),
        (":up", ":left", "left"),
    ],
)
def test_ts_that_cannot_be_used(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in TS
    recording(tmp_path / "Small_TRAIN.ts", TS.replace(old, new))
    recording(tmp_path / "Small_TEST.ts", TS)
    assert said in refusal(tmp_path / "Small_TRAIN.ts")


def test_packaged_data() -> None:
    if importlib.util.find_spec("aeon") is None:
        assert "pip install" in refusal("BasicMotions")
        pytest.skip("no package aeon: " + formats.AEON)
    d = datasets.load("BasicMotions")
    assert d.x_train.shape == d.x_test.shape == (40, 100, 6)
    assert sorted(d.labels) == ["Badminton", "Running", "Standing", "Walking"]
    assert np.bincount(d.y_train).tolist() == np.bincount(d.y_test).tolist() == [10] * 4
    assert "BasicMotions" in refusal("NoSuchMotions")
    assert "--window 7" in refusal("JapaneseVowels")


# CSV


def test_csv_folders(tmp_path: Path) -> None:
    d = datasets.load(csv_folder(tmp_path / "moves"))
    assert d.name == "moves" and d.labels == ["shake", "wave"]
    assert d.x_train.shape == (6, 8, 3) and d.x_test.shape == (2, 8, 3)  # the time column is gone
    for x, y in ((d.x_train, d.y_train), (d.x_test, d.y_test)):
        assert (x[:, :, 0] == y[:, None] + 0.5).all()
    again = datasets.load(tmp_path / "moves")
    assert (again.x_test == d.x_test).all()
    others = [datasets.load(tmp_path / "moves", seed=s).x_test for s in range(8)]
    assert any((o != d.x_test).any() for o in others)


def test_windows_stay_on_the_side_of_their_recording(tmp_path: Path) -> None:
    d = datasets.load(csv_folder(tmp_path, (9, 12, 10, 8, 8)), window=4, hop=2)
    assert d.x_train.shape[1:] == (4, 3)
    sides = [
        {(y, x[0, 1]) for x, y in zip(xs, ys, strict=True)}
        for xs, ys in ((d.x_train, d.y_train), (d.x_test, d.y_test))
    ]
    assert sides[0] and sides[1] and not sides[0] & sides[1]
    recording, label = d.x_train[0, 0, 1], d.x_train[0, 0, 0]
    starts = [x[0, 2] for x in d.x_train if x[0, 1] == recording and x[0, 0] == label]
    assert starts == list(range(0, len(starts) * 2, 2)) and len(starts) >= 3


def test_train_and_test_folders(tmp_path: Path) -> None:
    csv_folder(tmp_path / "training")
    csv_folder(tmp_path / "testing", (8,))
    d = datasets.load(tmp_path)
    assert len(d.x_train) == 8 and len(d.x_test) == 2


@pytest.mark.parametrize(
    "text", ["1;2\n3;4\n", "1\t2\n3\t4\n", "1 2\n3  4\n", "a, b\n1, 2\n\n3, 4\n", "\ufeff1,2\n3,4"]
)
def test_csv_dialects(tmp_path: Path, text: str) -> None:
    recording(tmp_path / "r.csv", text)
    assert formats.read_csv(tmp_path / "r.csv").tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "text, said",
    [
        ("1,2\n3,x\n", "line 2"),
        ("1,2\n3\n", "line 2"),
        ("1,nan\n", "line 1"),
        ("", "no samples"),
        ("a,b\n", "no samples"),
        ("1,2\n" + "9" * 200000, "not a CSV"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    recording(tmp_path / "r.csv", text)
    with pytest.raises(UserError, match=said):
        formats.read_csv(tmp_path / "r.csv")


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    assert "no recordings" in refusal(tmp_path)
    assert "8 to 12" in refusal(csv_folder(tmp_path / "a", (8, 12)))
    assert "only 8" in refusal(csv_folder(tmp_path / "a", (8, 12)), window=10)
    assert "only one recording of shake" in refusal(csv_folder(tmp_path / "b", (8,)))
    recording(tmp_path / "c" / "wave" / "1.csv", "1\n2\n")
    recording(tmp_path / "c" / "wave" / "2.csv", "1\n2\n")
    assert "only the label wave" in refusal(tmp_path / "c")
    recording(tmp_path / "c" / "rest" / "1.csv", "1,2\n2,3\n")
    recording(tmp_path / "c" / "rest" / "2.csv", "1,2\n2,3\n")
    assert "channels" in refusal(tmp_path / "c")
    assert "--window" in refusal(csv_folder(tmp_path / "d"), hop=2)
    assert "at least 1" in refusal(tmp_path / "d", window=0)


# .npz


def test_npz_of_both_kinds(tmp_path: Path) -> None:
    x, y = np.arange(8 * 5 * 2).reshape(8, 5, 2), np.array(["a", "b"] * 4)
    d = datasets.load(npz(tmp_path / "a.npz", x=x, y=y))
    assert d.labels == ["a", "b"] and d.x_train.shape == (6, 5, 2) and d.x_test.shape == (2, 5, 2)
    for xs, ys in ((d.x_train, d.y_train), (d.x_test, d.y_test)):
        assert (xs[:, 0, 0] // 10 % 2 == ys).all()
    halves = {"x_train": x, "y_train": np.eye(2)[[0, 1] * 4], "x_test": x[:2], "y_test": [1.0, 0.0]}
    d = datasets.load(npz(tmp_path / "b.npz", **halves, labels=["no", "yes"]))
    assert d.labels == ["no", "yes"] and d.y_train.tolist() == [0, 1] * 4 and d.y_test.tolist() == [1, 0]
    assert (d.x_train == x).all()
    d = datasets.load(npz(tmp_path / "c.npz", x=x[:, :, 0], y=[0, 10] * 4))
    assert d.x_train.shape == (6, 5, 1) and d.labels == [str(i) for i in range(11)]
    assert set(d.y_train.tolist()) == {0, 10}
    d = datasets.load(npz(tmp_path / "d.npz", x=x, y=np.eye(12)[[2, 10] * 4]))
    assert d.labels == [str(i) for i in range(11)] and set(d.y_train.tolist()) == {2, 10}


def test_npz_that_cannot_be_used(tmp_path: Path) -> None:
    x, y = np.zeros((4, 5, 2), np.float32), np.array([0, 1, 0, 1])
    hole = x.copy()
    hole[2, 1, 1] = np.nan
    cases = {
        "lacks y": {"x": x},
        "lacks y_test": {"x_train": x, "y_train": y, "x_test": x},
        r"x[2] has a NaN": {"x": hole, "y": y},
        "4 examples": {"x": x, "y": y[:3]},
        "numbered from 0": {"x": x, "y": y - 1},
        "numbered from": {"x": x, "y": y * 1e15},
        "[4, 0, 2]": {"x": x[:, :0], "y": y},
        "must be numbers": {"x": np.array(["a"] * 4), "y": y},
        "labels are integers": {"x": x, "y": y + 0.5},
    }
    for said, arrays in cases.items():
        assert said in refusal(npz(tmp_path / "a.npz", **arrays)), said
    assert "numbered from 0" in refusal(npz(tmp_path / "a.npz", x=x, y=y, labels=["only"]))
    (tmp_path / "a.npz").write_bytes(b"PK no archive")
    assert "savez" in refusal(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", x=np.array([{}, {}], object), y=y)
    assert "savez" in refusal(tmp_path / "a.npz")
    assert "cannot read" in refusal(tmp_path / "none.npz")
    (tmp_path / "a.wav").write_bytes(b"")
    assert "not a known kind of data" in refusal(tmp_path / "a.wav")
