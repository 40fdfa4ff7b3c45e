# SPDX-License-Identifier: MIT
#
# What the Pico's own manifest freezes, less onewire, ds18x20, dht and neopixel: they are in micropython-lib,
# which Debian's source lacks.
# ruff: noqa: F821
freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")
