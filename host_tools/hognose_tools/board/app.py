# SPDX-License-Identifier: MIT
"""The files of a user's app: main.py, the modules that it imports, and others that it needs."""

import ast
from collections.abc import Iterator
from pathlib import Path

from .. import files
from ..errors import UserError


def app_files(main_file: str | None, further: list[str]) -> dict[str, bytes]:
    """Contents by path relative to main.py: main.py, the modules beside it that it imports, other files."""
    app: dict[str, bytes] = {}
    if main_file:
        folder = Path(main_file).parent
        app["main.py"] = files.read(main_file)
        waiting = [("main.py", app["main.py"])]
        while waiting:
            for path in _imported(folder, *waiting.pop()):
                name = path.relative_to(folder).as_posix()
                if name not in app:
                    app[name] = files.read(path)
                    waiting.append((name, app[name]))
    for file in further:
        app[Path(file).name] = files.read(file)
    return app


def _imported(folder: Path, name: str, source: bytes) -> Iterator[Path]:
    """The modules in `folder` that a module imports, and all files of a package."""
    if not name.endswith(".py"):
        return
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as e:
        where = f", line {e.lineno}" if isinstance(e, SyntaxError) else ""
        raise UserError(f"{folder / name}{where}: not valid Python: {e.args[0]}") from e
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules = [node.module]
        else:
            continue
        for module in modules:
            top = module.partition(".")[0]
            for path in (folder / f"{top}.py", folder / f"{top}.mpy"):
                if path.is_file() and top != "hognose":
                    yield path
            if (folder / top / "__init__.py").is_file() and top != "hognose":
                yield from sorted((folder / top).rglob("*.py"))
