# SPDX-License-Identifier: MIT
"""LiteRT's `Interpreter` on the board: the tutorials' example runs with only its import line changed.

    from hognose.lite import Interpreter

    interpreter = Interpreter(model_path="model.tflite")
    interpreter.allocate_tensors()
    i = interpreter.get_input_details()[0]["index"]
    o = interpreter.get_output_details()[0]["index"]
    interpreter.set_tensor(i, [[0.1, 0.2, 0.3, 0.4]])
    interpreter.invoke()
    interpreter.get_tensor(o)

A `.tflite` needs a firmware with the module `tflm`; a `.hog` runs on any. Tensors are nested lists.
"""

from array import array

from .hogfile import DTYPES
from .model import Model
from .nest import fits, flatten
from .tflm_engine import flatbuffer, tflm


class Interpreter:
    """Runs a model with LiteRT's calls.

    `model_path`: a `.tflite` or `.hog`; `model_content`: its bytes, which are used in place and must not
    change. LiteRT's other arguments are accepted and ignored.
    OSError: no such file. ValueError: the model is damaged, or TFLM lacks an operator, which is named.
    MemoryError: says what is needed. ImportError: a `.tflite`, but no `tflm` in this firmware.
    """

    def __init__(self, model_path=None, model_content=None, **_):
        if (model_path is None) == (model_content is None):
            raise ValueError("give model_path or model_content")
        self._engine = _open(model_path if model_content is None else model_content)
        self._inputs = [_Tensor(t) for t in self._engine.inputs]
        self._outputs = [_Tensor(t) for t in self._engine.outputs]
        self._raw_inputs = [t.values for t in self._inputs]
        self._raw_outputs = [t.values for t in self._outputs]

    def __repr__(self):
        sides = [", ".join(["%s %s" % (t.dtype, t.shape) for t in s]) for s in (self._inputs, self._outputs)]
        return "<Interpreter: %s to %s>" % (sides[0], sides[1])

    def allocate_tensors(self):
        """Does nothing: the arena was allocated, in the right size, when the model was opened."""

    def get_input_details(self):
        """A dict for each input: name, index, shape, dtype (its name), quantization (scale, zero point), …"""
        return [t.details() for t in self._inputs]

    def get_output_details(self):
        """The same for each output."""
        return [t.details() for t in self._outputs]

    def set_tensor(self, tensor_index, value):
        """Sets an input, in its own type: nested lists of numbers, or a buffer of exactly its bytes.

        ValueError if the number of elements is wrong, TypeError if one is not a number.
        """
        self._find(tensor_index, self._inputs, "input").set(value)

    def get_tensor(self, tensor_index):
        """The value of an output, or of an input, as lists in its shape."""
        return self._find(tensor_index, self._outputs + self._inputs, "input or output").nest()

    def invoke(self):
        """Runs the model. RuntimeError has TFLM's text."""
        self._engine.invoke(self._raw_inputs, self._raw_outputs)

    def reset_all_variables(self):
        """Resets the model's state to what it was at the start."""
        self._engine.reset()

    def get_signature_list(self):
        """The names of each signature's inputs and outputs, by the signature's key."""
        return {
            key: {"inputs": list(inputs), "outputs": list(outputs)}
            for key, (inputs, outputs) in self._engine.signatures.items()
        }

    def get_signature_runner(self, signature_key=None):
        """A function that takes a signature's inputs by name and returns a dict of its outputs."""
        signatures = self._engine.signatures
        if signature_key is None and len(signatures) == 1:
            signature_key = list(signatures)[0]
        if not signatures:
            raise ValueError("the model has no signatures: use set_tensor, invoke and get_tensor")
        if signature_key not in signatures:
            raise ValueError("no signature %s: the model has %s" % (signature_key, ", ".join(signatures)))
        return SignatureRunner(self, *signatures[signature_key])

    def _find(self, index, tensors, what):
        for t in tensors:
            if t.index == index:
                return t
        raise ValueError("tensor %s is no %s" % (index, what))


class SignatureRunner:
    """What `get_signature_runner` returns; `inputs` and `outputs` are dicts of names to tensor indices."""

    def __init__(self, interpreter, inputs, outputs):
        self._interpreter = interpreter
        self._inputs = inputs
        self._outputs = outputs

    def __call__(self, **values):
        for name in self._inputs:
            if name not in values:
                raise ValueError("the input %s is missing" % name)
        for name in values:
            if name not in self._inputs:
                raise ValueError("no input %s: there is %s" % (name, ", ".join(self._inputs)))
        for name, index in self._inputs.items():
            self._interpreter.set_tensor(index, values[name])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}

    def get_input_details(self):
        """The dicts of `Interpreter.get_input_details`, by name."""
        return _named(self._inputs, self._interpreter.get_input_details())

    def get_output_details(self):
        return _named(self._outputs, self._interpreter.get_output_details())


