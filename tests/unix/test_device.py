# SPDX-License-Identifier: MIT
"""The device library on every interpreter and engine of this computer, a process for each test."""

import re
import shutil
from collections import Counter
from pathlib import Path

import device_models
import device_suite
import pytest
from targets import MPY, ROOT, STOCK, TARGETS, Target

SCRIPT = Path(__file__).with_name("device_tests.py")
BYTES = "buffers.bytes_are_tflms"


def run_test(target: Target, folder: Path, test: str) -> None:
    done = target.run(SCRIPT, target.engine, folder, test)
    device_suite.judge(done.stdout + done.stderr)


@pytest.mark.parametrize("test", device_suite.TESTS)
def test_device(target: Target, model_folder: Path, test: str, cases_run) -> None:
    run_test(target, model_folder, test)
    if test == BYTES:
        count_cases(model_folder, target.name, cases_run)


def count_cases(folder: Path, engine: str, counts: Counter) -> None:
    """The models in folder/cases were compared."""
    for path in (folder / "cases").glob("*.hog"):
        name, dtype = re.fullmatch(r"(.+)_(float32|bool|u?int\d+)(?:_\d+)?", path.stem).groups()
        counts[name, dtype, engine] += 1


def test_reference_models(target: Target, reference_folder: Path) -> None:
    """Published networks."""
    run_test(target, reference_folder, BYTES)


@pytest.fixture(scope="session")
def reference_folder(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    (folder / "cases").mkdir()
    for name in ("hello_world_int8", "kws_ref_model", "pretrainedResnet_quant", "ad01_int8", "ad01_fp32"):
        tflite = (models / f"{name}.tflite").read_bytes()
        device_models.write(folder / name, tflite)
    return folder


@pytest.mark.parametrize("target", [t for t in TARGETS if t.full], ids=lambda t: t.name)
def test_other_operators(target: Target, others_folder: Path, cases_run) -> None:
    """Those that the small module leaves out, too."""
    run_test(target, others_folder, BYTES)
    count_cases(others_folder, target.name, cases_run)


@pytest.fixture(scope="session")
def others_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("others")
    device_models.write_others(folder)
    return folder


PROBE = "import hognose, sys; print(hognose.Model(sys.argv[1], engine={}).engine)"


@pytest.mark.parametrize("architecture", [None, "armv6m", "rv32imc"])
def test_falls_back(architecture: str | None, model_folder: Path, tmp_path: Path) -> None:
    """Without a native module that fits this machine: the reference engine, or words that help."""
    if architecture:
        mpy = MPY.parent / f"{architecture}_6.3" / "_hognose.mpy"
        if not mpy.exists():
            pytest.skip(f"{mpy.relative_to(ROOT)} is not built: make natmod")
        shutil.copy(mpy, tmp_path)
    target = Target("stock", STOCK, "", (tmp_path,))
    script = tmp_path / "probe.py"
    script.write_text(PROBE.format("None"))
    done = target.run(script, model_folder / "gestures.hog")
    if architecture:
        assert done.returncode != 0 and "copy x64_6.3/_hognose.mpy to the board's /lib" in done.stderr
    else:
        assert (done.returncode, done.stdout) == (0, "reference\n")
    script.write_text(PROBE.format("'native'"))
    done = target.run(script, model_folder / "gestures.hog")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: no native engine") and "x64_6.3/_hognose.mpy" in last, last
