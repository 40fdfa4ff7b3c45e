# SPDX-License-Identifier: MIT
"""A bar chart as SVG, for the benchmark page."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

WIDTH, LABELS, BAR, GAP = 860, 210, 14, 14
COLOURS = ("#2f7d4f", "#6b7280", "#9aa0aa", "#cdd0d6", "#d99b3d")


def bars(title: str, groups: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """`groups`: of each label the values by series; the series have the same colour everywhere."""
    series = list(dict.fromkeys(name for values in groups.values() for name in values))
    largest = max(v for values in groups.values() for v in values.values())
    scale = (WIDTH - LABELS - 60) / largest
    parts, y = [_text(10, 24, title, size=16)], 44
    for i, name in enumerate(series):
        x = 10 + sum(8 * len(s) + 30 for s in series[:i])
        parts += [_rectangle(x, y - 10, 12, 12, COLOURS[i]), _text(x + 18, y, name)]
    y += 20
    for label, values in groups.items():
        parts.append(_text(LABELS - 10, y + len(values) * BAR / 2 + 4, label, anchor="end"))
        for name, value in values.items():
            width = value * scale
            parts.append(_rectangle(LABELS, y, width, BAR - 2, COLOURS[series.index(name)]))
            parts.append(_text(LABELS + width + 5, y + BAR - 4, f"{value:.2f}", size=11))
            y += BAR
        y += GAP
    parts.append(_text(LABELS, y + 4, unit, size=11))
    body = "\n".join(parts)
    size = f'width="{WIDTH}" height="{y + 16}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.1f}" height="{height:.0f}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, size: int = 13, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
