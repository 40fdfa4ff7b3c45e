# SPDX-License-Identifier: MIT
"""device_lib/README.md's way onto a board, word by word, on an emulated Pico with stock firmware."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hognose_tools.board.link import available
from hognose_tools.compiler import compile_tflite
from hognose_tools.runners.pico import ROOT, Pico, missing
from tflite_builder import Builder

pytestmark = pytest.mark.skipif(
    missing() is not None or not available("armv6m"), reason=f"no emulated Pico or no module: {missing()}"
)

SHOW = "import hognose; m = hognose.Model('gesture.hog'); print(m.engine, m.predict([1, -2]))"


@pytest.fixture(scope="module")
def hog() -> bytes:
    """A model whose answer is known: twice its input."""
    b = Builder()
    x = b.tensor((1, 2), "int8", scale=0.5)
    y = b.tensor((1, 2), "int8", scale=0.5)
    b.op("ADD", [x, x], y)
    return compile_tflite(b.build([x], [y])).hog


@pytest.fixture
def pico() -> Iterator[Pico]:
    with Pico() as running:
        yield running


def commands() -> list[str]:
    """The README's mpremote commands."""
    page = (ROOT / "device_lib" / "README.md").read_text()
    return re.findall(r"^    mpremote (.*)$", page, re.MULTILINE)


def test_the_readmes_commands(pico: Pico, hog: bytes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    found = commands()
    assert len(found) == 3
    for command in found:
        words = command.split()
        if "gesture.hog" in words:
            (tmp_path / "gesture.hog").write_bytes(hog)
            words[words.index("gesture.hog")] = str(tmp_path / "gesture.hog")
        pico.mpremote(*words)
    assert pico.mpremote("exec", SHOW) == "native [2.0, -4.0]\n"


def test_over_http(pico: Pico, hog: bytes, tmp_path: Path) -> None:
    """What `mip` does over Wi-Fi, through mpremote's own mip."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(ROOT))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        pico.mpremote("mip", "install", f"{base}/device_lib/package.json")
        pico.mpremote("mip", "install", f"{base}/.build/natmod/armv6m_6.3/package.json")
    finally:
        server.shutdown()
        server.server_close()
    (tmp_path / "gesture.hog").write_bytes(hog)
    pico.mpremote("fs", "cp", str(tmp_path / "gesture.hog"), ":")
    assert pico.mpremote("exec", SHOW) == "native [2.0, -4.0]\n"
