# SPDX-License-Identifier: MIT
"""What can be found out about a model: its layers, its cost, what quantization loses, whether it is right."""
