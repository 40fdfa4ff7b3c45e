# SPDX-License-Identifier: MIT
"""Random models with a state: each case is a sequence of runs, with resets in between."""

from __future__ import annotations

from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from tflite_builder import Tensor

from .draw import ACTIVATIONS, Case, Draw, Operators

OPERATORS = Operators()


def _sequence(d: Draw, case: Case) -> Case:
    """With what follows the first run."""
    for _ in range(d.int(1, 6)):
        again = [d.values(t.shape, t.dtype) for t, _ in d.inputs]
        case.then.append(None if d.int(0, 4) == 4 else again)
    return case


@OPERATORS.add("SVDF", "int8 float32")
def _svdf(d: Draw, name: str) -> Case:
    d.wild = False  # TFLM asks for a bias scale that is exact to 1e-5
    batch, inputs, memory = d.of((1, 1, 2, 3)), d.int(1, 20), d.int(1, 9)
    rank, units = d.of((1, 1, 2, 3)), d.int(1, 6)
    filters = rank * units
    x = d.input((batch, inputs), **d.quantization())
    state_type = d.of(("int16", "int16", "int8")) if d.dtype == "int8" else "float32"
    if d.dtype == "int8":
        feature_scale, time_scale = d.scale(0.01), d.scale(0.01)
        state_scale = d.scale(x.scale * feature_scale * (0.1 if state_type == "int16" else 60))
        state_zp = d.zero_point() if state_type == "int8" else 0
        quantization: dict[str, Any] = {"scale": state_scale, "zero_point": state_zp}
        feature = d.b.const(d.values((filters, inputs)), scale=feature_scale)
        time = d.b.const(d.values((filters, memory), state_type), scale=time_scale)
        bias_scale = np.float32(state_scale) * np.float32(time_scale)
        reach = 1000 if state_type == "int8" else 10**6
        bias = d.b.const(d.rng.integers(-reach, reach, units).astype(np.int32), scale=bias_scale)
        near = float(bias_scale) * (300 if state_type == "int8" else 10**6) * np.sqrt(memory * rank)
        y = d.output((batch, units), **d.quantization(near))
    else:
        quantization = {}
        feature = d.b.const(d.values((filters, inputs)))
        time = d.b.const(d.values((filters, memory)))
        bias = d.b.const(d.values((units,)))  # TFLM does not survive without one
        y = d.output((batch, units))
    state = d.b.tensor((batch, filters * memory), state_type, variable=True, **quantization)
    d.b.op(name, [x, feature, time, bias, state], y, version=2, rank=rank, activation=d.of(ACTIVATIONS))
    return _sequence(d, d.case(y))


@OPERATORS.add("CIRCULAR_BUFFER", "int8")
def _circular_buffer(d: Draw, name: str) -> Case:
    """Without a second output only such that run each time: TFLM's other outputs are not defined."""
    width, depth, slots = d.int(1, 3), d.int(1, 6), d.of((1, 2, 3, 5, 13))
    x = d.input((1, 1, width, depth), **d.quantization())
    y = d.output((1, slots, width, depth), scale=x.scale, zero_point=x.zero_point)
    counted = d.flag()
    cycles = d.int(1, 3) if counted else 1
    flex = flexbuffers.Builder()
    with flex.Map():
        flex.Key("cycles_max")
        flex.Int(cycles)
    options = {} if cycles == 1 and slots in (5, 13) else {"custom_options": bytes(flex.Finish())}
    outputs = [y, d.output((1,), "bool")] if counted else [y]
    d.b.op("CUSTOM", [x], outputs, custom=name, **options)
    return _sequence(d, d.case(*outputs))


