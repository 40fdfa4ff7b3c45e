# SPDX-License-Identifier: MIT
"""Models that keep state from run to run."""

from array import array

from hognose import lite

from .common import content, here, model, numbers, raises, refused_by_the_small_engine


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
    raises((ValueError, TypeError), "", m.invoke, bytes(4), bytearray(12))
