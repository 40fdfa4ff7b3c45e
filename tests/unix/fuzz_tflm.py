# SPDX-License-Identifier: MIT
"""Damaged models in a MicroPython that has `tflm`: tests/host/fuzz_tflite.py starts it.

micropython fuzz_tflm.py BATCH FIRST

BATCH holds files, each after its length; those from number FIRST on are tried. A line `#` before each,
`= refused` or `= ran` after it; whatever else happens is a finding.
"""

# Device code: MicroPython lacks what some rules ask for.

import gc
import struct
import sys

import tflm

from hognose import Model


def files(path):
    with open(path, "rb") as f:
        while True:
            head = f.read(4)
            if not head:
                return
            yield f.read(struct.unpack("<I", head)[0])


def inputs(tensors, turn):
    """Raw bytes: floats between 0.5 and 2, whatever else there is anything."""
    made = []
    for t in tensors:
        raw = bytearray(t.nbytes)
        for k in range(min(t.nbytes, 1 << 16)):  # of a large one the rest is 0
            raw[k] = 0x3F if t.typecode == "f" and k % 4 == 3 else (k * 37 + turn * 91 + 11) & 255
        made.append(raw)
    return made


def attempt(content):
    """What an app may do with a model."""
    try:
        i = tflm.Interpreter(content)
    except (ValueError, MemoryError):
        return "refused"
    for turn in range(2):
        try:
            outputs = [bytearray(t.nbytes) for t in i.outputs]
            i.invoke(inputs(i.inputs, turn), outputs)
            i.profile()
            i.reset()
        except (ValueError, RuntimeError, MemoryError):
            pass  # TFLM's own word, or tensors beyond the heap
    repr(i), i.signatures, [(t.name, t.dtype, t.shape, t.scale, t.zero_point) for t in i.inputs + i.outputs]
    i.deinit()
    try:
        m = Model(content)
        m.summary(), repr(m), m.labels
        window = [[0] * t.size for t in m._inputs]
        m.predict(window[0] if len(window) == 1 else window)
    except (ValueError, RuntimeError, MemoryError):
        pass
    return "ran"


def main(path, first):
    for n, content in enumerate(files(path)):
        if n >= first:
            print("#", n)
            print("=", attempt(content))
            gc.collect()


main(sys.argv[1], int(sys.argv[2]))
