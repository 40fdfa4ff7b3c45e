# SPDX-License-Identifier: MIT
"""The architectures of native modules, and the boards that forecasts are made for."""

from dataclasses import dataclass

ABI = (6, 3)  # of native modules, since MicroPython 1.23


@dataclass(frozen=True)
class Architecture:
    """A processor architecture as MicroPython names it."""

    name: str
    number: int  # sys.implementation._mpy >> 10 & 15
    module: str  # the architecture whose module it loads; empty: `make natmod` builds none for it
    chips: str

    @property
    def folder(self) -> str:
        """Where its module lies, in mip's way."""
        return f"{self.module}_{ABI[0]}.{ABI[1]}"


ARCHITECTURES = (
    Architecture("x86", 1, "", "32-bit PCs"),
    Architecture("x64", 2, "x64", "64-bit PCs (the unix port)"),
    Architecture("armv6", 3, "", "ARM11"),
    Architecture("armv6m", 4, "armv6m", "Cortex-M0 and M0+: RP2040"),
    Architecture("armv7m", 5, "armv7m", "Cortex-M3"),
    Architecture("armv7em", 6, "armv7m", "Cortex-M4 without an FPU"),
    Architecture("armv7emsp", 7, "armv7emsp", "Cortex-M4F and M33: STM32F4, nRF52840, RP2350"),
    Architecture("armv7emdp", 8, "armv7emdp", "Cortex-M7 with a double-precision FPU: STM32H7, i.MX RT1060"),
    Architecture("xtensa", 9, "", "ESP8266"),
    Architecture("xtensawin", 10, "xtensawin", "ESP32, ESP32-S2, ESP32-S3"),
    Architecture("rv32imc", 11, "rv32imc", "ESP32-C3, ESP32-C6, RP2350 with its RISC-V cores"),
    Architecture("rv64imc", 12, "", "64-bit RISC-V"),
)
BY_NAME = {a.name: a for a in ARCHITECTURES}
BY_NUMBER = {a.number: a for a in ARCHITECTURES}


@dataclass(frozen=True)
class Board:
    """A board with stock MicroPython on it."""

    title: str
    architecture: str
    hertz: int
    ram: int  # bytes of heap that are free
    flash: int  # bytes of the file system


BOARDS = {"pico": Board("Raspberry Pi Pico", "armv6m", 125_000_000, 239_152, 1_441_792)}
