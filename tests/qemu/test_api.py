# SPDX-License-Identifier: MIT
"""The public interface of the device library on every processor, with each native module.

The tests are those of tests/unix/on_device, all in one boot of a board.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import device_models
import device_suite
import pytest
from session import board_files, preset

import qemu

SETUP = """
import vfs
from plain_files import Files
vfs.mount(Files("/rom/models"), "/files")
from on_device import common
common.start({engine!r}, "/files", {full})
"""
# The reference engine on one board: its floats are of 32 bits, a computer's of 64.
MODULES = {"small": ("native", False), "full": ("native", True)}
BOARDS = [(board, module) for board in qemu.MACHINES for module in MODULES] + [("M3", "reference")]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What device_models.py writes, by name."""
    folder = tmp_path_factory.mktemp("models")
    device_models.write_known(folder)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {f"models/{p.relative_to(folder)}": p.read_bytes() for p in files}


class Device:
    """A board for many tests; one that has crashed or fallen silent is started anew for the next one."""

    def __init__(self, name: str, engine: str, full: bool, models: Mapping[str, bytes]):
        self._name, self.engine = name, engine
        self._setup = SETUP.format(engine=engine, full=full)
        plain = Path(__file__).with_name("plain_files.py").read_bytes()
        self._files = board_files(name, full) | device_suite.files() | models | {"plain_files.py": plain}
        if engine == "reference":
            del self._files["_hognose.mpy"]
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
def device(request: pytest.FixtureRequest, models: dict[str, bytes]) -> Iterator[Device]:
    name, kind = request.param
    engine, full = MODULES.get(kind, ("reference", True))
    built = preset(name, full)
    reason = qemu.missing(name) or (None if built.exists() else f"no {built.name} for {name}: make natmod")
    if reason:
        pytest.skip(reason)
    device = Device(name, engine, full, models)
    yield device
    device.close()


@pytest.mark.parametrize("test", device_suite.TESTS)
def test_api(device: Device, test: str) -> None:
    device_suite.judge(test, device.engine, device.run(test))
