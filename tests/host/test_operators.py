# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Every operator and type, on random models, against TFLM.

HOGNOSE_EXAMPLES=1000 pytest tests/host/test_operators.py -k "CONV_2D and int8"   # more, and others
"""

import hypothesis
import pytest
from engines import ENGINES, check
from hognose_tools.oracle import Oracle, OracleError
from operators import OPERATORS, cases


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "dtype"), OPERATORS)
def test_operator(name: str, dtype: str, engine: str, cases_run) -> None:
    @hypothesis.given(cases(name, dtype))
    def compare(case):
        cases_run[name, dtype, engine] += 1
        check(case, engine)

    compare()


@pytest.mark.parametrize(("name", "dtype"), OPERATORS)
def test_tflm_accepts(name: str, dtype: str) -> None:
    """The random models are valid: without this, the comparison above could be empty."""
    refusals = []

    @hypothesis.given(cases(name, dtype))
    def run(case):
        try:
            Oracle(case.tflite).run(case.inputs)
        except OracleError as e:
            refusals.append(str(e))

    run()
    assert not refusals, refusals[0]
