# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Runs samples from a file through a model, on the laptop and on every rung of the ladder alike.

    micropython device_run.py MODEL ENGINE MODE SOURCE SINK

MODE says what a sample is in SOURCE and SINK:
    raw      the tensors' own bytes, in and out
    numbers  float32 values, in and out
    layers   raw bytes in; out, the whole arena after each operator
One byte goes to stdout for each sample that is done.
"""

import sys
from array import array

from hognose import Model

_ITEM = {"b": 1, "f": 4}


def run(model, mode, source, sink, done):
    """Samples from the open file `source` to `sink` until it ends; calls `done()` after each."""
    numbers = mode == "numbers"
    inputs = _buffers(model.input_shape, model.input_dtype, numbers)
    outputs = _buffers(model.output_shape, model.output_dtype, numbers)
    while _fill(source, inputs):
        if mode == "layers":
            model.invoke(inputs, None, 0)
            for i in range(model.operators):
                model.invoke(None, None, 1)
                sink.write(model.arena)
        elif numbers:
            model.predict(inputs, out=outputs)
        else:
            model.invoke(inputs, outputs)
        if mode != "layers":
            for buffer in outputs:
                sink.write(buffer)
        done()


def _buffers(shapes, dtypes, numbers):
    buffers = []
    for shape, dtype in zip(shapes, dtypes):
        size = 1
        for n in shape:
            size *= n
        code = "f" if numbers else dtype
        buffers.append(array(code, bytes(size * _ITEM[code])))
    return buffers


def _fill(source, buffers):
    for buffer in buffers:
        view = memoryview(buffer).cast("B") if hasattr(memoryview, "cast") else memoryview(buffer)
        if not source.readinto(view):
            return False
    return True


def main(path, engine, mode, source, sink):
    model = Model(path, engine=engine)
    with open(source, "rb") as f, open(sink, "wb") as g:
        run(model, mode, f, g, lambda: sys.stdout.write("."))


if __name__ == "__main__":
    main(*sys.argv[1:])
