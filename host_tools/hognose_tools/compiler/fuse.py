# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 2, too: what a neighbour can do as well, to the bit, is left to it.

Padding before a convolution becomes the convolution's own, an activation the bounds of the operator before
it, and a convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND one whose taps lie apart (dilated).
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from .graph import Graph, Operator, Tensor
from .lower.window import SAME

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_CLAMPING = (*_CONVOLUTIONS, "FULLY_CONNECTED", "ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D")
_ACTIVATIONS = {"RELU": 1, "RELU6": 3}  # as options number them
_TYPES = ("int8", "int16", "float32")


@dataclass
class _Edges:
    """Who writes a tensor, and how many read it."""

    writer: dict[int, Operator]
    readers: Counter[int]

    def before(self, op: Operator, kinds: tuple[str, ...]) -> Operator | None:
        """The operator whose result `op` reads, where it is of `kinds` and nobody else reads that."""
        x = op.inputs[0] if op.inputs else None
        if x is None or self.readers[x.index] != 1:
            return None
        source = self.writer.get(x.index)
        return source if source and source.kind in kinds and len(source.outputs) == 1 else None


def fuse(graph: Graph) -> None:
    """Rewrites the operators of `graph`; its subgraphs are left alone."""
    edges = _Edges(
        {t.index: op for op in graph.operators for t in op.outputs},
        Counter(t.index for op in graph.operators for t in op.inputs if t is not None),
    )
    edges.readers.update(t.index for t in graph.outputs)
    gone: set[int] = set()
    for op in graph.operators:
        try:
            for other in _absorbed(op, edges):
                gone.add(id(other))
        except (LookupError, TypeError, ValueError):
            pass  # lowering will say what is wrong with it
    graph.operators = [op for op in graph.operators if id(op) not in gone]


def _absorbed(op: Operator, edges: _Edges) -> list[Operator]:
    """The operators that are not needed any more, after one of them has taken over their work."""
    if op.kind in _CONVOLUTIONS:
        pad = edges.before(op, ("PAD", "PADV2"))
        if pad and (sides := _padding(pad)) is not None and _take_padding(op, pad.inputs[0], sides):
            return [pad]
    elif op.kind == "BATCH_TO_SPACE_ND":
        conv = edges.before(op, _CONVOLUTIONS)
        spread = conv and edges.before(conv, ("SPACE_TO_BATCH_ND",))
        if conv and spread and _take_dilation(spread, conv, op):
            edges.writer[op.outputs[0].index] = conv
            return [spread, op]
    elif op.kind in _ACTIVATIONS:
        source = edges.before(op, _CLAMPING)
        if source and _take_activation(source, op):
            edges.writer[op.outputs[0].index] = source
            return [op]
    return []


def _alike(x: Tensor | None, y: Tensor) -> bool:
    """Whether the same bytes mean the same in both."""
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
    """Before and after the rows and the columns, where that is all and it is padded with what means 0."""
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
    if min(*pads, *crops) < 0 or (any(pads) and _zero(x) != 0):
        return False  # TFLM pads with 0 here, whatever that means
    sides = [(pads[i] - crops[i], pads[i + 1] - crops[i + 1]) for i in (0, 2)]
    if any(before < 0 for before, _ in sides) or not _take_padding(conv, x, sides):
        return False
    for axis, factor in zip("hw", factors, strict=True):
        options[f"dilation_{axis}factor"] = factor
    conv.outputs = [y]
    return True


def _take_activation(source: Operator, op: Operator) -> bool:
    x, y = op.inputs[0], op.outputs[0]
    if not _alike(x, y) or x is None or x.shape != y.shape:
        return False
    if source.options.get("fused_activation_function", 0) != 0:
        return False
    source.options["fused_activation_function"] = _ACTIVATIONS[op.kind]
    source.outputs = [y]
    return True
