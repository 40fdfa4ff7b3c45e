# SPDX-License-Identifier: MIT
"""The page that `hognose debug --html` writes: a table and a plot of the ratios, in one file."""

from html import escape

from .debug_table import Row, Table, decibels, ends, explanation, number, span

_LEFT, _WIDTH, _HEIGHT = 230, 560, 20  # px: of names, of bars from 0 to _MAX dB, of a layer
_MAX = 60.0
_STYLE = """
body { font: 14px system-ui, sans-serif; margin: 2em; max-width: 70em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .15em .6em; border-bottom: 1px solid #ddd }
td.l, th.l { text-align: left }
tr.worst { background: #fdd }
text { font: 12px system-ui, sans-serif }
"""


def page(table: Table) -> str:
    """The whole page."""
    notes = "".join(f"<p>{escape(note)}</p>" for note in table.notes)
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{escape(table.title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(table.title)}</h1>"
        f"{_plot(table) if table.reference else ''}{_table(table)}{notes}</html>\n"
    )


def _plot(table: Table) -> str:
    rows = [row for row in table.rows if row.sqnr is not None or row.alone is not None]
    height = _HEIGHT * len(rows)
    parts = [
        "<p>Signal-to-quantization-noise ratio of each layer in dB: dark, of all layers up to it; light, of "
        "the layer alone. A short light bar is where most is lost.</p>"
    ]
    parts.append(f'<svg width="{_LEFT + _WIDTH + 60}" height="{height + 24}" role="img">')
    for grid in range(0, int(_MAX) + 1, 10):
        x = _x(grid)
        parts.append(f'<path d="M{x:.0f} 0V{height}" stroke="#ccc"/>')
        parts.append(f'<text x="{x:.0f}" y="{height + 16}" text-anchor="middle">{grid}</text>')
    for i, row in enumerate(rows):
        parts += _bars(row, i * _HEIGHT, row is table.worst)
    return "".join(parts) + "</svg>"


def _bars(row: Row, y: int, worst: bool) -> list[str]:
    label = f"{number(row)} {row.operator}"
    parts = [f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>']
    for ratio, at, color in ((row.sqnr, 2, "#357"), (row.alone, 10, "#c33" if worst else "#9bd")):
        if ratio is not None:
            parts.append(
                f'<rect x="{_LEFT}" y="{y + at}" width="{_x(ratio) - _LEFT:.1f}" height="7" fill="{color}">'
                f"<title>{escape(row.name)}: {ratio:.1f} dB</title></rect>"
            )
    return parts


def _x(ratio: float) -> float:
    """Where the bar of a ratio ends; beyond the scale, or exact, it goes a little over the end."""
    return _LEFT + _WIDTH / _MAX * min(max(ratio, 0.0), _MAX + 2)


def _table(table: Table) -> str:
    head = (
        "<th>#<th class=l>operator<th class=l>name<th class=l>type<th>shape<th>range<th>at ends, %<th>≠ TFLM"
    )
    lines = [f"<table><tr>{head}<th>SQNR, dB<th>alone, dB<th class=l>"]
    for row in table.rows:
        cells = [
            f"<td>{number(row)}<td class=l>{escape(row.operator)}<td class=l>{escape(row.name)}",
            f"<td class=l>{row.type}<td>{'x'.join(map(str, row.shape))}<td>{span(row)}<td>{ends(row)}",
            f"<td>{'-' if row.differing is None else row.differing}<td>{decibels(row.sqnr)}",
            f"<td>{decibels(row.alone)}<td class=l>{escape(row.note)}",
        ]
        lines.append(f"<tr{' class=worst' if row is table.worst else ''}>{''.join(cells)}")
    return "\n".join(lines) + f"</table><p>{escape(explanation(table))}</p>"
