# SPDX-License-Identifier: MIT
"""The table of architectures and boards, against MicroPython's own and against what is built."""

import re
from pathlib import Path

import pytest

from hognose_tools.board.architectures import ARCHITECTURES, BOARDS, BY_NAME, BY_NUMBER

ROOT = Path(__file__).parents[2]
MPY_TOOL = ROOT / ".build" / "micropython" / "tools" / "mpy-tool.py"


def test_numbers_are_micropythons():
    if not MPY_TOOL.exists():
        pytest.skip(f"no {MPY_TOOL.relative_to(ROOT)}: make unix")
    numbers = {
        n.lower(): int(i) for n, i in re.findall(r"^MP_NATIVE_ARCH_(\w+) = (\d+)", MPY_TOOL.read_text(), re.M)
    }
    assert len(numbers) > 10 and numbers.pop("none") == 0
    assert numbers.items() <= {a.name: a.number for a in ARCHITECTURES}.items()


def test_modules_are_those_that_are_built():
    makefile = (ROOT / "native_module" / "micropython" / "Makefile").read_text()
    built = re.search(r"^ARCHS := (.*)", makefile, re.M)
    assert built and {a.module for a in ARCHITECTURES} - {""} == set(built[1].split())


def test_no_name_or_number_twice():
    assert len(BY_NAME) == len(BY_NUMBER) == len(ARCHITECTURES)


def test_boards_have_a_native_module():
    assert all(BY_NAME[board.architecture].module for board in BOARDS.values())
