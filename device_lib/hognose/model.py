# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""`Model`: a `.hog` file, ready to predict.

model = hognose.Model("gesture.hog")
model.predict(window)           # numbers in, floats out
model.predict(window, out=buf)  # the same without allocating
"""

import gc
import os
import sys
from array import array

from . import hogfile

_NEST = (list, tuple)
_NUMBER = (int, float)
_NO_BUFFER = (list, tuple, str)  # a str is one for MicroPython
_DTYPES = {
    "b": "int8",
    "f": "float32",
    "h": "int16",
    "i": "int32",
    "q": "int64",
    "B": "uint8",
    "?": "bool",
}
# By (sys.implementation._mpy >> 10) & 15.
_ARCHITECTURES = (
    "",
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)


class Model:
    """A neural network.

    `source` is a path, or the file's content as bytes, bytearray or memoryview, which is used where it
    lies and must not change; only memory that is not word-aligned is copied. `engine`: "native" (the
    module `_hognose`), "reference" (plain Python) or None, the best there is. `arena`: a writable buffer
    of at least `arena_size` bytes to work in; models that do not run at the same time and keep no state may
    share one. `stream`: the weights stay in the file, and are read when their layers run; the model needs far
    less RAM and more time.

    Attributes, lists over the inputs or outputs as in OpenMV's `ml.Model`: `input_shape` (tuples),
    `input_dtype` (typecodes: b int8, f float32 …), `input_scale`, `input_zero_point`, and the same for
    output; further `len` (bytes of the file), `arena_size` (bytes), `ram` (bytes that the model holds:
    arena, file, buffers), `engine`, `meta` (dict), `name`, `labels`, `input_names` and
    `output_names` (lists or None).

    OSError: no such file. ValueError: the file is damaged or none of ours. MemoryError: says what is
    needed and free. ImportError: there is no such engine.
    """

    def __init__(self, source, engine=None, arena=None, stream=False):
        self._meta = self._numbers = self._stream = None
        self.ram = 0
        if hasattr(source, "__fspath__"):
            source = str(source)
        if isinstance(source, str):
            self._label = source
            self._file = self._read(source, stream)
        elif stream:
            raise TypeError("stream=True reads a file: give its path, not %s" % _describe(source))
        else:
            self._label = "model"
            self._file = _bytes_view(source)
        self._engine, self.engine = _find_engine(engine, self._file)
        if self._stream:
            if self.engine == "tflm":
                raise ValueError(
                    "%s: TensorFlow Lite Micro cannot stream: pack it without --engine tflm" % source
                )
            self._engine = self._stream.serve(self._engine, _find_engine(self.engine, self._file)[0])
        else:
            self.len = len(self._file)
        self._state = self._allocate(self._engine.STATE_SIZE)
        self.arena_size = self._load()
        self._arena = self._allocate(self.arena_size) if arena is None else self._check_arena(arena)
        self._facts = hogfile
        if self.engine == "tflm":
            self._facts = self._engine
            self.ram += self._engine.bind(self._arena).ram  # interpreter and resolver
        self._initial = self._facts.initial(self._file)
        if self._initial:
            self.reset()
        self._inputs, self._outputs, _ = self._facts.tensors(self._file)
        self.input_shape = [t.shape for t in self._inputs]
        self.input_dtype = [t.dtype for t in self._inputs]
        self.input_scale = [t.scale for t in self._inputs]
        self.input_zero_point = [t.zero_point for t in self._inputs]
        self.output_shape = [t.shape for t in self._outputs]
        self.output_dtype = [t.dtype for t in self._outputs]
        self.output_scale = [t.scale for t in self._outputs]
        self.output_zero_point = [t.zero_point for t in self._outputs]
        if type(self) is Model and hasattr(self._engine, "invoker"):
            # The method in C, found sooner; a class that overrides invoke() gets its own.
            self.invoke = self._engine.invoker(self._state, self._arena, self._file)

    def predict(self, window, out=None):
        """Runs the model on numbers and returns floats.

        `window`: the numbers of the input in row-major order, in any nest of lists and tuples or as a
        buffer of any typecode (array, memoryview, ndarray); they are quantized where the model is, with
        rounding and saturation. Of a model with several inputs it is a list or tuple with one of these
        for each. Returns a flat list of floats, or a list of them where the model has several outputs.
        `out`: an array of type f (or a list or tuple of arrays) to fill and return instead.
        ValueError, TypeError: what was expected and what was given.
        """
        inputs = self._inputs
        if len(inputs) == 1:
            self._write(0, window)
        else:
            if not isinstance(window, _NEST) or len(window) != len(inputs):
                raise ValueError("expected a list of %d inputs, given %s" % (len(inputs), _describe(window)))
            for i in range(len(inputs)):
                self._write(i, window[i])
        self._engine.invoke(self._state, self._arena, None, None)
        return self._read_outputs(out)

    def invoke(self, raw_in=None, raw_out=None):
        """Runs the model on the tensors' own bytes: quantized where the model is.

        Each is a buffer of exactly the tensor's bytes, or a list or tuple of them where there are
        several, or None: then nothing is copied. ValueError where sizes do not match.
        """
        self._engine.invoke(self._state, self._arena, raw_in, raw_out)

    def reset(self):
        """Clears what the model keeps from one run to the next: the state of SVDF and LSTM layers, variables.

        It is as after loading then. A model that keeps nothing is left alone.
        """
        if self.engine == "tflm":
            self._engine.reset()
        elif self._initial:
            self._engine.run(self._state, self._arena, 0, self._initial)

    def profile(self):
        """Runs operator by operator on what the inputs hold: a list of (operator, microseconds)."""
        if self.engine == "tflm":
            return self._engine.profile()
        run, state, arena = self._engine.run, self._state, self._arena
        clock = _stopwatch()
        result = []
        for i, name in enumerate(hogfile.operators(self._file)):
            if i >= self._initial:
                clock()
                run(state, arena, i, i + 1)
                result.append((name, clock()))
        return result

    @property
    def meta(self):
        """The file's META section: name, names of inputs and outputs, labels, the user's own keys."""
        if self._meta is None:
            self._meta = self._facts.meta(self._file)
        return self._meta

    @property
    def name(self):
        return self.meta.get("name", "")

    @property
    def labels(self):
        return self.meta.get("labels")

    @property
    def input_names(self):
        return self.meta.get("inputs")

    @property
    def output_names(self):
        return self.meta.get("outputs")

    def summary(self):
        """All that there is to know, as text of several lines."""
        lines = ["%s: %d bytes, %s engine" % (self.name or self._label, self.len, self.engine)]
        for what, tensors in (("input", self._inputs), ("output", self._outputs)):
            names = self.meta.get(what + "s", ())
            for i, t in enumerate(tensors):
                text = "%s %d: %s" % (what, i, _describe_tensor(t))
                if t.dtype in "bhB":
                    text += ", scale %g, zero point %d" % (t.scale, t.zero_point)
                lines.append(text + (", " + names[i] if i < len(names) else ""))
        if self.labels:
            lines.append("labels: " + ", ".join(self.labels))
        lines.append("operators: " + " ".join(self._facts.operators(self._file)))
        if self._initial:
            lines.append("keeps state from run to run: reset() clears it")
        lines.append("RAM: %d bytes, of these %d arena" % (self.ram, self.arena_size))
        return "\n".join(lines)

    def __repr__(self):
        if self._file is None:
            return "<Model %s: closed>" % self._label
        return "<Model %s: %s engine, %s to %s%s, %d bytes of RAM>" % (
            self.name or self._label,
            self.engine,
            " + ".join([_describe_tensor(t) for t in self._inputs]),
            " + ".join([_describe_tensor(t) for t in self._outputs]),
            " (" + ", ".join(self.labels) + ")" if self.labels else "",
            self.ram,
        )

    def deinit(self):
        """Lets go of all memory, and of a file that is streamed; the model is of no use afterwards."""
        if self._stream:
            self._stream.close()
        self.invoke = _closed
        self._file = self._state = self._arena = self._numbers = None
        self.ram = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.deinit()

    # Memory.

    def _allocate(self, n):
        self.ram += n
        try:
            return bytearray(n)
        except MemoryError:
            raise MemoryError("%s needs %d bytes in one piece, %d are free" % (self._label, n, _free()))

    def _read(self, path, stream):
        """The file as a memoryview: in place in ROMFS, else a copy in RAM; of one to be streamed the head."""
        try:
            self.len = size = os.stat(path)[6]
            file = open(path, "rb")
        except OSError as e:
            raise OSError(e.args[0], "cannot open %s" % path)
        try:
            try:
                return memoryview(file)
            except TypeError:
                pass
            if stream:
                from .stream import Stream

                self._stream = Stream(file, path, size, self._allocate)
                return self._stream.head
            # The header states the arena, so that all is known before anything large is allocated.
            head = file.read(hogfile.HEADER_SIZE)
            need = size + (hogfile.arena_size(head) if head[:4] == b"HOGN" else 0)
            free = _free()
            if need > free:
                raise MemoryError(
                    "%s needs %d bytes (file and arena), %d are free; Model(path, stream=True) needs fewer"
                    % (path, need, free)
                )
            data = memoryview(self._allocate(size))
            data[: len(head)] = head
            if file.readinto(data[len(head) :]) != size - len(head):
                raise OSError("cannot read all of %s" % path)
            return data
        finally:
            if not self._stream:
                file.close()

    def _load(self):
        """The engine checks the file; returns the arena's size."""
        try:
            return self._engine.load(self._file, self._state)
        except ValueError as e:
            error = e.args[0]
        if "address" in error:  # it reads words in place: what lies at an odd one is copied
            copy = memoryview(self._allocate(self.len))
            copy[:] = self._file
            self._file = copy
            return self._load()
        if self.engine != "tflm" and bytes(self._file[4:8]) == b"TFL3":
            error = "this is a .tflite file: convert it with `hognose pack`"
        elif self.engine != "tflm" and _carries_tflite(self._file):
            error = "this file is for firmware with TensorFlow Lite Micro: pack it without --engine tflm"
        raise ValueError("%s: %s" % (self._label, error))

    def _check_arena(self, arena):
        if len(arena) < self.arena_size:
            raise ValueError("the arena has %d bytes, the model needs %d" % (len(arena), self.arena_size))
        try:
            arena[0] = 0
        except TypeError:
            raise TypeError("the arena is read-only, it must be a bytearray")
        return arena

    # Inputs and outputs.

    def _write(self, i, window):
        if isinstance(window, _NEST) and len(window) == 1 and not isinstance(window[0], _NUMBER):
            window = window[0]  # as OpenMV has it: a list of one input
        if not isinstance(window, _NO_BUFFER):
            try:
                return self._engine.write(self._state, self._arena, i, window)
            except ValueError:
                pass  # not a buffer, or not such a one: number by number then
        if self._numbers is None:
            self._numbers = [None] * len(self._inputs)
        numbers = self._numbers[i]
        if numbers is None:
            n = self._inputs[i].size
            numbers = self._numbers[i] = array("f", bytes(4 * n))
            self.ram += 4 * n
        try:
            given = _flatten(window, numbers, 0)
        except IndexError:
            given = _count(window)
        except TypeError:
            raise TypeError("input %d: expected numbers, given %s" % (i, _describe(window)))
        if given != len(numbers):
            given = "more" if given < 0 else given
            raise ValueError(
                "input %d: expected %d numbers %s, given %s" % (i, len(numbers), self.input_shape[i], given)
            )
        self._engine.write(self._state, self._arena, i, numbers)

    def _read_outputs(self, out):
        # (No comprehension here: it would make `self` a cell, which is allocated.)
        engine, outputs = self._engine, self._outputs
        if out is None:
            floats = self._all_floats()
            return floats if len(outputs) > 1 else floats[0]
        if len(outputs) == 1:
            engine.read(self._state, self._arena, 0, out)
            return out
        if len(out) != len(outputs):
            raise ValueError("expected a list of %d outputs, given %d" % (len(outputs), len(out)))
        for i in range(len(outputs)):
            engine.read(self._state, self._arena, i, out[i])
        return out

    def _all_floats(self):
        return [self._floats(i) for i in range(len(self._outputs))]

    def _floats(self, i):
        floats = array("f", bytes(4 * self._outputs[i].size))
        self._engine.read(self._state, self._arena, i, floats)
        return list(floats)


