# SPDX-License-Identifier: MIT
"""The process that TFLM runs in, as its parent sees it: started once, stopped at a time limit, begun anew.

TFLM aborts, reads beyond its memory and loops without end on files that deserve it. Here that is
an OracleError.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from .oracle_worker import LENGTHS, Message, frame, unframe

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from hognose_tools.analysis.oracle_worker import main; main()"
)
_START_SECONDS = 120  # a slow disk, and Python's and NumPy's import
_LINE = 300  # characters of TFLM's own words that a sentence takes


class OracleError(UserError):
    """TFLM refuses the model or its input; the message is TFLM's own text."""


class OracleDied(OracleError):
    """TFLM did not survive the model, or took too long."""


class _Ended(Exception):
    """The worker closed its pipe."""


class Process:
    """One worker. Requests come one at a time, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._dropped: list[int] = []
        self._log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 (as long as the worker)
        # Isolated: our own sys.path decides what is imported, and no variable makes Python print a stack when
        # it dies. A session of its own: Ctrl-C is for the parent, who ends the worker then.
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        missing = self._exchange(None, (), _START_SECONDS)[0].get("missing")
        if missing:
            self.close()
            raise UserError(f"TFLM is needed for this: pip install tflite-micro ({missing})")

    @property
    def alive(self) -> bool:
        return self._owner == os.getpid() and self._child.returncode is None

    def ask(
        self, do: str, arrays: Sequence[np.ndarray] = (), seconds: float = 60, **message: object
    ) -> tuple[Message, list[np.ndarray]]:
        """One request and its answer. OracleError: TFLM's refusal; OracleDied: the worker is gone."""
        with self._lock:
            dropped, self._dropped = self._dropped, []
            answer, results = self._exchange({**message, "do": do, "drop": dropped}, arrays, seconds)
        if "error" in answer:
            raise OracleError(f"TFLM: {_short(answer['error'])}")
        return answer, results

    def drop(self, model: int) -> None:
        """The worker may forget the model, at the next request: collectors call this at any moment."""
        self._dropped.append(model)

    def close(self) -> None:
        """Ends the worker, whatever it does."""
        if self._owner == os.getpid() and self._child.returncode is None:
            self._child.kill()
            self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._log):
            with contextlib.suppress(OSError):  # what could not be written any more
                stream.close()  # type: ignore[union-attr]

    def _exchange(
        self, message: Message | None, arrays: Sequence[np.ndarray], seconds: float
    ) -> tuple[Message, list[np.ndarray]]:
        deadline = time.monotonic() + seconds
        try:
            if message is not None:
                self._write(frame(message, arrays))
            lengths = self._read(LENGTHS.size, deadline)
            text, body = (self._read(n, deadline) for n in LENGTHS.unpack(lengths))
            return unframe(text, body)
        except BaseException as e:  # Ctrl-C, too: what came next would be the answer to this request
            if isinstance(e, _Ended):
                self._child.wait()
                cause = self._obituary()
            elif isinstance(e, TimeoutError):
                cause = (
                    f"TensorFlow Lite Micro was not done with this file after {seconds:g} s: a loop in it "
                    "does not end, or it needs more time (--timeout SECONDS)"
                )
            elif isinstance(e, (ValueError, KeyError, TypeError)):
                cause = f"TensorFlow Lite Micro overwrote its own process on this file ({_short(str(e))})"
            else:
                cause = ""
            self.close()
            if not cause:
                raise
            raise OracleDied(cause) from None

    def _write(self, pieces: list[bytes]) -> None:
        assert self._child.stdin is not None
        try:
            for piece in pieces:
                self._child.stdin.write(piece)
            self._child.stdin.flush()
        except BrokenPipeError:
            raise _Ended from None

    def _read(self, count: int, deadline: float) -> bytes:
        assert self._child.stdout is not None
        fd = self._child.stdout.fileno()
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        found = bytearray()
        while len(found) < count:
            if not waiting.poll(max(0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            more = os.read(fd, min(count - len(found), 1 << 20))
            if not more:
                raise _Ended
            found += more
        return bytes(found)

    def _obituary(self) -> str:
        code = self._child.returncode
        cause = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                cause = signal.Signals(-code).name
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        said = next((_short(line) for line in lines if line.strip()), "")
        if not said and code == -signal.SIGABRT:  # in the package its checks say nothing
            said = "a check of its own failed, as on a scale that makes no sense"
        return f"TensorFlow Lite Micro stopped with {cause} on this file" + (f": {said}" if said else "")


def _short(text: str) -> str:
    text = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return text if len(text) <= _LINE else text[: _LINE - 1] + "…"


_current: Process | None = None
_starting = threading.Lock()


def current() -> Process:
    """The worker that all models share; a new one where there is none, or none any more."""
    global _current
    with _starting:
        if _current is None or not _current.alive:
            _current = Process()
        return _current


@atexit.register
def _end() -> None:
    if _current is not None and _current.alive:
        _current.close()
