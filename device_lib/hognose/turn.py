# SPDX-License-Identifier: MIT
"""One at a time: what an engine in Python holds while a model runs."""

try:
    from _thread import allocate_lock
except ImportError:  # no threads here; interrupts remain

    class _Lock:
        def __init__(self):
            self._held = False

        def acquire(self, _):
            was, self._held = self._held, True
            return not was

        def release(self):
            self._held = False

    allocate_lock = _Lock


class Turn:
    def __init__(self):
        self._lock = allocate_lock()
        self.give = self._lock.release

    def take(self):
        """Until give(). ValueError: another thread has it."""
        if not self._lock.acquire(False):
            raise ValueError("the model is at work: one Model a thread")
