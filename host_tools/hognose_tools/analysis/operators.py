# SPDX-License-Identifier: MIT
"""The operators that can be packed, and for which element types."""

from ..compiler.lower import LOWER
from ..compiler.lower.types import types_of
from ..compiler.records import TYPECODE


def operators() -> dict[str, list[str]]:
    """The types that each operator takes."""
    return {name: types_of(name) for name in sorted(LOWER)}


def markdown() -> list[str]:
    """The same as the lines of a table."""
    head = ["| operator | " + " | ".join(TYPECODE) + " |", "|---|" + ":-:|" * len(TYPECODE)]
    return head + [
        f"| {name} | " + " | ".join("✓" if t in types else "" for t in TYPECODE) + " |"
        for name, types in operators().items()
    ]
