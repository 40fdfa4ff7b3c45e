# SPDX-License-Identifier: MIT
"""Installs files on a board, all or none, through any Link: the core of `hognose deploy`.

1. Files that differ from the board's (by hash) are copied to the folder `.hognose` there, each under a name
   made from its hash, and checked on the board. Up to here the board's own files are untouched.
2. A program that renames them all into place, `finish`, is copied there, too, and then renamed to main.py.
   That one rename is the point of no return; littlefs does it completely or not at all.
3. `finish` runs: now, through the REPL, or, if the cable is pulled, as main.py at the next boot, again and
   again until it has got through. Its last rename puts the app's main.py (new or old) in place; then it
   restarts the board.

So each boot runs either the old app or the new one with all its files. If only one file is new, its own
rename is enough. The next deployment uses what an unfinished copy has left behind. On FAT (pyboard,
CircuitPython) a rename over an existing file is a removal and then a rename: if the cable is pulled between
the two, main.py is missing until the next deployment.
"""

import contextlib
import hashlib
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import UserError
from . import device_install
from .connection import BROKEN, BoardError, Link
from .examine import ask
from .facts import Facts

STAGING = "/.hognose"
CHUNK = 1024  # bytes per write: little enough for a board's RAM, enough for few round trips
ENOSPC, EROFS = 28, 30

Progress = Callable[[int], object]


class Deployment:
    """Brings files, contents by path, to a board: prepare, copy, commit.

    `files`: those that the board lacks; `unchanged`: how many it already has.
    """

    def __init__(self, link: Link, facts: Facts, files: dict[str, bytes]):
        self._link, self._facts = link, facts
        self._staging = facts.base + STAGING
        self._app = facts.app
        self._there: set[str] = set()
        _write(link, f"finish({self._app!r})")  # an earlier deployment that was cut short
        self.files = dict(_lacking(link, files))
        self.unchanged = len(files) - len(self.files)

    @property
    def size(self) -> int:
        """Bytes to copy."""
        return sum(map(len, self.files.values()))

    def prepare(self) -> None:
        """Makes folders. UserError where the flash has no room, or cannot be written."""
        places = {self._place(path): data for path, data in self.files.items()}
        names = [place.rpartition("/")[2] for place in places]
        folders = sorted({p for path in self.files for p in _parents(path, self._facts.base)})
        with self._tidy():
            _write(self._link, f"prepare({self._staging!r}, {names!r}, {folders!r}, {list(self.files)!r})")
            lacking = _lacking(self._link, places)
            self._there = {path for path in self.files if self._place(path) not in lacking}
            free = ask(self._link, f"(lambda s: s[1] * s[4])(os.statvfs({self._staging!r}))")
            _check_flash(self._facts, free, [len(data) for data in lacking.values()])

    def copy(self, progress: Progress) -> None:
        """Copies everything to `.hognose`; `progress` is called with the number of bytes of each step."""
        with self._tidy():
            for path, data in self.files.items():
                if path in self._there:  # from an earlier deployment
                    progress(len(data))
                else:
                    self._send(self._place(path), data, progress)
            if len(self.files) > 1:
                self._keep_app()
                self._send(f"{self._staging}/finish", self._finish(), lambda n: None)

    def commit(self) -> None:
        """The new files take the place of the old ones."""
        if len(self.files) == 1:
            (path,) = self.files
            _write(self._link, f"replace({self._place(path)!r}, {path!r})")
        elif self.files:
            _write(self._link, f"replace({self._staging + '/finish'!r}, {self._app!r})")
            _write(self._link, f"finish({self._app!r})")
        _write(self._link, f"clean({self._staging!r})")
        for path in _lacking(self._link, self.files):  # as after a power cut on FAT
            raise UserError(f"{path} on the board is not what was copied: run the command again")

    def _place(self, path: str) -> str:
        name = hashlib.sha256(path.encode() + b"\0" + self.files[path]).hexdigest()[:12]
        return f"{self._staging}/{name}"

    def _send(self, place: str, data: bytes, progress: Progress) -> None:
        _write(self._link, f"f = open({place!r}, 'wb')", expression=False)
        for i in range(0, len(data), CHUNK):
            chunk = data[i : i + CHUNK]
            literals = repr(chunk), f"a2b_base64({b64encode(chunk)!r})"
            _write(self._link, f"f.write({min(literals, key=len)}) and None", expression=False)
            progress(len(chunk))
        _write(self._link, "f.close()", expression=False)
        if _lacking(self._link, {place: data}):
            raise UserError(
                "a file arrived damaged; the board still has its old files: run the command again"
            )

    def _keep_app(self) -> None:
        """Keeps a copy of an app that stays: `finish` takes its place for a while."""
        if self._app not in self.files and ask(self._link, f"exists({self._app!r})"):
            place = f"{self._staging}/app"
            _write(self._link, f"copy({self._app!r}, {place!r})")
            if not ask(self._link, f"digest({self._app!r}) == digest({place!r})"):
                raise UserError(f"{self._app} cannot be copied on the board: its flash may be worn out")

    def _finish(self) -> bytes:
        moves = [(self._place(path), path) for path in self.files if path != self._app]
        app = self._place(self._app) if self._app in self.files else f"{self._staging}/app"
        return _finish([*moves, (app, self._app)]).encode()

    @contextlib.contextmanager
    def _tidy(self) -> Iterator[None]:
        """Removes what was copied if copying fails while the board still answers."""
        try:
            yield
        except UserError as e:
            if not isinstance(e.__cause__, BROKEN):
                with contextlib.suppress(UserError):
                    _write(self._link, f"clean({self._staging!r})")
            raise


