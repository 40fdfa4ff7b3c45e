# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""`hognose deploy`: library, native module, model and app onto a board, all or none (see board/install.py)."""

import argparse
import ast
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import hognose

from . import files
from .board import connection, install
from .board.connection import BoardError, Connection, Link
from .board.install import Facts
from .compiler.disassemble import HogFile, disassemble
from .errors import UserError
from .progress import bar

TOOLS = ("mpremote", "ampy")
# RAM that the library takes on the board once it is imported, bytes; measured on an RP2040.
LIBRARY_RAM = {"native": 20_000, "reference": 60_000}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.hog")
    parser.add_argument("--port", help="default: the board that is plugged in")
    parser.add_argument(
        "--main", metavar="main.py", help="the app, with the modules beside it that it imports"
    )
    parser.add_argument(
        "--add",
        action="append",
        default=[],
        metavar="FILE",
        help="a further file that the app needs, beside it",
    )
    parser.add_argument("--tool", choices=TOOLS, default="mpremote", help="default: mpremote")
    parser.add_argument(
        "--engine", choices=tuple(LIBRARY_RAM), help="default: native; reference on CircuitPython, slow"
    )


def main(args: argparse.Namespace) -> int:
    hog = files.read(args.model)
    facts = disassemble(hog)
    app = _app_files(args.main, args.add)
    name = Path(args.model).name
    with _connected(connection.the_port(args.port), args.tool) as link:
        try:
            print(_deploy(link, name, hog, facts, app, args.engine))
        except BoardError as e:
            raise UserError(f"the board on {link.port} says: {e}") from e
    if app and not any(name.encode() in data for data in app.values()):
        print(f"{args.main} does not name {name}: does it load another model?", file=sys.stderr)
    return 0


@contextlib.contextmanager
def _connected(port: str, tool: str) -> Iterator[Link]:
    """The board listens meanwhile; afterwards its app runs again."""
    link: Link
    if tool == "ampy":
        from .board.ampy import AmpyConnection

        link = AmpyConnection(port)
    else:
        link = Connection(port)
    try:
        yield link
    finally:
        with contextlib.suppress(UserError):
            link.start()
        link.close()


def _deploy(
    link: Link, name: str, hog: bytes, model: HogFile, app: dict[str, bytes], engine: str | None
) -> str:
    board = install.examine(link)
    if engine is None:
        engine = "reference" if board.implementation == "circuitpython" else "native"
    if board.hiding:
        raise UserError(
            f"{board.hiding[0]} on the board hides the library in /lib: remove it "
            f"(`mpremote rm -r :{board.hiding[0]}`)"
        )
    wanted, module = _library(board, engine)
    wanted[f"{board.base}/{name}"] = hog
    for file, data in app.items():
        wanted[board.app if file == "main.py" else f"{board.base}/{file}"] = data
    _check_ram(board, name, model, engine, module)
    plan = install.compare(link, board, wanted)
    with bar("deploy", plan.size, "bytes") as progress:
        install.install(link, board, plan, progress.update)
    return (
        f"{board.machine}, {board.firmware}, {link.port}: {len(plan.files)} files copied ({plan.size:,} bytes), "
        f"{plan.unchanged} were there; {engine} engine"
        + (", built in" if engine == "native" and board.builtin_engine else "")
    )


def _library(board: Facts, engine: str) -> tuple[dict[str, bytes], int]:
    """What goes to /lib, and the size of the native module there."""
    library: dict[str, bytes] = {}
    if not board.frozen_library:
        for path in sorted(Path(hognose.__file__).parent.glob("*.py")):
            if engine == "reference" or path.name != "reference.py":  # its 44 KB are for who needs them
                library[f"{board.base}/lib/hognose/{path.name}"] = path.read_bytes()
    if engine == "reference" or board.builtin_engine:
        return library, 0
    module = install.native_module(board)
    library[f"{board.base}/lib/_hognose.mpy"] = module
    return library, len(module)


def _check_ram(board: Facts, name: str, model: HogFile, engine: str, module: int) -> None:
    """UserError where the board's RAM cannot hold the model. The arena's size is in the file."""
    parts = {
        "file": model.size,
        "arena": model.arena_size,
        "inputs": sum(4 * p.size for p in model.inputs),
        "native module": module,
        "library": 0 if board.frozen_library else LIBRARY_RAM[engine],
    }
    need = sum(parts.values())
    if board.ram_free is not None and need > board.ram_free:
        listed = ", ".join(f"{part} {size:,}" for part, size in parts.items() if size)
        raise UserError(
            f"{name} needs {need:,} bytes of RAM ({listed}), {board.machine} has {board.ram_free:,} free: "
            "make the model smaller (`hognose inspect` shows its layers), or use firmware with the engine built in "
            "(native_module/README.md) or a board with more RAM"
        )


# The app.


def _app_files(main_file: str | None, further: list[str]) -> dict[str, bytes]:
    """Contents by path beside main.py: it, the modules beside it that it imports, and further files."""
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
    """The modules in `folder` that a module imports; of a package all files."""
    if not name.endswith(".py"):
        return
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as e:
        where = f", line {e.lineno}" if isinstance(e, SyntaxError) else ""
        raise UserError(f"{folder / name}{where}: no valid Python: {e.args[0]}") from e
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
