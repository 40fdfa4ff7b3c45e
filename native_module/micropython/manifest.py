# SPDX-License-Identifier: MIT
#
# Freezes the library `hognose` into a firmware, beside what its port freezes anyway:
#   make -C ports/rp2 BOARD=RPI_PICO FROZEN_MANIFEST=…/native_module/micropython/manifest.py
# A board with a manifest of its own: include this file there with port_manifest=None.
# ruff: noqa: F821
options.defaults(port_manifest="$(PORT_DIR)/boards/manifest.py")

if options.port_manifest:
    include(options.port_manifest)
package("hognose", base_path="../../device_lib")