def _lacking(link: Link, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files that the board does not have, or has with other contents."""
    digests = ask(link, f"[digest(path) for path in {list(files)!r}]")
    return {
        path: data
        for (path, data), digest in zip(files.items(), digests, strict=True)
        if digest is None or digest[1] != _digest(digest[0], data)
    }


def _digest(algorithm: str, data: bytes) -> bytes:
    return hashlib.sha256(data).digest() if algorithm == "sha256" else zlib.crc32(data).to_bytes(4, "big")


def _finish(moves: list[tuple[str, str]]) -> str:
    """The program that renames all files into place, the app last, because it is in the app's place."""
    listing = "".join(f"    {move!r},\n" for move in moves)
    return f"""\
{device_install.MARK}
# It takes the app's place for a moment; if the power goes away meanwhile, the next boot runs it again.
import os


def exists(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


for place, path in (
{listing}):
    if exists(place):
        try:
            os.rename(place, path)
        except OSError:
            os.remove(path)
            os.rename(place, path)
    elif path == {moves[-1][1]!r}:  # there was no app
        os.remove(path)
if __name__ == "__main__":
    raise SystemExit  # restarts the board
"""


def _parents(path: str, base: str) -> list[str]:
    """The folders of a path below `base`, outermost first."""
    parts = path.removeprefix(base).strip("/").split("/")[:-1]
    return [base + "/" + "/".join(parts[: i + 1]) for i in range(len(parts))]


def _write(link: Link, code: str, *, expression: bool = True) -> Any:
    """Runs code that writes to the board; errors of its file system become sentences."""
    try:
        return ask(link, code) if expression else link.exec(code)
    except BoardError as e:
        if e.errno == ENOSPC:
            raise UserError(
                f"the file system of the board on {link.port} is full, the app on it is as it was: "
                "delete files there (`mpremote fs ls`, `mpremote fs rm`) and run the command again"
            ) from e
        if e.errno == EROFS:
            raise UserError(
                f"the file system of the board on {link.port} is read-only. CircuitPython's is while "
                "the computer has its drive: call storage.remount('/', False) in boot.py and reset the board"
            ) from e
        raise UserError(f"the board on {link.port} says: {e}") from e


def _check_flash(facts: Facts, free: int, sizes: list[int]) -> None:
    block = facts.flash_block or 1
    # Also the folder, updates of its parents and of the table, `finish` and a copy of main.py.
    need = sum(-(-size // block) for size in [*sizes, *[1] * 6]) * block
    if need > free:
        raise UserError(
            f"the board's flash has {free:,} bytes free; {need:,} are needed in addition to the files on it: "
            "delete files there (`mpremote fs ls`, `mpremote fs rm`)"
        )
