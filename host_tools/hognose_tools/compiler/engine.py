# SPDX-License-Identifier: MIT
"""What the engine says of a file: it is loaded, which checks all of it, and not run."""

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
