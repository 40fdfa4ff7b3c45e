# SPDX-License-Identifier: MIT
"""Archives of samples that are none: one line each, whatever is wrong with them."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hognose_tools import files
from hognose_tools.errors import UserError
from test_cli import fails
from tflite_builder import Builder


def member(header: bytes, data: bytes = bytes(64)) -> bytes:
    """An array's file with a header of its own."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archive(path: Path, name: str, content: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as z:
        z.writestr(name, content)
    return path


class Mine:
    """What a pickle would make."""


BAD = {
    "raw_pickle": pickle.dumps([1, 2, 3]),
    "nothing": b"",
    "text": b"1, 2, 3",
    "deep": member(b"{" + b"(" * 9000),
    "nested": member(b"[" * 60000),
    "unfinished": member(b"{'descr': '<f4', 'shape': (1,"),
    "no_expression": member(b"{'descr': '<f4', 'shape': __import__('os').getpid(), 'fortran_order': False}"),
    "no_type": member(b"{'descr': '<x9', 'fortran_order': False, 'shape': (1,), }"),
    "negative": member(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"),
    "no_tuple": member(b"{'descr': '<f4', 'fortran_order': False, 'shape': 7, }"),
    "python_2": member(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1L,"),
    "not_utf8": member(b"\xff\xfe" * 20),
    "short": member(b"{'descr': '<f4', 'fortran_order': False, 'shape': (100,), }"),
}


@pytest.mark.parametrize("name", BAD)
def test_members_that_are_no_arrays(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        UserError, match=r"m\.npz is no \.npz file of plain arrays: write it with numpy\.savez$"
    ):
        files.read_npz(archive(tmp_path / "m.npz", "0.npy", BAD[name]))


def test_objects_and_damage(tmp_path: Path) -> None:
    """A pickle in an array; every byte of the archive changed, and every end of it cut off."""
    path = tmp_path / "m.npz"
    np.savez(path, x=np.array([Mine()], object))
    with pytest.raises(UserError, match=r"no \.npz file"):
        files.read_npz(path)
    whole = io.BytesIO()
    np.savez_compressed(whole, **{"0": np.arange(12.0)})
    content = whole.getvalue()
    for i in range(len(content)):
        for damaged in (content[:i], content[:i] + bytes([content[i] ^ 0x55]) + content[i + 1 :]):
            path.write_bytes(damaged)
            try:
                assert all(isinstance(a, np.ndarray) for a in files.read_npz(path).values())
            except UserError as e:
                assert "no .npz file" in str(e)


def test_sizes_beyond_memory(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846975,), }"
    with pytest.raises(UserError, match=r"m\.npz is (too large|no \.npz file)"):
        files.read_npz(archive(tmp_path / "m.npz", "0.npy", member(header)))


@pytest.mark.parametrize("name", ["raw_pickle", "deep"])
def test_one_line_and_exit_code_2(tmp_path: Path, name: str) -> None:
    b = Builder()
    x, y = b.tensor((1, 4)), b.tensor((1, 4))
    b.op("RELU", [x], y)
    (tmp_path / "m.tflite").write_bytes(b.build([x], [y]))
    inputs = archive(tmp_path / "in.npz", "0.npy", BAD[name])
    for verb, option in (("verify", "--inputs"), ("debug", "--input")):
        fails(verb, tmp_path / "m.tflite", option, inputs, words="in.npz is no .npz file")
