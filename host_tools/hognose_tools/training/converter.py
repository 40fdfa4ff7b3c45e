# SPDX-License-Identifier: MIT
"""TensorFlow's converter, in a process of its own: it aborts on some models, and prints as it likes.

It reads lines, TYPE FOLDER. In the folder lies what `export` left, or a model's file and `given.npz`. It
leaves there `model.tflite`, `samples.npz` (raw inputs) and `lite.npz` (what TensorFlow Lite gives for them),
or `error`, one line, and says `done`; before that `examples` with their number, and `example` for each that
it has measured.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from .. import files
from ..compiler.graph import Graph, Operator, Tensor
from ..compiler.ports import Port
from ..compiler.reader import read_tflite
from ..compiler.records import TYPECODE
from ..data import samples
from ..errors import UserError
from ..text import listed, one_line
from . import representative
from .export import COMPARED, SERVE, export, port_names
from .keras_file import load
from .quiet_tensorflow import tensorflow
from .tidy import tidy, unshare_biases

Example = dict[str, np.ndarray]  # what each input takes, by its name in the SavedModel
TRIES = 4  # the converter leaves a SPLIT of an unrolled LSTM in float on some calls and not on others


def convert(folder: Path, type: str, say: Callable[[str], None]) -> bytes:
    """What `export` left in the folder, converted."""
    facts = json.loads((folder / "facts.json").read_text())
    for _ in range(TRIES):
        tflite = _converted(folder, type, say)
        problem = _refusal(read_tflite(tflite), type) if type != "float32" else ""
        if not problem:
            break
    if problem:
        raise UserError(problem)
    if type == "16x8":
        tflite = _int16_ports(tflite)
    names = port_names("input", len(facts["inputs"])) + port_names("output", len(facts["outputs"]))
    return tidy(tflite, facts["inputs"], facts["outputs"], names)


def _converted(folder: Path, type: str, say: Callable[[str], None]) -> bytes:
    tf = tensorflow()
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved_model"), signature_keys=[SERVE])
    if type == "float32":
        return converter.convert()
    operators = tf.lite.OpsSet
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _feed(files.read_npz(folder / "examples.npz"), say)
    if type == "int8":
        converter.target_spec.supported_ops = [operators.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return converter.convert()
    # Another way of TensorFlow's: it knows no CAST, which integer inputs need, unless floats are allowed.
    converter.target_spec.supported_ops = [
        operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        operators.TFLITE_BUILTINS,
    ]
    quantize = converter._quantize  # between conversion and quantization there is no other way in
    converter._quantize = lambda model, *rest, **more: quantize(unshare_biases(model), *rest, **more)
    return converter.convert()


def _int16_ports(tflite: bytes) -> bytes:
    """Float inputs and outputs become int16, each where it can; the converter itself wants all or none."""
    tf = tensorflow()
    from tensorflow.lite.python.util import modify_model_io_type

    with contextlib.suppress(ValueError):  # there is none
        return modify_model_io_type(tflite, tf.int16, tf.int16)
    return tflite


def _feed(examples: Example, say: Callable[[str], None]) -> Callable[[], Iterator[Example]]:
    calls = itertools.count()
    say(f"examples {len(next(iter(examples.values())))}")

    def feed() -> Iterator[Example]:
        first = next(calls) == 0  # 16x8, for one, goes through them twice
        for example in zip(*examples.values(), strict=True):
            yield {name: a[None] for name, a in zip(examples, example, strict=True)}
            if first:
                say("example")

    return feed


def _refusal(graph: Graph, type: str) -> str:
    """Why a model that TensorFlow has quantized is not; it leaves float operators, silently, between
    DEQUANTIZE and QUANTIZE. Those that take in an integer input remain: nobody has them in int8."""
    floats = [op for op in graph.operators if _is_float(op)]
    writer = {t.index: op for op in graph.operators for t in op.outputs}
    indices = [op for op in floats if op.kind == "CAST" and op.outputs[0].dtype != "float32"]
    if indices:
        return (
            f"{indices[0].label} makes an integer of a quantized number, an index maybe, and would miss it "
            'by one: make the input an integer, keras.Input(…, dtype="int32"), and use layers.Embedding'
        )
    strangers = [op.label for op in floats if not _takes_integers(op, writer, set())]
    if not strangers:
        return ""
    return (
        f"TensorFlow has no {type} version of {listed(strangers)}; use another layer there, or --type float32"
    )


def _is_float(op: Operator) -> bool:
    if op.kind in ("QUANTIZE", "DEQUANTIZE"):
        return False
    return any(t is not None and t.dtype.startswith("float") for t in (*op.inputs, *op.outputs))


def _takes_integers(op: Operator, writer: dict[int, Operator], seen: set[int]) -> bool:
    """Whether integers, which stand for themselves, are among what its floats are made of."""
    seen.add(op.index)
    found = False
    for t in op.inputs:
        if t is None or t.data is not None:
            continue
        if not t.dtype.startswith("float"):
            if not len(t.scales):
                return True
        elif (before := writer.get(t.index)) and before.kind != "DEQUANTIZE" and before.index not in seen:
            found |= _takes_integers(before, writer, seen)
    return found


# What TensorFlow Lite answers


def run(folder: Path, tflite: bytes) -> None:
    """Leaves the examples as raw inputs, [examples, 1, *shape], and the raw outputs for them."""
    graph = read_tflite(tflite)
    examples = files.read_npz(folder / "examples.npz")
    if not examples:
        return
    arrays = representative.thin_out(list(examples.values()), COMPARED)
    raw = [_raw(a, t) for a, t in zip(arrays, graph.inputs, strict=True)]
    samples.save(folder / "samples.npz", raw)
    tf = tensorflow()
    resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_content=tflite, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    results = []
    for example in zip(*raw, strict=True):
        interpreter.reset_all_variables()
        for t, array in zip(graph.inputs, example, strict=True):
            interpreter.set_tensor(t.index, array)
        interpreter.invoke()
        results.append([interpreter.get_tensor(t.index) for t in graph.outputs])
    samples.save(folder / "lite.npz", [np.stack(output) for output in zip(*results, strict=True)])


def _raw(array: np.ndarray, t: Tensor) -> np.ndarray:
    array = array[:, None]
    if not len(t.scales) or array.dtype.kind != "f":
        return array.astype(t.dtype)
    return samples.quantized(array, Port(t.name, t.shape, TYPECODE[t.dtype], float(t.scale), t.zero_point))


# The process


def work(folder: Path, type: str, say: Callable[[str], None]) -> None:
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    for path in folder.glob("model.*"):
        tensorflow()
        import keras

        keras.backend.clear_session()  # names count from 1 in every model: the same file, the same bytes
        export(load(path), files.read_npz(folder / "given.npz") or None, folder, type)
    tflite = convert(folder, type, say)
    (folder / "model.tflite").write_bytes(tflite)
    with contextlib.suppress(RuntimeError, ValueError):  # it does not run all that it converts
        run(folder, tflite)


def main() -> None:
    stdout = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what TensorFlow prints there is none of our words

    def say(words: str) -> None:
        stdout.write(f"{words}\n")

    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=[jobs], daemon=True).start()
    while True:
        type, _, folder = jobs.get().rstrip("\n").partition(" ")
        error = Path(folder) / "error"
        try:
            work(Path(folder), type, say)
        except UserError as e:
            error.write_text(str(e))
        except Exception as e:
            error.write_text(f"TensorFlow's converter failed: {one_line(e, 400)}")
        say("done")


def _listen(jobs: queue.SimpleQueue[str]) -> None:
    """Until the parent has ended, in whatever way: whatever is being converted then is for nobody."""
    for line in sys.stdin:
        jobs.put(line)
    os._exit(1)


if __name__ == "__main__":
    main()
