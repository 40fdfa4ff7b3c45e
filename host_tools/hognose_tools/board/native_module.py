# SPDX-License-Identifier: MIT
"""The native module `_hognose.mpy` for a board: linked for its models, or one that the user wants."""

from ..errors import UserError
from .architectures import ABI, BY_NAME, BY_NUMBER
from .facts import Facts
from .link import Needs, available, link

HELPS = "use --engine reference (slow), or firmware with the engine built in (native_module/README.md)"


def native_module(facts: Facts, wanted: Needs | str | bytes) -> bytes:
    """The module with what is needed, a preset, or a given one. UserError: the board cannot load it."""
    if not facts.architecture:
        raise UserError(f"{facts.machine}: its {facts.firmware} cannot load native modules: {HELPS}")
    if facts.abi != ABI:
        raise UserError(
            f"{facts.machine}: {facts.firmware} has version {facts.abi[0]}.{facts.abi[1]} of native modules, "
            f"hognose's are {ABI[0]}.{ABI[1]}: install MicroPython 1.23 or later"
        )
    architecture = BY_NAME[facts.architecture].module
    if not architecture:
        raise UserError(f"{facts.machine}: there is no native module for {facts.architecture}: {HELPS}")
    if isinstance(wanted, bytes):
        built_for = _architecture(wanted)
        if built_for != architecture:
            raise UserError(
                f"{facts.machine} loads native modules for {architecture}, this one is for {built_for}"
            )
        return wanted
    return link(architecture, wanted).mpy


def module_size(architecture: str, wanted: Needs) -> int:
    """Bytes of the module with what is needed; 0 where it cannot be linked, before `make natmod`."""
    return len(link(architecture, wanted).mpy) if available(architecture) else 0


def _architecture(module: bytes) -> str:
    """What a file is for, by its header."""
    if module[:2] != bytes([ord("M"), ABI[0]]) or len(module) < 4:
        raise UserError("this is no native module for MicroPython 1.23 or later")
    known = BY_NUMBER.get(module[2] >> 2 & 15)
    return known.name if known else "no architecture, it is bytecode"
