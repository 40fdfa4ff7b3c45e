# SPDX-License-Identifier: MIT
"""Runs one of the device tests: `python device_tests.py ENGINE FOLDER MODULE.NAME`.

FOLDER holds what device_models.py writes. Prints "ok", or "skip: why"; nothing else may be printed.
"""

import sys

from on_device import common

engine, folder, test = sys.argv[1:]
common.start(engine, folder, "full")
common.run(test)
