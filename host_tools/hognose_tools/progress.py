# SPDX-License-Identifier: MIT
"""Progress bars that all look the same."""

import sys

from tqdm import tqdm


def bar(label: str, total: int, unit: str = "it", *, quiet: bool = False) -> tqdm:
    """A bar on stderr: a context manager with update(n) and set_postfix_str(text).

    On a terminal it moves. In a log or a pipe it is one line, written when the work is done, or, if `quiet`,
    nothing.
    """
    alive = sys.stderr.isatty()
    return tqdm(
        desc=f"{label:<12}",
        total=total,
        unit=unit,
        disable=quiet and not alive,
        ncols=None if alive else 90,
        delay=0 if alive else 1e-9,
        mininterval=0.1 if alive else 1e9,
        bar_format="{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} {unit} {elapsed}{postfix}",
    )
