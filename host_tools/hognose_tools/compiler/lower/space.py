# SPDX-License-Identifier: MIT
"""Pixels to channels or batches, and back: SPACE_TO_DEPTH, SPACE_TO_BATCH_ND, and their inverses."""

from itertools import product
from math import prod

from ..graph import Operator, Tensor
from .move import MAX_COPIES, copy, fill
from .steps import Lowered
from .tensors import Unsupported, contiguous, fits, integers, typecode


def space_to_depth(low: Lowered, op: Operator) -> None:
    _blocks(low, op, deep=op.outputs[0], wide=op.inputs[0], to_depth=True)


def depth_to_space(low: Lowered, op: Operator) -> None:
    _blocks(low, op, deep=op.inputs[0], wide=op.outputs[0], to_depth=False)


def _blocks(low: Lowered, op: Operator, *, deep: Tensor | None, wide: Tensor | None, to_depth: bool) -> None:
    """Blocks of pixels in `wide` are the channels of one pixel in `deep`."""
    assert deep is not None and wide is not None
    typecode(deep, wide)
    size = op.options["block_size"]
    fits(len(deep.shape) == len(wide.shape) == 4 and size > 0, wide, deep)
    batch, rows, columns, channels = wide.shape
    fits(deep.shape == (batch, rows // size, columns // size, channels * size * size), wide, deep)
    fits(rows % size == 0 and columns % size == 0, wide, deep)
    # Axes: batch, row of blocks, row in the block, column of blocks, column in the block, channel.
    sizes = (batch, rows // size, size, columns // size, size, channels)
    d, w = contiguous(deep.shape), contiguous(wide.shape)
    in_deep = (d[0], d[1], size * channels, d[2], channels, 1)
    in_wide = (w[0], size * w[1], w[1], size * w[2], w[2], 1)
    if to_depth:
        copy(low, op, wide, deep, sizes, (0, in_wide), (0, in_deep))
    else:
        copy(low, op, deep, wide, sizes, (0, in_deep), (0, in_wide))


def space_to_batch(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    block, pads = _batch_blocks(op, "paddings")
    fits(len(x.shape) == len(y.shape) > len(block), x, y)
    _batches_fit(y, x.shape[0] * prod(block))
    if any(pads):
        # TFLM never sets the padding value: it is the 0 of a fresh arena, not the zero point.
        fill(low, op, y, 0)
    _batch_copies(low, op, small=x, large=y, block=block, before=pads[::2])


def batch_to_space(low: Lowered, op: Operator) -> None:
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    typecode(x, y)
    block, crops = _batch_blocks(op, "crops")
    fits(len(x.shape) == len(y.shape) > len(block), x, y)
    _batches_fit(x, y.shape[0] * prod(block))
    _batch_copies(low, op, small=y, large=x, block=block, before=crops[::2])


def _batches_fit(t: Tensor, batches: int) -> None:
    if t.shape[0] != batches:
        raise Unsupported(
            f"{list(t.shape)} has not {batches} batches, and TFLM would mix them up: "
            "convert the model with a fixed batch size of 1"
        )


def _batch_blocks(op: Operator, what: str) -> tuple[list[int], list[int]]:
    """The block's shape, and the amounts before and after along each of its axes."""
    block, amounts = integers(op, 1, "block shape"), integers(op, 2, what)
    if min(block, default=0) < 1 or len(amounts) != 2 * len(block) or min(amounts) < 0:
        raise Unsupported(f"the block shape {block} with {what} {amounts} makes no sense: damaged model")
    if prod(block) > MAX_COPIES:
        raise Unsupported(
            f"a block of {prod(block)} is too large, {MAX_COPIES} is the limit: use smaller dilations"
        )
    return block, amounts


def _batch_copies(
    low: Lowered, op: Operator, *, small: Tensor, large: Tensor, block: list[int], before: list[int]
) -> None:
    """SPACE_TO_BATCH_ND writes `large` from `small`, BATCH_TO_SPACE_ND the other way round.

    Position p of `small` along a blocked axis is at (p + before) // block of `large`, in the batch that
    (p + before) % block belongs to. Each position in the block is one copy.
    """
    axes = len(block)
    s, b = contiguous(small.shape), contiguous(large.shape)
    for place in product(*(range(n) for n in block)):
        sizes, in_small, in_large = [small.shape[0]], 0, 0
        for axis in range(axes):
            n, size = block[axis], small.shape[axis + 1]
            # The first large position whose element lies in `small`, and how many do.
            first = max(0, -(-(before[axis] - place[axis]) // n))
            position = first * n + place[axis] - before[axis]
            count = min(max(0, -(-(size - position) // n)), large.shape[axis + 1] - first)
            sizes.append(count)
            in_small += position * s[axis + 1]
            in_large += first * b[axis + 1]
        if min(sizes) <= 0:
            continue
        batch = 0
        for axis in range(axes):
            batch = batch * block[axis] + place[axis]
        in_large += batch * small.shape[0] * b[0]
        rest = small.shape[axes + 1 :]
        small_strides = [s[0], *(s[i + 1] * block[i] for i in range(axes)), *s[axes + 1 :]]
        ends = (in_small, small_strides), (in_large, b)
        if small is op.inputs[0]:
            copy(low, op, small, large, [*sizes, *rest], *ends)
        else:
            copy(low, op, large, small, [*sizes, *rest], *ends[::-1])
