#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs scripts in MicroPython on a board that QEMU emulates.

    with Board("M0", {"data.bin": b"..."}) as board:
        print(board.run("print(len(open('/rom/data.bin').read()))"))

As a program: qemu.py BOARD SCRIPT [FILE …] runs one script with files in /rom.
"""

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mpremote.romfs import VfsRomWriter

BUILD = Path(__file__).parents[2] / ".build"


@dataclass(frozen=True)
class Machine:
    """An emulated board."""

    arch: str  # of its native modules
    system: str  # qemu-system-…
    options: tuple[str, ...]
    rom: int  # where files and data lie: memory that the firmware leaves alone
    rom_size: int = 8 << 20
    heap: int = 1 << 20


_NRF51_MEMORY = ("-global", "nrf51-soc.flash-size=1048576", "-global", "nrf51-soc.sram-size=262144")

MACHINES = {
    "M0": Machine("armv6m", "arm", ("-machine", "microbit", *_NRF51_MEMORY), 0x60000, 0xA0000, 200 << 10),
    "M3": Machine("armv7m", "arm", ("-machine", "mps2-an385"), 0x21000000),
    "M4F": Machine("armv7emsp", "arm", ("-machine", "mps2-an386"), 0x21000000),
    "M7F": Machine("armv7emdp", "arm", ("-machine", "mps2-an500"), 0x60000000),
    "M33F": Machine("armv7emsp", "arm", ("-machine", "mps2-an505"), 0x80000000),
    "RV32": Machine("rv32imc", "riscv32", ("-machine", "virt", "-bios", "none"), 0x81000000),
    "XTENSA": Machine("xtensawin", "xtensa", ("-machine", "sim", "-cpu", "dc233c", "-m", "64M"), 0x2000000),
}


class BoardError(Exception):
    """The board fell silent or cannot do what it was asked."""


class ScriptError(BoardError):
    """The script raised an exception: its traceback is the text."""


def missing(name: str) -> str | None:
    """Why a board cannot run on this machine, or None."""
    system = f"qemu-system-{MACHINES[name].system}"
    if not shutil.which(system):
        return f"{system} is not installed"
    if not firmware(name).exists():
        return f"no firmware for {name}: make qemu"
    return None


def firmware(name: str) -> Path:
    return BUILD / "qemu" / name / "firmware.elf"


def romfs(files: Mapping[str, bytes]) -> bytes:
    """An image of MicroPython's read-only file system; a name may have folders."""
    writer = VfsRomWriter()
    tree: dict = {}
    for path, data in files.items():
        *folders, name = path.split("/")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[name] = bytes(data)

    def write(node: dict) -> None:
        for name, value in sorted(node.items()):
            if isinstance(value, dict):
                writer.opendir(name)
                write(value)
                writer.closedir()
            else:
                writer.mkfile(name, value)

    write(tree)
    return writer.finalise()


class Board:
    """A running board, to be used with `with`.

    `files` are in /rom, which is on its module search path. `memory` is a global variable of its scripts:
    bytes in place, 16-byte aligned (files are not).
    """

    def __init__(
        self,
        name: str,
        files: Mapping[str, bytes],
        memory: bytes = b"",
        options: tuple[str, ...] = (),
        boot_timeout: float = 30,
    ):
        machine = MACHINES[name]
        self._name = name
        image = romfs(files)
        size = len(image)
        image += bytes(-size % 16)
        memory_at = machine.rom + len(image)
        image += memory
        if len(image) > machine.rom_size:
            raise BoardError(f"{name}: {len(image)} bytes do not fit into {machine.rom_size} bytes of flash")
        rom = BUILD / "qemu" / name / f"rom-{os.getpid()}.img"
        rom.write_bytes(image)
        command = [
            f"qemu-system-{machine.system}",
            *machine.options,
            *options,
            *("-display", "none", "-monitor", "none", "-serial", "stdio", "-semihosting"),
            *("-device", f"loader,file={rom},addr={machine.rom:#x},force-raw=on"),
            *("-kernel", str(firmware(name))),
        ]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                self._read_until(b">>> ", boot_timeout)
                self._write(b"\x01")  # raw mode: no echo
                self._read_until(b"raw REPL; CTRL-B to exit\r\n>", boot_timeout)
                self.run(
                    "import sys, vfs, uctypes\n"
                    f"vfs.mount(vfs.VfsRom(uctypes.bytearray_at({machine.rom}, {size})), '/rom')\n"
                    "sys.path.insert(0, '/rom')\n"
                    f"memory = uctypes.bytearray_at({memory_at}, {len(memory)})",
                    boot_timeout,
                )
            except BaseException:
                self.close()
                raise
        finally:
            rom.unlink()

    def run(self, script: str, timeout: float = 60) -> str:
        """What the script prints. ScriptError where it raises an exception."""
        self._write(script.encode() + b"\x04")
        self._read_until(b"OK", timeout)
        output = self._read_until(b"\x04", timeout)
        error = self._read_until(b"\x04>", timeout)
        if error:
            raise ScriptError(f"{self._name}: {error.decode(errors='replace').strip()}")
        return output.decode().replace("\r\n", "\n")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError as e:
            raise BoardError(f"{self._name}: QEMU has ended with status {self._process.wait()}") from e

    def _read_until(self, end: bytes, timeout: float) -> bytes:
        """What comes before `end`; nothing may come after it yet."""
        assert self._process.stdout
        fd = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout
        data = b""
        while not data.endswith(end):
            ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
            # Byte by byte: what follows belongs to the next call.
            byte = os.read(fd, 1) if ready else b""
            if not byte:
                what = "no answer" if not ready else f"QEMU has ended with status {self._process.wait()}"
                raise BoardError(f"{self._name}: {what} after {data[-200:]!r}")
            data += byte
        return data[: -len(end)]


def main() -> None:
    name, script, *files = sys.argv[1:]
    with Board(name, {Path(f).name: Path(f).read_bytes() for f in files}) as board:
        print(board.run(Path(script).read_text(), 600), end="")


if __name__ == "__main__":
    main()
