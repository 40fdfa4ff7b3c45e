# SPDX-License-Identifier: MIT
"""Step 5: where each tensor lies in the arena, decided offline.

The problem is dynamic storage allocation: rectangles (lifetime by size) stacked as low as possible,
NP-hard in general. Placing the rectangles one by one at the lowest free place is good in most orders and
optimal in some. So several orders are tried, the best one is improved by moving the topmost buffers to the
front, and the search stops at the lower bound, where a plan is optimal.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass

ALIGN = 4
_TRIES = 400  # orders tried when the first ones miss the lower bound
_LOOKS = 2_000_000  # at other buffers, in all tries together: a second or two


@dataclass(eq=False)
class Buffer:
    """What the arena must hold: `size` bytes, alive from operator `first` to operator `last`."""

    size: int
    first: int = 2**31
    last: int = -2
    offset: int = -1

    def touch(self, step: int) -> None:
        """Used at operator `step`; -1 is before the first one, when inputs are written."""
        self.first, self.last = min(self.first, step), max(self.last, step)

    @property
    def rounded(self) -> int:
        return -(-self.size // ALIGN) * ALIGN

    @property
    def end(self) -> int:
        return self.offset + self.rounded


# (input, output) of an operator that works in place: by how many bytes the output begins before its input.
Pairs = dict[tuple[int, int], int]


def lower_bound(buffers: list[Buffer], inplace: Pairs) -> int:
    """The largest sum of buffers alive at one operator, in bytes: no plan can be smaller.

    Where an operator works in place, its output shares the memory of the inputs that it may overwrite.
    """
    bound = 0
    for step in {b.first for b in buffers}:
        alive = {id(b): b.rounded for b in buffers if b.first <= step <= b.last}
        shared: dict[tuple[int, int], int] = {}  # two inputs cannot both lie in the same place
        for (source, result), lead in inplace.items():
            if source in alive and result in alive:
                saved = min(alive[source], alive[result] - lead)
                shared[result, lead] = max(shared.get((result, lead), 0), saved)
        bound = max(bound, sum(alive.values()) - sum(shared.values()))
    return bound


def plan(buffers: list[Buffer], inplace: Pairs) -> int:
    """Gives each buffer its offset; returns the arena's size in bytes."""
    bound = lower_bound(buffers, inplace)
    neighbours = _neighbours(buffers)
    best, order = _search(buffers, neighbours, inplace, bound)
    if _place(order, neighbours, inplace) != best:
        raise AssertionError("placing is deterministic")
    return best


def _neighbours(buffers: list[Buffer]) -> dict[int, list[Buffer]]:
    """For each buffer those whose lifetimes overlap its own."""
    return {
        id(b): [c for c in buffers if c is not b and c.first <= b.last and b.first <= c.last] for b in buffers
    }


def _search(
    buffers: list[Buffer], neighbours: dict[int, list[Buffer]], inplace: Pairs, bound: int
) -> tuple[int, list[Buffer]]:
    keys = (
        lambda b: (-b.rounded, b.first),
        lambda b: (-b.rounded * (b.last - b.first + 1), b.first),
        lambda b: (b.first, -b.rounded),
        lambda b: (-b.last, -b.rounded),
        lambda b: (b.first - b.last, -b.rounded),
    )
    best, best_order = -1, list(buffers)
    for key in keys:
        order = sorted(buffers, key=key)
        size = _place(order, neighbours, inplace)
        if best < 0 or size < best:
            best, best_order = size, order
        if best <= bound:
            return best, best_order
    chance = random.Random(0)  # the same plan every time
    order = list(best_order)
    looks = 1 + sum(map(len, neighbours.values()))
    for _ in range(min(_TRIES, _LOOKS // looks)):
        size = _place(order, neighbours, inplace)
        if size < best:
            best, best_order = size, list(order)
            if best <= bound:
                break
        top = [b for b in order if b.end >= size]
        order = list(best_order if chance.random() < 0.5 else order)
        moved = chance.choice(top)
        order.remove(moved)
        order.insert(chance.randrange(max(1, len(order) // 2)), moved)
    return best, best_order


def _place(order: Iterable[Buffer], neighbours: dict[int, list[Buffer]], inplace: Pairs) -> int:
    """Puts each buffer of `order` at the lowest offset that is free; returns the arena's size."""
    placed: set[int] = set()
    size = 0
    for b in order:
        others = [c for c in neighbours[id(b)] if id(c) in placed]
        b.offset = _lowest(b, sorted(others, key=lambda c: c.offset), inplace)
        placed.add(id(b))
        size = max(size, b.end)
    return size


def _lowest(b: Buffer, others: list[Buffer], inplace: Pairs) -> int:
    """The lowest place for `b` that is free of `others`, which are in the order of their offsets."""
    at = 0  # where b fits so far
    for c in others:
        if at + b.rounded <= c.offset:
            break
        at = max(at, c.end)
    shared = {id(c): place for c in others if (place := _shared(b, c, inplace)) is not None}
    for place in sorted(set(shared.values())):
        apart = (
            shared.get(id(c)) == place or c.end <= place or place + b.rounded <= c.offset for c in others
        )
        if place < at and all(apart):
            return place
    return at


def _shared(b: Buffer, c: Buffer, inplace: Pairs) -> int | None:
    """The offset of `b` if it shares memory with `c`, which is placed; None if it must not."""
    if (lead := inplace.get((id(c), id(b)))) is not None:
        return c.offset - lead if c.offset >= lead else None
    lead = inplace.get((id(b), id(c)))
    return None if lead is None else c.offset + lead
