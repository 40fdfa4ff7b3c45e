# SPDX-License-Identifier: MIT
"""Step 2: fuses operators where the bytes stay the same.

Padding before a convolution becomes the convolution's own. An activation becomes the bounds of the operator
before it. A convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND becomes a dilated one, and computes
what TensorFlow computes: TFLM pads with what lies in its arena, and mixes up the batches of a model whose
batch size was not fixed.
"""

import numpy as np

from .graph import Edges, Graph, Operator, Tensor
from .lower.geometry import SAME

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_CLAMPING = (*_CONVOLUTIONS, "FULLY_CONNECTED", "ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D")
_ACTIVATIONS = {"RELU": 1, "RELU6": 3}  # as options number them
_PADS = ("PAD", "PADV2")
_RESHAPES = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")
_TYPES = ("int8", "int16", "float32")


def fuse(graph: Graph) -> list[str]:
    """Rewrites the operators of `graph`, not of its subgraphs. Returns notes on undefined results of TFLM."""
    notes: list[str] = []
    changed = True
    while changed:
        changed = False
        edges = Edges.of(graph)
        for op in list(graph.operators):
            try:
                rewritten = _rewrite(graph, op, edges, notes)
            except (LookupError, TypeError, ValueError):
                continue  # lowering will say what is wrong with it
            if rewritten:
                edges, changed = Edges.of(graph), True
    return notes


def _rewrite(graph: Graph, op: Operator, edges: Edges, notes: list[str]) -> bool:
    """Whether `op` or an operator before it was fused with others."""
    gone: list[Operator] = []
    if op.kind in _CONVOLUTIONS:
        pad = edges.before(op, _PADS)
        if pad and (sides := _padding(pad)) is not None and _take_padding(op, pad.inputs[0], sides):
            gone = [pad]
    elif op.kind in _ACTIVATIONS:
        source = edges.before(op, _CLAMPING)
        if source and _take_activation(source, op):
            gone = [op]
    elif op.kind == "BATCH_TO_SPACE_ND":
        flat = edges.before(op, _RESHAPES)
        if flat and len(op.inputs[0].shape) == 3:  # type: ignore[union-attr]
            return _lift_after(graph, flat, op)
        conv = edges.before(op, _CONVOLUTIONS)
        spread = conv and edges.before(conv, ("SPACE_TO_BATCH_ND",))
        if conv and spread and _take_dilation(spread, conv, op):
            notes += _undefined(spread)
            gone = [spread, op]
    elif op.kind == "TRANSPOSE":
        first = edges.before(op, ("TRANSPOSE",))
        if first and _take_order(graph, first, op):
            gone = [first]
    elif op.kind in _RESHAPES:
        source = edges.before(op, (*_PADS, "SPACE_TO_BATCH_ND"))
        return source is not None and _lift_before(graph, source, op)
    for other in gone:
        graph.operators.remove(other)
    return bool(gone)


# --- one dimension as two -----------------------------------------------------------------------


def _lift_before(graph: Graph, source: Operator, reshape: Operator) -> bool:
    """PAD or SPACE_TO_BATCH_ND, then a reshape from [n, w, c] to [n, 1, w, c]: exchanges the two."""
    x, between, y = source.inputs[0], source.outputs[0], reshape.outputs[0]
    if x is None or not _adds_rows(between, y) or len(x.shape) != 3 or not _alike(between, y):
        return False
    _lift_constants(graph, source)
    lifted = graph.new_tensor(x, _with_row(x.shape))
    source.inputs[0], source.outputs = lifted, [y]
    reshape.kind, reshape.inputs, reshape.outputs = "RESHAPE", [x], [lifted]
    _swap(graph, source, reshape)
    return True


def _lift_after(graph: Graph, reshape: Operator, gather: Operator) -> bool:
    """A reshape from [n, 1, w, c] to [n, w, c], then BATCH_TO_SPACE_ND: exchanges the two."""
    x, between, y = reshape.inputs[0], reshape.outputs[0], gather.outputs[0]
    if x is None or not _adds_rows(between, x) or len(y.shape) != 3 or not _alike(x, between):
        return False
    _lift_constants(graph, gather)
    lifted = graph.new_tensor(y, _with_row(y.shape))
    gather.inputs[0], gather.outputs = x, [lifted]
    reshape.kind, reshape.inputs, reshape.outputs = "RESHAPE", [lifted], [y]
    _swap(graph, reshape, gather)
    return True


def _adds_rows(flat: Tensor, image: Tensor) -> bool:
    return len(flat.shape) == 3 and image.shape == _with_row(flat.shape)


def _with_row(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], 1, *shape[1:])


def _lift_constants(graph: Graph, op: Operator) -> None:
    """Adds an axis of one row, which is not padded, cropped or divided, to the constants of `op`."""
    padding = op.kind in _PADS
    places = (1,) if padding else (1, 2)
    changed = []
    for i in places:
        t, divides = op.inputs[i], i == 1 and not padding
        if t is None or t.data is None:
            raise ValueError("computed")
        data = t.data.reshape(-1) if divides else t.data.reshape(-1, 2)
        data = np.insert(data, 1 if padding else 0, 1 if divides else 0, axis=0)
        changed.append(graph.new_tensor(t, data.shape, data))
    for i, t in zip(places, changed, strict=True):
        op.inputs[i] = t


