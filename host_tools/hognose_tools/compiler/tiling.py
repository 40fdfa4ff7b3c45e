# SPDX-License-Identifier: MIT
"""Step 4: the tiles in which convolutions are computed: speed against memory.

Fast kernels unpack the weights of some output channels, or some rows of a depthwise layer, into scratch: a
tile. The larger the tiles, the less often the same input is unpacked. Scratch may use what other layers need
anyway, and a little more. A layer that finishes all channels of a pixel, or some rows, before it goes on may
overwrite input that it no longer needs: its output then begins a little before its input, in the same memory
for the most part.
"""

from dataclasses import dataclass
from typing import Any

from .lower import Lowered, Step
from .planner import ALIGN, lower_bound

EXTRA = 2 / 15  # of the smallest arena
EXTRA_AT_LEAST = 1024  # bytes

Fields = dict[str, Any]


@dataclass
class _Choice:
    """One way to compute a layer."""

    tile: int
    scratch: int  # bytes
    lead: int | None  # of the output before the input, in bytes, where they share memory
    room: int  # that scratch, input and output need together, in bytes


def fit(low: Lowered) -> None:
    """Sets every tile and the size of its scratch; decides which convolutions work in place."""
    tiled = {i: step for i, step in enumerate(low.steps) if step.fields.get("tile")}
    choices = {i: _choices(low, step) for i, step in tiled.items()}
    for i, step in tiled.items():
        _choose(low, step, min(choices[i], key=lambda c: c.room))
    smallest = lower_bound(low.buffers, low.inplace)
    budget = smallest + max(int(smallest * EXTRA), EXTRA_AT_LEAST)
    for i, step in tiled.items():
        own = {id(step.fields[name].buffer) for name in ("in", "out", "scratch")}
        others = sum(b.rounded for b in low.buffers if b.first <= i <= b.last and id(b) not in own)
        _choose(low, step, next(c for c in choices[i] if others + c.room <= budget))
    for step in tiled.values():
        scratch = step.fields["scratch"].buffer
        if scratch.size == 0:  # nothing but a tile would have used it
            step.fields["scratch"] = None
            low.buffers.remove(scratch)
        if not step.fields["tile"]:
            step.name = step.name.removesuffix("_TILED")


def _choices(low: Lowered, step: Step) -> list[_Choice]:
    """All choices, the fastest first."""
    f, depthwise = step.fields, _is_depthwise(step.name)
    source, result = f["in"].buffer, f["out"].buffer
    may_share = (id(source), id(result)) in low.inplace
    largest, unit = f["tile"], 1 if depthwise else 2
    found: dict[int, _Choice] = {}
    for tile in range(largest, -1, -unit):
        if tile:
            # As many tiles, but of equal size.
            count = -(-largest // tile)
            tile = -(-largest // (count * unit)) * unit
        if tile not in found:
            g = {**f, "tile": tile}
            scratch = scratch_size(step.name, g) if tile or f["scratch"].buffer.size > 1 else 0
            lead = lead_in_place(step.name, g) if may_share else None
            if lead is not None and lead >= result.rounded:
                lead = None
            together = source.rounded + result.rounded
            if lead is not None:
                together -= min(source.rounded, result.rounded - lead)
            found[tile] = _Choice(tile, scratch, lead, together + scratch)
    return list(found.values())


def lead_in_place(name: str, f: Fields) -> int | None:
    """`trail` as a multiple of ALIGN."""
    lead = trail(name, f)
    return None if lead is None else -(-lead // ALIGN) * ALIGN


def trail(name: str, f: Fields) -> int | None:
    """How many bytes before its input a tiled layer's output must begin if they overlap; None: they must not.

    The place that is written last before a read is furthest ahead of it at the first row or, if rows grow, at
    the last one.
    """
    if not f["tile"] or f["batch"] != 1:
        return None
    in_row, out_row = f["in_w"] * f["in_c"], f["out_w"] * f["out_c"]
    if _is_depthwise(name):  # reads and writes the rows of a tile
        rows, lead = f["tile"], f["tile"] * out_row
    elif f["tile"] != f["out_c"] or f["out_w"] * f["stride_w"] > f["in_w"] + f["pad_w"]:
        return None
    else:  # reads a patch, then writes all channels of a pixel
        growth = max(0, f["out_c"] - f["stride_w"] * f["in_c"])
        rows, lead = 1, f["pad_w"] * f["in_c"] + f["out_w"] * growth
    later: int = (f["out_h"] - rows) * max(0, out_row - f["stride_h"] * in_row)
    return f["pad_h"] * in_row + lead + later


def _choose(low: Lowered, step: Step, choice: _Choice) -> None:
    f = step.fields
    f["tile"] = choice.tile
    f["scratch"].buffer.size = choice.scratch
    pair = id(f["in"].buffer), id(f["out"].buffer)
    low.inplace.pop(pair, None)
    if choice.lead is not None:
        low.inplace[pair] = choice.lead


def _is_depthwise(name: str) -> bool:
    return name.startswith("DEPTHWISE")


def scratch_size(name: str, f: Fields) -> int:
    """Bytes of scratch of an int8 convolution that has scratch: its im2col buffer, or what its tile needs."""
    patch: int = f["k_h"] * f["k_w"] * f["in_c"] // f["groups"]
    if not f["tile"]:
        return patch
    if _is_depthwise(name):
        rows = (f["tile"] - 1) * f["stride_h"] + f["k_h"]
        return rows * ((f["out_w"] - 1) * f["stride_w"] + f["k_w"]) * 4
    quads = -(-patch // 4)
    return quads * 8 + f["tile"] // 2 * (quads * 16 + 24)
