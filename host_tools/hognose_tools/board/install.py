# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Files onto a board, all or none: what `hognose deploy` does, through any Link.

1. What differs from the board's files (by hash) goes to the folder `.hognose` there, each file under a name
   made from its hash, and its hash is checked on the board. Until now the board has its old files, no others.
2. A program that renames them all into place, `finish`, is put there, too, and then renamed to main.py.
   That one rename is the point of no return, and littlefs does it whole or not at all.
3. `finish` runs: now through the REPL or, if the cable is pulled, as main.py at the next boot, over again
   where it was cut short. Its last rename puts the app's main.py (new or old) back; it restarts the board.

So a boot runs the old app or the new one with all its files. Where only one file is new its own rename is
enough. What an unfinished copy has left is used by the next deployment. On FAT (pyboard, CircuitPython) a
rename over an existing file is a removal and a rename: pulled between the two, main.py is missing until the
next deployment.
"""

import ast
import contextlib
import hashlib
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hognose

from ..compiler.disassemble import HogFile
from ..errors import UserError
from . import device_install
from .connection import BROKEN, BoardError, Link

STAGING = "/.hognose"
CHUNK = 1024  # bytes written at once: a board has room for that, and there are few round trips
ENOSPC, EROFS = 28, 30

# By (sys.implementation._mpy >> 10) & 15.
ARCHITECTURES = (
    "",
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)
ARM = ARCHITECTURES[4:9]  # each runs the code of those before it
ABI = (6, 3)

# RAM that the library takes once it is imported, bytes; measured on an RP2040.
LIBRARY_RAM = 15_000
REFERENCE_RAM = 42_000

Progress = Callable[[int], object]


@dataclass
class Facts:
    """A board, as it says itself; bytes."""

    implementation: str
    version: tuple[int, ...]
    machine: str
    mpy: int
    base: str  # the folder that holds main.py; empty for the root
    ram_free: int | None
    flash_free: int
    flash_block: int
    hiding: list[str]
    builtin_engine: bool
    tflm: bool
    frozen_library: str | None

    @property
    def architecture(self) -> str:
        """Of native modules; empty where the firmware loads none."""
        number = self.mpy >> 10 & 15
        if self.implementation != "micropython" or number >= len(ARCHITECTURES):
            return ""
        return ARCHITECTURES[number]

    @property
    def abi(self) -> tuple[int, int]:
        return self.mpy & 255, self.mpy >> 8 & 3

    @property
    def firmware(self) -> str:
        name = {"micropython": "MicroPython", "circuitpython": "CircuitPython"}.get(
            self.implementation, self.implementation
        )
        return f"{name} {'.'.join(map(str, self.version))}"

    @property
    def app(self) -> str:
        """The file that runs at boot."""
        return f"{self.base}/{'code.py' if self.implementation == 'circuitpython' else 'main.py'}"


def examine(link: Link) -> Facts:
    """Restarts the board and asks it."""
    link.restart()
    _define(link)
    facts = Facts(**_ask(link, "facts()"))
    if facts.implementation not in ("micropython", "circuitpython"):
        raise UserError(f"{link.port} runs {facts.implementation}, not MicroPython")
    return facts


def _define(link: Link) -> None:
    link.exec(Path(device_install.__file__).read_text())


def _ask(link: Link, expression: str) -> Any:
    return ast.literal_eval(link.exec(f"print(repr({expression}))").decode().strip())


@dataclass
class Plan:
    """What is to be copied: contents by path, all that differ from what the board has."""

    files: dict[str, bytes]
    unchanged: int

    @property
    def size(self) -> int:
        return sum(map(len, self.files.values()))


def compare(link: Link, facts: Facts, files: dict[str, bytes]) -> Plan:
    """What of `files` (contents by path) the board lacks. Ends an earlier deployment first."""
    _guard(link, f"finish({facts.app!r})")
    changed = {path: data for path, data in files.items() if not _has(link, path, data)}
    return Plan(changed, len(files) - len(changed))


def _has(link: Link, path: str, data: bytes) -> bool:
    found = _ask(link, f"digest({path!r})")
    return found is not None and found[1] == _digest(found[0], data)


def _digest(algorithm: str, data: bytes) -> bytes:
    return hashlib.sha256(data).digest() if algorithm == "sha256" else zlib.crc32(data).to_bytes(4, "big")


def install(link: Link, facts: Facts, plan: Plan, progress: Progress) -> None:
    """Carries out a plan; `progress` is called with the bytes of each step."""
    if not plan.files:
        _guard(link, f"clean({facts.base + STAGING!r})")
        return
    stage = _Stage(link, facts, plan.files)
    try:
        stage.prepare()
        _check_flash(facts, stage.free(), stage.missing())
        for path in plan.files:
            stage.copy(path, progress)
        if len(plan.files) > 1:
            stage.write_finish()
    except UserError as e:
        if not isinstance(e.__cause__, BROKEN):  # the board can still be tidied
            with contextlib.suppress(UserError):
                _guard(link, f"clean({stage.folder!r})")
        raise
    if len(plan.files) == 1:
        (path,) = plan.files
        _guard(link, f"replace({stage.place(path)!r}, {path!r})")
    else:
        _guard(link, f"replace({stage.folder + '/finish'!r}, {facts.app!r})")
        _guard(link, f"finish({facts.app!r})")
    for path, data in plan.files.items():
        if not _has(link, path, data):
            raise UserError(f"{path} on the board is not what was copied: its flash may be worn out")
    _guard(link, f"clean({stage.folder!r})")


class _Stage:
    """The folder `.hognose` on the board."""

    def __init__(self, link: Link, facts: Facts, files: dict[str, bytes]):
        self.link, self.facts, self.files = link, facts, dict(files)
        self.folder = facts.base + STAGING
        self.app = facts.app
        self.there: set[str] = set()

    def place(self, path: str) -> str:
        return f"{self.folder}/{self._name(path)}"

    def _name(self, path: str) -> str:
        return hashlib.sha256(path.encode() + b"\0" + self.files[path]).hexdigest()[:12]

    def prepare(self) -> None:
        """The folders, and what of the files an earlier deployment has left here."""
        keep = [self._name(path) for path in self.files]
        folders = sorted({p for path in self.files for p in _parents(path, self.facts.base)})
        _guard(self.link, f"prepare({self.folder!r}, {keep!r}, {folders!r})")
        self.there = {path for path, data in self.files.items() if _has(self.link, self.place(path), data)}

    def free(self) -> int:
        return _ask(self.link, f"(lambda s: s[1] * s[4])(os.statvfs({self.folder!r}))")

    def missing(self) -> list[int]:
        """Sizes of what is to be copied."""
        return [len(data) for path, data in self.files.items() if path not in self.there]

    def copy(self, path: str, progress: Progress) -> None:
        data = self.files[path]
        if path in self.there:
            progress(len(data))
            return
        self._write(self.place(path), data, progress)
        if not _has(self.link, self.place(path), data):
            raise UserError(
                f"{path} did not arrive whole, the board has its old files: run the command again"
            )

    def _write(self, place: str, data: bytes, progress: Progress) -> None:
        _guard(self.link, f"_f = open({place!r}, 'wb')", expression=False)
        for i in range(0, len(data), CHUNK):
            chunk = data[i : i + CHUNK]
            literals = repr(chunk), f"a2b_base64({b64encode(chunk)!r})"
            _guard(self.link, f"_f.write({min(literals, key=len)}) and None", expression=False)
            progress(len(chunk))
        _guard(self.link, "_f.close()", expression=False)

    def write_finish(self) -> None:
        app = self.app
        if app not in self.files and _ask(self.link, f"exists({app!r})"):
            _guard(self.link, f"copy({app!r}, {self.folder + '/app'!r})")
            if _ask(self.link, f"digest({app!r}) != digest({self.folder + '/app'!r})"):
                raise UserError(f"{app} on the board cannot be copied there: its flash may be worn out")
            last = "app"
        else:
            last = self._name(app) if app in self.files else ""
        first = [(self._name(path), path) for path in self.files if path != app]
        program = _finish(self.folder, first, last, app).encode()
        place = self.folder + "/finish"
        self._write(place, program, lambda n: None)
        if not _has(self.link, place, program):
            raise UserError("a file did not arrive whole, the board has its old files: run the command again")


def _finish(folder: str, files: list[tuple[str, str]], last: str, app: str) -> str:
    """The program that renames all files into place; the app's own comes last, or there is none."""
    end = f"replace({last!r}, {app!r})" if last else f"os.remove({app!r})"
    listing = "".join(f"    ({name!r}, {path!r}),\n" for name, path in files)
    return f"""\
{device_install.MARK}
# It takes the app's place for a moment; if the power goes away meanwhile, the next boot runs it again.
import os


def replace(name, path):
    if name in os.listdir({folder!r}):
        name = {folder + "/"!r} + name
        try:
            os.rename(name, path)
        except OSError:
            os.remove(path)
            os.rename(name, path)


for name, path in (
{listing}):
    replace(name, path)
{end}
if __name__ == "__main__":
    raise SystemExit  # restarts the board
"""


