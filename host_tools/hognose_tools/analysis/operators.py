# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The operators that can be packed, and for which element types."""

from ..compiler.lower import LOWER
from ..compiler.lower.types import types_of
from ..compiler.records import TYPECODE


def operators() -> dict[str, dict[str, str]]:
    """By operator and type: "small" where every engine runs it, "full" where only full ones do."""
    return {name: types_of(name) for name in sorted(LOWER)}


def markdown() -> list[str]:
    """The same as the lines of a table."""
    marks = {"small": "✓", "full": "full"}
    head = ["| operator | " + " | ".join(TYPECODE) + " |", "|---|" + ":-:|" * len(TYPECODE)]
    return head + [
        f"| {name} | " + " | ".join(marks.get(types.get(t, ""), "") for t in TYPECODE) + " |"
        for name, types in operators().items()
    ]
