# SPDX-License-Identifier: MIT
"""The process that TensorFlow's converter runs in, as its parent sees it.

It aborts on some models; here that is a sentence. One that is done waits for the next model: TensorFlow takes
seconds to start.
"""

from __future__ import annotations

import atexit
import contextlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ..errors import UserError
from ..progress import bar
from ..text import listed, one_line

RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D")
_MODULE = "hognose_tools.training.converter"

_process: _Process | None = None


def run(folder: Path, type: str) -> None:
    """Has `converter` work on the folder; what goes wrong there becomes a UserError here."""
    global _process
    if _process is None or not _process.alive:
        close()
        _process = _Process()
    code = None
    try:
        code = _process.work(folder, type)
    finally:
        if code != 0:  # it crashed, or we were interrupted
            said = _process.said()
            close()
    error = folder / "error"
    if error.exists() and (text := error.read_text()):
        raise UserError(text)
    if code and not (folder / "model.tflite").exists():  # else it crashed when it ran what it had made
        cause = signal.strsignal(-code) if code < 0 else (said[-1] if said else "")
        raise UserError(_crash(folder, one_line(cause or f"exit code {code}", 300), said))


@atexit.register
def close() -> None:
    """Ends the process that waits."""
    global _process
    if _process is not None:
        _process.end()
        _process = None


class _Process:
    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (as long as the process)
        self._child = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,  # Ctrl-C is for the parent, who ends it then
        )

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def work(self, folder: Path, type: str) -> int:
        """0: done; anything else: the exit code of the process, which has crashed."""
        assert self._child.stdin and self._child.stdout
        with bar("quantize", 1, "examples") as progress:
            progress.leave = False
            try:
                self._child.stdin.write(f"{type} {folder}\n")
                self._child.stdin.flush()
            except BrokenPipeError:
                return self._child.wait()
            for line in self._child.stdout:
                word, _, number = line.strip().partition(" ")
                if word == "examples" and number.isdigit():  # once more, where it tries again
                    progress.total, progress.n = int(number), 0
                progress.update(word == "example")
                if word == "done":
                    progress.update(progress.total - progress.n)
                    progress.leave = True
                    return 0
        return self._child.wait()

    def said(self) -> list[str]:
        """The lines that it wrote to stderr."""
        self._log.seek(0)
        return [line for line in self._log.read().splitlines() if line.strip()]

    def end(self) -> None:
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._log):
            with contextlib.suppress(OSError):  # what could not be written any more
                stream.close()  # type: ignore[union-attr]


def _crash(folder: Path, cause: str, said: list[str]) -> str:
    layers = folder / "layers"
    names = layers.read_text().splitlines() if layers.exists() else []
    if not names or any(line.startswith("Traceback") for line in said):
        return f"quantizing failed: {cause}"
    recurrent = sorted({n for n in names if n.split(" ")[0] in RECURRENT})
    remedy = (
        f"it does so on recurrent layers such as {recurrent[0]}: build them with unroll=True"
        if recurrent
        else f"leave out layers to find the one it cannot convert ({listed(list(dict.fromkeys(names)), 8)})"
    )
    return f"TensorFlow's converter crashed ({cause}); {remedy}"
