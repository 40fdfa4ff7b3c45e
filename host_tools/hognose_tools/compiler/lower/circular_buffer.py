# SPDX-License-Identifier: MIT
"""CIRCULAR_BUFFER: the last frames of a stream (TFLM's kernels/circular_buffer.cc)."""

import struct

import numpy as np
from flatbuffers import flexbuffers

from ..graph import Operator, Tensor
from ..records import Loop
from . import binary
from .move import shifted
from .steps import Const, Label, Lowered, Step
from .tensors import LIMITS, Unsupported, arithmetic, fits

KIND = "CIRCULAR_BUFFER"
_OFTEN = (5, 13, 25)  # slots of buffers after which TFLM runs on each time, where the model says nothing


def circular_buffer(low: Lowered, op: Operator) -> None:
    """Shifts its output, a state. The rest of the model runs once in `cycles` runs; else its outputs stay.

    TFLM reuses the memory of the outputs, and so leaves anything there.
    """
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    arithmetic(x, y, kinds="b")
    fits(len(x.shape) == len(y.shape) == 4 and x.shape[:2] == (1, 1) and x.shape[2:] == y.shape[2:], x, y)
    if low.depth:
        raise Unsupported("it is in a subgraph: export the model again")
    state = low.places[y.index] = low.new_state(y, 0)
    rest = y.size - x.size
    if rest:
        kept = low.new_buffer(rest)
        low.emit("MOVE", op, {"in": shifted(state, x.size), "out": kept, "run": rest}, kind="b")
        low.emit("MOVE", op, {"in": kept, "out": state, "run": rest}, kind="b")
    low.emit("MOVE", op, {"in": low.place(x), "out": shifted(state, rest), "run": x.size}, kind="b")
    cycles = _cycles(op)
    if cycles > 1:
        _count(low, op, cycles)
    elif len(op.outputs) > 1:
        low.emit("FILL", op, {"out": low.place(op.outputs[1]), "count": 1, "size": 1, "value": 1}, kind="?")


def _cycles(op: Operator) -> int:
    cycles = 0
    if op.options["custom"]:
        try:
            options = flexbuffers.GetRoot(op.options["custom"])
            cycles = (options.AsMap["cycles_max"] if options.IsMap else options.AsVector[0]).AsInt
        except struct.error as e:
            raise ValueError("its options end too early") from e
    if cycles > LIMITS["i"][1]:
        raise Unsupported(f"it runs once in {cycles} times: damaged model")
    return cycles if cycles > 0 else 1 if op.outputs[0].shape[1] in _OFTEN else 2


def _count(low: Lowered, op: Operator, cycles: int) -> None:
    """Once in `cycles` runs what follows runs or, with a second output, that one is true."""
    number = Tensor(low.new_index(), "", (1,), "int32", np.array([]), np.array([]), 0)
    counter = low.new_state(number, 0)
    one, limit, zero = (Const(np.array([n], "<i4").tobytes()) for n in (1, cycles, 0))
    ready = low.place(op.outputs[1]) if len(op.outputs) > 1 else low.new_buffer(1)
    for name, in1, in2, out in (
        ("ADD", counter, one, counter),
        ("LESS_EQUAL", limit, counter, ready),
        ("SELECT", ready, zero, counter),
    ):
        binary.emit(low, op, name, "i", {"in1": in1, "in2": in2, "out": out}, [Loop(1, 0, 0)])
    if len(op.outputs) == 1:
        end = Label()
        low.steps.append(Step("JUMP", "?", {"condition": ready, "target": end}, [], op, op.outputs[0]))
        low.ends.append(end)
