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
common.start("native", "/files", {full})
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What device_models.py writes, by name."""
    folder = tmp_path_factory.mktemp("models")
    device_models.write_known(folder)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {f"models/{p.relative_to(folder)}": p.read_bytes() for p in files}


class Device:
    """A board for many tests; one that has crashed or fallen silent is started anew for the next one."""

    def __init__(self, name: str, full: bool, models: Mapping[str, bytes]):
        self._name, self._full = name, full
        plain = Path(__file__).with_name("plain_files.py").read_bytes()
        self._files = board_files(name, full) | device_suite.files() | models | {"plain_files.py": plain}
        self._board: qemu.Board | None = None

    def run(self, test: str) -> str:
        """What the test prints, or the traceback in which it ends."""
        if self._board is None:
            self._board = qemu.Board(self._name, self._files)
            self._board.run(SETUP.format(full=self._full))
        try:
            return self._board.run(f"common.run({test!r})")
        except qemu.ScriptError as e:
            return str(e)
        except qemu.BoardError:
            self.close()
            raise

    def close(self) -> None:
        if self._board is not None:
            self._board.close()
            self._board = None


BOARDS = [(name, full) for name in qemu.MACHINES for full in (False, True)]


@pytest.fixture(scope="module", params=BOARDS, ids=lambda b: f"{b[0]}-{'full' if b[1] else 'small'}")
def device(request: pytest.FixtureRequest, models: dict[str, bytes]) -> Iterator[Device]:
    name, full = request.param
    built = preset(name, full)
    reason = qemu.missing(name) or (None if built.exists() else f"no {built.name} for {name}: make natmod")
    if reason:
        pytest.skip(reason)
    device = Device(name, full, models)
    yield device
    device.close()


@pytest.mark.parametrize("test", device_suite.TESTS)
def test_api(device: Device, test: str) -> None:
    device_suite.judge(test, "native", device.run(test))
