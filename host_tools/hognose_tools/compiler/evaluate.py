# SPDX-License-Identifier: MIT
"""Runs operators on the host, with the engine that will run the others on the board: no byte changes."""

from dataclasses import dataclass, replace

import numpy as np

import hognose

from ..errors import UserError
from . import tiling
from .graph import Graph, Operator, Tensor
from .lower import lower
from .planner import plan
from .writer import write_hog

_MAX_MACS = 1 << 26
_FAILURES = (ArithmeticError, AssertionError, LookupError, MemoryError, TypeError, UserError, ValueError)


@dataclass
class Program:
    """Operators that are ready to run."""

    model: hognose.Model
    steps: int  # of the engine
    outputs: list[Tensor]

    def run(self, given: np.ndarray) -> list[np.ndarray] | None:
        """The outputs for one input; None where the engine fails."""
        results = [np.zeros(t.shape, t.dtype) for t in self.outputs]
        raw = [r.reshape(-1).view(np.uint8) for r in results]
        try:
            self.model.invoke(
                np.ascontiguousarray(given).reshape(-1).view(np.uint8), raw[0] if len(raw) == 1 else raw
            )
        except _FAILURES:
            return None
        return results


def program(operators: list[Operator], x: Tensor, outputs: list[Tensor], *, times: int = 1) -> Program | None:
    """These operators, to be run `times` times; None where they cannot run, or would take long."""
    low = lower(Graph("", [], operators, [x], outputs))
    if low.problems or sum(s.macs for s in low.steps) * times > _MAX_MACS:
        return None
    try:
        tiling.fit(low)
        names = {"inputs": ["x"], "outputs": [str(i) for i in range(len(outputs))]}
        hog = write_hog(low, plan(low.buffers, low.inplace), {"name": "", **names})
        return Program(hognose.Model(hog), len(low.steps), outputs)
    except _FAILURES:
        return None


def evaluate(op: Operator, operand: Tensor) -> list[np.ndarray] | None:
    """The outputs of `op`, whose inputs have data; `operand` is the one that it computes with.

    None where it cannot run, or would take long.
    """
    x = replace(operand, data=None)
    outputs = [replace(t, data=None) for t in op.outputs]
    copy = replace(op, inputs=[x if t is operand else t for t in op.inputs], outputs=outputs)
    found = program([copy], x, outputs)
    assert operand.data is not None
    return found.run(operand.data) if found else None
