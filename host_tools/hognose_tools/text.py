# SPDX-License-Identifier: MIT
"""Text for a terminal, and of a length that people read."""

LONGEST = 590  # characters of an error


def printable(text: str) -> str:
    """With everything that a terminal would obey instead of showing it as an escape: \\x1b, \\n, \\u202e."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """No longer than that."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def some_of(names: list[str], most: int = 3) -> str:
    """`a, b, c`, or the first ones `and 7 more`."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
