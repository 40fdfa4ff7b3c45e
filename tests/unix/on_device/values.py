# SPDX-License-Identifier: MIT
"""`predict`: numbers in every form, floats out, errors in words."""

from array import array

import hognose

from .common import (
    Skip,
    content,
    here,
    model,
    models_with,
    numbers,
    raises,
    refused_by_the_small_engine,
    same_floats,
)


def test_answers_are_tflms():
    """What the host made of TFLM's bytes; numbers in every form, and results in every place."""
    for name in models_with("numbers0"):
        m = model(name)
        given = [numbers("%s.numbers%d" % (name, i)) for i in range(len(m.input_shape))]
        expected = [numbers("%s.floats%d" % (name, i)) for i in range(len(m.output_shape))]
        for form in (same, flat_list, flat_tuple, view, rows, nest):
            window = [form(x, shape) for x, shape in zip(given, m.input_shape)]
            results = m.predict(window if len(window) > 1 else window[0])
            assert_floats(name, results if len(expected) > 1 else [results], expected)
        outs = [array("f", bytes(4 * len(x))) for x in expected]
        if len(expected) == 1:
            assert m.predict(given if len(given) > 1 else given[0], out=outs[0]) is outs[0]
        else:
            assert m.predict(given, out=outs) is outs
        assert_floats(name, outs, expected)


def assert_floats(name, results, expected):
    assert len(results) == len(expected), name
    for i, (ours, tflms) in enumerate(zip(results, expected)):
        if name == "regression":  # exponentials: TFLM's own are the C library's
            assert same_floats(ours, tflms), name
        else:
            assert list(ours) == list(tflms), (name, i, list(ours), list(tflms))


def same(x, shape):
    return x


def flat_list(x, shape):
    return list(x)


def flat_tuple(x, shape):
    return tuple(x)


def view(x, shape):
    return memoryview(x)


def rows(x, shape):
    """Lists and tuples of the last dimension."""
    n = shape[-1]
    return [(list if i % 4 else tuple)(x[i : i + n]) for i in range(0, len(x), n)]


def nest(x, shape):
    """Lists of lists of arrays, as deep as there are dimensions."""
    if len(shape) == 1:
        return x
    n = len(x) // shape[0]
    return [nest(x[i : i + n], shape[1:]) for i in range(0, len(x), n)]


def test_typecodes():
    """Arrays of every type of number, from the least to the greatest; int8 saturates."""
    for name in ("int8", "float32"):
        m = model("copy_" + name)
        for code in "bBhHiIlLqQfd":
            stored = {"l": "i", "L": "I"}.get(code, code)  # of 4 bytes on a board
            file = "typecodes/%s_%s." % ("large" if code < "a" else "small", stored.lower())
            window, expected = array(stored, content(file + "array")), list(numbers(file + name))
            if stored != code:
                window = array(code, list(window))
            behind = memoryview(array(code, [1] + list(window)))[1:]
            for form in (window, memoryview(window), [window], behind):
                found = m.predict(form)
                assert found == expected, (name, code, found, expected)
            assert m.predict(list(window)) == expected, (name, code)
            raises(ValueError, "10 numbers (1, 2, 5), given 9", m.predict, window[:9])


def test_8_byte_numbers_of_several_inputs():
    m = model("branches")
    x, y = [0.25] * 32, [0.5, -0.5]
    expected = m.predict([array("f", x), array("f", y)])
    assert m.predict([array("d", x), array("d", y)]) == expected
    assert m.predict([array("d", x), array("f", y)]) == expected
    ones = m.predict([array("b", [1] * 32), array("b", [-1, 0])])
    assert m.predict([array("Q", [1] * 32), array("q", [-1, 0])]) == ones


