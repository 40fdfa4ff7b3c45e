# SPDX-License-Identifier: MIT
"""Models that keep state from run to run."""

import time
from array import array

import hognose
from hognose import lite

from .common import (
    MICROPYTHON,
    Skip,
    content,
    here,
    model,
    numbers,
    path,
    raises,
    refused_by_the_small_engine,
)


def run_frames(m, name, out):
    """All outputs, one after another, of the inputs in streams/NAME.frames, which have 4 bytes each."""
    frames, result = content("streams/%s.frames" % name), b""
    for i in range(0, len(frames), 4):
        m.invoke(frames[i : i + 4], out)
        result += out
    return result


def test_variables():
    """A run reads what the last one has assigned, the first one the first values; as TFLM."""
    scores = content("streams/window.scores")
    m = model("streams/window", arena=bytearray(b"\xa5" * 1000))
    assert "reset()" in m.summary()
    assert bytes([9] * 8) == scores[:8]
    out = bytearray(12)
    assert run_frames(m, "window", out) == scores
    assert run_frames(m, "window", out) != scores
    m.reset()
    assert run_frames(m, "window", out) == scores
    other = model("streams/window")
    m.reset()
    for i in range(0, 5 * 4, 4):  # two models, each with variables of its own
        frame = content("streams/window.frames")[i : i + 4]
        for one in (m, other):
            one.invoke(frame, out)
            assert out == scores[3 * i : 3 * i + 12]


def test_refused_run_changes_nothing():
    """Buffers are checked before anything runs."""
    scores, frames = content("streams/window.scores"), content("streams/window.frames")
    m, out = model("streams/window"), bytearray(12)
    result = b""
    for i in range(0, len(frames), 4):
        frame = frames[i : i + 4]
        raises(ValueError, "11 12", m.invoke, frame, bytearray(11))
        raises(ValueError, "3 4", m.invoke, frame[:3], out)
        m.invoke(frame, out)
        result += out
    assert result == scores


def predict_frames(m, name, frames):
    out = array("f", bytes(4 * (len(numbers("streams/%s.floats" % name)) // (len(frames) // 4))))
    result = []
    for i in range(0, len(frames), 4):
        m.predict(frames[i : i + 4], out=out)
        result += list(out)
    return result


def test_predict_frames():
    for name in ("window", "stream") if here.full else ("window",):
        frames, expected = numbers("streams/%s.numbers" % name), list(numbers("streams/%s.floats" % name))
        m = model("streams/" + name)
        for _ in range(2):
            assert predict_frames(m, name, frames) == expected
            m.reset()
        assert predict_frames(m, name, list(frames)) == expected


def test_state():
    """Runs go on from each other, and begin anew after a reset."""
    if refused_by_the_small_engine("streams/stream"):
        return
    scores = content("streams/stream.scores")
    m = model("streams/stream", arena=bytearray(b"\xa5" * 1000))  # not even zeros are to be relied on
    assert "reset()" in m.summary()
    out = bytearray(3)
    assert run_frames(m, "stream", out) == scores
    assert run_frames(m, "stream", out) != scores
    m.reset()
    assert run_frames(m, "stream", out) == scores
    m.reset()
    names = [name for name, _ in m.profile()]
    assert names == ["SVDF", "LSTM"], names


def test_lite_keeps_state():
    name = "stream" if here.full else "window"
    hog, frames = content("streams/%s.hog" % name), content("streams/%s.frames" % name)
    scores = content("streams/%s.scores" % name)
    interpreter = lite.Interpreter(model_content=hog)
    for _ in range(2):
        found = []
        for i in range(0, len(frames), 4):
            interpreter.set_tensor(0, frames[i : i + 4])
            interpreter.invoke()
            for row in interpreter.get_tensor(1)[0]:
                found += row
        assert found == list(array("b", scores))
        interpreter.reset_all_variables()


def test_no_state():
    """A reset of a model that keeps nothing changes nothing."""
    m = model("gestures")
    assert "reset" not in m.summary()
    before = bytes(m._arena)
    m.reset()
    assert bytes(m._arena) == before


def test_closed():
    m = model("streams/window")
    m.deinit()
    m.deinit()  # does no harm
    assert repr(m) == "<Model %s: closed>" % path("streams/window.hog"), repr(m)
    for method in (m.invoke, m.reset, m.profile, m.summary):
        raises(ValueError, "the model is closed", method)
    raises(ValueError, "the model is closed", m.invoke, bytes(4), bytearray(12))
    raises(ValueError, "the model is closed", m.invoke, raw_in=bytes(4))
    raises(ValueError, "the model is closed", m.predict, [0] * 4)
    raises(ValueError, "the model is closed", lambda: m.meta)


def test_one_model_a_thread():
    """A thread that comes while another one is at it is told so; the other one's answers stay right."""
    if MICROPYTHON:
        raise Skip("MicroPython's unix port does not always survive threads that allocate")
    import _thread

    m = model("gestures")
    windows = [array("f", [x] * 60) for x in (0.5, -1.5)]
    expected = [m.predict(window) for window in windows]
    seen = [[0, 0, 0], [0, 0, 0]]  # right, refused, wrong
    ended = []

    def work(k):
        out = array("f", bytes(12))
        for _ in range(300):
            try:
                m.predict(windows[k], out=out)
                seen[k][0 if list(out) == expected[k] else 2] += 1
            except ValueError as e:
                seen[k][1 if str(e) == "the model is at work: one Model a thread" else 2] += 1
        ended.append(k)

    for k in (0, 1):
        _thread.start_new_thread(work, (k,))
    while len(ended) < 2:
        time.sleep(0.01)
    assert seen[0][2] == seen[1][2] == 0 and seen[0][0] + seen[1][0] > 0, seen
    assert m.predict(windows[0]) == expected[0]


def test_predict_within_predict():
    """As from an interrupt: refused, and the one that was at it goes on."""
    m = model("gestures")
    expected, words = m.predict([0.5] * 60), []

    def interrupted():
        for i in range(60):
            if i == 30:
                for again in (m.predict, m.invoke):
                    try:
                        again([1] * 60)
                    except ValueError as e:
                        words.append(str(e))
                for method in (m.reset, m.profile, m.deinit):
                    raises(ValueError, "the model is at work", method)
            yield 0.5

    assert m.predict(interrupted()) == expected
    assert words == ["the model is at work: one Model a thread"] * 2, words


def test_interrupted():
    """Ctrl-C during a run: the model then is as after a reset."""

    class Stopped(BaseException):
        pass

    scores, out = content("streams/window.scores"), bytearray(12)
    m = model("streams/window")
    frames = content("streams/window.frames")
    m.invoke(frames[:4], out)
    engine, m.work = m._engine, 1 << 30  # so that it runs in steps, as a long one

    class Stopping:
        def step(self, state, arena, i):
            if i == m._count - 1:
                raise Stopped
            engine.run(state, arena, i, i + 1)
            return i + 1

        def __getattr__(self, name):
            return getattr(engine, name)

    m._engine = Stopping()
    m.invoke = lambda *raw: hognose.Model.invoke(m, *raw)  # not the one in C
    raises(Stopped, "", m.invoke, frames[4:8], out)
    m._engine = engine
    assert run_frames(m, "window", out) == scores


def test_work():
    """Known before anything runs, and limited."""
    m = model("gestures")
    assert 200 < m.work < 100000, m.work
    model("gestures", max_work=m.work)
    words = "gestures.hog %d steps max_work is %d" % (m.work, m.work - 1)
    raises(ValueError, words, model, "gestures", max_work=m.work - 1)
