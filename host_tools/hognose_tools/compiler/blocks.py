# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 4: how large the blocks are in which convolutions work: speed against memory.

Fast kernels unpack weights, or the rows of a depthwise layer, into scratch; the fewer blocks, the less often
a patch is unpacked. Scratch may use what other layers need anyway, and a little more. A layer that does all
channels of a pixel, or of some rows, before it goes on may overwrite input that it has done with: its output
then lies a little before its input, in the same place for the most part.
"""

from dataclasses import dataclass
from typing import Any

from hognose.reference_check import trail

from .lower import Lowered, Step
from .planner import ALIGN, lower_bound
from .records import RECORDS, Record

EXTRA = 2 / 15  # of the smallest arena
EXTRA_AT_LEAST = 1024  # bytes


@dataclass
class _Choice:
    """One way to work on a layer."""

    block: int
    scratch: int  # bytes
    lead: int | None  # of the output before the input, in bytes, where they share their place
    room: int  # that scratch, input and output need together, in bytes


def fit(low: Lowered) -> None:
    """Sets the size of every block, and of its scratch; decides which convolutions work in place."""
    blocked = {
        i: step
        for i, step in enumerate(low.steps)
        if step.fields.get("block") and step.fields["scratch"] is not None
    }
    choices = {i: _choices(low, step) for i, step in blocked.items()}
    for i, step in blocked.items():
        _choose(low, step, min(choices[i], key=lambda c: c.room))
    smallest = lower_bound(low.buffers, low.inplace)
    budget = smallest + max(int(smallest * EXTRA), EXTRA_AT_LEAST)
    for i, step in blocked.items():
        own = {id(step.fields[name].buffer) for name in ("in", "out", "scratch")}
        others = sum(b.rounded for b in low.buffers if b.first <= i <= b.last and id(b) not in own)
        _choose(low, step, next(c for c in choices[i] if others + c.room <= budget))
    for step in blocked.values():
        scratch = step.fields["scratch"].buffer
        if scratch.size == 0:  # nothing but blocks would have used it
            step.fields["scratch"] = None
            low.buffers.remove(scratch)


def _choices(low: Lowered, step: Step) -> list[_Choice]:
    """All there are, the fastest first."""
    f = step.fields
    source, result = f["in"].buffer, f["out"].buffer
    may_share = (id(source), id(result)) in low.inplace
    largest, unit = f["block"], 1 if _like(step.name) == "DEPTHWISE" else 2
    found: dict[int, _Choice] = {}
    for block in range(largest, -1, -unit):
        if block:
            # As many blocks of equal size.
            count = -(-largest // block)
            block = -(-largest // (count * unit)) * unit
        if block not in found:
            g = {**f, "block": block}
            scratch = scratch_size(step.name, g) if block or f["scratch"].buffer.size > 1 else 0
            lead = _lead(step, g) if may_share else None
            if lead is not None and lead >= result.rounded:
                lead = None
            together = source.rounded + result.rounded
            if lead is not None:
                together -= min(source.rounded, result.rounded - lead)
            found[block] = _Choice(block, scratch, lead, together + scratch)
    return list(found.values())


def _lead(step: Step, fields: dict[str, Any]) -> int | None:
    """`trail` of a record with these fields, a multiple of ALIGN."""
    values = Record(_like(step.name), step.type, fields).values()
    lead: int | None = trail((RECORDS[_like(step.name)][0], step.type, *values))
    return None if lead is None else -(-lead // ALIGN) * ALIGN


def _choose(low: Lowered, step: Step, choice: _Choice) -> None:
    f = step.fields
    f["block"] = choice.block
    f["scratch"].buffer.size = choice.scratch
    pair = id(f["in"].buffer), id(f["out"].buffer)
    low.inplace.pop(pair, None)
    if choice.lead is not None:
        low.inplace[pair] = choice.lead


def _like(name: str) -> str:
    """What a record with weights of 4 bits is once they are unpacked."""
    return name.removesuffix("4")


def scratch_size(name: str, f: dict[str, Any]) -> int:
    """Bytes of scratch of a CONV or DEPTHWISE record of int8 that has scratch."""
    patch = f["k_h"] * f["k_w"] * f["in_c"] // f["groups"]
    if not f["block"]:
        return patch
    if _like(name) == "DEPTHWISE":
        rows = (f["block"] - 1) * f["stride_h"] + f["k_h"]
        return rows * ((f["out_w"] - 1) * f["stride_w"] + f["k_w"]) * 4
    quads = -(-patch // 4)
    return quads * 8 + f["block"] // 2 * (quads * 16 + 24)
