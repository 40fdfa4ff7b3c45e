# SPDX-License-Identifier: MIT
"""Each interpreter and engine of this rung, and the folder of models that all of them run."""

from pathlib import Path

import device_models
import pytest
from targets import TARGETS, Target


@pytest.fixture(params=TARGETS, ids=lambda t: t.name)
def target(request: pytest.FixtureRequest) -> Target:
    return request.param


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NAME.hog, and for each TFLM's own answer to some inputs: NAME.in0 …, NAME.out0 …."""
    folder = tmp_path_factory.mktemp("models")
    device_models.write_all(folder)
    return folder
