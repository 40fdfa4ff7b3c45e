# SPDX-License-Identifier: MIT
"""The facts that a deployment has to know about a board."""

from dataclasses import dataclass

from .architectures import BY_NUMBER


@dataclass
class Facts:
    """What a board says about itself; sizes in bytes."""

    implementation: str
    version: tuple[int, ...]
    machine: str
    mpy: int
    base: str  # the folder that holds main.py; empty for the root
    ram_free: int | None
    flash_free: int
    flash_block: int
    hiding: list[str]
    builtin_engine: bool
    tflm: bool
    frozen_library: str | None

    @property
    def architecture(self) -> str:
        """The architecture of its native modules; empty where the firmware cannot load any."""
        known = BY_NUMBER.get(self.mpy >> 10 & 15)
        return known.name if known and self.implementation == "micropython" else ""

    @property
    def abi(self) -> tuple[int, int]:
        return self.mpy & 255, self.mpy >> 8 & 3

    @property
    def firmware(self) -> str:
        name = {"micropython": "MicroPython", "circuitpython": "CircuitPython"}.get(
            self.implementation, self.implementation
        )
        return f"{name} {'.'.join(map(str, self.version))}"

    @property
    def app(self) -> str:
        """The file that runs at boot."""
        return f"{self.base}/{'code.py' if self.implementation == 'circuitpython' else 'main.py'}"