@OPERATORS.add("UNIDIRECTIONAL_SEQUENCE_LSTM", "int8 int16 float32")
def _lstm(d: Draw, name: str) -> Case:
    d.wild = False
    batch, steps, inputs, units = d.of((1, 1, 2, 3)), d.int(1, 5), d.int(1, 12), d.int(1, 9)
    time_major = d.flag()
    lead = (steps, batch) if time_major else (batch, steps)
    quantized = d.dtype != "float32"
    x = d.input((*lead, inputs), **d.quantization())
    hidden_quantization = d.quantization(1 / 128 if d.dtype == "int8" else 1 / 32768)
    cell_quantization = {"scale": 2.0 ** -d.of((11, 11, 11, 9, 10, 12, 13, 15))} if quantized else {}

    def weights(columns: int, scale: float) -> Tensor:
        if not quantized:
            return d.b.const(d.values((units, columns)) / np.float32(4 * columns))
        # Gates that are neither all saturated nor all about 0.
        near = 0.06 / (scale * (128 if d.dtype == "int8" else 32768) * np.sqrt(columns))
        return d.b.const(d.values((units, columns), "int8"), scale=d.scale(near))

    def bias(w: Tensor) -> Tensor:
        if not quantized:
            return d.b.const(d.values((units,)))
        scale = float(np.float32(float(x.scale) * float(w.scale)))
        reach = max(1, int(min(3 / max(scale, 1e-30), 2**31 - 1)))
        values = d.rng.integers(-reach, reach, units, endpoint=True)
        return d.b.const(values.astype(np.int32 if d.dtype == "int8" else np.int64), scale=scale)

    of_input = [weights(inputs, x.scale or 1) for _ in range(4)]
    of_hidden = [weights(units, hidden_quantization.get("scale", 1)) for _ in range(4)]
    states = [
        d.b.tensor((batch, units), d.dtype, variable=True, **hidden_quantization),
        d.b.tensor((batch, units), "int16" if quantized else "float32", variable=True, **cell_quantization),
    ]
    y = d.output((*lead, units), **hidden_quantization)
    tensors = [
        x,
        *of_input,
        *of_hidden,
        *[None] * 3,
        *[bias(w) for w in of_input],
        *[None] * 2,
        *states,
        *[None] * 4,
    ]
    clip = d.of((0.0, 0.0, 0.5, 2.0))
    d.b.op(name, tensors, y, version=3, activation="TANH", cell_clip=clip, time_major=time_major)
    case = _sequence(d, d.case(y))
    case.unit = 1.0  # sums of what exp, which is not the same to the last bit, has made
    return case


_TYPES = "int8 int16 float32 int32 int64 uint8 bool"


@OPERATORS.add("VAR_HANDLE CALL_ONCE ASSIGN_VARIABLE READ_VARIABLE", _TYPES)
def _variables(d: Draw, name: str) -> Case:
    """Reads and writes of up to three variables in any order, some of which get a first value."""
    shape = d.shape(1, 3, 5)
    q = (
        {}
        if d.dtype in ("float32", "int32", "int64", "bool")
        else {"scale": 0.5, "zero_point": d.zero_point()}
    )
    names = ["a", "b", "c"][: d.int(1, 3)]
    inputs = [d.input(shape, **q) for _ in range(2)]
    first = {n: d.values(shape) if d.flag() else np.full(shape, d.values((1,))) for n in names if d.flag()}
    if first:
        d.b.op("CALL_ONCE", [], [], init_subgraph_index=1)
    handles = {n: _handle(d, n) for n in names}
    known, outputs = list(inputs), []
    ways = ("read", "read", "assign", "turn") + (("join",) if d.dtype not in ("uint8", "int64") else ())
    for _ in range(d.int(2, 9)):
        what, handle = d.of(ways), handles[d.of(names)]
        if what == "assign":
            d.b.op("ASSIGN_VARIABLE", [handle, d.of(known)], [])
            continue
        y = d.output(shape, **q)
        if what == "read":
            d.b.op("READ_VARIABLE", [handle], y)
        elif what == "turn":
            axis = d.b.const(np.array([d.int(0, len(shape) - 1)], np.int32))
            d.b.op("REVERSE_V2", [d.of(known), axis], y)
        else:
            joined = d.output((2 * shape[0], *shape[1:]), **q)
            d.b.op("CONCATENATION", [d.of(known), d.of(known)], joined, axis=0, activation="NONE")
            begin = d.b.const(np.array([d.int(0, shape[0])] + [0] * (len(shape) - 1), np.int32))
            d.b.op("SLICE", [joined, begin, d.b.const(np.array(shape, np.int32))], y)
        known.append(y)
    for n in names:  # TFLM knows a variable only if something is assigned to it
        d.b.op("ASSIGN_VARIABLE", [handles[n], d.of(known)], [])
    outputs = [t for t in known if t not in inputs and d.flag()][:3]
    if not outputs:
        outputs = [d.output(shape, **q)]
        d.b.op("READ_VARIABLE", [handles[names[0]]], outputs[0])
    if not first:
        return _sequence(d, d.case(*outputs))
    d.b.end_subgraph(inputs, outputs)
    for n, values in first.items():
        d.b.op("ASSIGN_VARIABLE", [_handle(d, n), d.b.const(values, **q)], [])
    return _sequence(d, Case(d.b.build([], []), [v for _, v in d.inputs]))


def _handle(d: Draw, name: str) -> Tensor:
    handle = d.b.tensor((), "resource")
    d.b.op("VAR_HANDLE", [], handle, container=b"", shared_name=name.encode())
    return handle


RECURRENT = frozenset(key for key in OPERATORS if key[0] in ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"))
