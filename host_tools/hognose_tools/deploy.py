# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""`hognose deploy`: library, native module, model and app onto a board, all or none (board/install.py)."""

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from . import files
from .board import connection, install
from .board.connection import Connection, Link
from .compiler.disassemble import HogFile, disassemble
from .errors import UserError
from .progress import bar

TOOLS = ("mpremote", "ampy")
ENGINES = ("native", "reference")


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
    parser.add_argument("--engine", choices=ENGINES, help="default: native; reference on CircuitPython, slow")


def main(args: argparse.Namespace) -> int:
    hog = files.read(args.model)
    facts = disassemble(hog)
    app = _app_files(args.main, args.add)
    name = Path(args.model).name
    with connection.until_done(_connect(connection.the_port(args.port), args.tool)) as link:
        print(_deploy(link, name, hog, facts, app, args.engine))
    if app and not any(name.encode() in data for data in app.values()):
        print(f"{args.main} does not name {name}: does it load another model?", file=sys.stderr)
    return 0


def _connect(port: str, tool: str) -> Link:
    if tool == "ampy":
        from .board.ampy import AmpyConnection

        return AmpyConnection(port)
    return Connection(port)


def _deploy(
    link: Link, name: str, hog: bytes, model: HogFile, app: dict[str, bytes], engine: str | None
) -> str:
    board = install.examine(link)
    if model.arena_size == 0:  # it carries a .tflite
        if not board.tflm:
            raise UserError(
                f"{name} is for firmware with TensorFlow Lite Micro in it (native_module/README.md), which "
                f"{board.machine} does not have: pack it without --engine tflm"
            )
        engine = "tflm"
    elif engine is None:
        engine = "reference" if board.implementation == "circuitpython" else "native"
    if board.hiding:
        raise UserError(
            f"{board.hiding[0]} on the board hides the library in /lib: remove it "
            f"(`mpremote rm -r :{board.hiding[0]}`)"
        )
    library = install.library(board, engine, model, app.values())
    wanted = {f"{board.base}/lib/{path}": data for path, data in library.items()}
    wanted[f"{board.base}/{name}"] = hog
    for file, data in app.items():
        wanted[board.app if file == "main.py" else f"{board.base}/{file}"] = data
    install.check_ram(board, model, library, streams=any(b"stream=True" in data for data in app.values()))
    deployment = install.Deployment(link, board, wanted)
    deployment.prepare()
    with bar("deploy", deployment.size, "bytes", quiet=True) as progress:
        deployment.copy(progress.update)
    deployment.commit()
    where = ", built in" if engine == "native" and board.builtin_engine else ""
    return (
        f"{board.machine}, {board.firmware}, {link.port}: {len(deployment.files)} files copied "
        f"({deployment.size:,} bytes), {deployment.unchanged} were there; {engine} engine{where}"
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