class _Tensor:
    """An input or output with its value."""

    def __init__(self, tensor):
        self.index, self.name, self.dtype = tensor.index, tensor.name, tensor.dtype
        self.shape, self.size = tensor.shape, tensor.size
        self.scale, self.zero_point = tensor.scale, tensor.zero_point
        self.nbytes = tensor.nbytes
        self.typecode = "B" if tensor.dtype == "bool" else tensor.typecode
        if not self.typecode:
            raise ValueError(
                "%s is of type %s, which Python has no numbers for" % (tensor.name, tensor.dtype)
            )
        self.values = array(self.typecode, bytes(tensor.nbytes))

    def details(self):
        quantized = self.scale > 0
        return {
            "name": self.name,
            "index": self.index,
            "shape": list(self.shape),
            "shape_signature": list(self.shape),
            "dtype": self.dtype,
            "quantization": (self.scale, self.zero_point),
            "quantization_parameters": {
                "scales": [self.scale] if quantized else [],
                "zero_points": [self.zero_point] if quantized else [],
                "quantized_dimension": 0,
            },
            "sparsity_parameters": {},
        }

    def set(self, value):
        if isinstance(value, (int, float)):
            value = (value,)
        if isinstance(value, (list, tuple)):
            try:
                given = flatten(value, self.values, 0)
            except IndexError:
                given = "more"
            except ValueError as e:  # rows that differ
                given = e
            except TypeError:
                raise TypeError("%s takes numbers of type %s" % (self.name, self.dtype))
            self._check(given, self.size, "values")
            if not fits(value, self.shape):
                raise ValueError("%s takes the shape %s, given are other rows" % (self.name, self.shape))
        else:
            raw = bytes(value)
            self._check(len(raw), self.nbytes, "bytes")
            self.values[:] = array(self.typecode, raw)

    def _check(self, given, expected, what):
        if given != expected:
            raise ValueError(
                "%s takes %s %s in the shape %s, given are %s"
                % (self.name, expected, what, self.shape, given)
            )

    def nest(self):
        values = self.values
        if not self.shape:
            return values[0]
        flat = list(values)
        for n in reversed(self.shape[1:]):
            flat = [flat[k : k + n] for k in range(0, len(flat), n)]
        return flat


class _OnModel:
    """A `Model` with the attributes and calls of `tflm.Interpreter`."""

    def __init__(self, model):
        self.invoke, self.reset = model.invoke, model.reset
        meta = model.meta
        self.inputs = _describe(model._inputs, meta.get("inputs", ()), 0)
        self.outputs = _describe(model._outputs, meta.get("outputs", ()), len(self.inputs))
        names = [{t.name: t.index for t in tensors} for tensors in (self.inputs, self.outputs)]
        self.signatures = {"serving_default": names}


class _Description:
    """A tensor with the attributes that `tflm.Interpreter` gives it."""


def _describe(tensors, names, index):
    result = []
    for i, t in enumerate(tensors):
        d = _Description()
        d.index = index + i
        d.name = names[i] if i < len(names) else str(i)
        d.typecode, d.dtype = t.dtype, DTYPES[t.dtype]
        d.shape, d.size, d.nbytes = t.shape, t.size, t.nbytes()
        d.scale, d.zero_point = (0.0, 0) if t.dtype == "f" else (t.scale, t.zero_point)
        result.append(d)
    return result


def _open(source):
    """What runs the model: TFLM for a `.tflite` or a `.hog` that carries one, `Model` for any other."""
    content = _read(source) if isinstance(source, str) else memoryview(source)
    tflite = flatbuffer(content)
    if tflite is None:
        return _OnModel(Model(content))
    if not tflm:
        raise ImportError("a .tflite needs a firmware with tflm: make a .hog of it with `hognose pack`")
    return _interpreter(tflite)


def _interpreter(tflite):
    try:
        return tflm.Interpreter(tflite)
    except ValueError as e:
        if "address" not in e.args[0]:
            raise
    # TFLM reads words in place: a misaligned file is copied.
    return tflm.Interpreter(bytearray(tflite))


def _read(path):
    """A file's bytes: in place in ROMFS, else a copy in RAM."""
    with open(path, "rb") as file:
        try:
            return memoryview(file)
        except TypeError:
            return memoryview(file.read())


def _named(names, details):
    return {name: d for name, index in names.items() for d in details if d["index"] == index}
