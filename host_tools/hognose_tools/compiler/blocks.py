# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Step 4: how large the blocks are in which convolutions work: speed against memory.

Fast kernels unpack weights, or the rows of a depthwise layer, into scratch; the fewer blocks, the less often a
patch is unpacked. Scratch may use what other layers need anyway, and a little more.
"""

from typing import Any

from .lower import Lowered, Step, View
from .planner import lower_bound

EXTRA = 2 / 15  # of the arena without blocks
EXTRA_AT_LEAST = 1024  # bytes


def fit(low: Lowered) -> None:
    """Sets the size of every block, and of its scratch."""
    smallest = lower_bound(low.buffers, low.inplace)
    budget = smallest + max(int(smallest * EXTRA), EXTRA_AT_LEAST)
    for i, step in enumerate(low.steps):
        scratch = step.fields.get("scratch")
        if step.fields.get("block") and isinstance(scratch, View):
            alive = sum(b.rounded for b in low.buffers if b.first <= i <= b.last and b is not scratch.buffer)
            _fit_step(low, step, scratch, budget - alive)


def _fit_step(low: Lowered, step: Step, scratch: View, room: int) -> None:
    f = step.fields
    largest, unit = f["block"], 1 if step.name == "DEPTHWISE" else 2
    block = largest
    while block and scratch_size(step.name, {**f, "block": block}) > room:
        block -= unit
    if block:
        # As many blocks of equal size.
        count = -(-largest // block)
        block = -(-largest // (count * unit)) * unit
        scratch.buffer.size = scratch_size(step.name, {**f, "block": block})
    elif scratch.buffer.size == 1:  # nothing but blocks would have used it
        f["scratch"] = None
        low.buffers.remove(scratch.buffer)
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
