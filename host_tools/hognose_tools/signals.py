# SPDX-License-Identifier: MIT
"""The signals that end a program, as an exception: children are ended and temporary files removed."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
AGAIN = 1.0  # seconds


class Stopped(KeyboardInterrupt):
    """A signal has come; the exit code says which, as shells do."""

    def __init__(self, number: int):
        super().__init__(signal.strsignal(number))
        self.code = 128 + number


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """The first signal raises Stopped, further ones are ignored. One that was ignored (nohup) stays so.

    Python drops an exception that comes amid a destructor or an import, and some libraries catch all: it is
    raised again every second until it gets here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in SIGNALS}
    ours = [s for s in SIGNALS if before[s] != signal.SIG_IGN]
    stopped = 0

    def arrived(number: int, _: FrameType | None) -> None:
        nonlocal stopped
        if not stopped:
            stopped = number
            for s in ours:
                signal.signal(s, signal.SIG_IGN)
            if hasattr(signal, "setitimer"):  # Windows has none
                signal.signal(signal.SIGALRM, arrived)
                signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
        raise Stopped(stopped)

    for s in ours:
        signal.signal(s, arrived)
    try:
        yield
    finally:
        if stopped and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for s in ours if not stopped else ():  # what comes now would cut short the end
            signal.signal(s, before[s])
