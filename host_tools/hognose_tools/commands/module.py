# SPDX-License-Identifier: MIT
"""`hognose module`: the native module for some models, or one of the two that mip installs."""

import argparse
from pathlib import Path

from .. import files
from ..board.link import FILE, MODULES, PRESETS, Needs, link
from ..compiler.disassemble import disassemble, needs
from ..errors import UserError
from . import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("architecture", metavar="ARCH", help=", ".join(MODULES))
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--for", dest="models", metavar="A.hog,B.hog", help="link it for these models")
    kind.add_argument("--preset", choices=PRESETS, help="small: common int8 networks; full: all operators")
    parser.add_argument("-o", dest="out", default=".", metavar="DIR", help="default: this folder")
    arguments.add_force(parser)


def main(args: argparse.Namespace) -> int:
    module = link(args.architecture, args.preset or _needs(args.models.split(",")))
    out = Path(args.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UserError(f"cannot make the folder {out}: {e.strerror or e}") from e
    files.check(out / FILE, ".mpy", (args.models or "").split(","), args.force)
    files.write(out / FILE, module.mpy)
    print(f"{out / FILE}: {len(module.mpy):,} bytes, {module.ram:,} in the RAM of a board")
    return 0


def _needs(paths: list[str]) -> Needs:
    wanted: set[tuple[str, str]] = set()
    for path in paths:
        model = disassemble(files.read(path))
        if not model.arena_size:
            raise UserError(f"{path} is for TensorFlow Lite Micro, which the native module is not")
        wanted |= needs(model)
    return wanted
