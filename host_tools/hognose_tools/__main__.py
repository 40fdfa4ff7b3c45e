# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""`python -m hognose_tools` is the command `hognose`."""

import sys

from .cli import main

sys.exit(main())
