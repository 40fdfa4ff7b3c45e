# SPDX-License-Identifier: MIT
"""`Window` and `Decision`: from samples to a steady answer."""

from array import array

from hognose.decide import Decision, best
from hognose.window import Window

from .common import content, model, numbers, raises


def test_samples_to_decision():
    """The loop of an app; what is to be decided, and when, the host worked out."""
    samples, decided = numbers("sensor.samples"), content("sensor.decided")
    m = model("gestures")
    window, scores = Window(20, 3, hop=5), array("f", bytes(12))
    decision = Decision(len(m.labels), need=2, of=3)
    found = []
    for i in range(0, len(samples), 3):
        if window.add(samples[i : i + 3]):
            index = decision.update(m.predict(window.values, out=scores))
            found.append(255 if index is None else index + 1)
        else:
            found.append(0)
    assert bytes(found) == decided
    assert len(set(found)) > 2


def test_window():
    window = Window(4, 2, hop=3)
    ready = []
    for n in range(20):
        if window.add((n, -n)):
            ready.append(n)
            assert list(window.values) == [n - 3, 3 - n, n - 2, 2 - n, n - 1, 1 - n, n, -n]
    assert ready == [3, 6, 9, 12, 15, 18]
    window.clear()
    assert [window.add([0, 0]) for _ in range(4)] == [False, False, False, True]
    for wrong in ((1,), (1, 2, 3), []):
        raises(ValueError, "expected 2 numbers, given %d" % len(wrong), window.add, wrong)
    raises(ValueError, "hop 5", Window, 4, 1, hop=5)
    raises(ValueError, "hop 0", Window, 4, 1, hop=0)


def test_window_of_each_typecode():
    for code in "bBhHiIlLqQfd":
        window = Window(3, hop=1, typecode=code)
        ready = [window.add((n,)) for n in (1, 2, 3, 100)]
        assert ready == [False, False, True, True]
        assert list(window.values) == [2, 3, 100], code
    m = model("copy_int8")
    for code in "bBhHiIlLqQfd":
        window = Window(10, hop=10, typecode=code)
        for n in range(10):
            window.add((n,))
        assert m.predict(window.values) == [float(n) for n in range(10)], code


def test_decision():
    assert best([0.1, 0.7, 0.2]) == 1 and best(array("f", [3, 1])) == 0
    decision = Decision(3, need=2, of=3, threshold=0.6)
    rows = [(0.9, 0.1, 0), (0.5, 0.3, 0.2), (0.7, 0.3, 0), (0, 1, 0), (0, 0.2, 0.8), (0, 0.9, 0.1)]
    assert [decision.update(r) for r in rows] == [None, None, 0, 0, 0, 1]
    assert [decision.update([0, 0, 1]) for _ in range(2)] == [2, 2]
    decision.clear()
    assert decision.index is None and decision.update((0, 0, 1)) is None
    raises(ValueError, "expected 3 scores, given 2", decision.update, (0, 1))
    raises(ValueError, "majority", Decision, 3, need=1, of=3)
