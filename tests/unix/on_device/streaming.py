# SPDX-License-Identifier: MIT
"""`Model(path, stream=True)`: weights stay in the file."""

import os
from array import array

import hognose

from .common import (
    ABSENT,
    MICROPYTHON,
    content,
    here,
    model,
    numbers,
    path,
    raises,
    refused_by_the_small_engine,
)

if MICROPYTHON:
    import micropython


def test_stream():
    whole, streamed = model("gestures"), model("gestures", stream=True)
    given, a, b = content("gestures.in0"), bytearray(3), bytearray(3)
    whole.invoke(given, a)
    streamed.invoke(given, b)
    assert a == b == content("gestures.out0") and streamed.len == whole.len
    if MICROPYTHON and here.engine == "native":
        micropython.heap_lock()
        try:
            streamed.invoke(given, b)
        finally:
            micropython.heap_unlock()
    assert a == b
    streamed.deinit()
    raises(ValueError, "closed", streamed.invoke, given, b)


def test_predict():
    for name in ("gestures", "branches"):
        with model(name, stream=True) as m:
            given = [numbers("%s.numbers%d" % (name, i)) for i in range(len(m.input_shape))]
            expected = [list(numbers("%s.floats%d" % (name, i))) for i in range(len(m.output_shape))]
            for window in (given, [list(x) for x in given], [array("d", x) for x in given]):
                found = m.predict(window if len(window) > 1 else window[0])
                assert (found if len(expected) > 1 else [found]) == expected
            assert len(m.profile()) > 1
            assert m.name == name and m.labels == model(name).labels
            assert m.input_names == model(name).input_names and len(m.input_names) == len(m.input_shape)
            assert m.output_names == model(name).output_names and len(m.output_names) == len(m.output_shape)


def test_state():
    for name in ("window", "stream") if here.full else ("window",):
        frames, scores = content("streams/%s.frames" % name), content("streams/%s.scores" % name)
        out = bytearray(len(scores) // (len(frames) // 4))
        with model("streams/" + name, stream=True) as m:
            for _ in range(2):
                result = b""
                for i in range(0, len(frames), 4):
                    m.invoke(frames[i : i + 4], out)
                    result += out
                assert result == scores
                m.reset()


def test_refused():
    if not here.full:
        for name in ("types", "regression"):
            refused_by_the_small_engine(name)
            raises(ValueError, ABSENT[0], model, name, stream=True)
    hog = content("gestures.hog")
    raises(TypeError, "stream=True path bytes", hognose.Model, hog, engine=here.engine, stream=True)
    last = bytearray(hog)
    last[-1] ^= 1
    for file, words in (
        (hog[:-1], "length header"),
        (last, "checksum"),
        (b"", "not a .hog file"),
        (content("gestures.tflite"), "not a .hog file"),
    ):
        with open(path("spoilt.hog"), "wb") as f:
            f.write(file)
        raises(ValueError, words, model, "spoilt", stream=True)
    os.remove(path("spoilt.hog"))
    raises(OSError, "spoilt.hog", model, "spoilt", stream=True)
