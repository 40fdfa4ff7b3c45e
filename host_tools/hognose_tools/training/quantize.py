# SPDX-License-Identifier: MIT
"""A Keras model into a quantized `.tflite`.

The work is done by `python -m hognose_tools.training.quantize FOLDER TYPE` in a process of its own, because
TensorFlow's converter aborts on some models and writes to the terminal as it likes.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files
from ..compiler.reader import read_tflite
from ..data import datasets
from ..errors import UserError
from ..progress import bar
from .quiet_tensorflow import tensorflow

if TYPE_CHECKING:
    import keras

TYPES = ("int8", "16x8", "float32")
SUFFIXES = (".keras", ".h5")
MAX_EXAMPLES = 500  # more hardly move a range
TRIES = 4  # the converter leaves a SPLIT of an unrolled LSTM in float on some calls and not on others
RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D")


def quantize(
    model: keras.Model | str | Path,
    representative: np.ndarray | Sequence[np.ndarray] | None = None,
    type: str = "int8",
) -> bytes:
    """The `.tflite` of a Keras model (or of the .keras file of one), for one sample at a time.

    `representative`: typical inputs in plain units, [examples, *input shape], one array per input, from
    which the ranges of all tensors are measured; at most 500 are used, spread evenly. `type`: int8
    (weights, activations, input and output), 16x8 (int16 activations, int8 weights) or float32 (no
    quantization). Raises UserError with what is wrong: with the model, with the data, or a layer that
    would have stayed in float.
    """
    if type not in TYPES:
        raise UserError(f"the type {type} is unknown; choose {', '.join(TYPES)}")
    content = _read(model) if isinstance(model, str | Path) else None
    arrays = _checked(representative) if type != "float32" else []
    if type != "float32" and not arrays:
        raise UserError(
            f"{type} needs representative data to measure ranges on; give --representative DATA, "
            "best the training data"
        )
    with tempfile.TemporaryDirectory(prefix="hognose") as name:
        folder = Path(name)
        if content is not None:
            (folder / f"model{Path(str(model)).suffix}").write_bytes(content)
        else:
            _export(model, folder, arrays)
        np.savez(
            folder / "representative.npz",
            allow_pickle=False,
            **{str(i): a for i, a in enumerate(arrays)},
        )
        _convert_apart(folder, type, len(arrays[0]) if arrays else 0)
        tflite = (folder / "model.tflite").read_bytes()
    floats = _float_operators(tflite) if type != "float32" else []
    if floats:
        raise UserError(
            f"TensorFlow has no {type} version of {', '.join(floats)}; "
            "use another layer there, or --type float32"
        )
    return tflite


def _read(path: str | Path) -> bytes:
    """A model's file; UserError where it is another kind of file, with what that one is for."""
    named = Path(path).suffix in SUFFIXES
    content = files.read(path) if named or Path(path).is_file() else b""
    if content[4:8] == b"TFL3":
        raise UserError(f"{path} is a .tflite file already: `hognose pack` makes a .hog of it")
    if content[:4] == b"HOGN":
        raise UserError(f"{path} is a .hog file, which is what comes last: give the Keras model")
    if not named:
        raise UserError(f"{path}: a Keras model's file name ends in {' or '.join(SUFFIXES)}")
    if not zipfile.is_zipfile(path) and not content.startswith(b"\x89HDF"):
        raise UserError(f"{path} is no Keras model; write it with model.save()")
    return content


# The representative data


def load_representative(source: str, window: int | None = None, hop: int | None = None) -> list[np.ndarray]:
    """Arrays for `quantize` from a file or data set, one per input of the model."""
    if Path(source).suffix != ".npz" or window is not None:
        return [datasets.load(source, window, hop).x_train]
    arrays = files.read_npz(source)
    for key in ("x_train", "x"):
        if key in arrays:
            return [arrays[key]]
    numbered = [arrays[str(i)] for i in range(len(arrays)) if str(i) in arrays]
    if len(numbered) == len(arrays) and arrays:
        return numbered
    if len(arrays) == 1:
        return list(arrays.values())
    raise UserError(f'{source} has {", ".join(arrays) or "no arrays"}; name the inputs x, or "0", "1", …')


def coarse_channels(x: np.ndarray) -> list[int]:
    """Channels (last axis) whose standard deviation is under one step of an int8 that spans all of x."""
    if x.ndim < 2:
        return []
    step = (max(float(x.max()), 0) - min(float(x.min()), 0)) / 255
    deviations = x.reshape(-1, x.shape[-1]).std(0)
    return np.flatnonzero((deviations > 0) & (deviations < step)).tolist()


def _checked(representative: np.ndarray | Sequence[np.ndarray] | None) -> list[np.ndarray]:
    if representative is None:
        return []
    given = [representative] if isinstance(representative, np.ndarray) else list(representative)
    arrays = []
    for i, array in enumerate(np.asarray(a) for a in given):
        if array.ndim < 1 or not len(array) or array.dtype.kind not in "iuf":
            raise UserError(
                f"representative input {i} is {array.dtype} {list(array.shape)}; it must be numbers, "
                "[examples, …], at least one"
            )
        if len(array) != len(given[0]):
            raise UserError(
                f"representative input {i} has {len(array)} examples, input 0 has {len(given[0])}"
            )
        bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(1))
        if len(bad):
            raise UserError(f"representative example {bad[0]} has a NaN or infinity; leave such examples out")
        chosen = np.linspace(0, len(array) - 1, min(len(array), MAX_EXAMPLES)).astype(int)
        arrays.append(array[chosen].astype(np.float32))
    return arrays


