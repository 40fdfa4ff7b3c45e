# SPDX-License-Identifier: MIT
"""Stands in for ../sensor.py: recorded samples out of a file, as fast as they are wanted."""

from array import array


def samples():
    """Yields six numbers a sample, and None after each recording. In samples.bin a sample is six
    little-endian float32, and one of NaNs ends a recording."""
    sample = array("f", [0] * 6)
    with open("samples.bin", "rb") as file:
        while file.readinto(sample) == 24:
            yield sample if sample[0] == sample[0] else None
