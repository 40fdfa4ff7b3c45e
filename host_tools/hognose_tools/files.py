# SPDX-License-Identifier: MIT
"""Files that are read with a clear error, and written whole or not at all; nothing temporary stays behind."""

import atexit
import contextlib
import io
import os
import re
import secrets
import shutil
import stat
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import UserError

_NO_ARRAYS = "{} is no .npz file of plain arrays: write it with numpy.savez"

try:
    import fcntl
except ImportError:  # Windows: what a killed run left there stays
    fcntl = None  # type: ignore[assignment]

_MARK = "hognose-tmp-"  # of all that is temporary: beside an output, with a dot before it, and in $TMPDIR
_OURS = re.compile(rf"\.?{_MARK}[0-9a-f]{{16}}")
_HEAD = 512  # bytes of a file that tell its kind


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


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The content of an .npz file. (numpy.savez takes no array that is called file.)"""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()


# What may be overwritten


def check(path: str | Path, kind: str = "", inputs: Iterable[str | Path] = (), force: bool = False) -> None:
    """UserError where `path` is not to be written: asked before long work.

    `kind`: the ending of such files; one that exists must be of the kind by its content. `inputs`: what the
    command reads, by any name or link. `force`: both may be overwritten.
    """
    real = Path(os.path.realpath(path))
    if real.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    if real.is_symlink():  # what realpath cannot follow to its end
        raise UserError(f"cannot write {path}: it is a link to itself")
    if _is_device(path):
        return
    if not os.access(real.parent, os.W_OK | os.X_OK):
        raise UserError(f"cannot write {path}: its folder does not exist or is closed to you")
    if not real.exists():
        return
    if not os.access(real, os.W_OK):
        raise UserError(f"cannot write {path}: it is read-only")
    if force:
        return
    for other in inputs:
        if os.path.exists(other) and os.path.samefile(other, real):
            raise UserError(f"{path} is what the command reads: write to another file (or --force)")
    if kind and not _is(real, kind):
        raise UserError(f"{path} exists and is no {kind} file: write to another file (or --force)")


def _is_device(path: str | Path) -> bool:
    """Whether it is neither file nor folder but there: /dev/null, /dev/stdout, a pipe."""
    with contextlib.suppress(OSError):
        mode = os.stat(path).st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
    return False


def _is(path: Path, kind: str) -> bool:
    """Whether a file's content is of this kind; an empty one is of any."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
            return not head.strip() or _KINDS[kind](head, file)
    except OSError as e:
        raise UserError(f"cannot read {path}, which is there already: {e.strerror or e}") from e


def _names(file: BinaryIO) -> list[str]:
    """Of what is in a zip archive; none where it is no such."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return []


_KINDS: dict[str, Callable[[bytes, BinaryIO], bool]] = {
    ".hog": lambda head, _: head[:4] == b"HOGN",
    ".html": lambda head, _: head.lstrip().lower().startswith((b"<!doctype html", b"<html")),
    ".keras": lambda _, file: "config.json" in _names(file),
    ".mpy": lambda head, _: head[:2] == b"M\x06",
    ".npz": lambda _, file: any(_names(file)) and all(n.endswith(".npy") for n in _names(file)),
    ".tflite": lambda head, _: head[4:8] == b"TFL3",
}


# Writing


def write(path: str | Path, data: bytes) -> None:
    """Write through a temporary file beside it and a rename: an old file stays until the new is whole.

    An old file's permissions stay, and symbolic links to it. One with further names (hard links) is
    overwritten where it is, when the temporary file is whole. What is no file (/dev/null, a pipe) is
    written to as it is.
    """
    real = Path(os.path.realpath(path))
    try:
        if _is_device(path):
            Path(path).write_bytes(data)
            return
        _sweep(real.parent, "." + _MARK)
        with _temporary(real.parent / f".{_MARK}{secrets.token_hex(8)}", _new_file) as (temporary, fd):
            _write_all(fd, data)
            if not real.exists():
                os.replace(temporary, real)
                return
            old = real.stat()
            if old.st_nlink > 1:
                with open(real, "r+b") as file:
                    _write_all(file.fileno(), data)
                    file.truncate(len(data))
                return
            with contextlib.suppress(PermissionError):  # only root gives a file to somebody else
                os.chown(temporary, old.st_uid, old.st_gid)
            os.chmod(temporary, stat.S_IMODE(old.st_mode))
            os.replace(temporary, real)
    except OSError as e:
        raise UserError(f"cannot write {path}: {e.strerror or e}") from e


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
    os.fsync(fd)


# Temporary files and folders. Each is locked as long as its process lives, so that the next one can tell
# what was left behind. One that is interrupted while it removes something does so again when it ends.

_alive: set[Path] = set()


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards, whatever happens; what a killed run left goes first."""
    parent = Path(tempfile.gettempdir())
    _sweep(parent, _MARK)
    with _temporary(parent / (_MARK + secrets.token_hex(8)), _new_folder) as (path, _):
        yield path


@contextlib.contextmanager
def _temporary(path: Path, make: Callable[[Path], int]) -> Iterator[tuple[Path, int]]:
    """`path` made and locked; it is known before it is there, so that a signal finds it at any moment."""
    fd = -1
    _alive.add(path)
    try:
        while fd < 0:
            fd = make(path)
            if fcntl:
                with contextlib.suppress(OSError):  # a file system without locks
                    fcntl.flock(fd, fcntl.LOCK_EX)
            if not path.exists():  # another process took it for left behind, before it was locked
                os.close(fd)
                fd = -1
        yield path, fd
    finally:
        _remove(path)
        if fd >= 0:
            os.close(fd)


def _new_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)


def _new_folder(path: Path) -> int:
    path.mkdir(mode=0o700)
    return os.open(path, os.O_RDONLY) if fcntl else os.open(os.devnull, os.O_RDONLY)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    _alive.discard(path)


@atexit.register
def _remove_all() -> None:
    for path in list(_alive):
        _remove(path)


def _sweep(folder: Path, prefix: str) -> None:
    """Removes what processes that were killed left there: ours, of this user, and locked by nobody."""
    if not fcntl:
        return
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(prefix) and _OURS.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_stale(Path(entry.path))


def _remove_stale(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_uid == os.geteuid():
            _remove(path)
    finally:
        os.close(fd)
