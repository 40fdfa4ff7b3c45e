# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Tests that run on the device's Python: `python device_tests.py ENGINE FOLDER TEST`.

FOLDER holds what device_models.py writes. Prints "ok", or "skip: why"; nothing else may be printed.
"""

# Device code: MicroPython lacks what some rules ask for.
# ruff: noqa: B905, RUF005, UP031

import binascii
import gc
import os
import struct
import sys
from array import array

import hognose
from hognose import lite

try:
    import micropython
except ImportError:
    micropython = None

MICROPYTHON = sys.implementation.name == "micropython"
ENGINE, FOLDER = sys.argv[1], sys.argv[2]


class Skip(Exception):
    pass


def content(name):
    with open(FOLDER + "/" + name, "rb") as f:
        return f.read()


def model(name, **options):
    return hognose.Model(FOLDER + "/" + name + ".hog", engine=ENGINE, **options)


def raises(error, words, function, *args, **options):
    """Calls the function, which must raise `error` with all the words in its text."""
    try:
        function(*args, **options)
    except error as e:
        for word in words.split():
            assert word in str(e), "%r lacks %r" % (str(e), word)
        return
    raise AssertionError("no %s" % (error,))


def same_floats(a, b):
    """Within 1e-6, NaN where NaN is expected."""
    return all([x == y or abs(x - y) <= 1e-6 * abs(y) + 1.2e-38 or (x != x and y != y) for x, y in zip(a, b)])


# Loading.


def test_sources():
    hog = content("gestures.hog")
    window = array("f", [i / 30 for i in range(60)])
    expected = model("gestures").predict(window)
    least = model("gestures").arena_size + len(bytearray(hognose.Model(hog, engine=ENGINE)._state))
    for source in (hog, bytearray(hog), memoryview(hog), memoryview(bytearray(hog))):
        m = hognose.Model(source, engine=ENGINE)
        assert m.predict(window) == expected
        assert m.len == len(hog)
        assert m.ram == least, "a copy was made"
    for shift in (1, 2, 3):
        m = hognose.Model(memoryview(bytes(shift) + hog)[shift:], engine=ENGINE)
        assert m.predict(window) == expected
        assert m.ram == least + (len(hog) if ENGINE == "native" else 0)
    assert model("gestures").ram == least + len(hog)


def test_attributes():
    m = model("gestures")
    assert m.engine == ENGINE
    assert m.name == "gestures"
    assert m.labels == ["rest", "wave", "circle"]
    assert m.meta["rate"] == 50
    assert m.meta["inputs"] == ["window"] and m.meta["outputs"] == ["probabilities"]
    assert m.input_shape == [(1, 20, 3)] and m.output_shape == [(1, 3)]
    assert m.input_dtype == ["b"] and m.output_dtype == ["b"]
    assert abs(m.input_scale[0] - 0.05) < 1e-8 and m.input_zero_point == [4]
    assert m.output_scale == [1 / 256] and m.output_zero_point == [-128]
    assert m.arena_size > 0 and m.ram > m.arena_size
    m = model("regression")
    assert m.input_dtype == ["f"] and m.input_scale == [0.0] and m.input_zero_point == [0]
    assert m.labels is None
    m = model("branches")
    assert m.input_shape == [(1, 4, 4, 2), (1, 1, 1, 2)] and len(m.output_scale) == 2


def test_texts():
    m = model("gestures")
    for word in ("gestures", ENGINE, "(1, 20, 3) int8", "(1, 3) int8", "rest, wave, circle", str(m.ram)):
        assert word in repr(m), word
    for word in ("gestures", ENGINE, "window", "probabilities", "zero point -128", "SOFTMAX", "circle"):
        assert word in m.summary(), word


def test_profile():
    m = model("gestures")
    inputs, expected = content("gestures.in0"), content("gestures.out0")
    result = bytearray(3)
    m.invoke(inputs, result)
    assert result == expected
    # A profile runs the model on what lies in the inputs.
    m.invoke(bytes(60), None)
    m._engine.write(m._state, m._arena, 0, array("f", [m.input_scale[0] * (signed(x) - 4) for x in inputs]))
    profile = m.profile()
    assert [p[0] for p in profile] == ["CONV", "MEAN", "CONV", "SOFTMAX"], profile
    assert all([p[1] >= 0 for p in profile])
    floats = array("f", bytes(12))
    m._engine.read(m._state, m._arena, 0, floats)
    assert [round(x * 256) for x in floats] == list(expected_numbers(expected))


def signed(byte):
    return byte - 256 if byte > 127 else byte


def expected_numbers(raw):
    """What probabilities of scale 1/256 and zero point -128 stand for, in 1/256."""
    return [signed(x) + 128 for x in raw]


def test_close():
    with model("gestures") as m:
        m.predict([0] * 60)
    assert m.ram == 0 and "closed" in repr(m)
    raises((ValueError, TypeError), "", m.predict, [0] * 60)
    raises((ValueError, TypeError), "", m.invoke)
    m.deinit()


# Numbers in and out.


def test_forms_of_a_window():
    m = model("copy_int8")  # scale 0.5, zero point -3: 0, 1 ... 9 are themselves
    numbers = list(range(10))
    expected = [float(x) for x in numbers]
    for window in (
        numbers,
        tuple(numbers),
        expected,
        [numbers[:5], numbers[5:]],
        [[numbers[:5], tuple(numbers[5:])]],
        [array("h", numbers[:5]), [5, 6.0, 7, 8, True + 8]],
        (x for x in numbers),
        bytes(numbers),
        bytearray(numbers),
        memoryview(bytes(numbers)),
        [bytes(numbers)],
        [array("f", numbers)],  # as for OpenMV's ml.Model
        memoryview(array("h", [77] + numbers))[1:],
    ):
        assert m.predict(window) == expected, window
    for typecode in "bBhHiIlLqQfd":
        assert m.predict(array(typecode, numbers)) == expected, typecode
    assert m.predict(array("b", [-x for x in numbers])) == [-x for x in expected]
    assert m.predict(array("q", [-x for x in numbers])) == [-x for x in expected]


def test_quantization():
    m = model("copy_int8")
    halves = [0.25, -0.25, 0.24, 0.75, -0.75, 0.5, 62.5, 65, 1e30, -1e30]
    expected = [0.5, -0.5, 0.0, 1.0, -1.0, 0.5, 62.5, 65.0, 65.0, -62.5]
    for window in (halves, array("f", halves), array("d", halves)):
        assert m.predict(window) == expected, m.predict(window)
    special = [float("nan"), float("inf"), -float("inf"), -0.0, 1e-40, 3e38, -3e38, 127, -128, 63.25]
    expected = [0.0, 65.0, -62.5, 0.0, 0.0, 65.0, -62.5, 65.0, -62.5, 63.5]
    for window in (special, array("f", special)):
        assert m.predict(window) == expected, m.predict(window)
    m = model("copy_float32")
    numbers = [0.1, -2.5, 1e30, -1e-30, float("inf"), -float("inf"), 0.0, 1.0, 16777216.0, 2.0]
    assert m.predict(numbers) == list(array("f", numbers))
    assert m.predict([float("nan")] * 10)[9] != 0


def test_out():
    m = model("copy_int8")
    out = array("f", bytes(40))
    assert m.predict(range(10), out=out) is out
    assert list(out) == [float(x) for x in range(10)]
    view = memoryview(array("f", bytes(48)))[2:]
    m.predict(range(10), out=view)
    assert view[9] == 9.0
    m = model("branches")
    x, y = array("f", [0.3] * 32), array("f", [0.1, -0.2])
    expected = m.predict([x, y])
    assert len(expected) == 2 and len(expected[0]) == len(expected[1]) == 32
    assert abs(expected[0][0] - 0.4) < 0.05 and abs(expected[0][1] - 0.1) < 0.05
    outs = [array("f", bytes(128)), array("f", bytes(128))]
    assert m.predict((x, [[0.1], [-0.2]]), out=outs) is outs
    assert [list(o) for o in outs] == expected


def test_wrong_numbers():
    m = model("copy_int8")
    for window in ([0] * 9, array("f", [0] * 9), [[0] * 5, [0] * 4], bytes(9), (0 for _ in range(9))):
        raises(ValueError, "10 numbers (1, 2, 5) given 9", m.predict, window)
    for window in ([0] * 11, array("f", [0] * 11), [[0] * 10, [[0]]], [array("b", [0] * 11)]):
        raises(ValueError, "10 numbers given 11", m.predict, window)
    raises(ValueError, "10 numbers given more", m.predict, (0 for _ in range(11)))
    raises(ValueError, "10 numbers given 1", m.predict, 0.5)
    raises(ValueError, "10 numbers given 0", m.predict, [])
    for window in (None, "0123456789", ["nan"] + [0] * 9, [None] * 10, [0] * 9 + [object()], len):
        raises(TypeError, "input 0 expected numbers given", m.predict, window)
    raises(ValueError, "", m.predict, [0] * 10, out=bytearray(40))
    raises(ValueError, "10", m.predict, [0] * 10, out=array("f", bytes(44)))
    raises(ValueError, "2 inputs", model("branches").predict, [0] * 32)
    raises(ValueError, "2 inputs given list of 1", model("branches").predict, [[0] * 32])
    raises(ValueError, "2 inputs given array", model("branches").predict, array("f", [0] * 2))
    raises(ValueError, "input 1 2 numbers given 3", model("branches").predict, [[0] * 32, [0] * 3])
    raises(ValueError, "2 outputs", model("branches").predict, [[0] * 32, [0] * 2], out=[array("f", [0])])
    # After an error the model works on.
    assert m.predict(range(10)) == [float(x) for x in range(10)]


def test_raw_buffers():
    m = model("gestures")
    given, expected = content("gestures.in0"), content("gestures.out0")
    typed = array("b", bytes(3))
    for raw_in, raw_out in (
        (given, bytearray(3)),
        (bytearray(given), memoryview(bytearray(3))),
        ([given], (typed,)),
        (array("b", given), typed),
    ):
        m.invoke(raw_in, raw_out)
        out = raw_out[0] if isinstance(raw_out, tuple) else raw_out
        assert bytes(out) == expected
    m.invoke(raw_out=typed)
    raises(ValueError, "59 60", m.invoke, given[1:], bytearray(3))
    raises(ValueError, "4 3", m.invoke, given, bytearray(4))
    raises(ValueError, "2 1", m.invoke, [given, given], bytearray(3))
    raises((ValueError, TypeError), "", m.invoke, given, bytes(3))
    raises((ValueError, TypeError), "", m.invoke, 5, bytearray(3))
    m = model("regression")
    out = array("f", bytes(8))
    m.invoke(content("regression.in0"), out)
    assert same_floats(out, struct.unpack("<2f", content("regression.out0")))


def test_invoke_is_a_function_too():
    given, expected = content("gestures.in0"), content("gestures.out0")
    arena = bytearray(20000)
    m = model("gestures", arena=arena)
    invoke, out = m.invoke, bytearray(3)
    invoke(raw_out=out, raw_in=given)
    assert bytes(out) == expected
    raises((ValueError, TypeError), "", invoke, given, out, out)
    raises((ValueError, TypeError), "", lambda: invoke(given, out, raw_in=given))
    raises((ValueError, TypeError), "", lambda: invoke(given, raw_in=given))
    raises((ValueError, TypeError), "", lambda: invoke(given, output=out))
    if m.engine == "native" and sys.implementation.name == "micropython":
        arena.extend(bytes(200000))  # which moves it
        raises(ValueError, "arena was resized", invoke, given, out)
    del m  # what the function needs stays
    gc.collect()
    invoke, out = model("gestures").invoke, bytearray(3)
    gc.collect()
    rubbish = [bytearray(100) for _ in range(100)]
    invoke(given, out)
    assert bytes(out) == expected and rubbish


def test_invoke_of_a_subclass():
    class Counted(hognose.Model):
        count = 0

        def invoke(self, raw_in=None, raw_out=None):
            self.count += 1
            super().invoke(raw_in, raw_out)

    m, out = Counted(FOLDER + "/gestures.hog", engine=ENGINE), bytearray(3)
    m.invoke(content("gestures.in0"), out)
    assert m.count == 1 and bytes(out) == content("gestures.out0")


def test_bytes_are_tflms():
    for folder in ("", "cases/"):
        for name in sorted(os.listdir(FOLDER + "/" + folder)):
            if name.endswith(".hog"):
                check_case(folder + name[:-4])


def check_case(name):
    m = model(name)
    inputs = [content("%s.in%d" % (name, i)) for i in range(len(m.input_shape))]
    expected = [content("%s.out%d" % (name, i)) for i in range(len(m.output_shape))]
    outputs = [bytearray(b"\xa5" * len(e)) for e in expected]
    m.invoke(inputs, outputs)
    for dtype, ours, tflms in zip(m.output_dtype, outputs, expected):
        if dtype == "f":
            form = "<%df" % (len(ours) // 4)
            assert same_floats(struct.unpack(form, ours), struct.unpack(form, tflms)), name
        else:
            assert ours == tflms, name


# State.


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


def test_state():
    """Runs go on from each other, and begin anew after a reset."""
    scores = content("streams/stream.scores")
    try:
        m = model("streams/stream", arena=bytearray(b"\xa5" * 1000))  # not even zeros are to be relied on
    except ValueError as e:
        if "full engine" not in str(e):
            raise
        m = None
    if m is None:
        raise Skip("this engine is the small one")
    assert "reset()" in m.summary()
    out = bytearray(3)
    assert run_frames(m, "stream", out) == scores
    assert run_frames(m, "stream", out) != scores
    m.reset()
    assert run_frames(m, "stream", out) == scores
    m.reset()
    names = [name for name, _ in m.profile()]
    assert names == ["SVDF", "LSTM"], names
    hog, frames = content("streams/stream.hog"), content("streams/stream.frames")
    interpreter = lite.Interpreter(model_content=hog) if ENGINE == "native" else None
    for _ in range(2 if interpreter else 0):
        for i in range(0, len(frames), 4):
            interpreter.set_tensor(0, frames[i : i + 4])
            interpreter.invoke()
        assert interpreter.get_tensor(1) == [[list(array("b", scores[-3:]))]]
        interpreter.reset_all_variables()


def test_no_state():
    """A reset of a model that keeps nothing changes nothing."""
    m = model("gestures")
    assert "reset" not in m.summary()
    before = bytes(m._arena)
    m.reset()
    assert bytes(m._arena) == before


# Memory.


def test_no_allocation():
    if not MICROPYTHON:
        raise Skip("only MicroPython can lock its heap")
    if ENGINE != "native":
        raise Skip("the reference engine allocates")
    m, two = model("gestures"), model("branches")
    window, out = array("f", [0.5] * 60), array("f", bytes(12))
    nest = [[0.5, 1, -1.5] for _ in range(20)]
    integers = array("h", [1] * 60)
    listed = [window]
    pair, outs = [array("f", [0.5] * 32), [0.5, 1.5]], [array("f", bytes(128)), array("f", bytes(128))]
    raw_in, raw_out = content("gestures.in0"), bytearray(3)
    m.predict(nest, out=out)  # the first list makes room for its numbers
    two.predict(pair, out=outs)
    before = gc.mem_alloc()
    micropython.heap_lock()
    try:
        for _ in range(20):
            m.predict(window, out=out)
            m.predict(nest, out=out)
            m.predict(integers, out=out)
            m.predict(listed, out=out)
            m.invoke(raw_in, raw_out)
            two.predict(pair, out=outs)
    finally:
        micropython.heap_unlock()
    assert gc.mem_alloc() == before


def test_stream():
    whole, streamed = model("gestures"), model("gestures", stream=True)
    given, a, b = content("gestures.in0"), bytearray(3), bytearray(3)
    whole.invoke(given, a)
    streamed.invoke(given, b)
    assert a == b and streamed.len == whole.len
    if MICROPYTHON and ENGINE == "native":
        micropython.heap_lock()
        try:
            streamed.invoke(given, b)
        finally:
            micropython.heap_unlock()
    assert a == b
    streamed.deinit()


def test_arena():
    m = model("gestures")
    given, expected = content("gestures.in0"), content("gestures.out0")
    arena = bytearray(m.arena_size + 100)
    a = model("gestures", arena=arena)
    b = model("gestures", arena=memoryview(arena))
    assert a.ram == m.ram - m.arena_size
    for shared in (a, b, a):
        out = bytearray(3)
        shared.invoke(given, out)
        assert out == expected
    words = "arena %d needs %d" % (m.arena_size - 1, m.arena_size)
    raises(ValueError, words, model, "gestures", arena=bytearray(m.arena_size - 1))
    raises((ValueError, TypeError), "arena", model, "gestures", arena=bytes(m.arena_size))


def test_too_large():
    path = FOLDER + "/huge.hog"
    hog = content("gestures.hog")
    for arena, size in ((0x7FFFFF00, len(hog)), (1000, 200000000)):
        with open(path, "wb") as f:
            f.write(hog[:16] + struct.pack("<I", arena) + hog[20:])
            f.seek(size - 1)
            f.write(b"\0")
        if MICROPYTHON:
            raises(MemoryError, "huge needs %d free" % (arena + size), hognose.Model, path, engine=ENGINE)
        else:
            raises((MemoryError, ValueError), "huge", hognose.Model, path, engine=ENGINE)
    os.remove(path)


def test_many_models():
    given, expected = content("gestures.in0"), content("gestures.out0")
    hog = content("gestures.hog")
    kept = []
    after = []
    for i in range(600):
        m = hognose.Model(memoryview(bytes(i % 4) + hog)[i % 4 :], engine=ENGINE)
        if i % 50 == 0:
            kept.append(m)
        if i % 10 == 0 or ENGINE == "native":
            out = bytearray(3)
            m.invoke(given, out)
            assert out == expected
        if MICROPYTHON and i % 200 == 199:
            m = None
            gc.collect()
            after.append(gc.mem_alloc() - len(kept) * (len(hog) + 2000))
    for m in kept:
        out = bytearray(3)
        m.invoke(given, out)
        assert out == expected
    assert not after or after[-1] - after[0] < 20000, "memory leaks: %s" % after


# What is wrong.


def test_missing_file():
    raises(OSError, "nowhere.hog", hognose.Model, FOLDER + "/nowhere.hog", engine=ENGINE)
    try:
        hognose.Model("nowhere.hog", engine=ENGINE)
    except OSError as e:
        assert e.errno == 2
    raises(OSError, "", hognose.Model, FOLDER, engine=ENGINE)
    raises(TypeError, "", hognose.Model, 5, engine=ENGINE)


def test_not_a_model():
    tflite = FOLDER + "/gestures.tflite"
    raises(ValueError, "gestures.tflite hognose pack", hognose.Model, tflite, engine=ENGINE)
    for junk in (b"", b"HOGN", bytes(100), b"HOGN" + bytes(100), b"x" * 4096):
        raises(ValueError, "", hognose.Model, junk, engine=ENGINE)
    hog = content("gestures.hog")
    for cut in range(0, len(hog), 7):
        raises(ValueError, "", hognose.Model, hog[:cut], engine=ENGINE)
    raises(ValueError, "checksum", hognose.Model, hog[:-1] + bytes([hog[-1] ^ 1]), engine=ENGINE)
    raises(ValueError, "native reference", hognose.Model, hog, engine="fast")


class Random:
    """The same numbers everywhere."""

    def __init__(self, seed):
        self._x = seed

    def below(self, n):
        self._x = (self._x * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._x >> 8) % n


_WORDS = (0, 1, 2, 0xFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC)


def mutant(hog, rnd):
    """A damaged copy with the right checksum, so that the damage gets through to the inner checks."""
    hog = bytearray(hog)
    plan = struct.unpack_from("<II", hog, 24 + 12 + 4)
    for _ in range(1 + rnd.below(3)):
        at = plan[0] + rnd.below(plan[1]) if rnd.below(5) else 16 + rnd.below(len(hog) - 20)
        how = rnd.below(4)
        if how == 0:
            hog[at] = rnd.below(256)
        elif how == 1:
            hog[at] ^= 1 << rnd.below(8)
        elif how == 2:
            struct.pack_into("<I", hog, at & ~3, _WORDS[rnd.below(len(_WORDS))])
        else:
            struct.pack_into("<H", hog, at & ~1, (0, 1, 2, 255, 0x8000, 0xFFFF)[rnd.below(6)])
    struct.pack_into("<I", hog, 12, binascii.crc32(memoryview(hog)[16:]))
    return bytes(hog)


def test_damaged_files():
    """Every one is refused with words, or runs."""
    rnd = Random(42)
    hogs = [content(n + ".hog") for n in ("gestures", "regression", "branches")]
    arena = bytearray(5000)
    refused = ran = 0
    for i in range(600):
        hog = mutant(hogs[i % 3], rnd)
        try:
            m = hognose.Model(hog, engine=ENGINE, arena=arena)
        except ValueError as e:
            assert len(str(e)) > 10
            refused += 1
            continue
        m.invoke([bytes(t.nbytes()) for t in m._inputs], [bytearray(t.nbytes()) for t in m._outputs])
        ran += 1
    assert refused > 100 and ran > 20, (refused, ran)


try:
    globals()["test_" + sys.argv[3]]()
    print("ok")
except Skip as e:
    print("skip:", e)
