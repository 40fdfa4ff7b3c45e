# SPDX-License-Identifier: MIT
"""TFLM's own answer, from the `tflite-micro` package: the judge of every other engine."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from . import oracle_process
from .oracle_process import OracleDied, OracleError

__all__ = ["SECONDS", "Oracle", "OracleDied", "OracleError"]

# For one run, or to open a model: a hundred times what the largest published model takes.
SECONDS = 60.0


class Oracle:
    """One model in a TFLM interpreter, which keeps its state (variables) between runs.

    `tflite` is the content of a .tflite file. With `keep_all` every tensor keeps its own memory, so
    that `tensor()` can read any of them after a run. OracleError where TFLM refuses the model.

    TFLM runs in a process of its own, which all models share. OracleDied where it does not survive the
    model, or a run takes more than `seconds`. Other models lose their state then, and say so until reset().
    """

    def __init__(self, tflite: bytes, keep_all: bool = False, seconds: float = SECONDS):
        self._tflite = _without_float16(bytes(tflite))
        self._keep_all = keep_all
        self._seconds = seconds
        self._contents = _table_of_contents(self._tflite)
        self.output_count = self._contents.outputs
        self._detections = _detections(self._tflite)
        self._open()

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One inference: raw inputs by index (the model's dtypes and sizes) to raw outputs."""
        if len(inputs) != len(self.input_shapes):
            raise OracleError(f"the model has {len(self.input_shapes)} inputs, not {len(inputs)}")
        given = [self._checked(i, a) for i, a in enumerate(inputs)]
        _, results = self._ask("run", given, outputs=self.output_count)
        self._fresh = False
        for *rows, count in self._detections:
            for i in rows:  # behind the last detection TFLM leaves what lay in its arena
                results[i].reshape(results[i].shape[1], -1)[int(results[count].flat[0]) :] = 0
        return results

    def tensor(self, index: int, subgraph: int = 0) -> np.ndarray:
        """The value of any tensor after a run; needs `keep_all`."""
        if not self._keep_all:
            raise OracleError("intermediate tensors need Oracle(…, keep_all=True)")
        counts = self._contents.tensors
        if not (0 <= subgraph < len(counts) and 0 <= index < counts[subgraph]):
            raise OracleError(f"the model has no tensor {index} in subgraph {subgraph}")
        return self._ask("tensor", index=index, subgraph=subgraph)[1][0]

    @property
    def arena_used(self) -> int:
        """Bytes of its arena that TFLM uses on this computer; a 32-bit board needs somewhat less."""
        if self._keep_all:
            raise OracleError("TFLM's arena is only measured without keep_all")
        return int(self._ask("arena")[0]["used"])

    def reset(self) -> None:
        """Back to the state before the first run: variables are cleared."""
        if not self._process.alive:
            self._open()
        else:  # TFLM's own reset forgets what CALL_ONCE has assigned, and no CIRCULAR_BUFFER
            self._ask("reset", anew=self._contents.opens_again)
        self._fresh = True

    def _open(self) -> None:
        self._process = process = oracle_process.current()
        self._fresh = True  # no run has left a state that could be lost
        contents = self._contents
        answer, _ = process.ask(
            "open",
            [np.frombuffer(self._tflite, np.uint8)],
            self._seconds,
            keep_all=self._keep_all,
            variables=contents.variables,
            inputs=contents.inputs,
        )
        self._model = answer["model"]
        weakref.finalize(self, process.drop, self._model).atexit = False
        self.input_shapes = [tuple(shape) for _, shape in answer["ports"]]
        self.input_dtypes = [np.dtype(kind) for kind, _ in answer["ports"]]

    def _ask(self, do: str, arrays: Sequence[np.ndarray] = (), **message: object):
        if not self._process.alive:
            if not self._fresh:
                raise OracleDied("the process in which TFLM ran this model has ended: reset() begins anew")
            self._open()
        return self._process.ask(do, arrays, self._seconds, model=self._model, **message)

    def _checked(self, i: int, given: np.ndarray) -> np.ndarray:
        shape, dtype = self.input_shapes[i], self.input_dtypes[i]
        array = np.asarray(given)
        if array.dtype != dtype:
            raise OracleError(f"input {i} is {dtype}, not {array.dtype}")
        if array.size != int(np.prod(shape, dtype=np.int64)):
            raise OracleError(f"input {i} has shape {shape}, not {array.shape}")
        return np.ascontiguousarray(array).reshape(shape)


def _without_float16(tflite: bytes) -> bytes:
    """The same model for TFLM, which has no float16: weights that are stored so become float32."""
    from ..compiler.reader import read_tflite
    from ..compiler.strip import strip

    if len(tflite) < 8 or tflite[4:8] != b"TFL3":
        return tflite
    try:
        halved = any(t.dtype == "float16" for g in read_tflite(tflite).subgraphs for t in g.tensors)
    except UserError:
        return tflite  # TFLM says what is wrong with it
    return strip(tflite) if halved else tflite


@dataclass(frozen=True)
class _Contents:
    """What the file says of itself."""

    tensors: list[int]  # of each subgraph
    inputs: int  # of the first one, as the outputs
    outputs: int
    variables: int
    opens_again: bool  # for a reset


def _table_of_contents(tflite: bytes) -> _Contents:
    from tflite import BuiltinOperator, Model

    from ..compiler.reader import builtin_code

    if len(tflite) < 8 or tflite[4:8] != b"TFL3":
        raise OracleError("not a .tflite file: it lacks the mark TFL3")
    try:
        model = Model.GetRootAs(tflite, 0)
        graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
        counts = [g.TensorsLength() for g in graphs]
        codes = [builtin_code(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
        used = [codes[g.Operators(i).OpcodeIndex()] for g in graphs for i in range(g.OperatorsLength())]
        return _Contents(
            counts,
            graphs[0].InputsLength(),
            graphs[0].OutputsLength(),
            used.count(BuiltinOperator.VAR_HANDLE),
            BuiltinOperator.CALL_ONCE in codes or b"CIRCULAR_BUFFER" in tflite,
        )
    except Exception as e:  # a damaged flatbuffer fails in any of many ways
        raise OracleError(f"damaged .tflite file: {e}") from e


def _detections(tflite: bytes) -> list[list[int]]:
    """Indices of the model's outputs: boxes, classes, scores and count of each operator that detects."""
    name = "TFLite_Detection_PostProcess"
    if name.encode() not in tflite:
        return []
    from ..compiler.reader import read_tflite

    graph = read_tflite(tflite)
    at = {t.index: i for i, t in enumerate(graph.outputs)}
    found = [[at.get(t.index, -1) for t in op.outputs] for op in graph.operators if op.kind == name]
    return [indices for indices in found if -1 not in indices]
