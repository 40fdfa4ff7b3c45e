# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The rules of the native module's build."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from session import ROOT

NATMOD = ROOT / ".build" / "natmod"
ARCHITECTURES = ("x64", "armv6m", "armv7m", "armv7emsp", "armv7emdp", "rv32imc", "xtensawin")


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
    engine = sources / "engine" / "hog.c"
    load = "const char *hog_load("
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


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_module(arch):
    module = NATMOD / f"{arch}_6.3" / "_hognose.mpy"
    if not module.exists():
        pytest.skip(f"no {arch} module: make natmod")
    content = module.read_bytes()
    assert content[:2] == b"M\x06"
    assert content[2] & 3 == 3  # ABI 6.3
    assert str(ROOT).encode() not in content
    assert (module.parent / "package.json").exists()


def test_the_pico_has_room():
    """A native module lies in RAM, of which a Pico has 264 KB."""
    module = NATMOD / "armv6m_6.3" / "_hognose.mpy"
    if not module.exists():
        pytest.skip("no armv6m module: make natmod")
    assert module.stat().st_size <= 20 << 10
