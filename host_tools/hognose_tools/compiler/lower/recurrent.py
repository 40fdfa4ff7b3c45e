# SPDX-License-Identifier: MIT
"""Layers that keep state from run to run: SVDF, LSTM."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import fixedpoint as fx
from ..graph import Operator, Tensor
from ..records import TYPECODE
from .steps import Const, Lowered
from .tensors import ASK_TYPE, FLT_MAX, Unsupported, activation, arithmetic, clamp, constant
from .weights import symmetric

_GATE, _ACTIVATED = 2.0**-12, 2.0**-15  # scales of a gate before and after its activation
_TANH = 4  # tflite.ActivationFunctionType
# Inputs of UNIDIRECTIONAL_SEQUENCE_LSTM; of the gates in the engine's order: forget, input, cell, output.
_INPUT_WEIGHTS, _HIDDEN_WEIGHTS, _BIASES = (2, 1, 3, 4), (6, 5, 7, 8), (13, 12, 14, 15)
_HIDDEN, _CELL = 18, 19
_VARIANTS = {
    "peepholes": (9, 10, 11),
    "a projection": (16, 17),
    "layer normalization": (20, 21, 22, 23),
}


def svdf(low: Lowered, op: Operator) -> None:
    """TFLM's kernels/svdf_common.cc."""
    x, feature, time, _, state = op.inputs
    y = op.outputs[0]
    assert x is not None and feature is not None and time is not None and state is not None
    kind = arithmetic(x, y)
    _check_state(state, "bh" if kind == "b" else "f")
    if feature.dtype != x.dtype or time.dtype != state.dtype:
        raise Unsupported(f"weights of {feature.dtype} and {time.dtype} are not supported here: {ASK_TYPE}")
    weights, time_weights = constant(op, 1, "weights"), constant(op, 2, "weights")
    batch, (filters, inputs), memory, rank = x.shape[0], weights.shape, time.shape[-1], op.options["rank"]
    units = filters // rank
    given = (x.shape, time.shape, state.size, y.shape)
    if units * rank != filters or given != (
        (batch, inputs),
        (filters, memory),
        batch * filters * memory,
        (batch, units),
    ):
        raise Unsupported("the shapes of its tensors do not fit together: damaged model")
    bias = _bias(op, 3, units, kind)
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "weights": Const(weights.tobytes()),
        "time": Const(time_weights.tobytes()),
        "state": low.place(state),
        "batch": batch,
        "inputs": inputs,
        "units": units,
        "rank": rank,
        "memory": memory,
        "state_type": ord(TYPECODE[state.dtype]),
    }
    if kind == "f":
        fields |= {"min": -math.inf, "max": math.inf}
        bounds = clamp(op, kind, activation(op))
        fields |= {name: x for name, x in bounds.items() if abs(x) < FLT_MAX}  # infinite bounds stay
        fields |= dict.fromkeys(("feature_multiplier", "feature_shift", "multiplier", "shift", "state_zp"), 0)
        fields["params"] = Const(bias.astype("<f4").tobytes())
    else:
        feature_bias = -x.zero_point * weights.astype(np.int64).sum(axis=1)
        fields["params"] = Const(_int32(feature_bias) + _int32(bias))
        step = float(state.scale)
        scales = [float(x.scale) * float(feature.scale) / step, step * float(time.scale) / float(y.scale)]
        pairs = _multipliers(scales)
        (fields["feature_multiplier"], fields["feature_shift"]), (fields["multiplier"], fields["shift"]) = (
            pairs
        )
        # TFLM ignores the activation here.
        fields |= {**clamp(op, kind), "state_zp": state.zero_point}
    low.emit("SVDF", op, fields, kind=kind, macs=batch * filters * (inputs + memory))


