# SPDX-License-Identifier: MIT
"""Runs of a model: one at a time, and step by step."""

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


class Guard:
    """What an engine in Python holds while its model runs."""

    def __init__(self):
        self._lock = allocate_lock()
        self.give = self._lock.release

    def take(self):
        """Until give(). ValueError: another thread has it."""
        if not self._lock.acquire(False):
            raise ValueError("the model is at work: one Model a thread")


def in_steps(engine, state, arena, first, last, turns):
    """Runs operators first ... last - 1 by the engine's step(); Ctrl-C takes effect between two steps.

    ValueError: a loop took more than `turns` jumps back.
    """
    taken = 0
    while first < last:
        after = engine.step(state, arena, first)
        if after <= first:
            if taken == turns:
                raise ValueError("a loop of the model does not end: stopped after %d turns" % turns)
            taken += 1
        first = after