def test_forms_of_a_window():
    m = model("copy_int8")  # scale 0.5, zero point -3: 0, 1 ... 9 are themselves
    tens = list(range(10))
    expected = [float(x) for x in tens]
    for window in (
        tens,
        tuple(tens),
        expected,
        [tens[:5], tens[5:]],
        [[tens[:5], tuple(tens[5:])]],
        [array("h", tens[:5]), [5, 6.0, 7, 8, True + 8]],
        [False, True, 2, 3.0] + tens[4:],
        (x for x in tens),
        range(10),
        bytes(tens),
        bytearray(tens),
        memoryview(bytes(tens)),
        memoryview(bytearray(tens)),
        [bytes(tens)],
        [bytearray(tens[:5]), bytes(tens[5:])],
        [array("f", tens)],  # as for OpenMV's ml.Model
        [array("H", tens)],
        [array("d", tens[:5]), (5, 6, 7, 8, 9)],
        memoryview(array("h", [77] + tens))[1:],
        memoryview(bytes([77] + tens))[1:],
    ):
        assert m.predict(window) == expected, window
    assert m.predict(array("b", [-x for x in tens])) == [-x for x in expected]
    assert m.predict(array("q", [-x for x in tens])) == [-x for x in expected]
    assert m.predict([2**31, -(2**31), 2**40, -(2**40), 2**63, 2**100, -(2**100), 0, 1, -1]) == [
        65.0, -62.5, 65.0, -62.5, 65.0, 65.0, -62.5, 0.0, 1.0, -1.0,
    ]  # fmt: skip


def test_quantization():
    m = model("copy_int8")
    halves = [0.25, -0.25, 0.24, 0.75, -0.75, 0.5, 62.5, 65, 1e30, -1e30]
    expected = [0.5, -0.5, 0.0, 1.0, -1.0, 0.5, 62.5, 65.0, 65.0, -62.5]
    for window in (halves, array("f", halves), array("d", halves)):
        assert m.predict(window) == expected, m.predict(window)
    special = [0.2, float("inf"), -float("inf"), -0.0, 1e-40, 3e38, -3e38, 127, -128, 63.25]
    expected = [0.0, 65.0, -62.5, 0.0, 0.0, 65.0, -62.5, 65.0, -62.5, 63.5]
    for window in (special, array("f", special), array("d", special)):
        assert m.predict(window) == expected, m.predict(window)
    m = model("copy_float32")
    others = [0.1, -2.5, 1e30, -1e-30, float("inf"), -float("inf"), 0.0, 1.0, 16777216.0, 2.0]
    assert m.predict(others) == list(array("f", others))


def test_ram_of_lists():
    """The first list takes room for its numbers, which `ram` tells."""
    m = model("branches")
    before = m.ram
    x, y = array("f", [0.5] * 32), array("f", [1, 2])
    m.predict([x, y])
    assert m.ram == before
    for window, more in (([list(x), y], 128), ([list(x), y], 128), ([x, [1, 2]], 136), ([x, (1, 2)], 136)):
        m.predict(window)
        assert m.ram == before + more


def test_types():
    """Inputs of each element type: rounded, and as large as the type allows."""
    if refused_by_the_small_engine("types"):
        return
    m = model("types")
    given = [-1e6, -70.3, 0.3, 0.5, 200.9, 1e6]
    expected = [
        [-64.0, -64.0, 0.5, 0.5, 63.5, 63.5],  # uint8, scale 0.5, zero point 128
        [-8192.0, -70.25, 0.25, 0.5, 201.0, 8191.75],  # int16, scale 0.25
        [-1e6, -70.0, 0.0, 1.0, 201.0, 1e6],  # int32
        [-1e6, -70.0, 0.0, 1.0, 201.0, 1e6],  # int64
        [1.0, 1.0, 0.0, 1.0, 1.0, 1.0],  # bool
        list(array("f", given)),
        [-62.5, -62.5, 0.5, 0.5, 65.0, 65.0],  # int8, scale 0.5, zero point -3
    ]
    for window in (given, array("f", given), array("d", given), [given[:3], given[3:]]):
        found = m.predict([window] * 7)
        for i, dtype in enumerate(m.input_dtype):
            assert found[i] == expected[i], (dtype, found[i], expected[i])
    whole = [0, 1, -1, 100, 30000, -30000]
    found = m.predict([array("h", whole)] * 7)
    assert found == m.predict([[float(x) for x in whole]] * 7)
    assert found[2] == found[3] == found[5] == [float(x) for x in whole]


