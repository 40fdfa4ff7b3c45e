# SPDX-License-Identifier: MIT
"""A quantized model as the float32 model that it approximates: no rounding between layers."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .graph import Graph, Tensor

# Index of the bias; its scale is the product of those of the two inputs before it, whatever the file states.
_BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
# These do nothing between two tensors that are both float32 now.
_IDENTITY = ("QUANTIZE", "DEQUANTIZE")


def dequantized(values: np.ndarray, t: Tensor) -> np.ndarray:
    """(value - zero point)·scale as float32; `values`: [*shape] of `t`, or [samples, *shape] of one scale."""
    shape = [1] * len(t.shape)
    if len(t.scales) > 1:
        shape[t.axis] = len(t.scales)
    scales, zeros = t.scales.reshape(shape).astype(np.float64), t.zero_points.reshape(shape)
    return ((values.astype(np.int64) - zeros) * scales).astype(np.float32)


def is_quantized(t: Tensor) -> bool:
    """Whether the elements stand for real numbers by a scale."""
    return t.dtype != "float32" and len(t.scales) > 0


def to_float(graph: Graph) -> Graph:
    """The float32 model: quantized tensors become float32, constants are dequantized, all else stays."""
    bias_scales = dict(_bias_scales(graph))
    tensors = [_to_float(t, bias_scales.get(t.index)) for t in graph.tensors]

    def find(t: Tensor | None) -> Tensor | None:
        return None if t is None else tensors[t.index]

    operators = []
    for op in graph.operators:
        kind = op.kind
        inputs, outputs = [find(t) for t in op.inputs], [tensors[t.index] for t in op.outputs]
        if kind in _IDENTITY and all(t and t.dtype == "float32" for t in inputs + outputs):
            kind = "RESHAPE"
        operators.append(replace(op, kind=kind, inputs=inputs, outputs=outputs))
    return Graph(
        graph.name,
        tensors,
        operators,
        [tensors[t.index] for t in graph.inputs],
        [tensors[t.index] for t in graph.outputs],
    )


def _bias_scales(graph: Graph) -> Iterator[tuple[int, np.ndarray]]:
    for op in graph.operators:
        place = _BIAS.get(op.kind, len(op.inputs))
        bias = op.inputs[place] if place < len(op.inputs) else None
        if bias is not None:
            x, weights = op.inputs[place - 2 : place]
            if x is not None and weights is not None and len(x.scales) and len(weights.scales):
                yield bias.index, x.scales * weights.scales


def _to_float(t: Tensor, bias_scales: np.ndarray | None) -> Tensor:
    if bias_scales is not None and t.dtype in ("int32", "int64"):
        t = replace(t, scales=bias_scales, zero_points=np.zeros(len(bias_scales), np.int64), axis=0)
    if not is_quantized(t):
        return t
    data = None if t.data is None else dequantized(t.data, t)
    none = {"scales": t.scales[:0], "zero_points": t.zero_points[:0], "axis": 0}
    return replace(t, dtype="float32", data=data, **none)
