# SPDX-License-Identifier: MIT
"""The exception for mistakes that the user can fix, and what its text may be."""

import re

LIMIT = 590  # characters of a message

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # colours and the like, which Keras writes into its texts


class UserError(Exception):
    """Bad usage or bad input. Its text is one line that says what is wrong and what to do (exit code 2)."""


def one_line(text: object, limit: int = LIMIT) -> str:
    """`text` as one line of printable characters, at most `limit` of them."""
    words = " ".join(_ESCAPES.sub("", str(text)).split())
    line = "".join(c if c.isprintable() else "?" for c in words)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def listed(names: list[str], limit: int = 5) -> str:
    """The first `limit` names, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
