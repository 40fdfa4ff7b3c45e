# SPDX-License-Identifier: MIT
"""Models from all places that they can come from, and what they say about themselves."""

import gc
import os
import struct
import sys
from array import array

import hognose

from .common import (
    MICROPYTHON,
    PC,
    ROUNDS,
    Skip,
    content,
    here,
    model,
    path,
    raises,
    refused_by_the_small_engine,
)


def test_sources():
    hog = content("gestures.hog")
    window = array("f", [i / 30 for i in range(60)])
    expected = model("gestures").predict(window)
    least = model("gestures").arena_size + len(bytearray(hognose.Model(hog, engine=here.engine)._state))
    for source in (hog, bytearray(hog), memoryview(hog), memoryview(bytearray(hog))):
        m = hognose.Model(source, engine=here.engine)
        assert m.predict(window) == expected
        assert m.len == len(hog)
        assert m.ram == least, "a copy was made"
    for shift in (1, 2, 3):
        m = hognose.Model(memoryview(bytes(shift) + hog)[shift:], engine=here.engine)
        assert m.predict(window) == expected
        assert m.ram == least + (len(hog) if here.engine == "native" else 0)
    assert model("gestures").ram == least + len(hog)


def test_romfs():
    """A file in MicroPython's read-only file system is used where it lies, if that is at a multiple of 4."""
    try:
        from vfs import VfsRom, mount, umount
    except ImportError:
        raise Skip("this interpreter has no ROMFS")
    given, expected, out = content("gestures.in0"), content("gestures.out0"), bytearray(3)
    in_ram = model("gestures")
    mount(VfsRom(content("models.romfs")), "/test_romfs")
    try:
        in_place = 0
        for name in os.listdir("/test_romfs"):
            m = hognose.Model("/test_romfs/" + name, engine=here.engine)
            m.invoke(given, out)
            assert out == expected
            assert m.ram in (in_ram.ram, in_ram.ram - in_ram.len)
            in_place += m.ram < in_ram.ram
        assert in_place > 0
    finally:
        umount("/test_romfs")


def test_best_engine():
    """Without a wish, the native engine where there is one."""
    try:
        import _hognose  # noqa: F401

        best = "native"
    except ImportError:
        best = "reference"
    m = hognose.Model(path("gestures.hog"))
    assert m.engine == best
    assert here.engine in (best, "reference")


def test_attributes():
    m = model("gestures")
    assert m.engine == here.engine
    assert m.name == "gestures"
    assert m.labels == ["rest", "wave", "circle"]
    assert m.meta["rate"] == 50
    assert m.input_names == m.meta["inputs"] == ["window"]
    assert m.output_names == m.meta["outputs"] == ["probabilities"]
    assert m.input_shape == [(1, 20, 3)] and m.output_shape == [(1, 3)]
    assert m.input_dtype == ["b"] and m.output_dtype == ["b"]
    assert abs(m.input_scale[0] - 0.05) < 1e-8 and m.input_zero_point == [4]
    assert m.output_scale == [1 / 256] and m.output_zero_point == [-128]
    assert m.arena_size > 0 and m.ram > m.arena_size
    m = model("copy_float32")
    assert m.input_dtype == ["f"] and m.input_scale == [0.0] and m.input_zero_point == [0]
    assert m.labels is None
    m = model("branches")
    assert m.input_shape == [(1, 4, 4, 2), (1, 1, 1, 2)] and len(m.output_scale) == 2
    assert len(set(m.input_names)) == len(set(m.output_names)) == 2


def test_attributes_of_all_types():
    if refused_by_the_small_engine("types"):
        return
    m = model("types")
    assert m.input_dtype == m.output_dtype == ["B", "h", "i", "q", "?", "f", "b"]
    assert m.input_scale == [0.5, 0.25, 1.0, 1.0, 1.0, 0.0, 0.5]
    assert m.input_zero_point == [128, 0, 0, 0, 0, 0, -3]
    assert m.input_shape == [(1, 2, 3)] * 7 and m.output_shape == [(1, 6)] * 7
    for word in ("uint8", "int16", "int32", "int64", "bool", "float32", "int8"):
        assert word in repr(m) and word in m.summary()


