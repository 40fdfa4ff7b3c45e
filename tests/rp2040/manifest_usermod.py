# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
#
# The stock firmware's modules, and the library hognose.
# ruff: noqa: F821
include("../../native_module/micropython/manifest.py", port_manifest="../../tests/rp2040/manifest.py")
