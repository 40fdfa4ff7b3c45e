# SPDX-License-Identifier: MIT
"""Runs code on a board whose files are on the host: nothing is written to its flash.

mpremote mounts a folder of the host, and the board imports library and native module from there.
"""

from collections.abc import Callable
from dataclasses import replace

from ..compiler.disassemble import HogFile
from ..errors import UserError
from ..files import temporary_folder
from .connection import BoardError, Connection, the_port, until_done
from .examine import examine
from .library import check_ram, library

# The file's place and the native module come first, while the RAM is in one piece: what compiling leaves is
# not. In small reads: a serial port without flow control loses what does not fit its buffer.
LOAD = """
import os, sys, uctypes

hog = bytearray(os.stat("model.hog")[6])
try:
    import _hognose
except ImportError:
    pass

class Source:
    def __init__(self, name):
        self.file = open(name, "rb")
    def readinto(self, buffer):
        size = len(buffer) * len(bytes(memoryview(buffer)[:1]))
        view = memoryview(uctypes.bytearray_at(uctypes.addressof(buffer), size))
        for at in range(0, size, 128):
            if not self.file.readinto(view[at : at + 128]):
                return at
        return size

Source("model.hog").readinto(hog)
"""


def execute(
    port: str | None,
    model: HogFile,
    files: dict[str, bytes],
    engine: str,
    code: str,
    heard: Callable[[bytes], object] | None = None,
    *,
    in_ram: bool = True,
) -> dict[str, bytes]:
    """Runs `code` on the board, in a folder with `files`, the library and the module of `engine`.

    `heard` is called with what it prints. Returns the files as they are afterwards; the board's own app
    restarts then. UserError where the board has too little RAM for `model`.
    """
    with until_done(Connection(the_port(port))) as link:
        board = examine(link)
        if board.implementation != "micropython":
            raise UserError(f"{board.firmware} on {link.port} cannot mount the host's files: use `--on unix`")
        if engine == "tflm" and not board.tflm:
            raise UserError(
                f"{board.machine}: its firmware is without TensorFlow Lite Micro (native_module/README.md): "
                "use `--on unix`, or another engine"
            )
        there = library(board, engine, model)
        check_ram(board, model if in_ram else replace(model, size=0), there)
        with temporary_folder() as folder:
            for path, data in (there | files).items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            link.restart()  # for a heap that nothing has touched
            with link.mounted(folder) as mount:
                setup = f"import os, sys\nos.chdir({mount!r})\nsys.path.insert(0, {mount!r})\n"
                try:
                    link.exec(setup + code, consumer=heard, silence=None)
                except BoardError as e:
                    # The host's files and the library as source text take RAM that an app need not have.
                    if "MemoryError" in str(e):
                        raise UserError(
                            f"{link.port}: {e}: more RAM than an app needs; try `--on unix`"
                        ) from e
                    raise
            return {path: (folder / path).read_bytes() for path in files}
