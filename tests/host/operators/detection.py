# SPDX-License-Identifier: MIT
"""Boxes around objects."""

from __future__ import annotations

import numpy as np
from flatbuffers import flexbuffers

from .draw import Case, Draw, Operators

OPERATORS = Operators()


@OPERATORS.add("TFLite_Detection_PostProcess", "float32")
def _detection(d: Draw, name: str) -> Case:
    """Boxes about anchors, some of them twice; scores of few values, so that some are equal."""
    count, classes, detections = d.int(2, 40), d.int(1, 4), d.int(2, 12)
    coordinates, background = d.of((4, 4, 4, 6)), d.int(0, 1)
    options = {
        "max_detections": detections,
        "max_classes_per_detection": 1 if classes > 1 else d.int(1, 3),
        "num_classes": classes,
        "nms_score_threshold": d.of((0.0, 1e-8, 0.3, 0.6)),
        "nms_iou_threshold": d.of((0.2, 0.5, 0.6, 1.0)),
        **{f"{axis}_scale": d.of((1.0, 5.0, 10.0)) for axis in "yxhw"},
    }
    if d.flag():
        options |= {"use_regular_nms": d.flag(), "detections_per_class": d.int(1, 100)}
    flex = flexbuffers.Builder()
    with flex.Map():
        for key, value in options.items():
            flex.Key(key)
            {bool: flex.Bool, int: flex.Int, float: flex.Float}[type(value)](value)
    places = d.rng.integers(0, count, count)  # a box may be there several times
    boxes = d.b.tensor((1, count, coordinates))
    d.inputs.append((boxes, d.rng.normal(size=(1, count, coordinates)).astype(np.float32)[:, places]))
    scores = d.b.tensor((1, count, classes + background))
    steps = d.of((4, 10, 10**6))
    d.inputs.append((scores, (d.rng.integers(0, steps, scores.shape) / np.float32(steps)).astype(np.float32)))
    anchors = d.b.const(d.rng.uniform(0.1, 1, (count, 4)).astype(np.float32)[places])
    outputs = [d.output(s) for s in ((1, detections, 4), (1, detections), (1, detections), (1,))]
    d.b.op("CUSTOM", [boxes, scores, anchors], outputs, custom=name, custom_options=bytes(flex.Finish()))
    return d.case(*outputs)
