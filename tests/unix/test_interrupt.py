# SPDX-License-Identifier: MIT
"""Ctrl-C while a model runs for long."""

import signal
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from targets import TARGETS, Target

from format_cases import BINARY_SCALES, PORT, Case, assemble, pack_record
from hognose_tools.compiler.layouts import FUNCTIONS, NONE

SCRIPT = """
import sys, hognose
m = hognose.Model(sys.argv[1], engine=sys.argv[2])
for run in (lambda: m.invoke(), lambda: m.predict([0.0])):
    try:
        print("running")
        run()
    except KeyboardInterrupt:
        print("stopped")
m.deinit()
print(m)
"""


def endless() -> bytes:
    """A loop over a sum of 100,000 numbers that ends after 40,000 turns, not to be waited for."""
    n = 100_000
    fields = {
        **dict.fromkeys(BINARY_SCALES, 0),
        "function": FUNCTIONS["COMBINE"]["ADD"],
        "min": -(2**31),
        "max": 2**31 - 1,
        "loops": 1,
    }
    add = Case("COMBINE", "i", fields, [SimpleNamespace(n=n, a=1, b=1)])
    jump = Case("JUMP", "?", {"target": 0})
    plan = struct.pack("<HHHH", 1, 1, 2, 0) + 2 * PORT
    plan += pack_record(add, {"in1": 0, "in2": 4 * n, "out": 8 * n}) + pack_record(jump, {"condition": NONE})
    return assemble(plan, b"", 12 * n, n + 100, 40_000)


@pytest.mark.parametrize("target", [t for t in TARGETS if t.name != "stock-reference"], ids=lambda t: t.name)
def test_ctrl_c(target: Target, tmp_path: Path) -> None:
    """It stops, twice, and the model is in order: it can be used, and closed."""
    model, script = tmp_path / "endless.hog", tmp_path / "script.py"
    model.write_bytes(endless())
    script.write_text(SCRIPT)
    with target.start(script, model, target.engine) as process:
        try:
            for _ in range(2):
                assert process.stdout.readline() == "running\n"
                process.send_signal(signal.SIGINT)
                assert process.stdout.readline() == "stopped\n"
            assert process.stdout.read() == f"<Model {model}: closed>\n"
        finally:
            process.kill()
