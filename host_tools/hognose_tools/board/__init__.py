# SPDX-License-Identifier: MIT
"""Boards: the connection to one, what is installed there, and what runs over there to do so."""
