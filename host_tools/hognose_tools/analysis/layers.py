# SPDX-License-Identifier: MIT
"""The outputs of a model's layers: on any runner, in TFLM, and in float32.

Values are keyed by the tensor's index in the model's first subgraph, each [samples, *shape].
"""

from collections.abc import Iterable, Mapping

import numpy as np

from .. import runners
from ..compiler import Compiled, carry_tflite
from ..compiler.graph import Tensor
from ..compiler.lower import Step, View
from ..compiler.ports import NUMPY
from ..compiler.records import TYPECODE
from .oracle import SECONDS, Oracle

Values = dict[int, np.ndarray]
CHANGING = ("IF", "WHILE", "READ_VARIABLE")  # their outputs share memory with other values at other times
_OUTPUTS = 32  # per run in TFLM: all tensors at once would need an arena that holds them all


def on_engine(compiled: Compiled, inputs: list[np.ndarray], engine: str, on: str) -> Values:
    """Of each tensor that is complete in the arena after some step. `inputs`: raw, each [samples, *shape]."""
    whole = _completed(compiled)
    steps = compiled.lowered.steps
    extents = [_extent(compiled, s.tensor) if i in whole else (0, 0) for i, s in enumerate(steps)]
    places = [(*extent, end) for extent, end in zip(extents, _ends(steps), strict=True)]
    found = runners.run_layers(compiled.hog, inputs, engine, on, places)
    return {steps[i].tensor.index: _elements(found[i], steps[i].tensor) for i in whole}


def with_tflm(tflite: bytes, tensors: list[Tensor], inputs: list[np.ndarray], on: str) -> Values:
    """The same with the engine tflm: the model runs several times, each time with other outputs."""
    found: Values = {}
    for i in range(0, len(tensors), _OUTPUTS):
        part = tensors[i : i + _OUTPUTS]
        hog = carry_tflite(tflite, outputs=[t.index for t in part])
        found |= zip([t.index for t in part], runners.run(hog, inputs, "tflm", on, "raw"), strict=True)
    return found


def in_tflm(
    tflite: bytes, inputs: list[np.ndarray], indices: Iterable[int], seconds: float = SECONDS
) -> Values:
    """TFLM's own. OracleError where it refuses the model. `seconds`: for one sample."""
    oracle = Oracle(tflite, keep_all=True, seconds=seconds)
    found: dict[int, list[np.ndarray]] = {i: [] for i in indices}
    for sample in zip(*inputs, strict=True):
        oracle.run(sample)
        for i, values in found.items():
            values.append(oracle.tensor(i))
    return {i: np.stack(values) for i, values in found.items()}


def in_float(compiled: Compiled, inputs: list[np.ndarray], forced: Mapping[int, np.ndarray]) -> Values:
    """Of a float32 model on this computer. Operators read the values in `forced` instead of their inputs.

    With the values of a quantized model forced, each result is what that layer alone should have made of
    them. Layers with an input in the arena that is not in `forced` are then left out.
    """
    import _hognose  # the other functions do without it

    state = bytearray(_hognose.STATE_SIZE)
    memory = bytearray(_hognose.load(memoryview(compiled.hog), state))
    arena = np.frombuffer(memory, np.uint8)
    _hognose.run(state, memory, 0, compiled.lowered.initial)  # what a reset runs
    whole = _completed(compiled)
    found: dict[int, list[np.ndarray]] = {}
    for n in range(len(inputs[0])):
        for t, values in zip(compiled.graph.inputs, inputs, strict=True):
            _put(arena, compiled, t, values[n])
        for i, step in enumerate(compiled.lowered.steps):
            if i < compiled.lowered.initial:
                continue
            read = [t for t in step.operator.inputs if t and not t.variable and _in_arena(compiled, t)]
            for t in read if _is_first(compiled, i) else ():
                if t.index in forced:
                    _put(arena, compiled, t, forced[t.index][n])
            _hognose.run(state, memory, i, i + 1)
            if i in whole and (not forced or all(t.index in forced for t in read)):
                at, size = _extent(compiled, step.tensor)
                values = _elements(arena[None, at : at + size].copy(), step.tensor)[0]
                found.setdefault(step.tensor.index, []).append(values)
    return {index: np.stack(values) for index, values in found.items()}


def views(compiled: Compiled, values: Values) -> Values:
    """Of tensors that share the bytes of one in `values` and differ only in shape."""
    graph = compiled.graph
    tensors = {t.index: t for op in graph.operators for t in (*op.inputs, *op.outputs) if t}
    tensors |= {t.index: t for t in (*graph.inputs, *graph.outputs)}  # some belong to no operator
    changing = {t.index for op in graph.operators if op.kind in CHANGING for t in op.outputs}
    known = {_where(compiled, tensors[i]): v for i, v in values.items() if _in_arena(compiled, tensors[i])}
    return {
        i: known[_where(compiled, t)].reshape(-1, *t.shape)
        for i, t in tensors.items()
        if i not in values and i not in changing and _in_arena(compiled, t) and _where(compiled, t) in known
    }


def _completed(compiled: Compiled) -> list[int]:
    """The steps of a run after which a tensor of the model is complete in the arena."""
    low = compiled.lowered
    last = {s.tensor.index: i for i, s in enumerate(low.steps) if i >= low.initial and s.tensor.index >= 0}
    return sorted(i for i in last.values() if _in_arena(compiled, low.steps[i].tensor))


def _ends(steps: list[Step]) -> list[int]:
    """For each step, the first place after it where the run may stop: no jump crosses it."""
    ends = list(range(1, len(steps) + 1))
    for i, step in enumerate(steps):
        if step.name == "JUMP":
            first, last = sorted((i, step.fields["target"].at))
            ends[first : i + 1] = [max(last, i + 1)] * (i + 1 - first)
    for i in reversed(range(len(steps))):
        ends[i] = max(ends[i : ends[i]])
    return ends


def _is_first(compiled: Compiled, i: int) -> bool:
    """Whether step `i` is the first one of its operator."""
    steps: list[Step] = compiled.lowered.steps
    return i == 0 or steps[i - 1].operator is not steps[i].operator


def _in_arena(compiled: Compiled, t: Tensor) -> bool:
    place = compiled.lowered.places.get(t.index)
    return isinstance(place, View) and place.buffer.offset >= 0


def _extent(compiled: Compiled, t: Tensor) -> tuple[int, int]:
    """Offset in the arena, and bytes."""
    place = compiled.lowered.places[t.index]
    assert isinstance(place, View)
    return place.buffer.offset + place.offset, t.size * NUMPY[TYPECODE[t.dtype]].itemsize


def _where(compiled: Compiled, t: Tensor) -> tuple[int, int, int]:
    """Equal for two tensors that are the same bytes at the same time."""
    place = compiled.lowered.places[t.index]
    assert isinstance(place, View)
    return id(place.buffer), *_extent(compiled, t)


def _elements(raw: np.ndarray, t: Tensor) -> np.ndarray:
    """Bytes [samples, bytes] as [samples, *shape]."""
    return np.ascontiguousarray(raw).view(NUMPY[TYPECODE[t.dtype]]).reshape(-1, *t.shape)


def _put(arena: np.ndarray, compiled: Compiled, t: Tensor, values: np.ndarray) -> None:
    at, size = _extent(compiled, t)
    arena[at : at + size] = (
        np.ascontiguousarray(values.astype(NUMPY[TYPECODE[t.dtype]])).view(np.uint8).reshape(-1)
    )
