# SPDX-License-Identifier: MIT
"""A Link through adafruit-ampy."""

import contextlib
import io

import serial
from ampy import pyboard
from ampy.pyboard import Pyboard, PyboardError

from ..errors import UserError
from .connection import PATIENCE, SILENCE, BoardError, lost, why_closed

BROKEN = (OSError, PyboardError)  # PyboardError is a BaseException


class _Port(Pyboard):
    """ampy's own class, on any port that pyserial can open, and for one program at a time."""

    def __init__(self, port: str):
        pyboard._rawdelay = 0  # the constructor's default
        self.serial = serial.serial_for_url(port, baudrate=115200, timeout=SILENCE, exclusive=True)


class AmpyConnection:
    def __init__(self, port: str):
        self.port = port
        try:
            self._board = _Port(port)
        except (OSError, ValueError) as e:
            raise UserError(why_closed(port) or f"cannot open {port}: {e}") from e
        try:
            self._enter()
        except BROKEN as e:
            self.close()
            raise UserError(
                f"ampy gets no answer on {port}: is it the right port, and does the board run MicroPython? "
                "(--tool mpremote says more)"
            ) from e

    def exec(self, code: str) -> bytes:
        try:
            out, error = self._board.exec_raw(code, timeout=SILENCE)
        except BROKEN as e:
            raise lost(self.port) from e
        if error:
            raise BoardError(error.decode(errors="replace"))
        return out

    def restart(self) -> None:
        try:
            self._enter()
        except BROKEN as e:
            raise lost(self.port) from e

    def _enter(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self._board.enter_raw_repl()

    def start(self) -> None:
        try:
            self._board.exit_raw_repl()
            self._board.serial.write(b"\x04")
            self._board.read_until(1, b"soft reboot\r\n", timeout=PATIENCE)
        except BROKEN as e:
            raise lost(self.port) from e

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._board.close()
