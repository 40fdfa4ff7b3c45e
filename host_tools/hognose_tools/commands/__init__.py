# SPDX-License-Identifier: MIT
"""The verbs of `hognose`, a module each: its arguments, what it prints, its exit code."""
