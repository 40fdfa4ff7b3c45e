# SPDX-License-Identifier: MIT
"""Asks a board about itself."""

import ast
from pathlib import Path
from typing import Any

from ..compiler.disassemble import IO
from ..compiler.layouts import OPERATORS
from ..errors import UserError
from . import device_install
from .connection import Link
from .facts import Facts
from .link import Needs


def examine(link: Link) -> Facts:
    """Restarts the board and asks it."""
    link.restart()
    _define(link)
    facts = Facts(**ask(link, "facts()"))
    if facts.implementation not in ("micropython", "circuitpython"):
        raise UserError(f"{link.port} runs {facts.implementation}, not MicroPython")
    return facts


def models_there(link: Link, folder: str) -> dict[str, Needs]:
    """What the models in a folder of the board need, by file name."""
    names = {operator.code: name for name, operator in OPERATORS.items()}
    return {
        file: {(names[code], chr(letter)) for code, letter in operators if code in names}
        | {(IO, chr(letter)) for letter in ports}
        for file, (operators, ports) in ask(link, f"models({folder!r})").items()
    }


def _define(link: Link) -> None:
    link.exec(Path(device_install.__file__).read_text())


def ask(link: Link, expression: str) -> Any:
    return ast.literal_eval(link.exec(f"print(repr({expression}))").decode().strip())
