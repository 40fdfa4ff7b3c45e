# SPDX-License-Identifier: MIT
"""TFLM in a process of its own: what runs over there, and the frames that both sides exchange.

A frame is two lengths, a JSON object, and the bytes of the arrays that its key "arrays" describes. The worker
answers each request with one frame. TFLM reads hostile files, so nothing that it sends is unpickled.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import select
import struct
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np

LENGTHS = struct.Struct("<IQ")

# The arena is reserved, not touched, so a generous first size costs nothing; it must not be small,
# because TFLM does not survive an arena too small for its own bookkeeping. Blocks above 64 MB come fresh
# from the system: what TFLM reads without having written it (a CIRCULAR_BUFFER at first) is 0.
_ARENA_SIZES = (80 << 20, 256 << 20, 1 << 30)
_LOG_SIZE = 1 << 20  # of what TFLM prints; a loop that prints must not fill the disk

Message = dict[str, Any]


def frame(message: Message, arrays: Sequence[np.ndarray]) -> list[bytes]:
    """The pieces of a frame, to be written one after another."""
    whole = [np.ascontiguousarray(a) for a in arrays]
    described = [[a.dtype.str, list(array.shape)] for a, array in zip(whole, arrays, strict=True)]
    text = json.dumps({**message, "arrays": described}).encode()
    return [LENGTHS.pack(len(text), sum(a.nbytes for a in whole)) + text, *(a.tobytes() for a in whole)]


def unframe(text: bytes, body: bytes) -> tuple[Message, list[np.ndarray]]:
    """A message and its arrays. ValueError where the frame contradicts itself."""
    message = json.loads(text)
    arrays, at = [], 0
    for kind, shape in message.pop("arrays"):
        dtype = np.dtype(kind)
        if dtype.hasobject:
            raise ValueError(f"an array of {dtype}")
        count = int(np.prod(shape, dtype=np.int64))
        arrays.append(
            np.frombuffer(body, dtype, count, at).reshape(shape).copy() if count else np.empty(shape, dtype)
        )
        at += count * dtype.itemsize
    return message, arrays


class _Log:
    """What TFLM prints, from C, to stderr: a file of the parent's, who reads it when this process is gone."""

    def clear(self) -> None:
        os.ftruncate(2, 0)

    def said(self) -> str:
        return " ".join(os.pread(2, _LOG_SIZE, 0).decode(errors="replace").split())


class _Models:
    """The open models, by number; each request is a method."""

    def __init__(self, runtime: Any, log: _Log):
        self._runtime = runtime
        self._log = log
        self._models: dict[
            int, tuple[Callable[[int], Any], Any]
        ] = {}  # how to open it anew, and its interpreter
        self._next = 0

    def open(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        config = self._runtime.PythonInterpreterConfig
        kept = config.kPreserveAllTensors if message["keep_all"] else config.kAllocationRecording
        tflite, variables = arrays[0].tobytes(), message["variables"]

        def opened(size: int) -> Any:
            return self._runtime.InterpreterWrapper(tflite, [], size, variables, kept, 0)

        interpreter = self._opened(opened)
        details = [interpreter.GetInputTensorDetails(i) for i in range(message["inputs"])]
        self._next += 1
        self._models[self._next] = opened, interpreter
        ports = [[np.dtype(d["dtype"]).str, [int(n) for n in d["shape"]]] for d in details]
        return {"model": self._next, "ports": ports}, []

    def _opened(self, opened: Callable[[int], Any]) -> Any:
        for size in _ARENA_SIZES:
            try:
                return opened(size)
            except Exception:
                if size == _ARENA_SIZES[-1] or "missing:" not in self._log.said():
                    raise
                self._log.clear()
        raise AssertionError("unreachable")

    def run(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        interpreter = self._models[message["model"]][1]
        for i, given in enumerate(arrays):
            interpreter.SetInputTensor(given, i)
        interpreter.Invoke()
        return {}, [np.array(interpreter.GetOutputTensor(i)) for i in range(message["outputs"])]

    def tensor(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        interpreter = self._models[message["model"]][1]
        return {}, [np.array(interpreter.GetTensor(message["index"], message["subgraph"])["tensor_data"])]

    def arena(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        self._models[message["model"]][1].PrintAllocations()
        found = re.search(r"Arena allocation total (\d+) bytes", self._log.said())
        if found is None:
            raise ValueError("the size of its arena is not told")
        return {"used": int(found[1])}, []

    def reset(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        opened, interpreter = self._models[message["model"]]
        if message["anew"]:
            interpreter = None  # before the next one: each has an arena
            self._models[message["model"]] = opened, None
            self._models[message["model"]] = opened, self._opened(opened)
        else:
            interpreter.Reset()
        return {}, []

    def drop(self, numbers: list[int]) -> None:
        for number in numbers:
            self._models.pop(number, None)


class _Pipe:
    """Requests from stdin, answers to what was stdout: whatever else is printed goes to the log."""

    def __init__(self) -> None:
        self._requests: BinaryIO = os.fdopen(os.dup(0), "rb")
        self._answers: BinaryIO = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        self._flags = fcntl.fcntl(0, fcntl.F_GETFL)

    def receive(self) -> tuple[Message, list[np.ndarray]] | None:
        """The next request; None when the parent is gone."""
        lengths = self._requests.read(LENGTHS.size)
        if len(lengths) < LENGTHS.size:
            return None
        text, body = (self._requests.read(n) for n in LENGTHS.unpack(lengths))
        return unframe(text, body)

    def send(self, message: Message, arrays: Sequence[np.ndarray] = ()) -> None:
        self._answers.writelines(frame(message, arrays))
        self._answers.flush()

    def watch(self, on: bool) -> None:
        """While TFLM works nothing arrives: SIGIO means that the parent is gone, and ends this process."""
        fcntl.fcntl(0, fcntl.F_SETFL, self._flags | (os.O_ASYNC if on else 0))
        if on and select.select([0], [], [], 0)[0]:
            os._exit(0)


def main() -> None:
    """Answers requests until the parent closes the pipe."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LOG_SIZE, _LOG_SIZE))
    pipe, log = _Pipe(), _Log()
    try:
        from tflite_micro.python.tflite_micro import _runtime
    except ImportError as e:
        pipe.send({"missing": str(e)})
        return
    pipe.send({})
    models = _Models(_runtime, log)
    while (request := pipe.receive()) is not None:
        message, arrays = request
        models.drop(message["drop"])
        log.clear()
        pipe.watch(True)
        try:
            answer, results = getattr(models, message["do"])(message, arrays)
        except Exception as e:  # TFLM's, or of its Python wrapper on a file that makes no sense to it
            answer, results = {"error": log.said() or str(e) or type(e).__name__}, []
        pipe.watch(False)
        pipe.send(answer, results)
