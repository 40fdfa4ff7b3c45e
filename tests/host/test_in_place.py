# SPDX-License-Identifier: MIT
"""Convolutions whose output overwrites the input that they have done with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engines import ENGINES, check, open_model
from hognose_tools import compiler
from hognose_tools.analysis.inspect import inspect
from hognose_tools.compiler import compile_tflite, tiling
from operators import Case
from tflite_builder import Builder


@st.composite
def geometries(draw) -> dict[str, int]:
    """Fields of a record of one image; what the kernels cannot have is not among them."""
    f = {"batch": 1}
    depthwise = draw(st.booleans())
    for axis in "hw":
        f |= {f"in_{axis}": draw(st.integers(1, 7)), f"out_{axis}": draw(st.integers(1, 7))}
        f |= {f"stride_{axis}": draw(st.integers(1, 3)), f"pad_{axis}": draw(st.integers(0, 2))}
        taps = 3 if depthwise else draw(st.integers(1, 3))
        f |= {f"k_{axis}": taps, f"dilation_{axis}": 1 if depthwise else draw(st.integers(1, 2))}
    in_c, copies = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    out_c = in_c * copies if depthwise else 2 * draw(st.integers(1, 3))
    f |= {"in_c": in_c, "out_c": out_c, "groups": in_c if depthwise else 1}
    return f | {"tile": draw(st.integers(1, f["out_h"])) if depthwise else out_c}


def reads(f: dict[str, int], row: int) -> list[set[int]]:
    """For each pixel of an output row the bytes of the input that it depends on."""
    result = []
    for column in range(f["out_w"]):
        ys = [row * f["stride_h"] - f["pad_h"] + k * f["dilation_h"] for k in range(f["k_h"])]
        xs = [column * f["stride_w"] - f["pad_w"] + k * f["dilation_w"] for k in range(f["k_w"])]
        pixels = {y * f["in_w"] + x for y in ys for x in xs if 0 <= y < f["in_h"] and 0 <= x < f["in_w"]}
        result.append({p * f["in_c"] + c for p in pixels for c in range(f["in_c"])})
    return result


@settings(max_examples=400, deadline=None)
@given(geometries())
def test_nothing_is_overwritten_that_is_still_read(f: dict[str, int]) -> None:
    depthwise = f["groups"] > 1 or f["tile"] != f["out_c"]
    lead = tiling.trail("DEPTHWISE_TILED" if depthwise else "CONV_TILED", f)
    assume(lead is not None)
    assert lead is not None
    written = 0  # bytes of the output, which begins `lead` bytes before the input
    step = f["tile"] if depthwise else 1
    for first in range(0, f["out_h"], step):
        rows = range(first, min(first + step, f["out_h"]))
        if depthwise:  # channel by channel: any read of these rows may follow any write
            written += len(rows) * f["out_w"] * f["out_c"]
        for row in rows:
            for pixel in reads(f, row):
                assert all(at + lead >= written for at in pixel)
                if not depthwise:
                    written += f["out_c"]


def network(kernel: int, stride: int, in_c: int, out_c: int, depthwise: bool) -> Case:
    chance = np.random.default_rng(kernel * 100 + stride * 10 + out_c)
    b = Builder()
    x = first = b.tensor((1, 9, 8, in_c), "int8", scale=0.5, zero_point=-7)
    shape = (1, kernel, kernel, out_c) if depthwise else (out_c, kernel, kernel, in_c)
    w = b.const(chance.integers(-127, 128, shape, np.int8), scale=0.01, axis=3 if depthwise else 0)
    y = b.tensor((1, -(-9 // stride), -(-8 // stride), out_c), "int8", scale=0.9, zero_point=5)
    bias = b.const(chance.integers(-900, 900, out_c, np.int32), scale=0.005)
    options = {"version": 3, "padding": "SAME", "stride_h": stride, "stride_w": stride}
    options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    options |= {"depth_multiplier": 1} if depthwise else {}
    b.op("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, w, bias], y, **options)
    return Case(b.build([first], [y]), [chance.integers(-128, 128, (1, 9, 8, in_c), np.int8)])


LAYERS = [
    (3, 1, 8, 8, False),
    (1, 1, 4, 8, False),
    (1, 1, 8, 4, False),
    (3, 2, 4, 8, False),
    (3, 1, 8, 8, True),
    (3, 2, 8, 8, True),
]


@pytest.fixture(autouse=True)
def in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it costs in scratch."""
    choices = tiling._choices
    monkeypatch.setattr(
        tiling, "_choices", lambda low, step: [c for c in choices(low, step) if c.lead is not None]
    )
    monkeypatch.setattr(tiling, "EXTRA_AT_LEAST", 1 << 20)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_bytes_are_tflms(layer: tuple, engine: str) -> None:
    case = network(*layer)
    low = compile_tflite(case.tflite).lowered
    ((source, result),) = low.inplace
    place = {id(b): b for b in low.buffers}
    assert place[source].offset < place[result].end, "they share no byte"
    (shown,) = inspect(case.tflite)["layers"]
    assert shown["in_place"]
    check(case, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_one_word_nearer_is_refused(layer: tuple, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = tiling.lead_in_place
    monkeypatch.setattr(tiling, "lead_in_place", lambda name, f: lead(name, f) and lead(name, f) - 4)
    monkeypatch.setattr(compiler.engine, "check", lambda hog: None)
    hog = compile_tflite(network(*layer).tflite).hog
    if layer[0] == 1 and layer[2] >= layer[3]:
        open_model(hog, engine)  # pixel for pixel in the same place: there is no nearer
    else:
        with pytest.raises(ValueError, match="tensors overlap"):
            open_model(hog, engine)
