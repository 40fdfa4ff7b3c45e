# SPDX-License-Identifier: MIT
"""The exception for mistakes that the user can fix."""


class UserError(Exception):
    """Bad usage or bad input. Its text is one line that says what is wrong and what to do (exit code 2)."""
