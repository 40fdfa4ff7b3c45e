# SPDX-License-Identifier: MIT
"""Reads files with clear errors, and writes them whole or not at all."""

import io
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np

from .errors import UserError

_NO_ARRAYS = "{} is no .npz file of plain arrays: write it with numpy.savez"


def read(path: str | Path) -> bytes:
    """The bytes of a file; UserError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise UserError(f"cannot read {path}: {e.strerror or e}") from e


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file; UserError where it is not one."""
    content = io.BytesIO(read(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd headers, which the error below says better
            with np.load(content, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
        if all(isinstance(a, np.ndarray) for a in arrays.values()):  # bytes, if a member is no array
            return arrays
    except MemoryError as e:  # Python's parser says so, too, of a header without end
        raise UserError(f"{path} is too large for this computer's memory, or no .npz file") from e
    except Exception as e:  # NumPy evaluates headers and zlib unpacks: what is damaged fails in many ways
        raise UserError(_NO_ARRAYS.format(path)) from e
    raise UserError(_NO_ARRAYS.format(path))


def check(path: str | Path) -> None:
    """UserError where `path` cannot be written. Called before long work."""
    real = Path(os.path.realpath(path))
    if real.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    if not os.access(real.parent, os.W_OK | os.X_OK):
        raise UserError(f"cannot write {path}: its folder does not exist or is closed to you")


def write(path: str | Path, data: bytes) -> None:
    """Writes to a temporary file and renames it, so that an old file stays until the new one is complete.

    Symbolic links are followed. What is not a regular file (/dev/null, a pipe) is written to directly.
    """
    given, path = path, Path(os.path.realpath(path))
    temporary = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
            return
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(fd, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as e:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise UserError(f"cannot write {given}: {e.strerror or e}") from e
