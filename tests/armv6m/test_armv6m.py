# SPDX-License-Identifier: MIT
"""The engine on a simulated Cortex-M0+: the portable one's bytes, and the same cycles each time."""

import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "host"))  # the random models

import armv6m
from hognose_tools.compiler import compile_tflite, tiling
from operators import OPERATORS, Case, Draw

pytestmark = pytest.mark.skipif(bool(armv6m.missing()), reason=armv6m.missing() or "all there")

# Operators whose kernels differ from the portable ones, or whose arithmetic does.
NAMES = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "ADD",
    "MUL",
    "MEAN",
    "SOFTMAX",
    "AVERAGE_POOL_2D",
)


class _Narrow(Draw):
    """Draws weights from -127 on, as converters make them: the fast kernels need that."""

    def values(self, shape, dtype=None):
        values = super().values(shape, dtype)
        return np.maximum(values, -127) if values.dtype == np.int8 and self.inputs else values


@st.composite
def narrow_cases(draw, name: str) -> Case:
    kind = Draw if draw(st.integers(0, 4)) == 4 else _Narrow
    return OPERATORS[name, "int8"](kind(draw, "int8"))


def check(case: Case, engine: str = "native") -> armv6m.Run:
    import hognose

    compiled = compile_tflite(case.tflite)
    outputs = [np.zeros(t.size, t.dtype) for t in compiled.graph.outputs]
    inputs = [np.ascontiguousarray(a).reshape(-1) for a in case.inputs]
    model = hognose.Model(compiled.hog, engine=engine)
    model.invoke(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0])
    got = armv6m.run(compiled.hog, [case.inputs], len(compiled.lowered.steps))
    assert got.outputs == b"".join(o.tobytes() for o in outputs), compiled.lowered.steps[0].fields
    return got


@pytest.mark.parametrize("name", NAMES)
def test_operator(name: str, cases_run, monkeypatch) -> None:
    @hypothesis.given(narrow_cases(name), st.sampled_from((0, 60, 120, 300, 1024)))
    def compare(case, room):
        monkeypatch.setattr(tiling, "EXTRA_AT_LEAST", room)  # little room: several tiles, or none
        monkeypatch.setattr(tiling, "EXTRA", 0)
        check(case)
        cases_run[name, "int8", "armv6m"] += 1

    compare()


@pytest.mark.parametrize("name", ["hello_world_int8", "kws_ref_model", "ad01_int8", "pretrainedResnet_quant"])
def test_model(name: str, models) -> None:
    """Reference models: the portable engine's bytes, and the same cycles twice."""
    tflite = (models / f"{name}.tflite").read_bytes()
    chance = np.random.default_rng(7)
    inputs = [
        chance.integers(-128, 128, t.shape).astype(np.int8) for t in compile_tflite(tflite).graph.inputs
    ]
    first, second = check(Case(tflite, inputs)), check(Case(tflite, inputs))
    assert first == second
