# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Random models with a state: each case is a sequence of runs, with resets in between."""

from __future__ import annotations

from typing import Any

import numpy as np

from operators import ACTIVATIONS, OPERATORS, Case, Draw, operator
from tflite_builder import Tensor


def _sequence(d: Draw, *outputs: Tensor) -> Case:
    """The case, and what follows its first run."""
    case = d.case(*outputs)
    for _ in range(d.int(1, 6)):
        again = [d.values(t.shape, t.dtype) for t, _ in d.inputs]
        case.then.append(None if d.int(0, 4) == 4 else again)
    return case


@operator("SVDF", "int8 float32")
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
    return _sequence(d, y)


@operator("UNIDIRECTIONAL_SEQUENCE_LSTM", "int8 int16 float32")
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
        scale = np.float32(x.scale) * np.float32(w.scale)
        reach = max(1, int(3 / scale))
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
    case = _sequence(d, y)
    case.unit = 1.0  # sums of what exp, which is not the same to the last bit, has made
    return case


RECURRENT = frozenset(key for key in OPERATORS if key[0] in ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"))