def test_texts():
    m = model("gestures")
    for word in ("gestures", here.engine, "(1, 20, 3) int8", "(1, 3) int8", "rest, wave, circle", str(m.ram)):
        assert word in repr(m), word
    for word in ("gestures", here.engine, "window", "probabilities", "zero point -128", "SOFTMAX", "circle"):
        assert word in m.summary(), word
    assert "scale 0.05, zero point 4" in m.summary()


def test_close():
    with model("gestures") as m:
        m.predict([0] * 60)
    assert m.ram == 0 and "closed" in repr(m)
    raises((ValueError, TypeError), "", m.predict, [0] * 60)
    raises((ValueError, TypeError), "", m.invoke)
    m.deinit()


# Memory.


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
    hog = content("gestures.hog")
    # (The files of a Pico are in 1.4 MB of flash.)
    cases = [(0x7FFFFF00, len(hog)), (1000, 400000 if sys.platform == "rp2" else 200000000)]
    if MICROPYTHON:
        gc.collect()
        cases.append((gc.mem_free(), len(hog)))  # each would fit, both do not
    for arena, size in cases:
        with open(path("huge.hog"), "wb") as f:
            f.write(hog[:16] + struct.pack("<I", arena) + hog[20:])
            f.seek(size - 1)
            f.write(b"\0")
        if MICROPYTHON:
            words = "huge needs %d free stream=True" % (arena + size)
            raises(MemoryError, words, hognose.Model, path("huge.hog"), engine=here.engine)
        else:
            raises((MemoryError, ValueError), "huge", hognose.Model, path("huge.hog"), engine=here.engine)
    os.remove(path("huge.hog"))


def test_many_models():
    given, expected = content("gestures.in0"), content("gestures.out0")
    hog = content("gestures.hog")
    kept = []
    after = []
    for i in range(ROUNDS):
        m = hognose.Model(memoryview(bytes(i % 4) + hog)[i % 4 :], engine=here.engine)
        if i % (ROUNDS // 12) == 0:
            kept.append(m)
        if i % 10 == 0 or here.engine == "native":
            out = bytearray(3)
            m.invoke(given, out)
            assert out == expected
        if MICROPYTHON and i % (ROUNDS // 3) == ROUNDS // 3 - 1:
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
    raises(OSError, "nowhere.hog", hognose.Model, path("nowhere.hog"), engine=here.engine)
    try:
        hognose.Model(path("nowhere.hog"), engine=here.engine)
    except OSError as e:
        assert e.errno == 2
    raises(OSError, "", hognose.Model, here.folder, engine=here.engine)
    raises(TypeError, "", hognose.Model, 5, engine=here.engine)


def test_not_a_model():
    tflite = path("gestures.tflite")
    raises(ValueError, "gestures.tflite hognose pack", hognose.Model, tflite, engine=here.engine)
    for junk in (b"", b"HOGN", bytes(100), b"HOGN" + bytes(100), b"x" * 4096):
        raises(ValueError, "", hognose.Model, junk, engine=here.engine)
    hog = content("gestures.hog")
    for cut in range(0, len(hog), 7 if PC else 35):
        raises(ValueError, "", hognose.Model, hog[:cut], engine=here.engine)
    raises(ValueError, "checksum", hognose.Model, hog[:-1] + bytes([hog[-1] ^ 1]), engine=here.engine)
    raises(ValueError, "native reference", hognose.Model, hog, engine="fast")


def test_full_models_are_refused_by_the_small_engine():
    for name in ("types", "regression", "streams/stream"):
        if not refused_by_the_small_engine(name):
            assert model(name).engine == here.engine