# The converter's process


def _convert_apart(folder: Path, type: str, examples: int) -> None:
    """Runs `_worker` in a process of its own; what goes wrong there becomes a UserError here."""
    command = [sys.executable, "-m", "hognose_tools.training.quantize", str(folder), type]
    with (
        (folder / "log").open("w+") as log,
        bar("quantize", max(examples, 1), "examples") as progress,
    ):
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert process.stdout
        try:
            for line in process.stdout:
                progress.update(line == "example\n")
            code = process.wait()
        finally:
            process.kill()
            process.stdout.close()
        progress.update(not examples)
        progress.leave = code == 0
        log.seek(0)
        said = [line for line in log.read().splitlines() if line.strip()]
    error = folder / "error"
    if error.exists() and (text := error.read_text()):
        raise UserError(text)
    if code:
        raise UserError(_crash(folder, code, said))


def _crash(folder: Path, code: int, said: list[str]) -> str:
    layers = folder / "layers"
    names = layers.read_text().splitlines() if layers.exists() else []
    what = signal.strsignal(-code) if code < 0 else (said[-1] if said else f"exit code {code}")
    if not names or any(line.startswith("Traceback") for line in said):
        return f"quantizing failed: {what}"
    recurrent = sorted({n for n in names if n.split(" ")[0] in RECURRENT})
    remedy = (
        f"it does so on recurrent layers such as {recurrent[0]}: build them with unroll=True"
        if recurrent
        else f"leave out layers to find the one it cannot convert ({', '.join(dict.fromkeys(names))})"
    )
    return f"TensorFlow's converter crashed ({what}); {remedy}"


def _worker(folder: Path, type: str) -> None:
    tf = tensorflow()
    archive = np.load(folder / "representative.npz")
    arrays = [archive[str(i)] for i in range(len(archive.files))]
    for path in folder.glob("model.*"):
        _export(_load_model(path), folder, arrays)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder / "saved_model"), signature_keys=["serve"]
    )
    if type != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        operators = tf.lite.OpsSet
        converter.target_spec.supported_ops = [
            operators.TFLITE_BUILTINS_INT8
            if type == "int8"
            else operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        integer = tf.int8 if type == "int8" else tf.int16
        converter.inference_input_type = converter.inference_output_type = integer
        converter.representative_dataset = _feed(arrays)
    for _ in range(TRIES):
        tflite = converter.convert()
        if type == "float32" or not _float_operators(tflite):
            break
    (folder / "model.tflite").write_bytes(tflite)


def _load_model(path: Path) -> keras.Model:
    import keras

    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as e:
        raise UserError(f"this is no Keras model that can be loaded: {_one_line(e)}") from e


def _export(model: keras.Model, folder: Path, arrays: list[np.ndarray]) -> None:
    """Leaves a SavedModel with a batch of 1 in `folder`: finding a free batch's size takes operators."""
    tf = tensorflow()
    import keras

    shapes = [tuple(t.shape[1:]) for t in model.inputs]
    if any(n is None for shape in shapes for n in shape):
        raise UserError(f"the model's input is {shapes} with a size left open; give keras.Input all of them")
    if arrays:
        _check_shapes(arrays, shapes)
    (folder / "layers").write_text(
        "\n".join(f"{layer.__class__.__name__} {layer.name}" for layer in _layers(model))
    )

    def serve(*inputs: Any) -> Any:
        return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    signature = [
        tf.TensorSpec((1, *shape), tensor.dtype, name=f"input_{i:02}")
        for i, (shape, tensor) in enumerate(zip(shapes, model.inputs, strict=True))
    ]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", serve, input_signature=signature)
    archive.write_out(str(folder / "saved_model"), verbose=False)


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        yield from _layers(layer) if hasattr(layer, "layers") else (layer,)


def _check_shapes(arrays: list[np.ndarray], shapes: list[tuple[int, ...]]) -> None:
    if len(arrays) != len(shapes):
        raise UserError(f"representative data for {len(arrays)} inputs; the model has {len(shapes)}")
    for i, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
        if array.shape[1:] != shape:
            wanted = ", ".join(["examples", *map(str, shape)])
            raise UserError(
                f"representative input {i} is {list(array.shape)}; the model takes [{wanted}] "
                "(recordings are cut with --window)"
            )


def _feed(arrays: list[np.ndarray]) -> Callable[[], Iterator[list[np.ndarray]]]:
    calls = itertools.count()

    def feed() -> Iterator[list[np.ndarray]]:
        first = next(calls) == 0  # 16x8, for one, goes through them twice
        for example in zip(*arrays, strict=True):
            yield [a[None] for a in example]
            if first:
                print("example", flush=True)

    return feed


def _one_line(e: Exception) -> str:
    return " ".join(str(e).split())[:300] or type(e).__name__


def _float_operators(tflite: bytes) -> list[str]:
    """What the converter could not quantize: it leaves it between DEQUANTIZE and QUANTIZE, silently."""
    return [
        o.label
        for o in read_tflite(tflite).operators
        if o.kind not in ("QUANTIZE", "DEQUANTIZE")
        and any(t is not None and t.dtype.startswith("float") for t in o.inputs + o.outputs)
    ]


if __name__ == "__main__":
    _folder = Path(sys.argv[1])
    try:
        _worker(_folder, sys.argv[2])
    except UserError as e:
        (_folder / "error").write_text(str(e))
        sys.exit(1)
    except Exception as e:
        (_folder / "error").write_text(f"TensorFlow's converter failed: {_one_line(e)}")
        sys.exit(1)
