# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 4: how large the blocks are in which convolutions work: speed against memory.

Fast kernels unpack weights, or the rows of a depthwise layer, into scratch; the fewer blocks, the less often
a patch is unpacked. Scratch may use what other layers need anyway, and a little more.
"""

from typing import Any

from .lower import Lowered, Step
from .planner import Buffer, lower_bound

EXTRA = 2 / 15  # of the arena without blocks
EXTRA_AT_LEAST = 1024  # bytes


def fit(low: Lowered) -> None:
    """Sets the size of every block, and of its scratch; decides which convolutions work in place."""
    blocked = [
        (i, step)
        for i, step in enumerate(low.steps)
        if step.fields.get("block") and step.fields["scratch"] is not None
    ]
    pairs = {_pair(step) for _, step in blocked} & low.inplace
    low.inplace -= pairs
    smallest = lower_bound(low.buffers, low.inplace)
    budget = smallest + max(int(smallest * EXTRA), EXTRA_AT_LEAST)
    for i, step in blocked:
        scratch = step.fields["scratch"].buffer
        room = budget - sum(b.rounded for b in low.buffers if b.first <= i <= b.last and b is not scratch)
        if _pair(step) in pairs:
            shared = step.fields["out"].buffer.rounded
            if scratch_size(step.name, step.fields) <= room + shared:
                low.inplace.add(_pair(step))
                room += shared
        _fit_step(low, step, scratch, room)


def _pair(step: Step) -> tuple[int, int]:
    return id(step.fields["in"].buffer), id(step.fields["out"].buffer)


def _fit_step(low: Lowered, step: Step, scratch: Buffer, room: int) -> None:
    f = step.fields
    largest, unit = f["block"], 1 if step.name == "DEPTHWISE" else 2
    block = largest
    while block and scratch_size(step.name, {**f, "block": block}) > room:
        block -= unit
    if block:
        # As many blocks of equal size.
        count = -(-largest // block)
        block = -(-largest // (count * unit)) * unit
        scratch.size = scratch_size(step.name, {**f, "block": block})
    elif scratch.size == 1:  # nothing but blocks would have used it
        f["scratch"] = None
        low.buffers.remove(scratch)
    f["block"] = block


def scratch_size(name: str, f: dict[str, Any]) -> int:
    """Bytes of scratch of a CONV or DEPTHWISE record of int8 that has scratch."""
    patch = f["k_h"] * f["k_w"] * f["in_c"] // f["groups"]
    if not f["block"]:
        return patch
    if name == "DEPTHWISE":
        rows = (f["block"] - 1) * f["stride_h"] + f["k_h"]
        return rows * ((f["out_w"] - 1) * f["stride_w"] + f["k_w"]) * 4
    quads = -(-patch // 4)
    return quads * 8 + f["block"] // 2 * (quads * 16 + 24)
