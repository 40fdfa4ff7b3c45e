# SPDX-License-Identifier: MIT
"""Every operator and type, on random models, against TFLM.

pytest tests/host/test_operators.py -k "CONV_2D and int8"
HOGNOSE_EXAMPLES=1000 pytest tests/host/test_operators.py    # more cases, others each time
"""

import hypothesis
import pytest

from engines import ENGINES, check
from hognose_tools.analysis.oracle import Oracle
from operators import OPERATORS, cases

CASES = tuple(OPERATORS)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_operator(name: str, dtype: str, engine: str, cases_run) -> None:
    @hypothesis.given(cases(name, dtype))
    def compare(case):
        check(case, engine)
        cases_run[name, dtype, engine] += 1

    compare()


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_tflm_accepts(name: str, dtype: str) -> None:
    """The random models are valid: without this, the comparison above could be empty."""

    @hypothesis.settings(max_examples=10)
    @hypothesis.given(cases(name, dtype))
    def run(case):
        Oracle(case.tflite).run(case.inputs)

    run()
