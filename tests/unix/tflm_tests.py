# SPDX-License-Identifier: MIT
"""What runs in a MicroPython that has `tflm`: test_tflm.py starts it, a process for each test.

micropython tflm_tests.py FOLDER TEST

FOLDER holds NAME.tflite and TFLM's own answer to some inputs: NAME.in0 …, NAME.out0 ….
"""

# Device code: MicroPython lacks what some rules ask for.
# ruff: noqa: B905, UP031

import gc
import os
import sys
from array import array

import tflm

from hognose import Model
from hognose.lite import Interpreter


def read(path):
    with open(path, "rb") as file:
        return file.read()


def models(folder):
    """Paths without their endings, in order."""
    for name in sorted(os.listdir(folder)):
        if name.endswith(".tflite"):
            yield folder + "/" + name[:-7]


def raises(error, words, function, *arguments):
    """The exception's text, which must have all the words in it."""
    try:
        function(*arguments)
    except error as e:
        text = str(e)
    else:
        raise AssertionError("no %s" % error.__name__)
    for word in words:
        assert word in text, text
    return text


def close(a, b):
    return a == b or abs(a - b) <= 1e-6 * abs(b)


def answer(stem, interpreter):
    """Raw outputs for the inputs that lie beside the model."""
    outputs = [bytearray(t.nbytes) for t in interpreter.outputs]
    interpreter.invoke([read("%s.in%d" % (stem, i)) for i in range(len(interpreter.inputs))], outputs)
    return outputs


def test_bytes_are_tflms(folder):
    count = 0
    for stem in models(folder):
        interpreter = tflm.Interpreter(read(stem + ".tflite"))
        for i, output in enumerate(answer(stem, interpreter)):
            assert output == read("%s.out%d" % (stem, i)), "%s: output %d differs" % (stem, i)
        count += 1
    assert count


def test_lite_is_tflm(folder):
    """Through LiteRT's calls, number by number."""
    for stem in models(folder):
        interpreter = Interpreter(model_path=stem + ".tflite")
        interpreter.allocate_tensors()
        for i, d in enumerate(interpreter.get_input_details()):
            interpreter.set_tensor(d["index"], read("%s.in%d" % (stem, i)))
            assert interpreter.get_tensor(d["index"]) is not None
        interpreter.invoke()
        for i, d in enumerate(interpreter.get_output_details()):
            values = flatten(interpreter.get_tensor(d["index"]), [])
            code = {"int8": "b", "float32": "f", "int16": "h", "int32": "i"}.get(d["dtype"])
            if code:
                assert values == list(array(code, read("%s.out%d" % (stem, i)))), stem


def flatten(x, flat):
    if isinstance(x, list):
        for v in x:
            flatten(v, flat)
    else:
        flat.append(x)
    return flat


def test_seed_example(folder):
    """What every tutorial starts with; the numbers are LiteRT's."""
    interpreter = Interpreter(model_path=folder + "/seed.tflite")
    interpreter.allocate_tensors()
    input_details = interpreter.get_input_details()
    output_details = interpreter.get_output_details()
    assert input_details[0]["shape"] == [1, 4] and input_details[0]["dtype"] == "float32"
    values, expected = array("f", read(folder + "/seed.in0")), array("f", read(folder + "/seed.litert"))
    interpreter.set_tensor(input_details[0]["index"], [list(values)])
    for _ in range(2):  # the input stays what it was set to
        interpreter.invoke()
        result = interpreter.get_tensor(output_details[0]["index"])
        assert len(result) == 1 and all(close(a, b) for a, b in zip(result[0], expected)), (result, expected)
    ((key, names),) = interpreter.get_signature_list().items()
    runner = interpreter.get_signature_runner(key)
    assert list(runner.get_input_details()) == names["inputs"]
    assert runner(**{names["inputs"][0]: list(values)}) == {names["outputs"][0]: result}
    raises(
        ValueError, ["4 values", "given are 3"], interpreter.set_tensor, input_details[0]["index"], [1, 2, 3]
    )
    raises(
        ValueError, ["4 values", "more"], interpreter.set_tensor, input_details[0]["index"], [[1, 2, 3, 4, 5]]
    )
    raises(TypeError, ["float32"], interpreter.set_tensor, input_details[0]["index"], ["a", 1, 2, 3])
    raises(ValueError, ["16 bytes", "given are 3"], interpreter.set_tensor, input_details[0]["index"], b"abc")
    raises(ValueError, ["tensor 77"], interpreter.get_tensor, 77)
    assert repr(interpreter) == "<Interpreter: float32 (1, 4) to float32 (1, 3)>", repr(interpreter)
    raises(ValueError, ["no signature x"], interpreter.get_signature_runner, "x")
    raises(OSError, [], Interpreter, folder + "/nowhere.tflite")
    raises(ValueError, [], Interpreter)


