# SPDX-License-Identifier: MIT
"""`hognose inspect --board`: what is predicted. (tests/rp2040 compares it with the emulator.)"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hognose_tools import cli
from hognose_tools.analysis import cost
from hognose_tools.analysis.inspect import inspect
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from test_compiler import dense_chain
from tflite_builder import Builder


def test_every_kernel_has_its_weights() -> None:
    fitted = json.loads(cost.FITTED.read_text())
    assert set(fitted["kernels"]) == set(fitted["errors"])
    layers = {"ADD, alike", "convolution", "dense", "dot", "depthwise, 3x3", "depthwise, any", cost.CALL}
    others = {name for name in cost._COUNTS if not name.startswith(("CONV", "DENSE", "DEPTHWISE"))}
    assert layers | others == set(fitted["kernels"])
    assert all(w >= 0 for weights in fitted["kernels"].values() for w in weights)
    assert all(e["layers"] and e["median"] < 0.1 for e in fitted["errors"].values()), fitted["errors"]


def test_more_work_takes_longer() -> None:
    small, large = (
        cost.forecast(disassemble(compile_tflite(dense_chain([64, n, 8])).hog), "pico")["cycles"]
        for n in (16, 256)
    )
    assert 2 * small < large


def test_what_was_not_measured_has_no_figure(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    b = Builder()
    x, y = b.tensor((1, 4), "float32"), b.tensor((1, 4), "float32")
    b.op("SIN", [x], y)
    path = tmp_path / "sine.tflite"
    path.write_bytes(b.build([x], [y]))
    facts = inspect(path.read_bytes(), board="pico")
    assert facts["forecast"]["cycles"] is None and facts["layers"][0]["cycles"] is None
    assert 0 < facts["forecast"]["at_least"] < 10_000
    assert cli.main(["inspect", str(path), "--board", "pico"]) == 0
    said = capsys.readouterr().out
    assert "have not been measured" in said and said.splitlines()[-3].endswith("?")


def test_what_does_not_fit_says_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "large.tflite"
    path.write_bytes(dense_chain([600, 400, 150, 10]))
    assert cli.main(["inspect", str(path), "--board", "pico"]) == 0
    assert "if it is opened with stream=True" in capsys.readouterr().out
    assert cli.main(["inspect", str(path), "--board", "uno"]) == 2
    assert "known are pico" in capsys.readouterr().err
