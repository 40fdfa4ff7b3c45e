# SPDX-License-Identifier: MIT
"""The public interface of the device library on every processor, with each kind of native module.

The tests are those of tests/unix/on_device, all in one boot of a board.
"""

from collections.abc import Iterator
from pathlib import Path

import device_models
import device_suite
import pytest
from session import library_files

import qemu
from hognose_tools.board.link import PRESETS, available, link

SETUP = """
import vfs
from plain_files import Files
vfs.mount(Files("/rom/models"), "/files")
from on_device import common
common.start({engine!r}, "/files", {module!r})
"""
PLAIN_FILES = Path(__file__).with_name("plain_files.py")
# The reference engine on one board: its floats are of 32 bits, a computer's of 64.
BOARDS = [*((b, m) for b in qemu.MACHINES for m in (*PRESETS, "linked")), ("M3", "reference")]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What device_models.py writes."""
    folder = tmp_path_factory.mktemp("models")
    device_models.write_known(folder)
    return folder


class Device:
    """A board for many tests; one that has crashed or fallen silent is started anew for the next one."""

    def __init__(self, name: str, module: str, models: Path):
        self._name = name
        self.engine = "reference" if module == "reference" else "native"
        self._setup = SETUP.format(engine=self.engine, module="full" if module == "reference" else module)
        self._files = library_files() | device_suite.files() | {PLAIN_FILES.name: PLAIN_FILES.read_bytes()}
        if self.engine == "native":
            wanted = device_models.needed(models) if module == "linked" else module
            self._files["_hognose.mpy"] = link(qemu.MACHINES[name].arch, wanted).mpy
        for path in models.rglob("*"):
            if path.is_file():
                self._files[f"models/{path.relative_to(models)}"] = path.read_bytes()
        self._board: qemu.Board | None = None
        self._failed: Exception | None = None  # to start: no other test tries it again

    def run(self, test: str) -> str:
        """What the test prints, or the traceback in which it ends."""
        if self._failed:
            raise self._failed
        if self._board is None:
            self._start()
        try:
            return self._board.run(f"common.run({test!r})")
        except qemu.ScriptError as e:
            return str(e)
        except qemu.BoardError:
            self.close()
            raise

    def _start(self) -> None:
        try:
            self._board = qemu.Board(self._name, self._files)
            self._board.run(self._setup)
        except qemu.BoardError as e:
            self._failed = e
            raise

    def close(self) -> None:
        if self._board is not None:
            self._board.close()
            self._board = None


@pytest.fixture(scope="module", params=BOARDS, ids="-".join)
def device(request: pytest.FixtureRequest, models: Path) -> Iterator[Device]:
    name, module = request.param
    architecture = qemu.MACHINES[name].arch
    reason = qemu.missing(name) or (
        None if available(architecture) else f"no module for {architecture}: make natmod"
    )
    if reason:
        pytest.skip(reason)
    device = Device(name, module, models)
    yield device
    device.close()


@pytest.mark.parametrize("test", device_suite.TESTS)
def test_api(device: Device, test: str) -> None:
    device_suite.judge(device.run(test))
