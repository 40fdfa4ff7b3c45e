# SPDX-License-Identifier: MIT
"""What can be known about a model: its layers, its cost, what quantization lost, and whether it is right."""
