# SPDX-License-Identifier: MIT
"""TFLM's own answer, from the `tflite-micro` package: the judge of every other engine."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from ..errors import UserError

# The arena is reserved, not touched, so a generous first size costs nothing; it must not be small,
# because TFLM does not survive an arena too small for its own bookkeeping. Blocks above 64 MB come fresh
# from the system: what TFLM reads without having written it (a CIRCULAR_BUFFER at first) is 0.
_ARENA_SIZES = (80 << 20, 256 << 20, 1 << 30)


class OracleError(UserError):
    """TFLM refuses the model or its input; the message is TFLM's own text."""


class Oracle:
    """One model in a TFLM interpreter, which keeps its state (variables) between runs.

    `tflite` is the content of a .tflite file. With `keep_all` every tensor keeps its own memory, so
    that `tensor()` can read any of them after a run. OracleError where TFLM refuses the model.
    Not for threads: TFLM writes its errors to the process's stderr, where they are caught.
    """

    def __init__(self, tflite: bytes, keep_all: bool = False):
        self._tflite = _without_float16(bytes(tflite))
        self._keep_all = keep_all
        self._tensor_counts, inputs, outputs, self._opens_again = _table_of_contents(self._tflite)
        self._interpreter = self._open()
        details = [self._interpreter.get_input_details(i) for i in range(inputs)]
        self.input_shapes = [tuple(int(n) for n in d["shape"]) for d in details]
        self.input_dtypes = [np.dtype(d["dtype"]) for d in details]
        self.output_count = outputs
        self._detections = _detections(self._tflite)

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One inference: raw inputs by index (the model's dtypes and sizes) to raw outputs."""
        if len(inputs) != len(self.input_shapes):
            raise OracleError(f"the model has {len(self.input_shapes)} inputs, not {len(inputs)}")
        with _tflm_errors():
            for i, given in enumerate(inputs):
                self._interpreter.set_input(self._checked(i, given), i)
            self._interpreter.invoke()
            results = [np.array(self._interpreter.get_output(i)) for i in range(self.output_count)]
        for *rows, count in self._detections:
            for i in rows:  # behind the last detection TFLM leaves what lay in its arena
                results[i].reshape(results[i].shape[1], -1)[int(results[count].flat[0]) :] = 0
        return results

    def tensor(self, index: int, subgraph: int = 0) -> np.ndarray:
        """The value of any tensor after a run; needs `keep_all`."""
        if not self._keep_all:
            raise OracleError("intermediate tensors need Oracle(…, keep_all=True)")
        counts = self._tensor_counts
        if not (0 <= subgraph < len(counts) and 0 <= index < counts[subgraph]):
            raise OracleError(f"the model has no tensor {index} in subgraph {subgraph}")
        with _tflm_errors():
            return np.array(self._interpreter.GetTensor(index, subgraph)["tensor_data"])

    @property
    def arena_used(self) -> int:
        """Bytes of its arena that TFLM uses on this computer; a 32-bit board needs somewhat less."""
        if self._keep_all:
            raise OracleError("TFLM's arena is only measured without keep_all")
        with _tflm_errors() as said:
            self._interpreter.print_allocations()
            found = re.search(r"Arena allocation total (\d+) bytes", said())
        if found is None:
            raise OracleError("TFLM did not tell the size of its arena")
        return int(found[1])

    def reset(self) -> None:
        """Back to the state before the first run: variables are cleared."""
        if self._opens_again:  # TFLM's own reset forgets what CALL_ONCE has assigned, and no CIRCULAR_BUFFER
            self._interpreter = self._open()
            return
        with _tflm_errors():
            self._interpreter.reset()

    def _open(self):
        runtime = _runtime()
        config = runtime.InterpreterConfig
        for size in _ARENA_SIZES:
            try:
                with _tflm_errors():
                    return runtime.Interpreter.from_bytes(
                        self._tflite,
                        arena_size=size,
                        intrepreter_config=config.kPreserveAllTensors
                        if self._keep_all
                        else config.kAllocationRecording,
                    )
            except OracleError as e:
                if size == _ARENA_SIZES[-1] or "missing:" not in str(e):
                    raise
        raise AssertionError("unreachable")

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


def _runtime():
    try:
        from tflite_micro.python.tflite_micro import runtime
    except ImportError as e:
        raise UserError(f"TFLM is needed for this: pip install tflite-micro ({e})") from e
    return runtime


def _table_of_contents(tflite: bytes) -> tuple[list[int], int, int, bool]:
    """Tensors of each subgraph, the first one's number of inputs and outputs, and if CALL_ONCE is there."""
    from tflite import BuiltinOperator, Model

    from ..compiler.reader import builtin_code

    if len(tflite) < 8 or tflite[4:8] != b"TFL3":
        raise OracleError("not a .tflite file: it lacks the mark TFL3")
    try:
        model = Model.GetRootAs(tflite, 0)
        graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
        counts = [g.TensorsLength() for g in graphs]
        codes = [builtin_code(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
        again = BuiltinOperator.CALL_ONCE in codes or b"CIRCULAR_BUFFER" in tflite
        return counts, graphs[0].InputsLength(), graphs[0].OutputsLength(), again
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


@contextmanager
def _tflm_errors() -> Iterator[Callable[[], str]]:
    """Turn what TFLM raises into OracleError, with the text that it only prints, from C, to stderr.

    Yields a function that gives what was printed so far.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as log:

        def said() -> str:
            log.seek(0)
            return " ".join(log.read().decode(errors="replace").split())

        os.dup2(log.fileno(), 2)
        try:
            yield said
        except OracleError:
            raise
        except (RuntimeError, ValueError, TypeError, MemoryError, OverflowError) as e:
            raise OracleError(f"TFLM: {said() or e}") from e
        finally:
            os.dup2(saved, 2)
            os.close(saved)
