# SPDX-License-Identifier: MIT
"""The judge itself: its errors in words, intermediate tensors, scalars, its arena."""

import numpy as np
import pytest

from hognose_tools.analysis.oracle import Oracle, OracleError
from tflite_builder import Builder


def _two_adds(shape: tuple[int, ...]) -> bytes:
    b = Builder()
    x, y, z = (b.tensor(shape) for _ in range(3))
    b.op("ADD", [x, x], y, activation="NONE")
    b.op("ADD", [y, x], z, activation="NONE")
    return b.build([x], [z])


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_intermediate_tensor(shape) -> None:
    oracle = Oracle(_two_adds(shape), keep_all=True)
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1
    (result,) = oracle.run([x])
    assert result.shape == shape and np.array_equal(result, 3 * x)
    assert np.array_equal(oracle.tensor(1), 2 * x)
    with pytest.raises(OracleError, match="no tensor 3"):
        oracle.tensor(3)


def test_intermediate_tensor_needs_keep_all() -> None:
    with pytest.raises(OracleError, match="keep_all"):
        Oracle(_two_adds((1,))).tensor(1)


def test_refusal_is_tflms_own_text() -> None:
    b = Builder()
    x = b.tensor((1, 4), "int8", scale=0.1)
    y = b.tensor((1, 4), "int8", scale=0.1)
    b.op("SOFTMAX", [x], y, beta=1.0)
    with pytest.raises(OracleError, match=r"softmax_common.*Node SOFTMAX \(number 0\)"):
        Oracle(b.build([x], [y]))


@pytest.mark.parametrize("data", [b"", b"nonsense" * 9, _two_adds((1,))[:60]])
def test_not_a_model(data: bytes) -> None:
    with pytest.raises(OracleError):
        Oracle(data)


def test_wrong_inputs() -> None:
    oracle = Oracle(_two_adds((2, 3)))
    for given, message in (
        ([], "1 inputs, not 0"),
        ([np.zeros((2, 3), np.int8)], "float32, not int8"),
        ([np.zeros(5, np.float32)], r"shape \(2, 3\)"),
    ):
        with pytest.raises(OracleError, match=message):
            oracle.run(given)


def test_arena_used() -> None:
    small, large = Oracle(_two_adds((10,))), Oracle(_two_adds((1000,)))
    assert 0 < small.arena_used < large.arena_used
    assert large.arena_used - small.arena_used >= 2 * 990 * 4  # two tensors at a time at least
