# SPDX-License-Identifier: MIT
"""The rules of the native module's build: what it refuses, and what is in its archives."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from session import ROOT

from hognose_tools.board.architectures import BY_NAME
from hognose_tools.board.link import FILE, MODULES, available, link
from hognose_tools.compiler.disassemble import IO

NATMOD = ROOT / ".build" / "natmod"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of native_module to spoil."""
    if not (ROOT / ".build" / "micropython").exists():
        pytest.skip("no MicroPython source: make natmod")
    shutil.copytree(ROOT / "native_module", tmp_path / "native_module")
    return tmp_path / "native_module"


def build(sources: Path, arch: str) -> subprocess.CompletedProcess:
    command = ["make", "-s", "-C", sources / "micropython", f"ARCH={arch}", f"PYTHON_EXE={sys.executable}"]
    command.append(f"MPY_DIR={ROOT / '.build' / 'micropython'}")
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("statement", ["static int n;", "int n;", "static int n = 1;"])
@pytest.mark.parametrize("arch", ["x64", "rv32imc"])
def test_variables_are_refused(sources, arch, statement):
    """MicroPython's linker lets some pass, and they then lie over other data."""
    engine = sources / "engine" / "load.c"
    load = "hog_error_t hog_load("
    text = engine.read_text()
    assert load in text
    engine.write_text(f"{statement}\nint *spoil(void);\nint *spoil(void) {{ return &n; }}\n{text}")
    binding = sources / "micropython" / "modhognose.c"
    entry = "MP_DYNRUNTIME_INIT_ENTRY"
    assert entry in binding.read_text()
    use = f"extern int *spoil(void); {entry} if (*spoil() == (int)n_args) {{ return mp_const_none; }}"
    binding.write_text(binding.read_text().replace(entry, use))
    result = build(sources, arch)
    assert result.returncode != 0
    assert "a native module can have no variables" in result.stdout


@pytest.mark.parametrize("arch", ["armv6m", "xtensawin"])
def test_the_same_bytes_wherever_it_is_built(sources, arch):
    if not available(arch):
        pytest.skip(f"no {arch} archive: make natmod")
    result = build(sources, arch)
    assert result.returncode == 0, result.stdout + result.stderr
    built = sources.parent / ".build" / "natmod"
    folder = BY_NAME[arch].folder
    assert {p.relative_to(built) for p in built.rglob("*") if p.is_file() and "obj" not in p.parts} == {
        Path("mpy_ld.py"),
        Path(f"{folder}.zip"),
        *(Path(top, folder, file) for top in ("", "full") for file in (FILE, "package.json")),
    }
    for path in (f"{folder}.zip", f"{folder}/{FILE}", f"full/{folder}/{FILE}"):
        assert (built / path).read_bytes() == (NATMOD / path).read_bytes()


@pytest.mark.parametrize("arch", MODULES)
def test_archive(arch):
    if not available(arch):
        pytest.skip(f"no {arch} archive: make natmod")
    path = NATMOD / f"{BY_NAME[arch].folder}.zip"
    assert path.stat().st_size < 110_000
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert str(ROOT).encode() not in content and b"/usr/" not in content, name


@pytest.mark.parametrize("arch", MODULES)
@pytest.mark.parametrize("preset", ["small", "full"])
def test_module_for_mip(arch, preset):
    folder = NATMOD / ("full" if preset == "full" else "") / BY_NAME[arch].folder
    if not (folder / FILE).exists():
        pytest.skip(f"no {arch} module: make natmod")
    content = (folder / FILE).read_bytes()
    assert content[:2] == b"M\x06" and content[2] & 3 == 3  # ABI 6.3
    assert content[2] >> 2 == BY_NAME[arch].number
    assert content == link(arch, preset).mpy
    assert (folder / "package.json").exists()


# What typical models need.
GESTURE = {(name, "b") for name in ("CONV_TILED", "DENSE", "MEAN", "SOFTMAX", IO)}
KEY_WORDS = {(n, "b") for n in ("CONV_TILED", "DEPTHWISE_TILED", "DENSE", "AVERAGE_POOL", "SOFTMAX", IO)}
WAKE_WORD = {(n, "b") for n in ("DEPTHWISE", "DENSE", "MOVE", "FILL", "LUT", "RESCALE", IO)} | {(IO, "B")}


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        (GESTURE, 16_700),
        (KEY_WORDS, 17_900),
        (WAKE_WORD, 15_100),
        ({("CONV", "f"), (IO, "f")}, 11_600),
        ("small", 22_200),
        ("full", 43_500),
    ],
    ids=["gesture", "key words", "wake word", "float32 dense", "small", "full"],
)
def test_the_pico_has_room(wanted, most):
    """A native module lies in RAM, of which a Pico has 264 KB."""
    if not available("armv6m"):
        pytest.skip("no armv6m archive: make natmod")
    assert len(link("armv6m", wanted).mpy) <= most
