# SPDX-License-Identifier: MIT
"""A stripped `.tflite` gives TFLM's bytes, is smaller, and holds nothing that TFLM does not read."""

import contextlib

import hypothesis
import numpy as np
import pytest
import tflite

from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler.strip import strip
from hognose_tools.errors import UserError
from operators import OPERATORS, cases
from tflite_builder import Builder

PUBLISHED = ("hello_world_int8", "kws_ref_model", "pretrainedResnet_quant", "ad01_int8", "ad01_fp32")


def same_bytes(model: bytes, inputs: list[np.ndarray]) -> bytes:
    """The stripped model, which TFLM runs to the same results."""
    stripped = strip(model)
    whole, less = Oracle(model), Oracle(stripped)
    assert (whole.input_shapes, whole.input_dtypes) == (less.input_shapes, less.input_dtypes)
    assert [a.tobytes() for a in whole.run(inputs)] == [a.tobytes() for a in less.run(inputs)]
    return stripped


@pytest.mark.parametrize(("name", "dtype"), tuple(OPERATORS))
def test_operator(name: str, dtype: str) -> None:
    @hypothesis.settings(max_examples=10)
    @hypothesis.given(cases(name, dtype))
    def compare(case) -> None:
        assert len(same_bytes(case.tflite, case.inputs)) < len(case.tflite)

    compare()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published(models, name: str) -> None:
    model = (models / f"{name}.tflite").read_bytes()
    oracle = Oracle(model)
    rng = np.random.default_rng(0)
    inputs = [
        rng.integers(-128, 128, shape).astype(dtype)
        for shape, dtype in zip(oracle.input_shapes, oracle.input_dtypes, strict=True)
    ]
    stripped = same_bytes(model, inputs)
    assert len(stripped) < len(model) and strip(stripped) == stripped
    assert Oracle(stripped).arena_used <= oracle.arena_used
    graph = tflite.Model.GetRootAs(stripped, 0).Subgraphs(0)
    for i in range(graph.TensorsLength()):
        quantization = graph.Tensors(i).Quantization()
        assert graph.Tensors(i).Name() is None
        assert quantization is None or (quantization.MinIsNone() and quantization.MaxIsNone())


def test_equal_weights_are_kept_once() -> None:
    weights = np.arange(1000, dtype=np.float32).reshape(10, 100)
    b = Builder()
    x = b.tensor((1, 100))
    outputs = [b.tensor((1, 10)) for _ in range(2)]
    for y in outputs:
        b.op("FULLY_CONNECTED", [x, b.const(weights), None], y)
    model = b.build([x], outputs)
    stripped = same_bytes(model, [np.ones((1, 100), np.float32)])
    assert len(model) > 8000 and len(stripped) < 4600


def test_a_bias_has_one_scale() -> None:
    """Its other scales follow from those of weights and input, and TFLM reads none of them."""
    b = Builder()
    x = b.tensor((1, 4, 4, 2), "int8", scale=0.1)
    scales = [0.01 * (1 + i) for i in range(8)]
    rng = np.random.default_rng(0)
    w = b.const(rng.integers(-127, 128, (8, 3, 3, 2)).astype(np.int8), scale=scales, axis=0)
    bias = b.const(rng.integers(-99, 99, 8).astype(np.int32), scale=[0.1 * s for s in scales], axis=0)
    y = b.tensor((1, 2, 2, 8), "int8", scale=0.2)
    b.op("CONV_2D", [x, w, bias], y, padding="VALID", stride_h=1, stride_w=1)
    model = b.build([x], [y])
    stripped = same_bytes(model, [rng.integers(-128, 128, (1, 4, 4, 2)).astype(np.int8)])
    graph = tflite.Model.GetRootAs(stripped, 0).Subgraphs(0)
    lengths = [graph.Tensors(i).Quantization().ScaleLength() for i in range(graph.TensorsLength())]
    assert sorted(lengths) == [1, 1, 1, 8]


def test_damaged_files_are_refused() -> None:
    b = Builder()
    x, y = b.tensor((1, 8)), b.tensor((1, 8))
    b.op("RELU", [x], y)
    model = b.build([x], [y])
    with pytest.raises(UserError, match=r"no \.tflite file"):
        strip(bytes(4) + model[4:8][::-1] + bytes(100))
    rng = np.random.default_rng(0)
    for _ in range(2000):
        damaged = bytearray(model)
        for at in rng.integers(8, len(model), 3):
            damaged[at] = rng.integers(256)
        with contextlib.suppress(UserError):
            strip(bytes(damaged))