def lstm(low: Lowered, op: Operator) -> None:
    """TFLM's kernels/lstm_eval_common.cc."""
    for what, variant in _VARIANTS.items():
        if any(op.inputs[i] is not None for i in variant):
            raise Unsupported(f"an LSTM with {what} is not supported, nor by TFLM: use Keras's LSTM layer")
    x, y, hidden, cell = op.inputs[0], op.outputs[0], op.inputs[_HIDDEN], op.inputs[_CELL]
    assert x is not None and hidden is not None and cell is not None
    kind = arithmetic(x, y, kinds="bhf")
    _check_state(hidden, kind)
    _check_state(cell, "f" if kind == "f" else "h")
    if op.options.get("fused_activation_function") != _TANH:
        raise Unsupported("an LSTM with another activation than tanh is not supported: use tanh")
    time_major = bool(op.options.get("time_major"))
    batch, steps = (x.shape[1], x.shape[0]) if time_major else x.shape[:2]
    inputs, units = x.shape[2], y.shape[2]
    if y.shape[:2] != x.shape[:2] or hidden.size != batch * units or cell.size != batch * units:
        raise Unsupported("the shapes of its tensors do not fit together: damaged model")
    input_weights = [_weights(op, i, (units, inputs), kind) for i in _INPUT_WEIGHTS]
    hidden_weights = [_weights(op, i, (units, units), kind) for i in _HIDDEN_WEIGHTS]
    biases = [_bias(op, i, units, kind) for i in _BIASES]
    # Unit by unit, the four gates of each.
    weights = np.stack(input_weights, axis=1).tobytes() + np.stack(hidden_weights, axis=1).tobytes()
    fields: dict[str, Any] = {
        "in": low.place(x),
        "out": low.place(y),
        "hidden": low.place(hidden),
        "cell": low.place(cell),
        "weights": Const(weights),
        "batch": batch,
        "steps": steps,
        "inputs": inputs,
        "units": units,
        "time_major": int(time_major),
    }
    bias, clip = np.stack(biases, axis=1), float(op.options.get("cell_clip", 0.0))
    if kind == "f":
        clip = clip if clip > 0 else math.inf
        fields |= {"params": Const(bias.astype("<f4").tobytes()), "min": -clip, "max": clip}
        fields |= {"table": None, "cell_shift": 0}
    else:
        folded = [-hidden.zero_point * w.astype(np.int64).sum(axis=1) for w in hidden_weights]
        if kind == "b":
            bias = bias - np.stack([x.zero_point * w.astype(np.int64).sum(axis=1) for w in input_weights], 1)
            params = _int32(bias) + _int32(np.stack(folded, axis=1))
        else:
            params = bias.astype("<i8").tobytes()
        pairs = _multipliers(_lstm_scales(op, x, hidden, cell), 8 if kind == "h" else 0)
        params += (
            np.array([m for m, _ in pairs], "<i4").tobytes() + np.array([s for _, s in pairs], "i1").tobytes()
        )
        bound = min(int(clip / float(cell.scale)), 32767)
        fields |= {
            "params": Const(params),
            "table": Const(np.array(fx.sigmoid_table(), "<u2").tobytes()),
            "cell_shift": _cell_shift(cell),
            "in_zp": 0,
            "out_zp": hidden.zero_point,
            "min": -bound if clip > 0 else -32768,
            "max": bound if clip > 0 else 32767,
        }
    macs = batch * steps * units * 4 * (inputs + units)
    low.emit("LSTM", op, fields, kind=kind, macs=macs)


def _lstm_scales(op: Operator, x: Tensor, hidden: Tensor, cell: Tensor) -> list[float]:
    """For each gate's two sums, then for forget · cell, input · cell gate and output · tanh."""

    def scale(i: int) -> float:
        t = op.inputs[i]
        assert t is not None
        return float(t.scale)

    scales = [float(x.scale) * scale(i) / _GATE for i in _INPUT_WEIGHTS]
    scales += [float(hidden.scale) * scale(i) / _GATE for i in _HIDDEN_WEIGHTS]
    product = _ACTIVATED * _ACTIVATED
    return [*scales, _ACTIVATED, product / float(cell.scale), product / float(hidden.scale)]


def _cell_shift(cell: Tensor) -> int:
    """The left shift of the cell state to an integer part of three bits."""
    shift = 12 + round(math.log2(float(cell.scale)))
    if not -30 <= shift <= 14:
        raise Unsupported(f"the cell state's scale {cell.scale:g} is out of range: quantize the model again")
    return shift


def _check_state(t: Tensor, kinds: str) -> None:
    arithmetic(t, kinds=kinds)
    if not t.variable:
        raise Unsupported("its state is not a variable: damaged model")


def _weights(op: Operator, i: int, shape: tuple[int, int], kind: str) -> np.ndarray:
    t = op.inputs[i]
    data = constant(op, i, "weights")
    assert t is not None
    if t.dtype != ("float32" if kind == "f" else "int8"):
        raise Unsupported(f"weights of {t.dtype} are not supported here: {ASK_TYPE}")
    if data.shape != shape or (kind != "f" and len(t.scales) != 1):
        raise Unsupported("the shapes of its tensors do not fit together: damaged model")
    return symmetric(t, data, kind)


def _bias(op: Operator, i: int, units: int, kind: str) -> np.ndarray:
    """A bias, or zeros where there is none."""
    if op.inputs[i] is None:
        return np.zeros(units)
    data = constant(op, i, "bias").reshape(-1)
    expected = {"b": np.int32, "h": np.int64, "f": np.float32}[kind]
    if len(data) != units or data.dtype != expected:
        raise Unsupported(f"its bias is {data.dtype}[{len(data)}]: quantize the model again")
    return data


def _multipliers(scales: Sequence[float], wide: int = 0) -> list[tuple[int, int]]:
    """Multipliers and shifts; the first `wide` are for sums of 64 bits."""
    pairs = [fx.quantize_multiplier(float(s)) for s in scales]
    if any(shift > (7 if i < wide else 30) for i, (_, shift) in enumerate(pairs)):
        raise Unsupported("its scales differ too much: quantize the model again")
    return pairs


def _int32(values: np.ndarray) -> bytes:
    """Sums are 32 bits wide and wrap, in TFLM as here."""
    return values.astype(np.int64).astype("<u4").tobytes()
