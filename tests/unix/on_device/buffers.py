# SPDX-License-Identifier: MIT
"""`invoke` on the tensors' own bytes; runs that allocate nothing; profiles."""

import gc
import os
import struct
from array import array

import hognose

from .common import (
    MICROPYTHON,
    Skip,
    content,
    here,
    model,
    path,
    raises,
    refused_by_the_small_engine,
    same_floats,
)

if MICROPYTHON:
    import micropython


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
    raises(ValueError, "59 bytes given, the input takes 60", m.invoke, given[1:], bytearray(3))
    raises(ValueError, "room for 4 bytes, the output has 3", m.invoke, given, bytearray(4))
    raises(ValueError, "2 inputs given, the model has 1", m.invoke, [given, given], bytearray(3))
    raises((ValueError, TypeError), "", m.invoke, given, bytes(3))
    raises((ValueError, TypeError), "", m.invoke, 5, bytearray(3))
    m = model("copy_float32")
    given, out = array("f", [i / 7 for i in range(10)]), array("f", bytes(40))
    m.invoke(given, out)
    assert list(out) == list(given)


def test_several_raw_buffers():
    m = model("branches")
    given = [content("branches.in%d" % i) for i in range(2)]
    expected = [content("branches.out%d" % i) for i in range(2)]
    outs = [bytearray(32), array("b", bytes(32))]
    m.invoke(given, outs)
    assert [bytes(x) for x in outs] == expected
    outs = (bytearray(32), memoryview(bytearray(32)))
    m.invoke(tuple(given), outs)
    assert [bytes(x) for x in outs] == expected
    raises(ValueError, "1 inputs given, the model has 2", m.invoke, given[0], outs)
    raises(ValueError, "1 outputs given, the model has 2", m.invoke, given, outs[0])
    raises(ValueError, "2", m.invoke, given, [bytearray(32), bytearray(31)])


def test_invoke_is_a_function_too():
    given, expected = content("gestures.in0"), content("gestures.out0")
    arena = bytearray(model("gestures").arena_size)
    m = model("gestures", arena=arena)
    invoke, out = m.invoke, bytearray(3)
    invoke(raw_out=out, raw_in=given)
    assert bytes(out) == expected
    raises((ValueError, TypeError), "", invoke, given, out, out)
    raises((ValueError, TypeError), "", lambda: invoke(given, out, raw_in=given))
    raises((ValueError, TypeError), "", lambda: invoke(given, raw_in=given))
    raises((ValueError, TypeError), "", lambda: invoke(given, output=out))
    if m.engine == "native" and MICROPYTHON:
        wall = [bytearray(16) for _ in range(500)]
        arena.extend(bytes(4000))  # which moves it: behind it is no room
        raises(ValueError, "arena was resized", invoke, given, out)
        del wall
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

    m, out = Counted(path("gestures.hog"), engine=here.engine), bytearray(3)
    m.invoke(content("gestures.in0"), out)
    assert m.count == 1 and bytes(out) == content("gestures.out0")


def test_bytes_are_tflms():
    count = 0
    for folder in ("", "cases/"):
        if folder and "cases" not in os.listdir(here.folder):
            continue
        for name in sorted(os.listdir(path(folder))):
            if name.endswith(".in0"):
                check_case(folder + name[:-4])
                count += 1
    assert count > 4


def check_case(name):
    if name in ("types", "regression") and refused_by_the_small_engine(name):
        return
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
    assert [p[0] for p in profile] == ["CONV_TILED", "MEAN", "DENSE", "SOFTMAX"], profile
    assert all([p[1] >= 0 for p in profile])
    floats = array("f", bytes(12))
    m._engine.read(m._state, m._arena, 0, floats)
    # Probabilities of scale 1/256 and zero point -128.
    assert [round(x * 256) for x in floats] == [signed(x) + 128 for x in expected]


def signed(byte):
    return byte - 256 if byte > 127 else byte


def test_no_allocation():
    if not MICROPYTHON:
        raise Skip("only MicroPython can lock its heap")
    if here.engine != "native":
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


def test_rubbish_in_between():
    """The module itself lies in the heap on a board: it must survive collections and a full heap."""
    if not MICROPYTHON or here.engine != "native":
        raise Skip("this engine has no memory of its own in the heap")
    m = model("gestures")
    given, expected, out = content("gestures.in0"), content("gestures.out0"), bytearray(3)
    for size in (4000, 400, 40):
        kept = []
        try:
            while size > 40 or len(kept) < 1000:
                kept.append(bytearray(size))
        except MemoryError:
            pass
        m.invoke(given, out)
        assert out == expected
        kept = None
        gc.collect()
        m.invoke(given, out)
        assert out == expected
    assert len(m.predict([0] * 60)) == 3
