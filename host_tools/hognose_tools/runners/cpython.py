# SPDX-License-Identifier: MIT
"""Models on this computer, in CPython."""

import io
from collections.abc import Callable

import hognose

from ..errors import UserError
from . import device_run


def run(
    hog: bytes, engine: str, mode: str, sequence: int, source: bytes, done: Callable[[], object]
) -> bytes:
    try:
        model = hognose.Model(hog, engine=engine)
    except (ImportError, RuntimeError) as e:
        raise UserError(f"the {engine} engine is not there: {e}") from e
    except (ValueError, MemoryError) as e:
        raise UserError(str(e)) from e
    sink = io.BytesIO()
    try:
        device_run.run(model, mode, sequence, io.BytesIO(source), sink, done)
    except ValueError as e:  # a loop of the model that does not end
        raise UserError(str(e)) from e
    return sink.getvalue()
