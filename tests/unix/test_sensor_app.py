# SPDX-License-Identifier: MIT
"""What stands around a model in a sensor app, and the gesture example itself, on every interpreter."""

import shutil
from pathlib import Path

import numpy as np
from device_models import classifier

from hognose_tools.analysis.oracle import Oracle

MAIN = Path(__file__).parents[2] / "examples" / "gesture" / "main.py"
SENSOR = """
def samples():
    for line in open("samples.txt"):
        yield [float(v) for v in line.split()] or None
"""


def test_window_and_decision(target) -> None:
    done = target.run(Path(__file__).with_name("sensor_app.py"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok ") == 4


def test_main_of_the_gesture_example(target, model_folder: Path, tmp_path: Path, monkeypatch) -> None:
    """Its predictions are TFLM's for the windows that lie within a recording, and none else."""
    samples = np.random.default_rng(3).normal(0, 3, (95, 3)).round(3)
    gap = 47
    lines = [" ".join(map(str, row)) for row in samples]
    (tmp_path / "samples.txt").write_text("\n".join([*lines[:gap], "", *lines[gap:]]) + "\n")
    (tmp_path / "sensor.py").write_text(SENSOR)
    shutil.copy(MAIN, tmp_path)
    shutil.copy(model_folder / "gestures.hog", tmp_path / "gesture.hog")
    monkeypatch.chdir(tmp_path)
    done = target.run("main.py")
    assert done.returncode == 0, done.stdout + done.stderr
    oracle = Oracle(classifier())
    labels = ["rest", "wave", "circle"]
    expected = []
    for first, end in ((0, gap), (gap, len(samples))):
        for start in range(first, end - 19, 10):
            window = samples[start : start + 20].astype(np.float32)
            raw = np.clip(np.round(window / np.float32(0.05)) + 4, -128, 127).astype(np.int8)
            scores = (oracle.run([raw[None]])[0].ravel().astype(float) + 128) / 256
            expected.append(f"{labels[scores.argmax()]} {scores.max():.2f}")
    assert len(expected) == 6 and len(set(expected)) > 1
    assert [line.partition(",")[0] for line in done.stdout.splitlines()] == expected
