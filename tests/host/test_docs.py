# SPDX-License-Identifier: MIT
"""What the README says is what happens: its commands are run, its board code, too."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import device_models
import numpy as np
import pytest

from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.errors import UserError
from hognose_tools.runners import unix
from tflite_builder import Builder

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def indented(text: str, start: str) -> list[str]:
    """The lines of the indented block that has a line starting with `start`."""
    for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE):
        lines = [line[4:] for line in block.splitlines()]
        if any(line.startswith(start) for line in lines):
            return lines
    raise AssertionError(f"the README has no block with {start}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the gesture.tflite that the README speaks of: three classes, int8."""
    b = Builder()
    x = b.tensor((1, 50, 6), "int8", scale=0.2)
    flat = b.tensor((1, 300), "int8", scale=0.2)
    b.op("RESHAPE", [x], flat, new_shape=np.array([1, 300], np.int32))
    w = b.const(np.random.default_rng(0).integers(-127, 128, (3, 300), np.int8), scale=0.01)
    logits, y = b.tensor((1, 3), "int8", scale=0.3), b.tensor((1, 3), "int8", scale=1 / 256, zero_point=-128)
    b.op("FULLY_CONNECTED", [flat, w, None], logits)
    b.op("SOFTMAX", [logits], y, beta=1.0)
    path = tmp_path_factory.mktemp("readme")
    (path / "gesture.tflite").write_bytes(b.build([x], [y]))
    return path


def test_commands(folder):
    commands = [c for c in indented(README, ".venv/bin/hognose") if c.startswith(".venv/bin/hognose")]
    assert len(commands) >= 3
    for command in commands:
        words = shlex.split(command, comments=True)
        if "unix" in words:
            try:
                unix.micropython()
            except UserError as e:
                pytest.skip(str(e))
        call = [sys.executable, "-m", "hognose_tools", *words[1:]]
        result = subprocess.run(call, cwd=folder, capture_output=True, text=True)
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    assert (folder / "gesture.hog").exists()


def test_board_code(folder):
    """The lines for the board, in MicroPython, after the commands."""
    test_commands(folder)
    code = "\n".join(["window = [0.5] * 300", *indented(README, "import hognose")])
    (folder / "app.py").write_text(code)
    result = subprocess.run(
        [unix.micropython(), "app.py"],
        cwd=folder,
        env={"MICROPYPATH": str(ROOT / "device_lib")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.strip() in ("standing", "walking", "running")


def test_streaming_code(tmp_path):
    """The device library's page on models that keep state, in MicroPython, against TFLM."""
    tflite = device_models.stream()
    (tmp_path / "stream.hog").write_bytes(compile_tflite(tflite).hog)
    code = indented((ROOT / "device_lib" / "README.md").read_text(), 'model = hognose.Model("stream.hog")')
    frames = [[0.1, 2.0, -1.5, 0.0], [5.0, -5.0, 0.3, 0.7], [1.0, 1.0, 1.0, 1.0]]
    loop = "\n    ".join(["for _ in range(2):", *code[1:], "print(scores)"])
    (tmp_path / "app.py").write_text(f"import hognose\nframes = {frames}\n{code[0]}\n{loop}\n")
    result = subprocess.run(
        [unix.micropython(), "app.py"],
        cwd=tmp_path,
        env={"MICROPYPATH": str(ROOT / "device_lib")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    oracle = Oracle(tflite)
    for frame in frames:
        raw = np.round(np.array([frame], np.float32) / np.float32(0.05)) + 4
        answer = oracle.run([np.clip(raw, -128, 127).astype(np.int8)])[0]
    expected = [(int(q) + 3) / 128 for q in answer.reshape(-1)]
    assert [eval(line) for line in result.stdout.splitlines()] == [expected, expected]


def test_folders_have_a_readme():
    for folder in ("host_tools", "device_lib", "native_module", "examples", "tests"):
        assert (ROOT / folder / "README.md").exists(), folder


def test_links_lead_somewhere():
    tracked = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True).stdout
    pages = [ROOT / name for name in tracked.split()] or [ROOT / "README.md", *ROOT.glob("*/README.md")]
    links = [(p, link) for p in pages for link in re.findall(r"\]\(([^)#:]+)\)", p.read_text())]
    assert links and not [f"{p}: {link}" for p, link in links if not (p.parent / link).exists()]


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for page in [ROOT / "README.md", *ROOT.glob("*/README.md")]:
        for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)(?=[ `\n])", page.read_text()):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: make {target}"
