# SPDX-License-Identifier: MIT
"""An MPU6050 (accelerometer and gyroscope) on I2C, in the units of the recorded data."""

from array import array
from time import sleep_ms, ticks_add, ticks_diff, ticks_ms

from machine import I2C, Pin

SDA, SCL = 4, 5  # your board's pins
ADDRESS = 0x68
PERIOD = 100  # ms: the data was recorded at 10 Hz
ACCELERATION = 9.80665 * 16 / 32768  # m/s^2 for a step, at +-16 g
ROTATION = 2000 / 32768 * 3.14159265 / 180  # rad/s for a step, at +-2000 degrees/s
GRAVITY_SHARE = 0.05  # of a new sample in the mean that is taken for gravity: it follows in 2 s


def samples():
    """Yields acceleration without gravity (x, y, z in m/s^2) and rotation (x, y, z in rad/s), ten times
    a second, in one array that is used again; None while the sensor does not answer."""
    i2c = I2C(0, sda=Pin(SDA), scl=Pin(SCL), freq=400000)
    registers = bytearray(14)
    sample = array("f", [0] * 6)
    gravity = None
    due = ticks_ms()
    while True:
        sleep_ms(max(0, ticks_diff(due, ticks_ms())))
        due = ticks_add(due, PERIOD)
        try:
            if gravity is None:
                start(i2c)
            i2c.readfrom_mem_into(ADDRESS, 0x3B, registers)
        except OSError:
            gravity = None
            yield None
            continue
        for i in range(3):
            sample[i] = signed(registers, 2 * i) * ACCELERATION
            sample[3 + i] = signed(registers, 8 + 2 * i) * ROTATION
        if gravity is None:
            gravity = array("f", sample[:3])
        for i in range(3):
            gravity[i] += (sample[i] - gravity[i]) * GRAVITY_SHARE
            sample[i] -= gravity[i]
        yield sample


def start(i2c):
    """Wakes the chip and sets its ranges."""
    i2c.writeto_mem(ADDRESS, 0x6B, b"\x01")  # awake, clock from the gyroscope
    i2c.writeto_mem(ADDRESS, 0x1A, b"\x05")  # low-pass at 10 Hz
    i2c.writeto_mem(ADDRESS, 0x1B, b"\x18")  # +-2000 degrees/s
    i2c.writeto_mem(ADDRESS, 0x1C, b"\x18")  # +-16 g


def signed(buffer, i):
    """The big-endian int16 at offset i."""
    value = buffer[i] << 8 | buffer[i + 1]
    return value - 65536 if value & 32768 else value
