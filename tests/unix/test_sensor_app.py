# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""What stands around a model in a sensor app: window and decision, on every interpreter."""

from pathlib import Path


def test_window_and_decision(target) -> None:
    done = target.run(Path(__file__).with_name("sensor_app.py"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok ") == 4
