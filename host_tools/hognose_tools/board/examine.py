# SPDX-License-Identifier: MIT
"""Asks a board about itself."""

import ast
from pathlib import Path
from typing import Any

from ..errors import UserError
from . import device_install
from .connection import Link
from .facts import Facts


def examine(link: Link) -> Facts:
    """Restarts the board and asks it."""
    link.restart()
    _define(link)
    facts = Facts(**ask(link, "facts()"))
    if facts.implementation not in ("micropython", "circuitpython"):
        raise UserError(f"{link.port} runs {facts.implementation}, not MicroPython")
    return facts


def _define(link: Link) -> None:
    link.exec(Path(device_install.__file__).read_text())


def ask(link: Link, expression: str) -> Any:
    return ast.literal_eval(link.exec(f"print(repr({expression}))").decode().strip())
