# SPDX-License-Identifier: MIT
"""Recordings in, samples out."""
