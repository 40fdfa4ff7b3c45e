# SPDX-License-Identifier: MIT
"""LiteRT's calls on a `.hog`."""

from array import array

from hognose.lite import Interpreter

from .common import ABSENT, content, here, path, raises


def test_first_example():
    """As in everybody's first script, from a file and from bytes."""
    given, expected = content("gestures.in0"), content("gestures.out0")
    for source in ({"model_path": path("gestures.hog")}, {"model_content": content("gestures.hog")}):
        interpreter = Interpreter(**source)
        interpreter.allocate_tensors()
        i = interpreter.get_input_details()[0]["index"]
        o = interpreter.get_output_details()[0]["index"]
        values = list(array("b", given))
        rows = [values[k : k + 3] for k in range(0, 60, 3)]
        for value in (given, array("b", given), values, [values], rows, [rows], tuple(rows)):
            interpreter.set_tensor(i, [0] * 60)
            interpreter.set_tensor(i, value)
            interpreter.invoke()
            assert interpreter.get_tensor(o) == [list(array("b", expected))]
        assert interpreter.get_tensor(i) == [rows]


def test_details():
    interpreter = Interpreter(path("gestures.hog"))
    (details,) = interpreter.get_input_details()
    assert details["name"] == "window" and details["shape"] == [1, 20, 3] and details["dtype"] == "int8"
    scale, zero_point = details["quantization"]
    assert abs(scale - 0.05) < 1e-8 and zero_point == 4
    assert details["quantization_parameters"]["zero_points"] == [4]
    (details,) = interpreter.get_output_details()
    assert details["name"] == "probabilities" and details["quantization"] == (1 / 256, -128)
    assert "int8 (1, 20, 3) to int8 (1, 3)" in repr(interpreter)


def test_signature():
    given, expected = content("gestures.in0"), content("gestures.out0")
    interpreter = Interpreter(path("gestures.hog"))
    names = {"serving_default": {"inputs": ["window"], "outputs": ["probabilities"]}}
    assert interpreter.get_signature_list() == names
    runner = interpreter.get_signature_runner()
    assert runner(window=given) == {"probabilities": [list(array("b", expected))]}
    assert runner.get_input_details()["window"]["shape"] == [1, 20, 3]
    raises(ValueError, "window is missing", runner)
    raises(ValueError, "no input x", runner, window=given, x=given)


def test_several_tensors():
    interpreter = Interpreter(path("branches.hog"))
    inputs = [d["index"] for d in interpreter.get_input_details()]
    outputs = [d["index"] for d in interpreter.get_output_details()]
    assert len(set(inputs + outputs)) == 4
    for i, index in enumerate(inputs):
        interpreter.set_tensor(index, content("branches.in%d" % i))
    interpreter.invoke()
    for i, index in enumerate(outputs):
        flat = [x for a in interpreter.get_tensor(index) for b in a for c in b for x in c]
        assert flat == list(array("b", content("branches.out%d" % i)))


def test_types():
    """Each element type in and out, integers of 64 bits whole."""
    if not here.full:
        raises(ValueError, ABSENT[0], Interpreter, path("types.hog"))
        return
    interpreter = Interpreter(path("types.hog"))
    values = (
        ("uint8", [0, 1, 127, 128, 254, 255]),
        ("int16", [-32768, -1, 0, 1, 256, 32767]),
        ("int32", [-(2**31), -1, 0, 1, 16777217, 2**31 - 1]),
        ("int64", [-(2**63), -1, 0, 1, 2**53 + 1, 2**63 - 1]),
        ("bool", [0, 1, 1, 0, 1, 0]),
        ("float32", [0.5, -0.25, 2.0**100, 0.0, -1.0, 3.0]),
        ("int8", [-128, -1, 0, 1, 2, 127]),
    )
    details = interpreter.get_input_details()
    assert [d["dtype"] for d in details] == [dtype for dtype, _ in values]
    for d, (_, v) in zip(details, values):
        interpreter.set_tensor(d["index"], [[v[:3], v[3:]]])
    interpreter.invoke()
    for d, (dtype, v) in zip(interpreter.get_output_details(), values):
        assert interpreter.get_tensor(d["index"]) == [v], dtype


def test_errors():
    interpreter = Interpreter(path("gestures.hog"))
    raises(ValueError, "60 values (1, 20, 3) 59", interpreter.set_tensor, 0, [0] * 59)
    raises(ValueError, "60 values (1, 20, 3) more", interpreter.set_tensor, 0, [0] * 61)
    few = "window takes 60 values in the shape (1, 20, 3), given are 59"
    try:
        interpreter.set_tensor(0, [0] * 59)
    except ValueError as e:
        assert str(e) == few, e
    raises(ValueError, "window (1, 20, 3) other rows", interpreter.set_tensor, 0, [[0] * 20] * 3)
    raises(ValueError, "window rows of 3 and of 57", interpreter.set_tensor, 0, [[0] * 3, [0] * 57])
    raises(ValueError, "60 bytes 59", interpreter.set_tensor, 0, bytes(59))
    raises(TypeError, "window takes numbers of type int8", interpreter.set_tensor, 0, ["a"] * 60)
    raises(ValueError, "tensor 7 is no input", interpreter.set_tensor, 7, [0] * 60)
    raises(ValueError, "tensor 7 is no", interpreter.get_tensor, 7)
    raises(ValueError, "model_path or model_content", Interpreter)
    raises(OSError, "", Interpreter, path("nowhere.hog"))
    raises((ImportError, ValueError), "", Interpreter, path("gestures.tflite"))
