# SPDX-License-Identifier: MIT
"""The native module `_hognose.mpy` that a board can load."""

from pathlib import Path

from ..errors import UserError
from .architectures import ABI, BY_NAME
from .facts import Facts

_HERE = Path(__file__).resolve()
# Built by `make natmod`: in an installed package, in a checkout.
_FOLDERS = (_HERE.parent / "natmod", _HERE.parents[3] / ".build" / "natmod")


def path(architecture: str, full: bool) -> Path:
    """Where the module for an architecture is, small or with all operators, or where it would be."""
    folder = BY_NAME[architecture].folder
    places = [top / ("full" if full else "") / folder / "_hognose.mpy" for top in _FOLDERS]
    return next((p for p in places if p.is_file()), places[-1])


def native_module(facts: Facts, full: bool) -> bytes:
    """The `_hognose.mpy` that the board can load, small or with all operators; UserError: there is none."""
    helps = "use --engine reference (slow), or firmware with the engine built in (native_module/README.md)"
    if not facts.architecture:
        raise UserError(f"{facts.machine}: its {facts.firmware} cannot load native modules: {helps}")
    if facts.abi != ABI:
        raise UserError(
            f"{facts.machine}: {facts.firmware} has version {facts.abi[0]}.{facts.abi[1]} of native modules, "
            f"hognose's are {ABI[0]}.{ABI[1]}: install MicroPython 1.23 or later"
        )
    architecture = BY_NAME[facts.architecture]
    if not architecture.module:
        raise UserError(f"{facts.machine}: there is no native module for {architecture.name}: {helps}")
    place = path(architecture.name, full)
    if not place.is_file():
        name = architecture.module
        raise UserError(
            f"no _hognose.mpy for {name} here: run `make natmod ARCH={name}` in hognose's checkout"
        )
    return place.read_bytes()