def test_numbers(folder):
    """write() and read() are round and clamp, then scale: as the engine has it."""
    i = tflm.Interpreter(read(folder + "/numbers.tflite"))
    (t,) = i.inputs
    assert (t.dtype, t.typecode, t.shape, t.size, t.nbytes) == ("int8", "b", (1, 8), 8, 8)
    assert t.scale == 0.5 and t.zero_point == 3
    raises(ValueError, "number 6 is NaN", i.write, 0, array("f", [0] * 6 + [float("nan"), 0]))
    i.write(0, array("f", [0, 0.25, -0.25, 0.24, 1000, -1000, 0, float("inf")]))
    raw = bytearray(8)
    i.get_input(0, raw)
    assert list(array("b", raw)) == [3, 4, 2, 3, 127, -128, 3, 127], list(array("b", raw))
    i.invoke()
    floats = array("f", bytes(32))
    i.read(0, floats)
    assert list(floats) == [0, 0.5, 0, 0, 62, 0, 0, 62], floats  # RELU
    for code, values in (("b", [1] * 8), ("H", [1] * 8), ("i", [1] * 8), ("d", [1.0] * 8)):
        i.write(0, array(code, values))
        i.get_input(0, raw)
        assert list(array("b", raw)) == [5] * 8
    raises(ValueError, ["7 numbers", "takes 8"], i.write, 0, array("f", bytes(28)))
    raises(ValueError, ["no input 1", "has 1"], i.write, 1, array("f", bytes(32)))
    raises(ValueError, ["type f"], i.read, 0, array("h", bytes(16)))
    raises(ValueError, ["7 floats", "has 8"], i.read, 0, array("f", bytes(28)))
    raises(ValueError, ["output 0", "8 bytes", "7 given"], i.invoke, bytes(8), bytearray(7))
    raises(ValueError, ["2 inputs given", "has 1"], i.invoke, [bytes(8)] * 2)


def test_dropped_interpreters(folder):
    """A hundred, several alive at a time: the heap is then as before."""
    contents = [read(stem + ".tflite") for stem in models(folder)]
    for _ in range(2):
        gc.collect()
        before = gc.mem_alloc()
        alive = [None] * 7
        for n in range(100):
            alive[n % 7] = tflm.Interpreter(contents[n % len(contents)])
            alive[n * 3 % min(n + 1, 7)].invoke()
        alive = None
        gc.collect()
        left = gc.mem_alloc() - before
    assert left <= 0, left


def test_ten_thousand_invocations(folder):
    """The same bytes each time, and nothing allocated."""
    stem = folder + "/seed"
    interpreter = tflm.Interpreter(read(stem + ".tflite"))
    given, taken, expected = read(stem + ".in0"), bytearray(12), read(stem + ".out0")
    interpreter.invoke(given, taken)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(10000):
        interpreter.invoke(given, taken)
        if taken != expected:
            raise AssertionError(taken)
    assert gc.mem_alloc() == before, gc.mem_alloc() - before


