# SPDX-License-Identifier: MIT
"""`Decision`: a majority vote, for a steady answer from predictions that flicker.

decision = Decision(len(model.labels), need=2, of=3)
index = decision.update(scores)  # None until a class is decided
"""


def best(scores):
    """The index of the highest score."""
    index = 0
    for i in range(1, len(scores)):
        if scores[i] > scores[index]:
            index = i
    return index


class Decision:
    """A majority vote with hysteresis.

    A class is decided when it came first in `need` of the last `of` predictions, each time with a score
    of at least `threshold`; it stays until another one is decided. `need` must be more than half of
    `of`, so that there is never a tie. At most 254 classes.
    """

    def __init__(self, classes, need=2, of=3, threshold=0.5):
        if not of // 2 < need <= of or not 1 <= classes < 255:
            raise ValueError("need %d of %d votes, %d classes: expected a majority" % (need, of, classes))
        self.index = None
        self._need = need
        self._threshold = threshold
        self._votes = bytearray(of)  # a ring; 0 is no vote, else the class + 1
        self._counts = bytearray(classes + 1)
        self._next = 0

    def update(self, scores):
        """Adds a prediction, a score for each class; returns the decided class, None before the first."""
        votes, counts, i = self._votes, self._counts, self._next
        if len(scores) != len(counts) - 1:
            raise ValueError("expected %d scores, given %d" % (len(counts) - 1, len(scores)))
        winner = best(scores)
        vote = winner + 1 if scores[winner] >= self._threshold else 0
        if votes[i]:
            counts[votes[i]] -= 1
        votes[i] = vote
        self._next = (i + 1) % len(votes)
        if vote:
            counts[vote] += 1
            if counts[vote] >= self._need:
                self.index = winner
        return self.index

    def clear(self):
        """Forgets all votes, for use after a gap in the samples."""
        self.index = None
        for i in range(len(self._votes)):
            self._votes[i] = 0
        for i in range(len(self._counts)):
            self._counts[i] = 0
