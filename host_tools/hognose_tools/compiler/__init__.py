# SPDX-License-Identifier: MIT
"""From a `.tflite` flatbuffer to a `.hog`, without TensorFlow.

reader (flatbuffer ▶ graph) ▶ simplify ▶ fold ▶ fuse ▶ tabulate ▶ prune ▶ lower (graph ▶ records) ▶ tiling ▶
planner (arena) ▶ writer (bytes).
"""

from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError
from . import engine, prune, tiling
from .fold import fold
from .fuse import fuse
from .graph import Graph
from .lower import Lowered, lower
from .planner import lower_bound, plan
from .problems import any_batch, check_whole, refusal
from .reader import read_tflite
from .simplify import simplify
from .strip import strip
from .tabulate import shorten, tabulate
from .unsigned import make_signed
from .writer import write_hog, write_tflm_hog

__all__ = ["Compiled", "any_batch", "carry_tflite", "compile_graph", "compile_tflite"]


@dataclass
class Compiled:
    """A packed model: the file's bytes, and what only the host knows about it."""

    hog: bytes
    graph: Graph
    lowered: Lowered
    arena_size: int
    lower_bound: int  # bytes: no plan of these tensors can be smaller
    removed: int = 0  # channels that were constant or unused
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
    """Packs the model `tflite`. Raises UserError that names what cannot be packed, and why."""
    return compile_graph(read_tflite(tflite, name), labels, meta)


def compile_graph(
    graph: Graph,
    labels: list[str] | None = None,
    meta: dict[str, Any] | None = None,
    *,
    whole: bool = False,
) -> Compiled:
    """The same for a model that was read already, whose operators it simplifies.

    `whole`: every tensor is computed, also those that no output depends on.
    """
    check_whole(graph)
    for g in graph.subgraphs or [graph]:
        make_signed(g)
    simplify(graph)
    fold(graph)
    undefined = [] if whole else fuse(graph)
    if not whole:
        shorten(graph)
        tabulate(graph)
    removed = 0 if whole else prune.prune(graph)
    low = lower(graph)
    if low.problems:
        raise refusal(graph, low.problems)
    tiling.fit(low)
    arena_size = plan(low.buffers, low.inplace)
    bound = lower_bound(low.buffers, low.inplace)
    hog = write_hog(low, arena_size, _meta(graph, labels, meta))
    _check(hog)
    return Compiled(hog, graph, low, arena_size, bound, removed, undefined)


def _check(hog: bytes) -> None:
    """Raises UserError for a file that an engine would refuse on the board."""
    try:
        engine.check(hog)
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
    """A tensor's name without the prefix and suffix that TensorFlow's exporters add."""
    return name.removeprefix("serving_default_").removesuffix(":0")
