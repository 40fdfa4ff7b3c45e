# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The table of operators and types says what the compiler does."""

import json
import struct

import hypothesis
import pytest

import operators_flow  # noqa: F401  (adds to OPERATORS)
import operators_more  # noqa: F401  (adds to OPERATORS)
import operators_recurrent  # noqa: F401
from hognose_tools import cli
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.lower import LOWER
from hognose_tools.compiler.lower.types import FULL, SMALL, types_of
from hognose_tools.errors import UserError
from operators import OPERATORS, cases

SMALL_FEATURES = 0b11
CASES = [(name, dtype) for name, dtype in OPERATORS if name in LOWER and dtype != "int4"]


def test_every_operator_is_in_the_table() -> None:
    assert set(LOWER) == set(SMALL) | set(FULL)
    for name in LOWER:
        assert not set(SMALL.get(name, "")) & set(FULL.get(name, "")), name


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_types(name: str, dtype: str) -> None:
    """What the table has is packed, and says which engine it needs; what it has not is refused."""
    features: list[int] = []

    @hypothesis.settings(max_examples=20, derandomize=True, phases=[hypothesis.Phase.generate])
    @hypothesis.given(cases(name, dtype))
    def pack(case) -> None:
        try:
            features.append(struct.unpack_from("<I", compile_tflite(case.tflite).hog, 20)[0])
        except UserError as e:
            if dtype in types_of(name) and "quantize the model again" not in str(e):
                raise

    pack()
    size = types_of(name).get(dtype)
    if size is None:
        assert not features
    elif size == "small":
        assert any(f & ~SMALL_FEATURES == 0 for f in features)
    else:
        assert any(f & ~SMALL_FEATURES for f in features)  # not all: a cast to the same type is none


def test_command(capsys) -> None:
    assert cli.main(["ops"]) == 0
    text = capsys.readouterr().out
    assert cli.main(["ops", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["CONV_2D"]["int8"] == "small"
    assert table["SIN"] == {"float32": "full"}
    for name in table:
        assert f"\n{name} " in text
