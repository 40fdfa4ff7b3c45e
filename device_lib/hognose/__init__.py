# SPDX-License-Identifier: MIT
"""Neural networks in MicroPython: `Model` runs a `.hog` file. Optional parts may be left off the board."""

from .model import Model as Model

__version__ = "0.1.0"
