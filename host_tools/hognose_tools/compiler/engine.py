# SPDX-License-Identifier: MIT
"""Checks a file with the engine: loading checks all of it and runs nothing."""

from typing import Any

from hognose.reference import Reference


def check(hog: bytes) -> None:
    """Raises ValueError, in the engine's words, where it refuses the file."""
    engine = _engine()
    engine.load(memoryview(hog), bytearray(engine.STATE_SIZE))


def _engine() -> Any:
    """The native one or, where it is not built, the one in plain Python, which says the same."""
    try:
        import _hognose  # type: ignore[import-not-found]

        return _hognose
    except ImportError:
        return Reference()
