# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""From a `.tflite` flatbuffer to a `.hog`, without TensorFlow.

reader (flatbuffer ▶ graph) ▶ passes ▶ fold ▶ fuse ▶ dead ▶ lower (graph ▶ records) ▶ blocks ▶
planner (arena) ▶ writer (bytes).
"""

from dataclasses import dataclass, field
from typing import Any

from hognose.model import _find_engine

from ..errors import UserError
from . import blocks, dead
from .fold import fold, shorten, tabulate
from .fuse import fuse
from .graph import Graph
from .lower import LOWER, Lowered, lower
from .passes import simplify
from .planner import lower_bound, plan
from .reader import read_tflite
from .strip import strip
from .writer import write_hog, write_tflm_hog

__all__ = ["Compiled", "carry_tflite", "compile_graph", "compile_tflite"]


@dataclass
class Compiled:
    """A packed model: the file's bytes, and what the host knows beside them."""

    hog: bytes
    graph: Graph
    lowered: Lowered
    arena_size: int
    lower_bound: int  # bytes: no plan of these tensors can be smaller
    removed: int = 0  # channels that are constant or unused, left out
    undefined: list[str] = field(default_factory=list)  # why TFLM's own answer cannot be trusted

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one inference."""
        return sum(s.macs for s in self.lowered.steps)


def compile_tflite(
    tflite: bytes,
    labels: list[str] | None = None,
    meta: dict[str, Any] | None = None,
    name: str = "",
) -> Compiled:
    """Packs the model `tflite`. Raises UserError that names all that cannot be packed, and why."""
    return compile_graph(read_tflite(tflite, name), labels, meta)


def compile_graph(
    graph: Graph,
    labels: list[str] | None = None,
    meta: dict[str, Any] | None = None,
    *,
    whole: bool = False,
) -> Compiled:
    """The same for a model that was read already, whose operators it simplifies.

    `whole`: every tensor is computed, with channels that nothing needs.
    """
    simplify(graph)
    fold(graph)
    undefined = [] if whole else fuse(graph)
    if not whole:
        shorten(graph)
        tabulate(graph)
    removed = 0 if whole else dead.remove(graph)
    low = lower(graph)
    if low.problems:
        unknown = any(op.kind not in LOWER for op in graph.operators)
        hint = ". What is supported: `hognose ops`" if unknown else ""
        problems = [f"{', '.join(places)}: {problem}" for problem, places in low.problems.items()]
        shapes = any(word in problem for problem in problems for word in _SIGNS_OF_SHAPES)
        first = any_batch(graph) if shapes else ""
        raise UserError(first + "; ".join(problems) + hint + _any_size(graph))
    blocks.fit(low)
    arena_size = plan(low.buffers, low.inplace)
    bound = lower_bound(low.buffers, low.inplace)
    hog = write_hog(low, arena_size, _meta(graph, labels, meta))
    _check(hog)
    return Compiled(hog, graph, low, arena_size, bound, removed, undefined)


# What problems say where the model computes shapes, and they are not known.
_SIGNS_OF_SHAPES = ("damaged model", "no usable scale", "REDUCE_PROD")


def any_batch(graph: Graph) -> str:
    """A hint where a model that fails leaves shapes to be computed from the size of the batch."""
    if not any(t.any_batch for t in graph.inputs) or not any(t.any_batch for t in graph.outputs):
        return ""
    return (
        "the model was converted for any batch size, which may be the cause: convert it for 1, as in "
        "keras.Input(batch_size=1); now: "
    )


def _any_size(graph: Graph) -> str:
    """A hint where the sizes in the file are only those of an example."""
    inputs = [t for t in graph.inputs if t.any_size]
    if not inputs:
        return ""
    size = list(inputs[0].shape)
    return f". The input {inputs[0].label} may have any size, here {size}: convert the model for one"


def _check(hog: bytes) -> None:
    """What an engine would refuse on the board is said here."""
    engine, _ = _find_engine(None, memoryview(hog))
    try:
        engine.load(memoryview(hog), bytearray(engine.STATE_SIZE))
    except ValueError as e:
        raise UserError(f"the engine refuses what the model becomes ({e}): damaged model") from e


def carry_tflite(
    tflite: bytes,
    labels: list[str] | None = None,
    meta: dict[str, Any] | None = None,
    name: str = "",
    outputs: list[int] | None = None,
) -> bytes:
    """A `.hog` that carries the model, stripped, for firmware with TFLM itself.

    `outputs`: indices of the tensors that are to be its outputs instead of the model's own.
    """
    graph = read_tflite(tflite, name)
    if outputs is not None:
        graph.outputs, graph.output_names = [graph.tensors[i] for i in outputs], []
    return write_tflm_hog(strip(tflite, outputs), _meta(graph, labels, meta))


RESERVED_KEYS = ("name", "inputs", "outputs", "labels")


def _meta(graph: Graph, labels: list[str] | None, meta: dict[str, Any] | None) -> dict[str, Any]:
    """The META section: the file explains itself."""
    taken = sorted(set(meta or {}) & set(RESERVED_KEYS))
    if taken:
        raise UserError(f"the metadata key {taken[0]} is hognose's own; choose another")
    result: dict[str, Any] = {
        "name": graph.name,
        "inputs": graph.input_names or [_short(t.name) for t in graph.inputs],
        "outputs": graph.output_names or [_short(t.name) for t in graph.outputs],
    }
    if labels:
        sizes = [t.shape[-1] for t in graph.outputs if t.shape]
        if len(set(labels)) != len(labels):
            raise UserError("two labels are the same; give each class its own")
        if len(labels) not in sizes:
            raise UserError(
                f"{len(labels)} labels for an output of {sizes[0] if sizes else 1} values; "
                "give one label per value"
            )
        result["labels"] = labels
    return {**result, **(meta or {})}


def _short(name: str) -> str:
    """A tensor's name without what TensorFlow's exporters wrap around it."""
    return name.removeprefix("serving_default_").removesuffix(":0")