def _closed(raw_in=None, raw_out=None):
    raise ValueError("the model is closed")


def _find_engine(name, file):
    """The engine and its name."""
    if name not in (None, "native", "reference", "tflm"):
        raise ValueError('engine is "native", "reference", "tflm" or None, not %r' % name)
    if name == "tflm" or (name is None and _carries_tflite(file)):
        from .tflm_engine import Tflm

        try:
            return Tflm(), "tflm"
        except ImportError as e:
            if name:
                raise ImportError("%s: pack the model without --engine tflm" % e)
    if name != "reference":
        try:
            import _hognose

            return _hognose, "native"
        except (ImportError, ValueError) as e:  # ValueError: a .mpy for another architecture or version
            if name:
                raise ImportError(_how_to_install(e))
    from .reference import Reference

    return Reference(), "reference"


def _carries_tflite(file):
    """Whether the file is a .tflite or a .hog that has one in place of a plan."""
    return bytes(file[4:8]) == b"TFL3" or (bytes(file[:4]) == b"HOGN" and b"TFLM" in bytes(file[24:72]))


def _how_to_install(error):
    mpy = getattr(sys.implementation, "_mpy", None)
    if mpy is None:
        return "no native engine here (%s): install hognose with pip, or use engine='reference'" % error
    architecture = mpy >> 10 & 15
    if not 0 < architecture < len(_ARCHITECTURES):
        return "this MicroPython cannot load native modules (%s): use engine='reference'" % error
    file = "%s_%d.%d/_hognose.mpy" % (_ARCHITECTURES[architecture], mpy & 255, mpy >> 8 & 3)
    return "no native engine (%s): copy %s to the board's /lib, or use engine='reference'" % (error, file)


