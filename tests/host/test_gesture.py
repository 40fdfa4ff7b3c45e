# SPDX-License-Identifier: MIT
"""The gesture example's sensor driver, against an MPU6050 and a clock made here."""

import math
import runpy
import struct
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

GESTURE = Path(__file__).parents[2] / "examples" / "gesture"


class Chip:
    """Registers of an MPU6050: asleep until it is woken, silent while `present` is False."""

    def __init__(self) -> None:
        self.registers = bytearray(256)
        self.registers[0x6B] = 0x40
        self.present = True
        self.motion = (0,) * 7

    def writeto_mem(self, address: int, register: int, data: bytes) -> None:
        self._answer(address)
        self.registers[register : register + len(data)] = data

    def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
        self._answer(address)
        assert not self.registers[0x6B] & 0x40, "it sleeps"
        assert (self.registers[0x1B], self.registers[0x1C]) == (0x18, 0x18)
        assert register == 0x3B
        buffer[:] = struct.pack(">7h", *self.motion)

    def _answer(self, address: int) -> None:
        assert address == 0x68
        if not self.present:
            raise OSError(5)


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Chip:
    chip = Chip()
    chip.now = 2**20 - 150  # so that the clock wraps

    def sleep_ms(ms: int) -> None:
        chip.now += ms

    period = 2**20
    monkeypatch.setattr(time, "sleep_ms", sleep_ms, raising=False)
    monkeypatch.setattr(time, "ticks_ms", lambda: chip.now % period, raising=False)
    monkeypatch.setattr(time, "ticks_add", lambda a, b: (a + b) % period, raising=False)
    monkeypatch.setattr(
        time, "ticks_diff", lambda a, b: (a - b + period // 2) % period - period // 2, raising=False
    )
    machine = SimpleNamespace(I2C=lambda *a, **k: chip, Pin=lambda n: n)
    monkeypatch.setitem(sys.modules, "machine", machine)
    return chip


def samples():
    return runpy.run_path(str(GESTURE / "sensor.py"))["samples"]()


def test_units_and_pace(chip: Chip) -> None:
    readings = samples()
    chip.motion = (0, 0, 2048, 0, 0, 0, 0)  # 1 g downwards
    start = chip.now
    assert list(next(readings)) == pytest.approx([0] * 6, abs=1e-5)  # that is gravity
    chip.motion = (2048, -4096, 2048, 0, 32767, -32768, 1)
    moved = next(readings)
    assert chip.now - start == 100
    assert list(moved) == pytest.approx(
        [9.80665 * 0.95, -2 * 9.80665 * 0.95, 0, math.radians(2000), -math.radians(2000), 0.001065], rel=1e-3
    )
    for _ in range(200):
        moved = next(readings)
    assert list(moved)[:3] == pytest.approx([0, 0, 0], abs=0.01)  # so it was gravity after all
    assert chip.now - start == 20100


def test_silence_is_a_gap(chip: Chip) -> None:
    readings = samples()
    chip.present = False
    assert next(readings) is None and next(readings) is None
    chip.present = True
    assert next(readings) is not None
    chip.present = False
    assert next(readings) is None
    chip.registers[0x6B] = 0x40  # it lost power, and sleeps
    chip.present = True
    assert len(next(readings)) == 6
