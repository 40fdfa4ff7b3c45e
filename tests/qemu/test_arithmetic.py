# SPDX-License-Identifier: MIT
"""Our stand-in for the compiler's runtime library, against this machine's arithmetic."""

import subprocess
from pathlib import Path

HERE = Path(__file__).parent
ARITHMETIC = HERE.parents[1] / "native_module" / "micropython" / "arithmetic.c"
CASES = 1_000_000


def test_arithmetic(tmp_path):
    program = tmp_path / "check"
    sources = [HERE / "arithmetic_check.c", ARITHMETIC]
    subprocess.run(["gcc", "-O1", "-D__XTENSA__", "-o", program, *sources], check=True)
    answer = subprocess.run([program, str(CASES)], capture_output=True, text=True, timeout=300)
    assert answer.stdout == f"{CASES} cases\n"
