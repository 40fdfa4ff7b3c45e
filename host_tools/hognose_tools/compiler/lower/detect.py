# SPDX-License-Identifier: MIT
"""TFLite_Detection_PostProcess: the last layer of SSD networks (TFLM's kernels/detection_postprocess.cc)."""

import math
import struct
from typing import Any

from flatbuffers import flexbuffers

from ..graph import Operator, Tensor
from .steps import Const, Lowered
from .tensors import Unsupported, arithmetic

KIND = "TFLite_Detection_PostProcess"
_INTEGERS = ("max_detections", "max_classes_per_detection", "num_classes")
_FLOATS = ("nms_score_threshold", "nms_iou_threshold", "y_scale", "x_scale", "h_scale", "w_scale")
_DEFAULTS = {"detections_per_class": 100, "use_regular_nms": 0}


def detection(low: Lowered, op: Operator) -> None:
    boxes, scores, anchors = op.inputs[:3]
    assert boxes is not None and scores is not None and anchors is not None
    arithmetic(boxes, scores, anchors, *op.outputs, kinds="f")
    o = _options(op)
    _check_options(o)
    count, coordinates, columns = boxes.shape[1], boxes.shape[2], scores.shape[2]
    detections, classes = o["max_detections"], o["num_classes"]
    expected = (1, count, coordinates), (1, count, columns), (count, 4)
    if (boxes.shape, scores.shape, anchors.shape) != expected or not 0 <= columns - classes <= 1:
        raise Unsupported(
            f"the shapes {list(boxes.shape)}, {list(scores.shape)}, {list(anchors.shape)} of boxes, scores, "
            f"anchors do not fit together and {classes} classes: damaged model"
        )
    _check_outputs(op.outputs, detections)
    regular = bool(o["use_regular_nms"])
    max_per_class = min(o["detections_per_class"], count) if regular else 0
    low.emit(
        "DETECT",
        op,
        {
            "in": low.place(boxes),
            "scores": _in_arena(low, scores),
            "anchors": low.place(anchors),
            **dict(
                zip(
                    ("out", "out_classes", "out_scores", "out_count"), map(low.place, op.outputs), strict=True
                )
            ),
            "scratch": low.new_buffer(16 * max_per_class if regular else 4 * count),
            "boxes": count,
            "coordinates": coordinates,
            "columns": columns,
            "classes": classes,
            "detections": detections,
            "max_per_class": max_per_class,
            "score_threshold": o["nms_score_threshold"],
            "overlap_threshold": o["nms_iou_threshold"],
            **{f"scale{i}": o[f"{axis}_scale"] for i, axis in enumerate("yxhw")},
        },
        kind="f",
    )


def _options(op: Operator) -> dict[str, Any]:
    """The FlexBuffer's entries that TFLM reads."""
    try:
        entries = flexbuffers.GetRoot(op.options["custom"]).AsMap
        o: dict[str, Any] = {name: entries[name].AsInt for name in _INTEGERS}
        o |= {name: entries[name].AsFloat for name in _FLOATS}
        for name, default in _DEFAULTS.items():
            o[name] = _entry(entries, name, default)
    except struct.error as e:
        raise ValueError("its options end too early") from e
    return o


def _entry(entries: flexbuffers.Map, name: str, default: int) -> int:
    try:
        found = entries[name]
    except KeyError:
        return default
    return default if found.IsNull else found.AsBool if found.IsBool else found.AsInt


def _check_options(o: dict[str, Any]) -> None:
    numbers = [o["max_detections"], o["num_classes"], o["detections_per_class"]]
    scales = [o[f"{axis}_scale"] for axis in "yxhw"]
    if min(numbers) < 1 or max(numbers) > 1 << 16 or not 0 < o["nms_iou_threshold"] <= 1:
        raise Unsupported(f"its options make no sense, nor for TFLM: {o}")
    if not all(0 < s < math.inf for s in scales) or math.isnan(o["nms_score_threshold"]):
        raise Unsupported(f"its scales {scales} make no sense: damaged model")
    if not o["use_regular_nms"] and min(o["max_classes_per_detection"], o["num_classes"]) != 1:
        raise Unsupported(
            "several classes for one box are not supported (TFLM puts them in the wrong places): "
            "set max_classes_per_detection to 1, or use_regular_nms"
        )


def _check_outputs(outputs: list[Tensor], detections: int) -> None:
    shapes = (1, detections, 4), (1, detections), (1, detections), (1,)
    for t, shape in zip(outputs, shapes, strict=True):
        if not t.shape and shape != (1,):  # exporters leave the shape of a custom operator's output out
            t.shape = shape
        if t.size != math.prod(shape):
            raise Unsupported(f"its output {list(t.shape)} is not {list(shape)}: damaged model")


def _in_arena(low: Lowered, t: Tensor) -> Any:
    place = low.place(t)
    if isinstance(place, Const):
        raise Unsupported("its scores are constant: damaged model")
    return place
