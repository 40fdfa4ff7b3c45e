# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Each board that can run here."""

import pytest
from session import module

import qemu


@pytest.fixture(params=qemu.MACHINES)
def board_name(request: pytest.FixtureRequest) -> str:
    """Each board that can run here."""
    name = request.param
    reason = qemu.missing(name) or (None if module(name).exists() else f"no {module(name).name}: make natmod")
    if reason:
        pytest.skip(reason)
    return name
