# SPDX-License-Identifier: MIT
"""The table of operators and types says what the compiler does."""

import json
import re
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

import cases_page
from hognose_tools import cli
from hognose_tools.analysis.oracle import Oracle, OracleError
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.lower import LOWER
from hognose_tools.compiler.lower.types import TYPES, types_of
from hognose_tools.errors import UserError
from operators import OPERATORS, Draw, cases

PAGE = Path(__file__).parents[2] / "native_module" / "OPERATORS.md"

CASES = [(name, dtype) for name, dtype in OPERATORS if name in LOWER and dtype != "int4"]


def test_every_operator_is_in_the_table() -> None:
    assert set(LOWER) == set(TYPES)


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_types(name: str, dtype: str) -> None:
    """What the table has is packed; what it has not is refused."""
    packed: list[bytes] = []

    @hypothesis.settings(max_examples=20, derandomize=True, phases=[hypothesis.Phase.generate])
    @hypothesis.given(cases(name, dtype))
    def pack(case) -> None:
        try:
            packed.append(compile_tflite(case.tflite).hog)
        except UserError as e:
            if dtype in types_of(name) and "quantize the model again" not in str(e):
                raise

    pack()
    assert bool(packed) == (dtype in types_of(name))


def test_page_of_cases() -> None:
    """native_module/OPERATORS.md has what is packed, which of it is compared with TFLM, and which is not."""
    head, counts = PAGE.read_text().split(cases_page.CASES)
    assert head == cases_page.head() + "\n", "run `make operators`"
    table, refused = counts.split("These pairs")
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in table.splitlines() if line[:2] == "| "]
    assert cells[0] == ["operator", "type", *cases_page.COLUMNS]
    compared = {(row[0], row[1]) for row in cells[1:]}
    assert compared == {pair for pair in OPERATORS if pair[0] in LOWER}, "run `make operators`"
    for row in cells[1:]:
        assert int(row[2].replace(",", "")) > 0 and int(row[3].replace(",", "")) > 0, row
    lines = re.findall(r"^- (\w+): (.+)$", refused, re.MULTILINE)
    others = {(name, dtype) for name, types in lines for dtype in types.split(", ")}
    packed = {(name, dtype) for name in LOWER for dtype in types_of(name)}
    assert {p for p in compared if p[1] != "int4"} | others == packed, "run `make operators`"
    assert not compared & others


def test_tflm_refuses_the_others() -> None:
    """What is packed without being compared: of these types TFLM has no such operator."""
    others = [(n, t) for n in LOWER for t in types_of(n) if (n, t) not in OPERATORS]
    accepted = [pair for pair in others if _tflm_takes(*pair)]
    assert not accepted, "compare these with TFLM: add them to OPERATORS"


def _tflm_takes(name: str, dtype: str) -> bool:
    """Whether it runs the simplest model that the strategy for another type makes of this one."""
    make = next(f for (n, _), f in OPERATORS.items() if n == name)
    taken = []

    @hypothesis.settings(max_examples=1, derandomize=True, phases=[hypothesis.Phase.generate])
    @hypothesis.given(st.composite(lambda draw: make(Draw(draw, dtype)))())
    def run(case) -> None:
        try:
            Oracle(case.tflite).run(case.inputs)
            taken.append(case)
        except OracleError:
            pass

    run()
    return bool(taken)


def test_command(capsys) -> None:
    assert cli.main(["ops"]) == 0
    text = capsys.readouterr().out
    assert cli.main(["ops", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["CONV_2D"] == ["int8", "int16", "float32"]
    assert table["SIN"] == ["float32"]
    for name in table:
        assert f"\n{name} " in text
