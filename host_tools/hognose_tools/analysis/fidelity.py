# SPDX-License-Identifier: MIT
"""What conversion to a `.tflite` did to a model's answers: float Keras's beside those of the converted model.

`verify` cannot see this step: it begins with the `.tflite`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..compiler import compile_tflite
from ..compiler.floating import dequantized, is_quantized
from ..compiler.reader import read_tflite
from ..errors import UserError
from ..text import one_line
from .oracle import Oracle

# An output whose mean error is larger, in parts of its range, or that names the same class less often.
BAD_ERROR, BAD_SHARE = 0.05, 0.9


@dataclass
class Error:
    """Of one output: its range in Keras, and the largest and mean error in parts of that range.

    `same_class`: of outputs that are probabilities of classes, the share of examples with Keras's winner.
    `constant`: it is the same for all examples, and in Keras it is not. `not_finite`: values in Keras.
    """

    name: str
    low: float
    high: float
    max_error: float
    mean_error: float
    same_class: float | None
    constant: bool
    not_finite: int = 0


@dataclass
class Fidelity:
    """`refusal`: why TFLM does not run the model, so that TensorFlow Lite did."""

    errors: list[Error]
    examples: int
    refusal: str


def compare(
    tflite: bytes,
    inputs: Sequence[np.ndarray],
    keras: Mapping[str, np.ndarray],
    lite: Sequence[np.ndarray] = (),
) -> Fidelity:
    """`inputs`: raw, [examples, *shape]; `keras`: its answers by the name of the output; `lite`: TensorFlow
    Lite's raw outputs, for a model that TFLM refuses."""
    if not inputs:
        return Fidelity([], 0, "")
    refusal = ""
    results = list(lite)
    try:
        results = _on_tflm(tflite, inputs)
    except UserError as e:  # or there is no TFLM for this computer
        refusal = one_line(e, 250).removeprefix("TFLM: ")
    errors = [
        error(name, exact, (dequantized(got, t) if is_quantized(t) else got).reshape(exact.shape))
        for (name, exact), got, t in zip(keras.items(), results, read_tflite(tflite).outputs, strict=False)
    ]
    return Fidelity(errors, len(inputs[0]), refusal)


def _on_tflm(tflite: bytes, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    oracle = Oracle(tflite)
    results = []
    for example in zip(*inputs, strict=True):
        oracle.reset()  # an example is no part of a sequence
        results.append(oracle.run(example))
    return [np.stack(output) for output in zip(*results, strict=True)]


def error(name: str, exact: np.ndarray, got: np.ndarray) -> Error:
    """How far an output, [examples, *shape], is from Keras's."""
    exact, got = exact.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(exact)
    known = exact[finite] if finite.any() else np.zeros(1)
    low, high = float(known.min()), float(known.max())
    difference = np.abs(np.nan_to_num(got - exact, nan=np.inf))[finite]
    errors = np.minimum(difference / (high - low or abs(high) or 1), 1e9)  # infinity is no JSON
    same = None
    if exact.ndim > 1 and exact.shape[-1] > 1 and low >= 0 and np.allclose(exact.sum(-1), 1, atol=1e-3):
        same = float(np.mean(exact.argmax(-1) == got.argmax(-1)))
    constant = bool((got == got[0]).all() and not (exact == exact[0]).all())
    largest, mean = float(errors.max(initial=0)), float(errors.mean()) if errors.size else 0.0
    return Error(name, low, high, largest, mean, same, constant, int((~finite).sum()))


def warnings(tflite: bytes, fidelity: Fidelity) -> list[str]:
    """What the user should know, a line each: outputs that are not Keras's any more, engines that refuse."""
    found = []
    for e in fidelity.errors:
        if e.not_finite:
            found.append(
                f"Keras itself gives NaN or infinity for the output {e.name}, {e.not_finite} times: "
                "the model is damaged, train it again"
            )
        elif e.constant:
            found.append(
                f"the output {e.name} is the same for all examples, which in Keras it is not: a dead model; "
                "see the ranges with `hognose debug`, look at the representative data, or use --type 16x8"
            )
        elif e.mean_error > BAD_ERROR or (e.same_class is not None and e.same_class < BAD_SHARE):
            found.append(
                f"the output {e.name} is far from Keras's: `hognose debug` finds the layer that loses most; "
                "--type 16x8 loses less"
            )
    packs = True
    try:
        compile_tflite(tflite)
    except UserError as e:
        packs = False
        found.append(f"`hognose pack` will refuse this model: {one_line(e, 500)}")
    if fidelity.refusal:
        ours = ", only hognose's own engines will" if packs else ""
        found.append(f"TensorFlow Lite Micro will not run this model{ours}: {fidelity.refusal}")
    if fidelity.examples and not fidelity.errors:
        found.append(
            "the model's answers were not compared with Keras's: TensorFlow Lite does not run it either, so "
            "nobody knows yet whether they are right"
        )
    return found
