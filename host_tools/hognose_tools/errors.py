# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The one exception for mistakes that a user can mend."""


class UserError(Exception):
    """Bad usage or bad input: one line that says what is wrong and what to do (exit code 2)."""
