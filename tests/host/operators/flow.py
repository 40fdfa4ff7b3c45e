# SPDX-License-Identifier: MIT
"""Random models with subgraphs: IF, WHILE."""

from __future__ import annotations

import numpy as np

from .draw import Case, Draw, Operators

OPERATORS = Operators()

# Two values to one, without a change of scale; of uint8 TFLM has none.
_JOIN = dict.fromkeys(("int8", "int16", "int32", "int64", "float32"), ("MAXIMUM", "MINIMUM"))
_JOIN["bool"] = ("LOGICAL_AND", "LOGICAL_OR")
_TYPES = "int8 int16 int32 int64 uint8 bool float32"


@OPERATORS.add("IF", _TYPES)
def _if(d: Draw, name: str) -> Case:
    """Two values, of which each branch makes two."""
    b, kind = d.b, d.dtype
    shape, q = d.shape(), d.quantization()

    def tensors(n: int = 2):
        return [b.tensor(shape, kind, **q) for _ in range(n)]

    condition, given, taken = b.tensor((1,), "bool"), tensors(), tensors()
    b.op("IF", [condition, *given], taken, then_subgraph_index=1, else_subgraph_index=2)
    b.end_subgraph([condition, *given], taken)
    b.end_subgraph(*_branch(d, tensors))
    tflite = b.build(*_branch(d, tensors))
    return Case(tflite, [np.array([d.flag()]), d.values(shape), d.values(shape)])


def _branch(d: Draw, tensors):
    x, y = tensors()
    style = d.of(("swap", "constant", *(("both", "chain") if d.dtype in _JOIN else ())))
    if style == "swap":
        return [x, y], [y, x]
    if style == "constant":
        return [x, y], [d.b.const(d.values(x.shape), x.dtype, scale=x.scale, zero_point=x.zero_point), x]
    made = tensors()
    d.b.op(d.of(_JOIN[d.dtype]), [x, y], made[0])
    d.b.op(d.of(_JOIN[d.dtype]), [made[0] if style == "chain" else x, y], made[1])
    return [x, y], made


@OPERATORS.add("WHILE", _TYPES)
def _while(d: Draw, name: str) -> Case:
    """Some turns; two values that change, or change places, and one that stays."""
    b, kind = d.b, d.dtype
    shape, q = d.shape(), d.quantization()

    def tensors():
        return [b.tensor((1,), "int32"), *(b.tensor(shape, kind, **q) for _ in range(3))]

    given, taken = tensors(), tensors()
    fixed = d.flag()
    values = d.values(shape)
    if fixed:
        given[3] = b.const(values, kind, scale=given[3].scale, zero_point=given[3].zero_point)
    b.op("WHILE", given, taken, cond_subgraph_index=1, body_subgraph_index=2)
    b.end_subgraph(given[:3] if fixed else given, taken)
    state, more = tensors(), b.tensor((1,), "bool")
    b.op("LESS", [state[0], b.const(np.array([d.int(0, 6)], np.int32))], more)
    b.end_subgraph(state, [more])
    state, after = tensors(), tensors()
    b.op("ADD", [state[0], b.const(np.array([d.int(1, 3)], np.int32))], after[0])
    if kind in _JOIN:
        b.op(d.of(_JOIN[kind]), [state[1], state[3]], after[1])
    else:
        after[1] = state[3]
    results = [after[0], after[1], state[1 if d.flag() else 2], state[3]]
    tflite = b.build(state, results)
    inputs = [np.array([d.int(-1, 3)], np.int32), d.values(shape), d.values(shape), values]
    return Case(tflite, inputs[:3] if fixed else inputs)
