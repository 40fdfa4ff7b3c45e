# SPDX-License-Identifier: MIT
"""How a kernel slides over an image: strides, dilation, padding."""

from dataclasses import dataclass
from typing import Any

from ..graph import Operator, Tensor
from .steps import Lowered
from .tensors import Unsupported, fits

SAME = 0  # tflite.Padding


@dataclass
class Window:
    """How a kernel slides along one axis."""

    size: int
    out: int
    k: int
    stride: int
    dilation: int
    pad: int

    @property
    def inside(self) -> bool:
        """No position of the window reaches over a border."""
        return self.pad == 0 and (self.out - 1) * self.stride + (self.k - 1) * self.dilation < self.size


POINT = Window(1, 1, 1, 1, 1, 0)


def window(op: Operator, axis: str, size: int, out: int, k: int) -> Window:
    """TFLite's ComputePadding, and the check that the model's output shape agrees with it.

    The options pad_h and pad_w (before, after) are fuse.py's: padding that was an operator of its own.
    """
    stride = op.options[f"stride_{axis}"]
    dilation = op.options.get(f"dilation_{axis}factor", 1)
    if stride < 1 or dilation < 1 or k < 1:
        raise Unsupported(f"stride {stride}, dilation {dilation}, window {k}: each must be at least 1")
    reach = (k - 1) * dilation + 1
    before, after = op.options.get(f"pad_{axis}", (0, 0))
    padded = size + before + after
    same = op.options["padding"] == SAME
    expected = -(-padded // stride) if same else max(0, -(-(padded - reach + 1) // stride))
    if out != expected:
        raise Unsupported(f"its output is {out} along {axis}, {expected} was expected: damaged model")
    pad = before + max(0, (out - 1) * stride + reach - padded) // 2
    return Window(size, out, k, stride, dilation, pad)


def shape4(t: Tensor) -> tuple[int, int, int, int]:
    if len(t.shape) != 4:
        raise Unsupported(f"a tensor of shape {list(t.shape)} where four dimensions are expected")
    return t.shape  # type: ignore[return-value]


def images(low: Lowered, x: Tensor, y: Tensor) -> dict[str, Any]:
    """Fields of an operator that treats each channel of an image by itself."""
    (batch, in_h, in_w, channels), (out_batch, out_h, out_w, out_c) = shape4(x), shape4(y)
    fits((batch, channels) == (out_batch, out_c), x, y)
    return {
        "in": low.place(x),
        "out": low.place(y),
        "channels": channels,
        "batch": batch,
        "in_h": in_h,
        "in_w": in_w,
        "out_h": out_h,
        "out_w": out_w,
    }
