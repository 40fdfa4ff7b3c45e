# SPDX-License-Identifier: MIT
"""Runs a model on samples from a file, in the same way on the laptop and on a board.

    micropython device_run.py MODEL ENGINE MODE SEQUENCE SOURCE SINK

MODE says what a sample is in SOURCE and SINK:
    raw      the tensors' own bytes, in and out
    numbers  float32 values, in and out
    layers A:N:E …     raw bytes in; out, for each A:N:E, N bytes at A of the arena, after operators before E
The model is reset before every SEQUENCE samples, or never where that is 0.
One byte goes to stdout for each sample that is done.
"""

import sys
from array import array

from hognose import Model, hogfile


def run(model, mode, sequence, source, sink, done):
    """Samples from the open file `source` to `sink` until it ends; calls `done()` after each."""
    numbers = mode == "numbers"
    inputs = _buffers(model.input_shape, model.input_dtype, numbers)
    outputs = _buffers(model.output_shape, model.output_dtype, numbers)
    # One tensor goes without a list around it.
    given = inputs if len(inputs) > 1 else inputs[0]
    taken = outputs if len(outputs) > 1 else outputs[0]
    count = 0
    while _fill(source, inputs):
        if sequence and count % sequence == 0:
            model.reset()
        count += 1
        if mode.startswith("layers"):
            _layers(model, given, sink, mode.split()[1:])
        else:
            if numbers:
                model.predict(given, out=taken)
            else:
                model.invoke(given, taken)
            for buffer in outputs:
                sink.write(buffer)
        done()


def _layers(model, given, sink, places):
    # The engine's own functions, because Model has none for a part of an inference.
    engine, state, arena = model._engine, model._state, model._arena
    engine.enter(state, arena, given, None)
    done = model._initial
    for place in places:
        at, size, end = [int(n) for n in place.split(":")]
        if end > done:
            engine.run(state, arena, done, end)
            done = end
        sink.write(memoryview(arena)[at : at + size])
    engine.leave(state, arena, None)


def _buffers(shapes, dtypes, numbers):
    buffers = []
    for shape, dtype in zip(shapes, dtypes):
        size = 1
        for n in shape:
            size *= n
        code = "f" if numbers else "B" if dtype == "?" else dtype  # an array knows no bool
        buffers.append(array(code, bytes(size * hogfile.SIZES[code])))
    return buffers


def _fill(source, buffers):
    for buffer in buffers:
        if not source.readinto(buffer):
            return False
    return True


def main(path, engine, mode, sequence, source, sink):
    model = Model(path, engine=engine)
    with open(source, "rb") as f, open(sink, "wb") as g:
        run(model, mode, int(sequence), f, g, lambda: sys.stdout.write("."))


if __name__ == "__main__":
    main(*sys.argv[1:])