def _parents(path: str, base: str) -> list[str]:
    """The folders of a path below `base`, outermost first."""
    parts = path.removeprefix(base).strip("/").split("/")[:-1]
    return [base + "/" + "/".join(parts[: i + 1]) for i in range(len(parts))]


def _guard(link: Link, code: str, *, expression: bool = True) -> Any:
    """Runs code that writes; what the file system says becomes a sentence."""
    try:
        return _ask(link, code) if expression else link.exec(code)
    except BoardError as e:
        if e.errno == ENOSPC:
            raise UserError(
                f"the file system of the board on {link.port} is full, the app on it is as it was: "
                "delete files there (`mpremote fs ls`, `mpremote fs rm`) and run the command again"
            ) from e
        if e.errno == EROFS:
            raise UserError(
                f"the file system of the board on {link.port} is read-only. CircuitPython's is while the "
                "computer has its drive: let its boot.py call storage.remount('/', False) and reset it"
            ) from e
        raise UserError(f"the board on {link.port} says: {e}") from e


def _check_flash(facts: Facts, free: int, sizes: list[int]) -> None:
    block = facts.flash_block or 1
    # The folder, its parents' and the table's own updates, `finish` and a copy of main.py.
    need = sum(-(-size // block) for size in [*sizes, *[1] * 6]) * block
    if need > free:
        raise UserError(
            f"the board's flash has {free:,} bytes free, {need:,} are needed beside the files that it has: "
            "delete files there (`mpremote fs ls`, `mpremote fs rm`)"
        )


# What goes onto a board.

_HERE = Path(__file__).resolve()
# Built by `make natmod`: in an installed package, in a checkout.
_MODULES = (_HERE.parent / "natmod", _HERE.parents[3] / ".build" / "natmod")


def library(facts: Facts, engine: str, app: Iterable[bytes] = ()) -> dict[str, bytes]:
    """What the board's /lib has to hold, contents by path. Optional modules go where they are of use."""
    wanted = {
        "reference": engine == "reference",
        "tflm_engine": facts.tflm,
        "lite": facts.tflm or any(b"hognose.lite" in source for source in app),
    }
    files = {}
    if facts.frozen_library is None:
        for path in sorted(Path(hognose.__file__).parent.glob("*.py")):
            if wanted.get("reference" if path.stem.startswith("reference") else path.stem, True):
                files[f"hognose/{path.name}"] = path.read_bytes()
    if engine == "native" and not facts.builtin_engine:
        files["_hognose.mpy"] = native_module(facts)
    return files


def check_ram(facts: Facts, model: HogFile, library: dict[str, bytes]) -> None:
    """UserError where the board's RAM cannot hold the model. The arena's size is in the file."""
    reference = "hognose/reference.py" in library
    parts = {
        "file": model.size,
        "arena": model.arena_size,
        "inputs": sum(4 * p.size for p in model.inputs),
        "native module": len(library.get("_hognose.mpy", b"")),
        "library": (REFERENCE_RAM if reference else LIBRARY_RAM) if facts.frozen_library is None else 0,
    }
    need = sum(parts.values())
    if facts.ram_free is not None and need > facts.ram_free:
        listed = ", ".join(f"{part} {size:,}" for part, size in parts.items() if size)
        raise UserError(
            f"the model needs {need:,} bytes of RAM ({listed}), {facts.machine} has {facts.ram_free:,} free: "
            "make it smaller (`hognose inspect` shows its layers), or use firmware with the engine built in "
            "(native_module/README.md), or a board with more RAM"
        )


def native_module(facts: Facts) -> bytes:
    """The `_hognose.mpy` that the board can load; UserError where there is none."""
    helps = "use --engine reference (slow), or firmware with the engine built in (native_module/README.md)"
    if not facts.architecture:
        raise UserError(f"{facts.machine}: its {facts.firmware} cannot load native modules: {helps}")
    if facts.abi != ABI:
        raise UserError(
            f"{facts.machine}: {facts.firmware} has version {facts.abi[0]}.{facts.abi[1]} of native modules, "
            f"hognose's are {ABI[0]}.{ABI[1]}: install MicroPython 1.23 or later"
        )
    name = facts.architecture
    fitting = ARM[: ARM.index(name) + 1][::-1] if name in ARM else (name,)
    for architecture in fitting:
        for folder in _MODULES:
            path = folder / f"{architecture}_{ABI[0]}.{ABI[1]}" / "_hognose.mpy"
            if path.is_file():
                return path.read_bytes()
    if name in ("x86", "armv6", "xtensa", "rv64imc"):
        raise UserError(f"{facts.machine}: there is no native module for {name}: {helps}")
    raise UserError(f"no _hognose.mpy for {name} here: run `make natmod ARCH={name}` in hognose's checkout")
