# SPDX-License-Identifier: MIT
"""Text for a terminal, and of a length that people read."""

import re

LIMIT = 590  # characters of an error

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # colours and the like, which Keras writes into its texts


def printable(text: str) -> str:
    """With everything that a terminal would obey instead of showing it as an escape: \\x1b, \\n, \\u202e."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def clipped(text: str, limit: int = LIMIT) -> str:
    """At most `limit` characters: names and shapes come from the file and may be of any length."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: object, limit: int = LIMIT) -> str:
    """Another program's words as one line of printable characters, at most `limit` of them."""
    words = " ".join(_ESCAPES.sub("", str(text)).split())
    return clipped("".join(c if c.isprintable() else "?" for c in words), limit)


def listed(names: list[str], most: int = 3) -> str:
    """The first ones, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
