# SPDX-License-Identifier: MIT
"""The device tests, on_device/*.py: the same ones for every interpreter and every board."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).with_name("on_device")
TESTS = [
    f"{path.stem}.{name}"
    for path in sorted(PACKAGE.glob("*.py"))
    for name in re.findall(r"^def test_(\w+)", path.read_text(), re.MULTILINE)
]


def files() -> dict[str, bytes]:
    """What a board needs of it, by name."""
    return {f"{PACKAGE.name}/{path.name}": path.read_bytes() for path in PACKAGE.glob("*.py")}


def judge(output: str) -> None:
    """What a test has printed: "ok", or why it is skipped. Nothing else: the library is silent."""
    if output.startswith("skip: ") and output.count("\n") == 1:
        pytest.skip(output[6:].strip())
    if output != "ok\n":
        pytest.fail(output.strip() or "no answer", pytrace=False)
