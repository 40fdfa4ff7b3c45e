# SPDX-License-Identifier: MIT
"""The code for boards against the stubs of the ports: it may use only modules, names and arguments that
these have. Types beyond that are not the point, there are none in it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TYPINGS = ROOT / ".build" / "typings"
LIBRARY = sorted((ROOT / "device_lib" / "hognose").rglob("*.py"))
TOOLS = ROOT / "host_tools" / "hognose_tools"
INSTALL = TOOLS / "board" / "device_install.py"
ON_BOARD = [*LIBRARY, TOOLS / "runners" / "device_run.py", INSTALL]
APPS = sorted(p for p in (ROOT / "examples").rglob("*.py") if p.name in ("main.py", "sensor.py"))
# lite.py is for firmware with TFLM in it.
CIRCUITPYTHON = [p for p in LIBRARY if p.stem not in ("lite", "tflm_engine")] + [INSTALL]

# Modules in C that every CircuitPython board with room for Python libraries has; it has no stubs for them.
CIRCUITPYTHON_CORE = {"array", "binascii", "collections", "gc", "json", "math", "os", "struct", "sys", "time"}

# What is seen, but cannot happen: (file, message, why).
KNOWN = [
    ("model.py", '"(monotonic_ns|ticks_us|ticks_diff)"', "asks with hasattr"),
    ("model.py", 'Argument 1 to "memoryview"', "a TypeError says that the file is not in ROMFS"),
    ("reference/__init__.py", '"cast" of "memoryview"', "asks with hasattr"),
    ("arithmetic.py", 'module named "operator"', "CPython only"),
    ("lite.py", '"_Description" has no attribute', "attributes are set, not declared"),
    ("device_install.py", '"(uname|new|mem_free|statvfs)"', "asks with hasattr, or has a way without"),
]

CONFIG = """\
[mypy]
mypy_path = {paths}
follow_imports = silent
check_untyped_defs = True
strict_optional = False
no_site_packages = True
disable_error_code = var-annotated, truthy-function, assignment, misc
{more}
[mypy-_hognose,tflm,sensor,hognose.*]
ignore_missing_imports = True
"""


def complaints(folder: Path, files: list[Path], paths: list[Path], more: str = "") -> list[str]:
    """mypy's errors about `files`, without the known ones."""
    config = folder / "mypy.ini"
    config.write_text(CONFIG.format(paths=":".join(map(str, paths)), more=more))
    command = [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", folder / "cache", *files]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert "source file" in result.stdout, result.stdout + result.stderr  # its last line: it got through
    names = {str(f.relative_to(ROOT)) for f in files}
    lines = [line for line in result.stdout.splitlines() if ": error: " in line]
    return [line for line in lines if line.partition(":")[0] in names and not known(line)]


def known(line: str) -> bool:
    path = line.partition(":")[0]
    return any(path.endswith(f"/{file}") and re.search(message, line) for file, message, _ in KNOWN)


def typings(port: str) -> Path:
    if not (TYPINGS / port).is_dir():
        pytest.skip(f"no stubs in {(TYPINGS / port).relative_to(ROOT)}: make typings")
    return TYPINGS / port


@pytest.mark.parametrize("port", ["rp2", "esp32", "unix"])
def test_micropython(tmp_path, port):
    stubs = typings(port)
    more = f"custom_typeshed_dir = {stubs}\nexplicit_package_bases = True"
    paths = [stubs, ROOT / "device_lib"]
    assert complaints(tmp_path, ON_BOARD, paths, more) == []
    for app in APPS if port != "unix" else []:  # one by one: each folder has its own main and sensor
        assert complaints(tmp_path, [app], [*paths, app.parent], f"custom_typeshed_dir = {stubs}") == []


def circuitpython_stubs(folder: Path) -> Path:
    """mypy takes packages called NAME-stubs from site-packages only."""
    found = folder / "stubs"
    found.mkdir()
    for stub in typings("circuitpython").glob("*-stubs"):
        (found / stub.name.removesuffix("-stubs")).symlink_to(stub)
    return found


def test_circuitpython(tmp_path):
    stubs = circuitpython_stubs(tmp_path)
    assert (
        complaints(tmp_path, CIRCUITPYTHON, [stubs, ROOT / "device_lib"], "explicit_package_bases = True")
        == []
    )


@pytest.mark.parametrize("path", CIRCUITPYTHON, ids=lambda p: p.name)
def test_modules_of_circuitpython(path):
    """CPython's stubs stand in for its core modules, so that a module it lacks would not be seen above."""
    stubs = {p.name.removesuffix("-stubs") for p in typings("circuitpython").glob("*-stubs")}
    allowed = stubs | CIRCUITPYTHON_CORE | {"hognose", "_hognose"}
    for name, guarded in imports(ast.parse(path.read_text())):
        assert guarded or name in allowed, f"{path.name} imports {name}"


def imports(tree: ast.AST, guarded: bool = False):
    """Names of imported modules, and whether a `try` or a condition stands before them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, guarded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module, guarded
        yield from imports(node, guarded or isinstance(node, (ast.Try, ast.If)))


def test_the_check_sees_what_is_missing(tmp_path):
    """A file with a function that no board has, one with a wrong argument, and a module that is not there."""
    stubs = typings("rp2")
    bad = ROOT / ".build" / "typings" / "bad.py"
    bad.write_text("import os\nimport time\nimport subprocess\nos.fork()\ntime.sleep_ms('1', 2)\n")
    try:
        found = complaints(tmp_path, [bad], [stubs], f"custom_typeshed_dir = {stubs}")
    finally:
        bad.unlink()
    assert len(found) >= 3, found
