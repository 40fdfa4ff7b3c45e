# SPDX-License-Identifier: MIT
"""What `hognose inspect --board pico` predicts, against the emulator's count."""

from pathlib import Path

import device_models
import pytest

from hognose_tools.analysis import cost
from hognose_tools.analysis.bench import bench
from hognose_tools.board.link import available
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.runners.pico import missing

pytestmark = pytest.mark.skipif(
    missing() is not None or not available("armv6m"), reason=f"no emulated Pico or no module: {missing()}"
)


@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant", "ad01_int8"])
def test_networks_that_nothing_was_fitted_to(models: Path, name: str) -> None:
    hog = compile_tflite((models / f"{name}.tflite").read_bytes()).hog
    predicted = cost.forecast(disassemble(hog), "pico")["cycles"]
    measured = bench(hog, "rp2040")["cycles"]
    assert abs(predicted / measured - 1) < 0.1, (predicted, measured)


def test_a_model_that_keeps_state_costs_the_same_each_time() -> None:
    """As many cycles from the same state: bench() compares two runs."""
    assert bench(compile_tflite(device_models.stream()).hog, "rp2040")["cycles"] > 0