def test_arenas(folder):
    """An arena fits; one's own may be given; too small ones are refused in words."""
    for stem in models(folder):
        content = read(stem + ".tflite")
        size = tflm.arena_size(content)
        own = tflm.Interpreter(content)
        assert own.arena_size == size and size <= own.ram <= size + 4096
        given = tflm.Interpreter(content, arena=bytearray(size))
        for a, b in zip(answer(stem, own), answer(stem, given)):
            assert a == b
        text = raises(
            ValueError, ["the arena has 100 bytes", "needs"], tflm.Interpreter, content, bytearray(100)
        )
        assert int(text.split()[-1]) == size, (text, size)
        # Whether or not smaller ones do, none crashes.
        for n in range(0, size, max(8, size // 50)):
            try:
                tflm.Interpreter(content, bytearray(n)).invoke()
            except ValueError as e:
                assert "the arena has" in str(e), e
            gc.collect()
    raises(TypeError, [], tflm.Interpreter, content, bytes(size))


def test_no_memory(folder):
    """Started with a heap that is too small for the model, though not for its file."""
    content = read(folder + "/large.tflite")
    raises(MemoryError, ["needs", "bytes"], tflm.Interpreter, content)
    tflm.Interpreter(read(folder + "/seed.tflite")).invoke()


def test_damage(folder):
    """Files cut short, and such that are none."""
    content = read(folder + "/seed.tflite")
    for n in range(0, len(content), 4):
        raises(ValueError, [], tflm.Interpreter, content[:n])
    raises(ValueError, ["not a .tflite"], tflm.Interpreter, bytes(64))
    raises(TypeError, [], tflm.Interpreter, 5)
    moved = bytearray(len(content) + 1)
    moved[1:] = content
    raises(ValueError, ["address"], tflm.Interpreter, memoryview(moved)[1:])
    Interpreter(model_content=memoryview(moved)[1:]).invoke()
    assert tflm.Interpreter(content).inputs


def test_unsupported_operators(folder):
    """All are named, with their versions; what TFLM says comes through."""
    raises(
        ValueError,
        ["no operator HASHTABLE_FIND version 2", "no Mystery version 7"],
        tflm.Interpreter,
        read(folder + "/unsupported.tflite"),
    )
    raises(ValueError, ["EXP"], tflm.Interpreter, read(folder + "/refused.tflite"))


def test_state(folder):
    """A model with a variable: reset() brings it back to the start; two have a state each."""
    a, b = [tflm.Interpreter(read(folder + "/state.tflite")) for _ in range(2)]
    out = bytearray(4)

    def step(i):
        i.invoke(array("f", [1]), out)
        return array("f", out)[0]

    assert [step(a), step(a), step(b), step(a), step(b)] == [1, 2, 1, 3, 2]
    a.reset()
    assert [step(a), step(b)] == [1, 3]


def test_subgraphs(folder):
    """Operators that run other subgraphs; none may run itself."""
    i = tflm.Interpreter(read(folder + "/branches.tflite"))
    out = bytearray(8)
    for condition, expected in ((1, [0, 2]), (0, [1, -2])):
        i.invoke([bytes([condition]), array("f", [-1, 2])], out)
        assert list(array("f", out)) == expected
    raises(ValueError, ["too deeply"], tflm.Interpreter, read(folder + "/circle.tflite"))


def test_wrong(folder):
    """Models that are well-formed, but whose operands do not go together."""
    words = {"sizes": "different sizes", "narrow": "subgraph that it runs", "hybrid": "dynamic-range"}
    count = 0
    for stem in models(folder):
        expected = words.get(stem.split("/")[-1], "do not fit")
        raises(ValueError, [expected], tflm.Interpreter, read(stem + ".tflite"))
        count += 1
    assert count >= 5


def test_profile(folder):
    for stem in models(folder):
        i = tflm.Interpreter(read(stem + ".tflite"))
        events = i.profile()
        assert [name for name, _ in events] == i.operators and all(us >= 0 for _, us in events), events


def test_models(folder):
    """`Model` on a .tflite: several at once, with the collector at work, and several in one arena."""
    paths = [folder + "/" + name + ".tflite" for name in ("seed", "numbers", "state")]
    windows = [[5.1, 3.5, 1.4, 0.2], [i / 4 for i in range(8)], [1]]
    alone = [Model(path).predict(x) for path, x in zip(paths, windows)]
    arena = bytearray(max([Model(path).arena_size for path in paths]))
    for options in ({}, {"arena": arena}):
        alive = [Model(path, **options) for path in paths]
        assert all([m.engine == "tflm" for m in alive])
        for n in range(20):
            i = n * 7 % 3
            if n % 5 == 4:
                alive[i] = Model(paths[i], **options)
            gc.collect()
            y = alive[i].predict(windows[i])
            assert i == 2 or y == alone[i], (y, alone[i])
    m = Model(paths[0], arena=arena)
    arena[:] = bytes(len(arena))  # whatever else has used it
    assert m.predict(windows[0]) == alone[0] and len(m.profile()) == 3
    window, out = array("f", windows[0]), array("f", [0] * 3)
    m.predict(window, out=out)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    m.predict(window, out=out)
    assert gc.mem_alloc() == before, gc.mem_alloc() - before
    gc.enable()
    raises(ValueError, ["arena"], lambda: Model(paths[0], arena=bytearray(100)))
    raises(ValueError, ["pack"], lambda: Model(paths[0], engine="native"))
    raises(TypeError, ["Interpreter takes a path"], tflm.Interpreter, paths[0])


def test_deinit(folder):
    i = tflm.Interpreter(read(folder + "/seed.tflite"))
    assert "1 inputs" in repr(i)
    i.deinit()
    raises(ValueError, ["closed"], i.invoke)
    i.deinit()
    assert i.ram == 0


if __name__ == "__main__":
    globals()["test_" + sys.argv[2]](sys.argv[1])
    print("ok")
