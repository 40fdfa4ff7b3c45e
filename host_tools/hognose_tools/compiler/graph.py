# SPDX-License-Identifier: MIT
"""A model as the compiler sees it: tensors and the operators between them."""

from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from ..text import clipped, printable


def label(name: str) -> str:
    """A tensor's name for messages. (A converter that fuses layers joins their names with ";".)"""
    return clipped(printable(name.split(";")[0]), 80)


@dataclass(eq=False)
class Tensor:
    """A tensor of the model; `data` where it is a constant; `variable`: it keeps its value between runs.

    `int4`: its int8 data are stored in 4 bits. `any_batch`: the model was converted for any size of the first
    axis, the batch; `any_size`: for any size of another one.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: np.ndarray  # float32 [1] or [channels]; empty where not quantized
    zero_points: np.ndarray  # int64, as many
    axis: int  # that the scales go along
    data: np.ndarray | None = None
    variable: bool = False
    int4: bool = False
    any_batch: bool = False
    any_size: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def label(self) -> str:
        """How messages name it."""
        return label(self.name)

    @property
    def scale(self) -> np.float32:
        """The scale of a tensor that is quantized as a whole."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor that is quantized as a whole."""
        return int(self.zero_points[0])


@dataclass(eq=False)
class Operator:
    """An operator of the model: `kind` is its TFLite name, `options` its builtin options.

    `table`: it has become a function of one int8 value; its results for -128 … 127.
    """

    index: int
    kind: str
    version: int
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    options: dict[str, Any] = field(default_factory=dict)
    table: bytes | None = None

    @property
    def label(self) -> str:
        """How messages name it: number, kind, and the layer it came from."""
        name = self.outputs[0].label if self.outputs else ""
        return f"operator {self.index} {self.kind}" + (f" ({name})" if name else "")


@dataclass
class Graph:
    """One subgraph of a model. Tensors are numbered through all `subgraphs`.

    `input_names`, `output_names`: what the file's signature calls them; empty where there is none.
    """

    name: str
    tensors: list[Tensor]
    operators: list[Operator]
    inputs: list[Tensor]
    outputs: list[Tensor]
    subgraphs: list["Graph"] = field(default_factory=list, repr=False)
    input_names: list[str] = field(default_factory=list)
    output_names: list[str] = field(default_factory=list)

    def new_tensor(self, like: Tensor, shape: tuple[int, ...], data: np.ndarray | None = None) -> Tensor:
        """A tensor that the model does not have, quantized as `like`."""
        index = 1 + max(t.index for g in (self, *self.subgraphs) for t in g.tensors)
        t = replace(like, index=index, shape=tuple(shape), data=data, variable=False)
        self.tensors.append(t)
        return t


@dataclass
class Edges:
    """The writer of each tensor, and how many operators read it."""

    writer: dict[int, Operator]
    readers: Counter[int]

    @classmethod
    def of(cls, graph: Graph) -> "Edges":
        """Those of `graph`; whoever called it reads its outputs."""
        writer = {t.index: op for op in graph.operators for t in op.outputs}
        readers = Counter(i for op in graph.operators for i in {t.index for t in op.inputs if t is not None})
        readers.update(t.index for t in graph.outputs)
        return cls(writer, readers)

    def source(self, x: Tensor | None) -> Operator | None:
        """The operator whose only output is `x`, where one operator reads `x`."""
        if x is None or self.readers[x.index] != 1:
            return None
        op = self.writer.get(x.index)
        return op if op and len(op.outputs) == 1 else None

    def before(self, op: Operator, kinds: tuple[str, ...]) -> Operator | None:
        """The operator of `kinds` that makes the first input of `op`, where nothing else reads that."""
        found = self.source(op.inputs[0] if op.inputs else None)
        return found if found and found.kind in kinds else None
