# SPDX-License-Identifier: MIT
"""The kernels for small processors (tiled.c, dense.c), built for this computer: TFLM's bytes, too."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".build" / "pairs"


def test_operators_with_pairs() -> None:
    env = {**os.environ, "CFLAGS": "-DHOG_PAIRS=2", "PYTHONPATH": str(BUILD)}
    build = [
        sys.executable,
        "setup.py",
        "-q",
        "build_ext",
        "--build-lib",
        BUILD,
        "--build-temp",
        BUILD / "obj",
    ]
    subprocess.run(build, cwd=ROOT, env=env, check=True, capture_output=True)
    test = ["test_operators.py", "-k", "native and (int8 or int4) and (CONV_2D or FULLY_CONNECTED or ADD)"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *test],
        cwd=ROOT / "tests" / "host",
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    table = (ROOT / ".build" / "operators.md").read_text()
    for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD"):
        assert f" {name} " in table
