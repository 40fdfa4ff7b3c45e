# SPDX-License-Identifier: MIT
"""An emulated Raspberry Pi Pico (tests/rp2040) as a context manager.

with Pico(STOCK, flash=Path("flash.img")) as pico:
    pico.mpremote("exec", "print(6 * 7)")     # or anything else that can open pico.url
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from .. import files
from ..errors import UserError
from . import board

ROOT = Path(__file__).parents[3]
EMULATOR = ROOT / "tests" / "rp2040"
BUILD = ROOT / ".build" / "rp2040"
STOCK = BUILD / "stock" / "firmware.bin"
USERMOD = BUILD / "usermod" / "firmware.uf2"
ROM = BUILD / "rom.bin"

FLASH_ADDRESS = 0x10000000
FLASH_SIZE = 2 << 20
FILES_AT = 0xA0000  # where the firmware's file system begins in the flash
SECTOR = 4096

# machine.mem32[CYCLES]: processor cycles since power-on, the low 32 bits.
CYCLES = 0x40070000


class PicoError(Exception):
    """The emulator cannot start, or did not do in time what it was asked to."""


def missing(firmware: Path = STOCK) -> str | None:
    """Why the emulator cannot run `firmware` here; None if it can."""
    if shutil.which("node") is None:
        return "node is missing (apt-get install nodejs npm)"
    for path in (firmware, ROM, BUILD / "node_modules" / "rp2040js"):
        if not path.exists():
            return f"{path.name} is missing (run `make rp2040` in a checkout of hognose)"
    return None


def place(data: bytes, firmware: Path = STOCK) -> tuple[bytes, int]:
    """A flash image with `data` between firmware and file system, and its address on the board."""
    at = -(-firmware.stat().st_size // SECTOR) * SECTOR
    if at + len(data) > FILES_AT:
        raise PicoError(f"{len(data):,} bytes do not fit the Pico's flash beside its firmware")
    image = bytearray(b"\xff" * FLASH_SIZE)
    image[at : at + len(data)] = data
    return bytes(image), FLASH_ADDRESS + at


class Pico:
    """An emulated Pico that runs from `start` to `stop`, or in a `with` statement.

    firmware: a .bin or .uf2; flash: the file that keeps the 2 MB of flash, made if it does not exist
    (None: forgotten at the end); port: TCP port of the serial line, 0 to have one picked;
    interpret: run every instruction in rp2040js itself, slowly.
    """

    def __init__(
        self, firmware: Path = STOCK, *, flash: Path | None = None, port: int = 0, interpret: bool = False
    ) -> None:
        self.firmware = firmware
        options = ["--firmware", str(firmware), "--rom", str(ROM), "--port", str(port)]
        if flash is not None:
            options += ["--flash", str(flash)]
        if interpret:
            options += ["--interpret"]
        self._command = ["node", str(EMULATOR / "emulator.mjs"), *options]
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._port = ""

    def start(self, timeout: float = 60) -> Pico:
        """Powers the board on; PicoError if it is not ready in `timeout` seconds."""
        reason = missing(self.firmware)
        if reason is not None:
            raise PicoError(f"no emulated Pico: {reason}")
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._lines = queue.Queue()
        threading.Thread(target=self._read, args=(self._process, self._lines), daemon=True).start()
        try:
            self._port = self.wait_for("ready", timeout)
        except BaseException:  # a signal, too
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Powers the board off. Its flash is in the file already."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Pico:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The serial port, as pyserial and `mpremote connect` take it."""
        return f"socket://127.0.0.1:{self._port}"

    def mpremote(self, *arguments: str, timeout: float = 600) -> str:
        """Runs mpremote on the board; its output, or CalledProcessError.

        `timeout` is for a board that hangs: on a busy machine, installing many files takes minutes.
        """
        command = [sys.executable, "-m", "mpremote", "connect", self.url, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)
        return done.stdout

    def cut_power(self, *, after_bytes: int = 0, after_flash: int = 0) -> None:
        """Cuts the power later: after so many bytes from the host, or during that flash operation; 0: never.

        The connection then closes and the board restarts; `wait_for("cut")` returns when it has happened.
        """
        assert self._process is not None and self._process.stdin is not None
        for what, count in (("bytes", after_bytes), ("flash", after_flash)):
            if count > 0:
                self._process.stdin.write(f"cut {what} {count}\n")
        self._process.stdin.flush()

    def wait_for(self, event: str, timeout: float = 60) -> str:
        """Waits until the emulator reports `event`; returns what it says about it."""
        end = time.monotonic() + timeout
        seen: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise PicoError(f"the emulated Pico did not say '{event}' in {timeout:.0f} s") from None
            if line is None:
                raise PicoError("the emulated Pico ended: " + " ".join(seen[-3:]))
            word, _, rest = line.partition(" ")
            if word == event:
                return rest
            seen.append(line)

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.rstrip("\n"))
        lines.put(None)


@contextlib.contextmanager
def emulated_pico(data: bytes = b"") -> Iterator[tuple[str, int]]:
    """A fresh emulated Pico: its port, and the address of `data` in its flash. UserError: it cannot run."""
    try:
        reason = missing()
        if reason:
            raise PicoError(f"no emulated Pico: {reason}")
        with files.temporary_folder() as folder:
            flash = folder / "flash.img"
            image, address = place(data)
            flash.write_bytes(image)
            with Pico(flash=flash) as pico:
                yield pico.url, address
    except PicoError as e:
        raise UserError(str(e)) from e


def run(
    hog: bytes, engine: str, mode: str, sequence: int, source: bytes, done: Callable[[], object]
) -> bytes:
    """Samples through a model on a fresh emulated Pico."""
    with emulated_pico() as (port, _):
        return board.run(hog, engine, mode, sequence, source, done, port)