def _swap(graph: Graph, first: Operator, second: Operator) -> None:
    i, j = graph.operators.index(first), graph.operators.index(second)
    graph.operators[i], graph.operators[j] = second, first


# --- padding, dilation, activation --------------------------------------------------------------


def _alike(x: Tensor | None, y: Tensor) -> bool:
    """Whether the same bytes are the same numbers in both."""
    if x is None or x.dtype != y.dtype or x.dtype not in _TYPES:
        return False
    return np.array_equal(x.scales, y.scales) and np.array_equal(x.zero_points, y.zero_points)


def _zero(t: Tensor) -> int:
    return t.zero_point if t.dtype != "float32" else 0


def _constants(op: Operator, i: int) -> list[int]:
    t = op.inputs[i]
    if t is None or t.data is None:
        raise ValueError("computed")
    return [int(v) for v in t.data.reshape(-1)]


def _padding(pad: Operator) -> list[tuple[int, int]] | None:
    """The padding (before, after) of rows and columns; None where something else is padded, or not with 0."""
    x, y = pad.inputs[0], pad.outputs[0]
    if not _alike(x, y) or x is None or len(x.shape) != 4:
        return None
    value = pad.inputs[2] if len(pad.inputs) > 2 else None
    if len(pad.inputs) > 2 and (value is None or value.data is None or np.any(value.data != _zero(y))):
        return None
    flat = _constants(pad, 1)
    sides = list(zip(flat[::2], flat[1::2], strict=True))
    padded = tuple(n + sum(side) for n, side in zip(x.shape, sides, strict=True))
    if min(flat) < 0 or padded != y.shape or any((*sides[0], *sides[3])):
        return None
    return sides[1:3]


def _take_padding(conv: Operator, x: Tensor | None, sides: list[tuple[int, int]]) -> bool:
    w = conv.inputs[1]
    if w is None or w.data is None or not np.isfinite(w.data).all():
        return False  # 0 times infinity is not 0
    for axis, (before, after) in zip("hw", sides, strict=True):
        had = conv.options.get(f"pad_{axis}", (0, 0))
        conv.options[f"pad_{axis}"] = (had[0] + before, had[1] + after)
    conv.inputs = [x, *conv.inputs[1:]]
    return True


def _take_dilation(spread: Operator, conv: Operator, gather: Operator) -> bool:
    x, y, options = spread.inputs[0], gather.outputs[0], conv.options
    if not (_alike(x, spread.outputs[0]) and _alike(conv.outputs[0], y)) or x is None or len(x.shape) != 4:
        return False
    factors = _constants(spread, 1)
    if factors != _constants(gather, 1) or len(factors) != 2 or min(factors) < 1 or len(y.shape) != 4:
        return False
    plain = all(options[f"stride_{axis}"] == options.get(f"dilation_{axis}factor", 1) == 1 for axis in "hw")
    if (
        not plain
        or options["padding"] == SAME
        or options.get("fused_activation_function", 0) not in (0, 1, 3)
    ):
        return False
    pads, crops = _constants(spread, 2), _constants(gather, 2)
    if min(*pads, *crops) < 0:
        return False
    sides = [(pads[i] - crops[i], pads[i + 1] - crops[i + 1]) for i in (0, 2)]
    if any(before < 0 for before, _ in sides) or not _take_padding(conv, x, sides):
        return False
    for axis, factor in zip("hw", factors, strict=True):
        options[f"dilation_{axis}factor"] = factor
    conv.outputs = [y]
    return True


def _undefined(spread: Operator) -> list[str]:
    """Notes on what TFLM does with a SPACE_TO_BATCH_ND other than TensorFlow."""
    x, y = spread.inputs[0], spread.outputs[0]
    assert x is not None
    if y.shape[0] != x.shape[0] * int(np.prod(_constants(spread, 1))):
        return [
            f"{spread.label}: TFLM mixes up the batches, because the model was converted without a batch size"
        ]
    if any(_constants(spread, 2)) and _zero(x) != 0:
        return [f"{spread.label}: TFLM pads with what lies in its arena, not with the zero point"]
    return []


def _take_activation(source: Operator, op: Operator) -> bool:
    x, y = op.inputs[0], op.outputs[0]
    if not _alike(x, y) or x is None or x.shape != y.shape:
        return False
    if source.options.get("fused_activation_function", 0) != 0:
        return False
    source.options["fused_activation_function"] = _ACTIVATIONS[op.kind]
    source.outputs = [y]
    return True


def _take_order(graph: Graph, first: Operator, op: Operator) -> bool:
    """Two transpositions become one. Lowering drops one that moves nothing."""
    x, y = first.inputs[0], op.outputs[0]
    inner, outer = _constants(first, 1), _constants(op, 1)
    rank = list(range(len(y.shape)))
    if not _alike(x, y) or sorted(inner) != rank or sorted(outer) != rank or op.inputs[1] is None:
        return False
    order = np.array([inner[i] for i in outer], op.inputs[1].dtype)
    op.inputs = [x, graph.new_tensor(op.inputs[1], order.shape, order)]
    return True
