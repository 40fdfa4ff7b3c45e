# SPDX-License-Identifier: MIT
"""Text for a terminal, and of a length that people read."""

LIMIT = 599  # characters of an error


def printable(text: str) -> str:
    """With everything that a terminal would obey instead of showing it as an escape: \\x1b, \\n, \\u202e."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def clipped(text: str, limit: int = LIMIT) -> str:
    """At most `limit` characters: names and shapes come from the file and may be of any length."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def listed(names: list[str], most: int = 3) -> str:
    """The first ones, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