def test_types_saturate():
    """However large a number is."""
    if not here.full:
        raise Skip("the small engine knows int8 and float32 only")
    m = model("types")
    inf = float("inf")
    for low, high in ((-1e30, 1e30), (-inf, inf), (-5e9, 5e9)):
        found = m.predict([[low, high, 0.0, low, high, 0.0]] * 7)
        least = [-64.0, -8192.0, -2147483648.0, -2147483648.0, 1.0, list(array("f", [low]))[0], -62.5]
        most = [63.5, 8191.75, 2147483520.0, 2147483520.0, 1.0, list(array("f", [high]))[0], 65.0]
        for i, dtype in enumerate(m.input_dtype):
            expected = [least[i], most[i], 0.0, least[i], most[i], 0.0]
            assert found[i] == expected, (dtype, low, found[i])


def test_out():
    m = model("copy_int8")
    out = array("f", bytes(40))
    assert m.predict(range(10), out=out) is out
    assert list(out) == [float(x) for x in range(10)]
    view = memoryview(array("f", bytes(48)))[2:]
    assert m.predict(range(10), out=view) is view
    assert [view[i] for i in range(10)] == [float(x) for x in range(10)]
    m = model("branches")
    x, y = array("f", [0.3] * 32), array("f", [0.1, -0.2])
    expected = m.predict([x, y])
    assert len(expected) == 2 and len(expected[0]) == len(expected[1]) == 32
    assert abs(expected[0][0] - 0.4) < 0.05 and abs(expected[0][1] - 0.1) < 0.05
    outs = [array("f", bytes(128)), array("f", bytes(128))]
    assert m.predict((x, [[0.1], [-0.2]]), out=outs) is outs
    assert [list(o) for o in outs] == expected
    outs = (array("f", bytes(128)), memoryview(array("f", bytes(128))))
    assert m.predict([x, y], out=outs) is outs
    assert [list(o) for o in outs] == expected


def test_wrong_out():
    m = model("copy_int8")
    for out in (bytearray(40), array("i", [0] * 10), bytes(40), array("d", [0] * 10)):
        raises((ValueError, TypeError), "", m.predict, [0] * 10, out=out)
    for n in (9, 11):
        out = array("f", [7.0] * n)
        raises(ValueError, "%d 10" % n, m.predict, [0] * 10, out=out)
        assert list(out) == [7.0] * n
    m = model("branches")
    x = [[0] * 32, [0] * 2]
    raises(ValueError, "2 outputs given 1", m.predict, x, out=[array("f", [0])])
    raises(ValueError, "31 32", m.predict, x, out=[array("f", [0] * 32), array("f", [0] * 31)])
    raises((ValueError, TypeError), "", m.predict, x, out=5)


