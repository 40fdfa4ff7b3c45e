# SPDX-License-Identifier: MIT
"""What one inference costs on a board: cycles on an emulated one, microseconds on a real one."""

import json
from pathlib import Path
from typing import Any

from ..board import remote
from ..board.native_module import module_size
from ..compiler.disassemble import HogFile, disassemble, needs
from ..errors import UserError
from ..runners import device_bench, pico

# The emulated Pico has the file in its flash, memory-mapped; a real board gets it over the serial line.
_IN_FLASH = """
import sys, uctypes
hog = uctypes.bytearray_at({address}, {size})
"""
_CODE = """
import json
from device_bench import measure
{clock}
print(json.dumps(measure(hog, clock, quiet, loud, {layers})))
"""
_CYCLES = f"""
from machine import disable_irq as quiet, enable_irq as loud, mem32
def clock():
    return mem32[{pico.CYCLES:#x}]
"""
_MICROSECONDS = """
from time import ticks_us as clock
def quiet():
    pass
def loud(_):
    pass
"""


def bench(hog: bytes, on: str, *, layers: bool = False) -> dict[str, Any]:
    """Counts of one inference: `cycles` on the emulated Pico, `microseconds` on a real board."""
    name, _, port = on.partition(":")
    if name not in ("rp2040", "board") or (port and name != "board"):
        raise UserError(f"--on {on}: a benchmark runs on rp2040 (emulated) or board[:PORT]")
    model = disassemble(hog)
    emulated = name == "rp2040"
    said: list[bytes] = []
    code = _CODE.format(clock=_CYCLES if emulated else _MICROSECONDS, layers=layers)
    there = {"device_bench.py": Path(device_bench.__file__).read_bytes()}
    if emulated:
        with pico.emulated_pico(hog) as (where, address):
            code = _IN_FLASH.format(address=address, size=len(hog)) + code
            remote.execute(where, model, there, "native", code, said.append, in_ram=False)
    else:
        there["model.hog"] = hog
        remote.execute(port or None, model, there, "native", remote.LOAD + code, said.append)
    found = json.loads(b"".join(said).splitlines()[0])  # an end-of-transmission mark follows
    if emulated and found["invoke"] != found["again"]:
        raise UserError(f"two runs took {found['invoke']} and {found['again']} cycles: they must be equal")
    return _facts(model, found, emulated)


def _facts(model: HogFile, found: dict[str, Any], emulated: bool) -> dict[str, Any]:
    macs = sum(layer.macs for layer in model.layers)
    unit = "cycles" if emulated else "microseconds"
    facts: dict[str, Any] = {unit: found["invoke"]}
    if emulated:
        facts["cycles_per_mac"] = round(found["invoke"] / macs, 2) if macs else None
    facts |= {
        "macs": macs,
        "peak_ram": found["arena"] + found["state"],
        "arena": found["arena"],
        "heap": found["heap"],
        "load_cycles" if emulated else "load_microseconds": found["load"],
        "module_bytes": module_size("armv6m", needs(model)) if emulated else None,
    }
    if "layers" in found:
        facts["layers"] = [
            {"index": layer.index, "name": layer.name, "macs": layer.macs, unit: count}
            for layer, count in zip(model.layers, found["layers"], strict=True)
        ]
    return {k: v for k, v in facts.items() if v is not None}