def _stopwatch():
    """A function that returns the microseconds since its last call."""
    import time

    if hasattr(time, "ticks_us"):
        now, difference = time.ticks_us, time.ticks_diff
    else:  # CPython, CircuitPython

        def now():
            return time.monotonic_ns() // 1000

        def difference(a, b):
            return a - b

    last = now()

    def clock():
        nonlocal last
        start, last = last, now()
        return difference(last, start)

    return clock


def _free():
    """Bytes of memory that are free; CPython knows no limit."""
    gc.collect()
    return gc.mem_free() if hasattr(gc, "mem_free") else 1 << 62


def _describe(window):
    """What somebody handed over: its type, with the number of items where it has one."""
    name = type(window).__name__
    return "%s of %d" % (name, len(window)) if isinstance(window, _NEST) else name


def _bytes_view(source):
    view = memoryview(source)
    return view.cast("B") if hasattr(view, "cast") and (view.ndim != 1 or view.format != "B") else view


def _describe_tensor(t):
    return "%s %s" % (t.shape, _DTYPES[t.dtype])


def _flatten(x, numbers, at):
    """Copies a nest of numbers to the array from `at` on; returns where it ended. Lists need no memory."""
    if not isinstance(x, _NEST):
        if isinstance(x, str):
            raise TypeError("not a number")
        try:
            x = iter(x)
        except TypeError:
            numbers[at] = x  # a number, or another TypeError
            return at + 1
        for v in x:
            at = _flatten(v, numbers, at)
        return at
    if not x or not isinstance(x[0], _NEST):
        start = at
        try:
            for v in x:
                numbers[at] = v
                at += 1
            return at
        except TypeError:
            x = x[at - start :]  # from what is no number on
    for v in x:
        at = _flatten(v, numbers, at)
    return at


def _count(x):
    """The numbers in a nest; -1 where it does not tell."""
    if isinstance(x, _NEST):
        counts = [_count(v) for v in x]
        return -1 if -1 in counts else sum(counts)
    if isinstance(x, _NUMBER):
        return 1
    try:
        return len(x)
    except TypeError:
        return -1