def test_wrong_numbers():
    m = model("copy_int8")
    for window in ([0] * 9, array("f", [0] * 9), [[0] * 3] * 3, bytes(9), (0 for _ in range(9))):
        raises(ValueError, "10 numbers (1, 2, 5) given 9", m.predict, window)
    for window in ([0] * 11, array("f", [0] * 11), [[0] * 11], [array("b", [0] * 11)]):
        raises(ValueError, "10 numbers given 11", m.predict, window)
    raises(ValueError, "10 numbers given more", m.predict, (0 for _ in range(11)))
    raises(ValueError, "10 numbers given 1", m.predict, 0.5)
    raises(ValueError, "10 numbers given 0", m.predict, [])
    for window in (None, "0123456789", ["nan"] + [0] * 9, [None] * 10, [0] * 9 + [object()], len):
        raises(TypeError, "input 0 expected numbers given", m.predict, window)
    m2 = model("branches")
    raises(ValueError, "2 inputs", m2.predict, [0] * 32)
    raises(ValueError, "2 inputs given list of 1", m2.predict, [[0] * 32])
    raises(ValueError, "2 inputs given array", m2.predict, array("f", [0] * 2))
    raises(ValueError, "input 1 2 numbers given 3", m2.predict, [[0] * 32, [0] * 3])
    raises(TypeError, "input 1 expected numbers given str", m2.predict, [[0] * 32, "ab"])
    # After an error the model works on.
    assert m.predict(range(10)) == [float(x) for x in range(10)]


def test_nests_of_another_shape():
    """As many numbers in other rows are a mistake: here most likely axes that were swapped."""
    m = model("copy_int8")
    rows = [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    expected = [float(x) for x in range(1, 11)]
    for window in (rows, [rows], [[[x] for x in row] for row in rows], [array("h", row) for row in rows]):
        assert m.predict(window) == expected
    for window in ([[1, 6], [2, 7], [3, 8], [4, 9], [5, 10]], [[[1, 2]] * 5], [array("f", [0, 0])] * 5):
        raises(ValueError, "input 0 shape (1, 2, 5) given", m.predict, window)
    for window in ([[0] * 5, [0] * 4], [[0] * 5, [0] * 4, 0], [[0] * 9, [[0]]], [0] * 5 + [[0] * 5]):
        raises(ValueError, "input 0 rows of", m.predict, window)


def test_nan():
    """There is no right answer, so there is none."""
    m, nan = model("copy_int8"), float("nan")
    numbers = [0] * 7 + [nan, nan, 0]
    for window in (numbers, array("f", numbers), array("d", numbers)):
        raises(ValueError, "input 0: NaN at [0, 1, 2]", m.predict, window)
    raises(ValueError, "input 0: NaN at [0, 0, 0]", model("copy_float32").predict, [nan] * 10)
    two = model("branches")
    raises(ValueError, "input 1: NaN at [0, 1", two.predict, [[0] * 32, [0, nan]])
    assert m.predict(range(10)) == [float(x) for x in range(10)]


def test_endless_nest():
    m = model("copy_int8")
    endless = []
    endless.append(endless)
    raises(RuntimeError, "", m.predict, endless)
    assert m.predict(range(10)) == [float(x) for x in range(10)]


def test_engine_says_what_is_wrong():
    """The engine's own words, which `predict` mostly replaces by better ones: with numbers, and whole."""
    m = hognose.Model(content("copy_int8.hog"), engine=here.engine)
    engine, state, arena = m._engine, m._state, m._arena
    out = array("f", bytes(40))
    short = array("f", [0] * 9)
    raises(ValueError, "9 numbers given, the input takes 10", engine.write, state, arena, 0, short)
    raises(ValueError, "room for 3 floats, the output has 10", engine.read, state, arena, 0, out[:3])
    raises(ValueError, "no input 1: the model has 1", engine.write, state, arena, 1, out)
    raises(ValueError, "no output -1: the model has 1", engine.read, state, arena, -1, out)
    raises(ValueError, "operators 0 to 99: no such range in the model", engine.run, state, arena, 0, 99)
    if here.engine == "native":
        empty = bytearray(len(state))
        raises(ValueError, "the state holds no loaded model", engine.read, empty, arena, 0, out)
        raises(ValueError, "needs %d" % len(state), engine.read, bytearray(3), arena, 0, out)
        short = bytearray(m.arena_size - 4)
        words = "the arena has %d bytes, the model needs %d" % (len(short), m.arena_size)
        raises(ValueError, words, engine.read, state, short, 0, out)
