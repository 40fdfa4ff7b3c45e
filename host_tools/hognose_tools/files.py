# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Files that are read with a clear error and written whole or not at all."""

import os
import tempfile
from pathlib import Path

from .errors import UserError


def read(path: str | Path) -> bytes:
    """The bytes of a file; UserError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise UserError(f"cannot read {path}: {e.strerror or e}") from e


def write(path: str | Path, data: bytes) -> None:
    """Write through a temporary file beside it and a rename: an old file stays until the new is whole."""
    path = Path(path)
    temporary = None
    try:
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
        raise UserError(f"cannot write {path}: {e.strerror or e}") from e
