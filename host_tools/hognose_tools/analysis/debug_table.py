# SPDX-License-Identifier: MIT
"""The table that `hognose debug` makes, and its text."""

import math
from dataclasses import dataclass


@dataclass
class Row:
    """A tensor of the model with the operator that computes it; None where a figure is unknown."""

    index: int  # of the operator; -1 is an input of the model
    operator: str
    name: str
    type: str
    shape: tuple[int, ...]
    low: float | None = None  # smallest and largest value, as real numbers
    high: float | None = None
    at_low: float | None = None  # share of values at the ends of the type
    at_high: float | None = None
    differing: int | None = None  # values that differ from TFLM's
    sqnr: float | None = None  # dB, of all layers up to this one
    alone: float | None = None  # dB, of this layer alone
    note: str = ""


@dataclass
class Table:
    """All layers, with notes about the figures."""

    title: str
    rows: list[Row]
    reference: str  # the float model
    notes: list[str]
    error: str | None = None  # how TFLM ended

    @property
    def worst(self) -> Row | None:
        """The layer that lost most by itself."""
        known = [row for row in self.rows if row.alone is not None and row.index >= 0]
        return min(known, key=lambda row: row.alone, default=None)


def text(table: Table) -> str:
    """For a terminal."""
    columns = f"{'range':>24}{'at ends, %':>14}{'≠ TFLM':>8}{'SQNR, dB':>10}{'alone':>8}  name"
    lines = [table.title, f"{'#':>3} {'operator':18}{'type':8}{columns}"]
    lines += [_line(row, row is table.worst) for row in table.rows]
    return "\n".join([*lines, *table.notes, explanation(table)])


def _line(row: Row, worst: bool) -> str:
    note = (f" ({row.note})" if row.note else "") + (" ◀ lost most" if worst else "")
    tflm = "-" if row.differing is None else row.differing
    return (
        f"{number(row):>3} {row.operator[:17]:18}{row.type:8}{span(row):>24}{ends(row):>14}{tflm:>8}"
        f"{decibels(row.sqnr):>10}{decibels(row.alone):>8}  {row.name[-40:]}{note}"
    )


def explanation(table: Table) -> str:
    """How to read the figures."""
    words = "At ends: share of values at the lowest and at the highest value of the type."
    if not table.reference:
        return words
    return words + (
        f" SQNR: signal-to-quantization-noise ratio relative to {table.reference}, of all layers up to this "
        "one; alone: of this layer by itself, given the quantized values that it reads."
    )


def number(row: Row) -> str:
    return str(row.index) if row.index >= 0 else ""


def span(row: Row) -> str:
    return "-" if row.low is None else f"{row.low:.5g} … {row.high:.5g}"


def ends(row: Row) -> str:
    return "-" if row.at_low is None else f"{100 * row.at_low:.1f} {100 * row.at_high:.1f}"


def decibels(ratio: float | None) -> str:
    return "-" if ratio is None else "exact" if ratio == math.inf else f"{ratio:.1f}"
