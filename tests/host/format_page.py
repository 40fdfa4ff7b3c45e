# SPDX-License-Identifier: MIT
"""Reads native_module/FORMAT.md: its example, its tables, and its Python, which together is an engine."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from hognose_tools.compiler.layouts import ITEMSIZE, TYPECODE

PAGE = Path(__file__).parents[2] / "native_module" / "FORMAT.md"
TYPE_NAME = {code: name for name, code in TYPECODE.items()}
CODES = {**TYPECODE, "bytes": "B", "uint16": "H"}


@cache
def text() -> str:
    return PAGE.read_text()


def example() -> bytes:
    """The file of the hex dump."""
    (dump,) = re.findall(r"^```hexdump\n(.*?)^```$", text(), re.M | re.S)
    return bytes.fromhex("".join(line[6:53] for line in dump.splitlines()))


def table(heads: str, of: str) -> list[list[str]]:
    """The rows of the table with these heads."""
    lines = of[of.index(f"{heads}\n") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@cache
def sections() -> dict[str, str]:
    """By operator, what stands under its heading."""
    operators = text().split("\n## Operators\n")[1].split("\n## ")[0]
    parts = re.split(r"^### (\w+)$", operators, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def functions() -> dict[str, Any]:
    """All blocks of Python, run one after another."""
    names: dict[str, Any] = {}
    for match in re.finditer(r"^```python\n(.*?)^```$", text(), re.M | re.S):
        lines_before = "\n" * text().count("\n", 0, match.start(1))  # so that a traceback shows the page
        exec(compile(lines_before + match[1], str(PAGE), "exec"), names)
    return names


@dataclass
class Row:
    """A line of an operator's table of tensors."""

    name: str
    condition: str
    start: str  # a ref, or the tensor before it
    is_after: bool
    type: str
    shape: str  # sizes, as an expression; empty where there is none
    shape_text: str
    place: str
    error: str

    def code(self, op: Any) -> str:
        """struct's code of the elements."""
        kinds = {op.type, getattr(op, "function", "")}
        if kinds & set(functions()["COMPARISONS"]):
            kinds.add("comparisons")
        name, *others = self.type.split(",")[0].split("; ")
        for other in others:
            kind, _, which = other.partition(" for ")
            name = kind if kinds & set(which.split(" and ")) else name
        name = op.type if name == "T" else getattr(op, name.strip("`"), name)
        return CODES[name]

    def sizes(self, op: Any) -> tuple[int, ...]:
        return tuple(evaluate(f"[{self.shape}]", op))

    def alignment(self, op: Any) -> int:
        if match := re.search(r"aligned to `?(\w+)", self.type):
            return int(getattr(op, match[1], match[1]))
        return 1 if self.type == "bytes" else min(4, struct.calcsize(f"<{self.code(op)}"))


@dataclass
class Section:
    """What the page says of an operator."""

    rows: list[Row]
    work: str
    in_place: list[str]  # inputs where the output may start, too

    def tensors(self, op: Any) -> list[Row]:
        return [row for row in self.rows if not row.condition or holds(row.condition, op)]

    def work_of(self, op: Any) -> int:
        return evaluate(self.work, op)


def holds(condition: str, op: Any) -> bool:
    return bool(evaluate(condition.strip("`"), op)) if "`" in condition else op.type in condition.split(", ")


def evaluate(expression: str, op: Any) -> Any:
    """A formula of the page in terms of a record's fields."""
    names = {**vars(op), "min": min, "max": max, "sum": sum}  # not the clamp's bounds
    names["N"] = math.prod(loop.n for loop in op.loop)
    names["K"] = math.prod(loop.n for loop in op.loop[: getattr(op, "keep", 0)])
    names["item"] = ITEMSIZE[TYPECODE[op.type]]
    if hasattr(op, "groups"):
        names["q"] = -(-op.k_h * op.k_w * (op.in_c // op.groups) // 4)
        names["r"], names["s"] = (op.tile - 1) * op.stride_h + 3, (op.out_w - 1) * op.stride_w + 3
    return eval(expression, names)


@cache
def section(name: str) -> Section:
    part = sections()[name]
    rows = []
    for cells in table("| tensor | ref | type | shape | lies in | error |", part):
        match = re.fullmatch(r"`(\w+)`(?: \((.*)\))?", cells[0])
        assert match, cells
        start = re.findall(r"`(\w+)`", cells[1])[0]
        shape = cells[3][2:-2] if cells[3].startswith("`[") else ""
        place, error = cells[4].split()[0].rstrip(";"), cells[5].strip("`")
        rows.append(
            Row(
                *(match[1], match[2] or "", start, "after" in cells[1], cells[2], shape, cells[3]),
                *(place, error),
            )
        )
    (work,) = re.findall(r"\*\*Work\*\*:\s+`(.*?)`", part, re.S)
    (in_place,) = re.findall(r"\*\*In place\*\*: (.*?)\.?(?=\s\*\*Work)", part, re.S)
    starts = re.findall(r"`out` MAY start where (.*?) starts", in_place)
    return Section(rows, " ".join(work.split()), re.findall(r"`(\w+)`", starts[0]) if starts else [])


class Tensor:
    """Elements of a tensor in memory, by index: Python's integers and numpy's float32.

    `sizes`: None of a tensor that is read by strides.
    """

    def __init__(self, memory: bytearray, at: int, code: str, sizes: tuple[int, ...] | None):
        self._memory, self._at, self._code, self.sizes = memory, at, code, sizes
        self._item = struct.calcsize(f"<{code}")

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        assert self.sizes
        return self.sizes[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return list(self)[index]
        index = index if isinstance(index, tuple) else (index,)
        if self.sizes is None or len(index) == len(self.sizes):
            value = struct.unpack_from(f"<{self._letter}", self._memory, self._place(index))[0]
            return np.float32(value) if self._code == "f" else value
        rest = self.sizes[len(index) :]
        at = self._place((*index, *(0 for _ in rest)))
        part = Tensor(self._memory, at, self._code, rest)
        return list(part) if len(rest) == 1 else part

    def __setitem__(self, index: Any, value: Any) -> None:
        index = index if isinstance(index, tuple) else (index,)
        assert isinstance(value, np.float32) == (self._code == "f"), f"{value!r} is no {self._code}"
        struct.pack_into(f"<{self._letter}", self._memory, self._place(index), value)

    @property
    def _letter(self) -> str:
        return "B" if self._code == "?" else self._code

    def _place(self, index: tuple[int, ...]) -> int:
        number = index[0]
        if self.sizes is not None:
            number = 0
            for i, size in zip(index, self.sizes, strict=True):
                assert 0 <= i < size, f"{index} in {self.sizes}"
                number = number * size + i
        at = self._at + number * self._item
        assert 0 <= at <= len(self._memory) - self._item
        return at

    def numbers(self) -> np.ndarray:
        """All elements, without a shape."""
        assert self.sizes is not None
        return np.array([self[i] for i in product(*map(range, self.sizes))])
