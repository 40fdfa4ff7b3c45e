# SPDX-License-Identifier: MIT
"""Who may know whom: imports of the host tools and of the device library, as their sources state them.

Arrows point one way, so that a part can be read, tested and changed without those that use it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hognose_tools import cli

ROOT = Path(__file__).parents[2]
HOST = ROOT / "host_tools" / "hognose_tools"
LIBRARY = ROOT / "device_lib" / "hognose"

# What everybody on the host may know; a room is a package or a module at the top.
COMMON = {"errors", "files", "progress", "text"}
ROOMS: dict[str, set[str]] = {
    "__main__": {"cli"},
    "cli": {"commands", "signals"},
    "commands": {"training", "analysis", "runners", "board", "data", "compiler"},
    "analysis": {"runners", "board", "data", "compiler"},
    "training": {"data", "compiler"},
    "runners": {"board", "data", "compiler"},
    "board": {"data", "compiler"},
    "data": {"compiler"},
    "compiler": set(),
    "files": set(),
    "errors": set(),
    "text": set(),
    "progress": set(),
    "signals": set(),
}


@dataclass(frozen=True)
class Import:
    """An import as a module states it."""

    target: str  # a module, ours or any other
    name: str = ""  # what is taken from it; empty: the module itself
    late: bool = False  # in a function, or for a type checker only
    line: int = 0


def sources(folder: Path) -> dict[str, str]:
    """Module names and texts of a package."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = [folder.name, *path.relative_to(folder).with_suffix("").parts]
        found[".".join(parts).removesuffix(".__init__")] = path.read_text()
    return found


def imports(module: str, house: Mapping[str, str]) -> list[Import]:
    """All imports of a module; `house`: all modules, by which a name is told from a module."""
    package = _package(module, house)
    nodes = _walk(ast.parse(house[module]))
    return [found for node, late in nodes for found in _imports(node, late, package, house)]


def _package(module: str, house: Mapping[str, str]) -> str:
    """What a module's relative imports start from."""
    is_package = any(name.startswith(f"{module}.") for name in house)
    return module if is_package else module.rpartition(".")[0]


def _walk(node: ast.AST, late: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, late
        checking = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, late or checking or function)


def _imports(node: ast.AST, late: bool, package: str, house: Mapping[str, str]) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, "", late, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parents = package.split(".")[: 1 - node.level or None] if node.level else []
        base = ".".join([*parents, *filter(None, [node.module])])
        for alias in node.names:
            whole = f"{base}.{alias.name}"
            target, name = (whole, "") if whole in house else (base, alias.name)
            yield Import(target, name, late, node.lineno)


def circles(house: Mapping[str, str]) -> set[str]:
    """The modules from which imports lead back to themselves, however late these are."""
    graph = {m: {i.target for i in imports(m, house)} & house.keys() for m in house}
    reached = {m: _reach(graph, m) for m in graph}
    return {m for m in graph if m in reached[m]}


