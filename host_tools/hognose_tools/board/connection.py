# SPDX-License-Identifier: MIT
"""Boards on serial ports. Only this file uses mpremote's internals, which may change with any release."""

import ast
import contextlib
import errno
import io
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import serial
import serial.tools.list_ports
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from ..errors import UserError

PATIENCE = 10.0  # seconds for a board to listen
SILENCE = 10.0  # seconds between two bytes of an answer
BROKEN = (OSError, TransportError, struct.error, IndexError)  # what a dying connection raises in mpremote


class BoardError(Exception):
    """An exception on the board; str() is its last line."""

    def __init__(self, traceback: str):
        self.traceback = traceback.strip()
        super().__init__(
            self.traceback.splitlines()[-1].strip() if self.traceback else "it failed and said nothing"
        )

    @property
    def errno(self) -> int | None:
        """Of an OSError: MicroPython writes `[Errno 28] ENOSPC` or only `28`."""
        kind, _, rest = str(self).partition(": ")
        number = rest.removeprefix("[Errno ").partition("]")[0].split()[:1]
        return int(number[0]) if kind == "OSError" and number and number[0].isdigit() else None


class Link(Protocol):
    """A board that listens in its raw REPL."""

    port: str

    def exec(self, code: str) -> bytes:
        """What the code prints. BoardError: it raised an exception; UserError: the connection broke."""

    def restart(self) -> None:
        """Soft reset: a clean heap, boot.py, no main.py."""

    def start(self) -> None:
        """Soft reset into main.py."""

    def close(self) -> None: ...


L = TypeVar("L", bound=Link)


@contextlib.contextmanager
def until_done(link: L) -> Iterator[L]:
    """The board listens within the context; afterwards its app runs again."""
    try:
        yield link
    except BoardError as e:
        raise UserError(f"the board on {link.port} says: {e}") from e
    finally:
        with contextlib.suppress(UserError):
            link.start()
        link.close()


def lost(port: str) -> UserError:
    return UserError(f"the connection to {port} broke: check the cable and run the command again")


class Connection:
    """A Link through mpremote's transport."""

    def __init__(self, port: str, patience: float | None = None):
        self.port = port
        self._transport = _connect(port, PATIENCE if patience is None else patience)

    def exec(
        self,
        code: str,
        *,
        consumer: Callable[[bytes], object] | None = None,
        silence: float | None = SILENCE,
    ) -> bytes:
        try:
            out, error = self._transport.exec_raw(code, timeout=silence, data_consumer=consumer)
        except BROKEN as e:
            raise lost(self.port) from e
        if error:
            raise BoardError(error.decode(errors="replace"))
        return out

    def restart(self) -> None:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self._transport.enter_raw_repl(soft_reset=True, timeout_overall=PATIENCE)
        except BROKEN as e:
            raise lost(self.port) from e

    def start(self) -> None:
        try:
            self._transport.serial.write(b"\r\x03")  # whatever an interrupted command has left
            self._transport.exit_raw_repl()
            self._transport.serial.write(b"\x04")
            self._transport.read_until(1, b"soft reboot\r\n", timeout_overall=2)
        except BROKEN as e:
            raise lost(self.port) from e

    def close(self) -> None:
        with contextlib.suppress(*BROKEN):
            self._transport.close()

    @contextlib.contextmanager
    def mounted(self, folder: Path) -> Iterator[str]:
        """Mounts a folder of the host on the board, which must have been restarted; its path there."""
        try:
            self._transport.mount_local(str(folder))
        except TransportExecError as e:
            raise BoardError(e.error_output) from e
        except BROKEN as e:
            raise lost(self.port) from e
        try:
            yield self._transport.fs_hook_mount
        finally:
            with contextlib.suppress(*BROKEN):
                self._transport.umount_local()


def _connect(port: str, patience: float) -> SerialTransport:
    """A transport in raw REPL mode; tries until the board is done with restarting."""
    deadline = time.monotonic() + patience
    restarts = 0
    heard = ""
    while True:
        transport = None
        try:
            transport = _open(port)
            heard += _enter(transport)
            if transport.in_raw_repl:
                return transport
        except UserError:
            if not restarts:
                raise
        except BROKEN:
            restarts += 1
        if transport and not transport.in_raw_repl:
            with contextlib.suppress(*BROKEN):
                transport.close()
        if time.monotonic() > deadline:
            raise UserError(_no_answer(port, restarts, heard))
        time.sleep(0.1)


def _open(port: str) -> SerialTransport:
    try:
        transport = SerialTransport(port, timeout=SILENCE)
        if sock := getattr(transport.serial, "_socket", None):
            sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # an emulator's port: saves 40 ms per exchange
        return transport
    except (TransportError, ValueError, OSError) as e:
        raise UserError(why_closed(port) or f"cannot open {port}: {e}") from e


def _enter(transport: SerialTransport) -> str:
    """Asks for the raw REPL; returns what the board said instead, if anything."""
    # Twice, and before the transport's own: the first may only have ended a sleep or an `except:`.
    transport.serial.write(b"\r\x03\x03")
    time.sleep(0.05)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            transport.enter_raw_repl(soft_reset=False, timeout_overall=1.5)
        except TransportError:
            # It prints the repr of what came instead of an answer.
            return "".join(
                ast.literal_eval(line).decode(errors="replace") for line in said.getvalue().splitlines()
            )
    return ""


def _no_answer(port: str, restarts: int, heard: str) -> str:
    signs = sum(heard.count(word) for word in ("Traceback", "soft reboot", "rst:0x", "Guru Meditation"))
    if restarts or signs > 1:
        return (
            f"the board on {port} restarts again and again (a crash loop) and does not answer: "
            "unplug what is wired to it and try again, or erase its flash and reinstall MicroPython"
        )
    if heard:
        return f"no MicroPython answers on {port}, something else does: is it the right port?"
    return (
        f"no MicroPython answers on {port}: is it the right port, and does the board run MicroPython? "
        "If so, its app cannot be interrupted: reset the board and try again at once"
    )


def why_closed(port: str) -> str:
    """Why a port cannot be opened; empty where it can."""
    if "://" not in port and os.name == "posix" and not os.path.exists(port):
        there = ", ".join(usb_ports())
        return f"there is no port {port}; " + (
            f"these are there: {there}" if there else "is the board plugged in?"
        )
    try:
        serial.serial_for_url(port, exclusive=True).close()
    except ValueError as e:
        return f"{port} is not a port: {e}"
    except OSError as e:
        if e.errno in (errno.EBUSY, errno.EAGAIN) or (os.name == "nt" and "PermissionError" in str(e)):
            return f"{port} is busy: close what uses it (a serial monitor, an editor, another mpremote)"
        if e.errno in (errno.EACCES, errno.EPERM):
            return f"no permission for {port}: join its group (`sudo adduser $USER dialout`) and log in again"
        return f"cannot open {port}: {e}"
    return ""


def usb_ports() -> list[str]:
    """Ports that may be boards: what is on USB."""
    return sorted(p.device for p in serial.tools.list_ports.comports() if p.vid is not None)


def the_port(port: str | None) -> str:
    """`port`, or the only one that may be a board."""
    if port:
        return port
    found = usb_ports()
    if not found:
        raise UserError(
            "no board is plugged in: connect one by USB (with a data cable), or name its port with --port"
        )
    if len(found) > 1:
        raise UserError(f"{len(found)} ports may be boards: choose one with --port: {', '.join(found)}")
    return found[0]
