# SPDX-License-Identifier: MIT
"""The public interface of the device library on an emulated Pico, with stock firmware and each native module.

The tests are those of tests/unix/on_device, all in one boot.
"""

import struct
import zlib
from pathlib import Path

import device_models
import device_suite
import pytest

import hognose
from hognose_tools.board.connection import BoardError, Connection
from hognose_tools.board.link import PRESETS, available, link
from hognose_tools.runners.pico import Pico, missing, place

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no emulated Pico: {missing()}")

MODULES = (*PRESETS, "linked")
PATIENCE = 120.0  # seconds for a board that another emulator keeps waiting

SETUP = """
import sys
sys.path.insert(0, "/{module}")
from on_device import common
common.start("native", "/models", "{module}")
"""

# Files that lie in the flash one after another, compressed, become files: faster than a serial line.
UNPACK = """
import deflate, io, os, struct, uctypes
packed = io.BytesIO(uctypes.bytearray_at({address}, {size}))
with deflate.DeflateIO(packed, deflate.ZLIB) as files:
    for _ in range({count}):
        name_size, size = struct.unpack("<II", files.read(8))
        name = files.read(name_size).decode()
        folder = ""
        for part in name.split("/")[:-1]:
            folder += "/" + part
            try:
                os.mkdir(folder)
            except OSError:
                pass
        with open("/" + name, "wb") as f:
            while size:
                size -= f.write(files.read(min(size, 4096)))
"""


class Device:
    """A Pico for many tests; one that has crashed or fallen silent is started anew for the next one."""

    def __init__(self, flash: Path, module: str):
        self._flash = flash
        self._setup = SETUP.format(module=module)
        self._pico: Pico | None = None
        self._failed: Exception | None = None  # to start: no other test tries it again

    def run(self, test: str) -> str:
        """What the test prints, or the traceback in which it ends."""
        if self._failed:
            raise self._failed
        try:
            if self._pico is None:
                self._start()
            return self._link.exec(f"common.run({test!r})", silence=PATIENCE).decode().replace("\r\n", "\n")
        except BoardError as e:
            return e.traceback
        except Exception:
            self.close()
            raise

    def _start(self) -> None:
        try:
            self._pico, self._link = boot(self._flash)
            self._link.exec(self._setup, silence=PATIENCE)
        except Exception as e:
            self._failed = e
            raise

    def close(self) -> None:
        if self._pico is not None:
            self._pico.stop()
            self._pico = None


def boot(flash: Path) -> tuple[Pico, Connection]:
    pico = Pico(flash=flash).start(PATIENCE)
    try:
        return pico, Connection(pico.url, PATIENCE)
    except BaseException:
        pico.stop()
        raise


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The library, the tests, what device_models.py writes, and each native module in a folder of its own."""
    library = Path(hognose.__file__).parent
    files = {f"lib/hognose/{p.relative_to(library)}": p.read_bytes() for p in library.rglob("*.py")}
    files |= {f"lib/{name}": content for name, content in device_suite.files().items()}
    folder = tmp_path_factory.mktemp("models")
    device_models.write_known(folder)
    models = [p for p in folder.rglob("*") if p.is_file()]
    files |= {f"models/{p.relative_to(folder)}": p.read_bytes() for p in models}
    if available("armv6m"):
        wanted = {preset: preset for preset in PRESETS} | {"linked": device_models.needed(folder)}
        files |= {f"{name}/_hognose.mpy": link("armv6m", what).mpy for name, what in wanted.items()}
    packer = zlib.compressobj(wbits=12)  # a window of 4 KB
    packed = b""
    for name, content in files.items():
        packed += packer.compress(struct.pack("<II", len(name), len(content)) + name.encode() + content)
    packed += packer.flush()
    image, address = place(packed)
    path = tmp_path_factory.mktemp("flash") / "flash.img"
    path.write_bytes(image)
    pico, board = boot(path)
    try:
        unpack = UNPACK.format(address=address, size=len(packed), count=len(files))
        board.exec(unpack, silence=PATIENCE)
    finally:
        pico.stop()
    return path.read_bytes()


@pytest.fixture(scope="module", params=MODULES)
def device(request: pytest.FixtureRequest, flash: bytes, tmp_path_factory: pytest.TempPathFactory):
    name = request.param
    if not available("armv6m"):
        pytest.skip("no native module: make natmod")
    path = tmp_path_factory.mktemp(name) / "flash.img"
    path.write_bytes(flash)
    device = Device(path, name)
    yield device
    device.close()


@pytest.mark.parametrize("test", device_suite.TESTS)
def test_api(device: Device, test: str) -> None:
    device_suite.judge(device.run(test))
