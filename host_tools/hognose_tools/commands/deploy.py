# SPDX-License-Identifier: MIT
"""`hognose deploy`: library, native module, model and app onto a board, all or none."""

import argparse
import sys
from pathlib import Path

from .. import files
from ..board import connection
from ..board.app import app_files
from ..board.connection import Connection, Link
from ..board.deploy import Deployed, deploy
from ..board.link import PRESETS
from ..compiler.disassemble import disassemble

TOOLS = ("mpremote", "ampy")
ENGINES = ("native", "reference")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.hog")
    parser.add_argument("--port", help="default: the board that is plugged in")
    parser.add_argument(
        "--main", metavar="main.py", help="the app; modules beside it that it imports are copied, too"
    )
    parser.add_argument(
        "--add",
        action="append",
        default=[],
        metavar="FILE",
        help="another file that the app needs (may be repeated)",
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="OTHER.hog",
        help="a further model; the native module is linked for it, too",
    )
    parser.add_argument(
        "--module",
        metavar="small|full|FILE",
        help="a native module of that kind, or this one (default: linked for the models on the board)",
    )
    parser.add_argument("--tool", choices=TOOLS, default="mpremote", help="default: mpremote")
    parser.add_argument(
        "--engine", choices=ENGINES, help="default: native, or on CircuitPython reference, which is slow"
    )


def main(args: argparse.Namespace) -> int:
    hog = files.read(args.model)
    facts = disassemble(hog)
    app = app_files(args.main, [*args.add, *args.also])
    module = args.module if args.module is None or args.module in PRESETS else files.read(args.module)
    name = Path(args.model).name
    with connection.until_done(_connect(connection.the_port(args.port), args.tool)) as link:
        done = deploy(link, name, hog, facts, app, args.engine, module)
        print(_sentence(done, link.port))
    if args.main and not any(name.encode() in data for data in app.values()):
        print(f"{args.main} does not name {name}: does it load another model?", file=sys.stderr)
    return 0


def _connect(port: str, tool: str) -> Link:
    if tool == "ampy":
        from ..board.ampy import AmpyConnection

        return AmpyConnection(port)
    return Connection(port)


def _sentence(done: Deployed, port: str) -> str:
    where = ", built in" if done.engine == "native" and done.board.builtin_engine else ""
    if done.linked_for:
        where = f" of {done.module:,} bytes, linked for {', '.join(done.linked_for)}"
    return (
        f"{done.board.machine}, {done.board.firmware}, {port}: {done.copied} files copied "
        f"({done.size:,} bytes), {done.unchanged} were there; {done.engine} engine{where}"
    )