def _reach(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [*graph[start]]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += graph[module]
    return found


def room(module: str) -> str:
    """Of a module on the host; the package itself is none."""
    return ".".join(module.split(".")[1:2])


def against_the_arrows(house: Mapping[str, str]) -> list[str]:
    """Imports of a room that this one may not know; of the host by the device library, too."""
    found = []
    for module in house:
        here = room(module)
        allowed = ROOMS.get(here, set()) | COMMON | {here} if module.startswith("hognose_tools") else set()
        for i in imports(module, house):
            if i.target.split(".")[0] == "hognose_tools" and room(i.target) not in allowed:
                found.append(f"{module}, line {i.line}: {i.target}")
    return found


def private_names(house: Mapping[str, str]) -> set[str]:
    """Names with an underscore that a module takes from another one of ours."""
    return {
        f"{module}: {target}.{name}"
        for module in house
        for target, name in _taken(module, house)
        if target in house and name.startswith("_") and not name.startswith("__")
    }


def _taken(module: str, house: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What a module names of others, by import or as an attribute of a module that it has imported."""
    yield from ((i.target, i.name) for i in imports(module, house))
    tree, package = ast.parse(house[module]), _package(module, house)
    modules: dict[str, str] = {}
    for node, _ in _walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found = _imports(node, False, package, house)
            modules |= {
                a.asname or a.name: i.target for a, i in zip(node.names, found, strict=True) if not i.name
            }
    for node, _ in _walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield modules[node.value.id], node.attr


def printing(house: Mapping[str, str]) -> set[str]:
    """Modules on the host outside of commands/ and cli.py that print."""
    return {
        module
        for module, source in house.items()
        if module.startswith("hognose_tools") and room(module) not in ("cli", "commands")
        for node, _ in _walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }


def tensorflow(house: Mapping[str, str]) -> list[str]:
    """Imports of TensorFlow and Keras in the compiler, and elsewhere those that are not in a function."""
    return [
        f"{module}, line {i.line}: {i.target}"
        for module in house
        for i in imports(module, house)
        if i.target.split(".")[0] in ("tensorflow", "keras") and (not i.late or room(module) == "compiler")
    ]


@pytest.fixture(scope="module")
def house() -> dict[str, str]:
    return sources(HOST) | sources(LIBRARY)


def test_no_import_circle(house):
    assert circles(house) == set()


def test_arrows(house):
    assert against_the_arrows(house) == []


def test_rooms(house):
    """Each room is in the table above, and no arrow in it has its counterpart."""
    assert {room(m) for m in house if m.startswith("hognose_tools.")} == set(ROOMS)
    assert not [(a, b) for a, known in ROOMS.items() for b in known if a in ROOMS[b]]


def test_no_private_names_of_others(house):
    assert private_names(house) == set()


def test_only_commands_print(house):
    assert printing(house) == set()


def test_tensorflow_is_imported_late(house):
    assert tensorflow(house) == []


def test_each_verb_is_a_module(house):
    """cli.py imports them by name, which the checks above do not see."""
    modules = {m.rpartition(".")[2] for m in house if room(m) == "commands"} - {"commands", "arguments"}
    assert modules == set(cli.VERBS)


def test_all_packages_are_installed():
    """pyproject.toml lists them one by one, and files that are not Python."""
    text = (ROOT / "pyproject.toml").read_text()
    for top in (HOST, LIBRARY):
        for path in top.rglob("__init__.py"):
            assert f'"{".".join(path.parent.relative_to(top.parent).parts)}"' in text
    for path in HOST.rglob("*.*"):
        assert path.suffix in (".py", ".pyc") or f'"{path.name}"' in text


# A house in which everything is wrong.
BAD = {
    "hognose_tools": "",
    "hognose_tools.errors": "class UserError(Exception): pass\n",
    "hognose_tools.commands": "",
    "hognose_tools.commands.pack": "from ..compiler import compile_tflite, _meta\nprint(_meta)\n",
    "hognose_tools.compiler": "def compile_tflite():\n    from . import reader\n    import keras\n",
    "hognose_tools.compiler.reader": "from . import compile_tflite\nimport tensorflow.lite\n",
    "hognose_tools.board": "",
    "hognose_tools.board.link": "from hognose_tools.commands import pack as p\np._ask()\nprint('linked')\n",
    "hognose": "from .model import Model\n",
    "hognose.model": "class Model: pass\ndef load():\n    from hognose_tools import errors\n",
}


def test_the_checks_see_what_is_wrong():
    assert circles(BAD) == {"hognose_tools.compiler", "hognose_tools.compiler.reader"}
    assert against_the_arrows(BAD) == [
        "hognose_tools.board.link, line 1: hognose_tools.commands.pack",
        "hognose.model, line 3: hognose_tools.errors",
    ]
    assert private_names(BAD) == {
        "hognose_tools.commands.pack: hognose_tools.compiler._meta",
        "hognose_tools.board.link: hognose_tools.commands.pack._ask",
    }
    assert printing(BAD) == {"hognose_tools.board.link"}
    assert tensorflow(BAD) == [
        "hognose_tools.compiler, line 3: keras",
        "hognose_tools.compiler.reader, line 2: tensorflow.lite",
    ]
