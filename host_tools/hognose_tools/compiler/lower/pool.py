# SPDX-License-Identifier: MIT
"""Pooling: AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D."""

from ..graph import Operator
from .geometry import images, window
from .steps import Lowered
from .tensors import Unsupported, activation, arithmetic, clamp


def pool(low: Lowered, op: Operator) -> None:
    name = op.kind.removesuffix("_2D")
    x, y = op.inputs[0], op.outputs[0]
    assert x is not None
    kind = arithmetic(x, y, kinds="f" if name == "L2_POOL" else "bhf")
    image = images(low, x, y)
    if kind in "bh" and (abs(x.scale - y.scale) > 1e-6 or x.zero_point != y.zero_point):
        raise Unsupported("input and output are quantized differently: quantize the model again")
    rows = window(op, "h", image["in_h"], image["out_h"], op.options["filter_height"])
    columns = window(op, "w", image["in_w"], image["out_w"], op.options["filter_width"])
    fields = {
        **image,
        "k_h": rows.k,
        "k_w": columns.k,
        "stride_h": rows.stride,
        "stride_w": columns.stride,
        "pad_h": rows.pad,
        "pad_w": columns.pad,
        **clamp(op, kind, activation(op)),
    }
    low.emit(name, op, fields, kind=kind)
