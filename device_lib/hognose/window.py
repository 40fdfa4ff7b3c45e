# SPDX-License-Identifier: MIT
"""`Window`: a sliding window over a sensor's samples, in the order that a model needs.

window = Window(50, 6, hop=10)  # 50 samples of 6 channels; ready again after every 10
if window.add(sample):
    model.predict(window.values, out=scores)
"""

from array import array


class _Key:
    def __getitem__(self, key):
        return key


_ALL = _Key()[:]  # writing x[:] would make a new slice object each time


class Window:
    """A sliding window over samples.

    `length`: samples in the window; `channels`: numbers in a sample; `hop`: new samples needed before
    the window is ready again, 1 to `length`; `typecode`: of the array `values`, which holds
    length * channels numbers, the oldest sample first. Adding allocates nothing.
    """

    def __init__(self, length, channels=1, hop=1, typecode="f"):
        if not 1 <= hop <= length or channels < 1:
            raise ValueError("hop %d: expected 1 to length (%d), channels %d" % (hop, length, channels))
        self.channels = channels
        self.values = array(typecode, [0] * (length * channels))
        view = memoryview(self.values)
        self._keep = (length - hop) * channels
        self._head = view[: self._keep]
        self._tail = view[hop * channels :]
        self._at = 0

    def add(self, sample):
        """Adds a sample of `channels` numbers; True if the window is ready: full, with `hop` new samples.

        `values` then stays as it is until the next call. ValueError if the sample has another size.
        """
        if len(sample) != self.channels:
            raise ValueError("expected %d numbers, given %d" % (self.channels, len(sample)))
        values = self.values
        at = self._at
        if at == len(values):
            at = self._keep
            if at:
                self._head[_ALL] = self._tail
        for number in sample:
            values[at] = number
            at += 1
        self._at = at
        return at == len(values)

    def clear(self):
        """Empties the window, for use after a gap in the samples."""
        self._at = 0
