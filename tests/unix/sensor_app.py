# SPDX-License-Identifier: MIT
"""Checks of what stands around a model; runs on CPython and MicroPython alike."""

from array import array

from hognose.decide import Decision, best
from hognose.window import Window

try:
    from micropython import heap_lock, heap_unlock
except ImportError:

    def heap_lock():
        pass

    heap_unlock = heap_lock


def raises(error, f, *arguments):
    try:
        f(*arguments)
    except error:
        return
    raise AssertionError("no error from " + repr(arguments))


def window_slides():
    for length, channels, hop in ((5, 2, 1), (5, 2, 3), (4, 1, 4), (1, 3, 1), (6, 3, 2)):
        window = Window(length, channels, hop)
        fed = []
        for i in range(3 * length + 2 * hop):
            sample = [i * 10 + c for c in range(channels)]
            fed.append(sample)
            ready = window.add(sample)
            assert ready == (i + 1 >= length and (i + 1 - length) % hop == 0), (length, hop, i)
            if ready:
                assert list(window.values) == [v for s in fed[-length:] for v in s]
    window = Window(3, 1, 1)
    window.add([1])
    window.add([2])
    window.clear()
    assert [window.add([v]) for v in (3, 4, 5)] == [False, False, True]
    assert list(window.values) == [3, 4, 5]
    window = Window(2, 2, 1, "h")
    window.add(array("h", [-1, 2]))
    window.add((3, -4))
    assert list(window.values) == [-1, 2, 3, -4]


def window_refuses():
    for arguments in ((3, 1, 0), (3, 1, 4), (0, 1, 1), (3, 0, 1)):
        raises(ValueError, Window, *arguments)
    window = Window(3, 2)
    raises(ValueError, window.add, [1])
    raises(ValueError, window.add, [1, 2, 3])


def decision_is_steady():
    decision = Decision(3, need=2, of=3, threshold=0.5)
    a, b, c, unsure = (0.9, 0.1, 0), (0.2, 0.7, 0.1), (0, 0, 1), (0.4, 0.3, 0.3)
    given = (a, unsure, a, b, a, b, b, unsure, unsure, unsure, c, c, a)
    expected = (None, None, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2)
    assert tuple([decision.update(s) for s in given]) == expected
    decision.clear()
    assert decision.update(a) is None
    assert decision.update(array("f", a)) == 0
    for arguments in ((3, 1, 2), (3, 4, 3), (0, 1, 1), (255, 1, 1)):
        raises(ValueError, Decision, *arguments)
    raises(ValueError, decision.update, (1, 2))
    assert Decision(2, need=1, of=1).update((0.2, 0.8)) == 1
    assert best((1, 3, 3, 2)) == 1


def nothing_is_allocated():
    window = Window(8, 2, 3)
    decision = Decision(2)
    samples = ((1.5, 2), (3, 4.5))
    scores = ((0.9, 0.1), (0.2, 0.8))
    ready = 0
    heap_lock()
    try:
        i = 0
        while i < 100:
            if window.add(samples[i & 1]):
                decision.update(scores[i & 1])
                ready += 1
            i += 1
        decision.clear()
        window.clear()
    finally:
        heap_unlock()
    assert ready == 31


for check in (window_slides, window_refuses, decision_is_steady, nothing_is_allocated):
    check()
    print("ok", check.__name__)
