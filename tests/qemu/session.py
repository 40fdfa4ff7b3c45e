# SPDX-License-Identifier: MIT
"""An emulated board with the library and the native module of its architecture."""

from collections.abc import Mapping
from pathlib import Path

import hognose
import qemu
from hognose_tools.runners import device_run

ROOT = Path(__file__).parents[2]

# The port has no clock.
TIME = b"def ticks_us():\n    return 0\n\n\ndef ticks_diff(a, b):\n    return a - b\n"

# What a board defines: models and samples lie in `memory`, results come back as hexadecimal digits.
SETUP = """
import binascii, gc, io, device_run, hognose

class Sink:
    def write(self, data):
        data = memoryview(bytes(data))
        for i in range(0, len(data), 256):
            print(binascii.hexlify(data[i : i + 256]).decode())

def run(engine, mode, hog, end, source, source_end):
    gc.collect()
    view = memoryview(memory)
    model = hognose.Model(view[hog:end], engine=engine)
    device_run.run(model, mode, 0, io.BytesIO(view[source:source_end]), Sink(), lambda: None)
"""


class Session:
    """A board that runs models which lie in its memory."""

    def __init__(
        self,
        name: str,
        blobs: list[bytes],
        *,
        full: bool = False,
        module: bytes | None = None,
        more: Mapping[str, bytes] = {},
        options: tuple[str, ...] = (),
    ):
        """`blobs`: all models and samples that will be asked for; the native module small or full, or
        another one; `more` files; `options` for QEMU."""
        files = board_files(name, full, module)
        files |= {"device_run.py": Path(device_run.__file__).read_bytes(), **more}
        memory = bytearray()
        self._places: list[tuple[int, int]] = []
        for blob in blobs:
            memory += bytes(-len(memory) % 16)
            self._places.append((len(memory), len(memory) + len(blob)))
            memory += blob
        self._board = qemu.Board(name, files, bytes(memory), options)

    def run(self, engine: str, mode: str, hog: int, source: int, timeout: float = 300) -> bytes:
        """Blob number `hog` on the samples in blob number `source`; see device_run for the modes."""
        numbers = (*self._places[hog], *self._places[source])
        return bytes.fromhex(self._board.run(f"run({engine!r}, {mode!r}, *{numbers})", timeout))

    def execute(self, script: str, timeout: float = 300, **numbers: object) -> str:
        """What a script prints, with {hog}: where blob number `hog` lies in `memory`."""
        start, end = self._places[numbers.pop("hog")]
        return self._board.run(script.format(place=f"{start}:{end}", **numbers), timeout)

    def __enter__(self) -> "Session":
        self._board.__enter__()
        self._board.run(SETUP)
        return self

    def __exit__(self, *error: object) -> None:
        self._board.__exit__(*error)


def board_files(name: str, full: bool = False, module: bytes | None = None) -> dict[str, bytes]:
    """The library and the native module for the board's architecture: small or full, or `module`."""
    return library_files() | {"_hognose.mpy": module or preset(name, full).read_bytes()}


def library_files() -> dict[str, bytes]:
    library = Path(hognose.__file__).parent
    files = {f"hognose/{p.relative_to(library)}": p.read_bytes() for p in library.rglob("*.py")}
    return files | {"time.py": TIME}


def preset(name: str, full: bool = False) -> Path:
    return (
        ROOT
        / ".build"
        / "natmod"
        / ("full" if full else "")
        / f"{qemu.MACHINES[name].arch}_6.3"
        / "_hognose.mpy"
    )
