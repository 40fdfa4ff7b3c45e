# SPDX-License-Identifier: MIT
"""Each board that can run here, and models for all of them."""

import device_models
import pytest
from operator_models import Case, cases_in
from session import preset

import qemu


@pytest.fixture(params=qemu.MACHINES)
def board_name(request: pytest.FixtureRequest) -> str:
    """Each board that can run here."""
    name = request.param
    reason = qemu.missing(name) or (None if preset(name).exists() else f"no {preset(name).name}: make natmod")
    if reason:
        pytest.skip(reason)
    return name


@pytest.fixture(scope="session")
def operator_cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Random models of the most common operators."""
    folder = tmp_path_factory.mktemp("operators")
    device_models.write_all(folder)
    return cases_in(folder)
