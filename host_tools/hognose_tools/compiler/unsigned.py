# SPDX-License-Identifier: MIT
"""Unsigned integers, of which the engine has only uint8: where they are only moved, signed ones will do."""

from .graph import Graph, Operator, Tensor

UNSIGNED = {"uint16": "int16", "uint32": "int32", "uint64": "int64"}
_MOVING = {
    "BATCH_TO_SPACE_ND", "BITCAST", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE",
    "DYNAMIC_UPDATE_SLICE", "EXPAND_DIMS", "FILL", "GATHER", "GATHER_ND", "MIRROR_PAD", "PACK", "PAD",
    "PADV2", "RANK", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "SELECT", "SELECT_V2", "SHAPE",
    "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE",
    "TRANSPOSE", "UNPACK", "ZEROS_LIKE",
}  # fmt: skip


def make_signed(graph: Graph) -> None:
    """Turns unsigned tensors that nothing computes with into signed ones of the same bits."""
    found = {t.index: t for t in graph.tensors if t.dtype in UNSIGNED}
    left = {t.index for t in (*graph.inputs, *graph.outputs)} & found.keys()
    if not found.keys() - left:
        return
    groups = [(op, {t.index for t in _all(op)} & found.keys()) for op in graph.operators]
    for op, group in groups:
        left |= group if not _moves(op) else set()
    before = -1
    while before != len(left):  # an operator has tensors of one type: all of them, or none
        before = len(left)
        for _, group in groups:
            left |= group if group & left else set()
    for index in found.keys() - left:
        t = found[index]
        t.dtype = UNSIGNED[t.dtype]
        t.data = None if t.data is None else t.data.view(t.dtype)


def _all(op: Operator) -> list[Tensor]:
    return [t for t in (*op.inputs, *op.outputs) if t is not None]


def _moves(op: Operator) -> bool:
    """Whether it only moves bytes; a CAST between an unsigned type and its signed one does, too."""
    kinds = {UNSIGNED.get(t.dtype, t.dtype) for t in _all(op)}
    return op.kind in _MOVING or (op.kind == "CAST" and len(kinds) == 1)
