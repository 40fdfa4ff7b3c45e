# SPDX-License-Identifier: MIT
"""Models on a board that is plugged in; nothing is written to its flash."""

from collections.abc import Callable
from pathlib import Path

from ..compiler.disassemble import disassemble
from . import device_run

_RUN = """
from device_run import Model, run
model = Model(hog, engine={engine!r})
with open("sink", "wb") as sink:
    run(model, {mode!r}, {sequence}, Source("source"), sink, lambda: sys.stdout.write("."))
"""


def run(
    hog: bytes,
    engine: str,
    mode: str,
    sequence: int,
    source: bytes,
    done: Callable[[], object],
    port: str | None = None,
) -> bytes:
    """Samples through a model on the board on `port`, by default the only one."""
    from ..board import remote  # mpremote is for those who have a board

    def heard(data: bytes) -> None:
        for _ in range(data.count(b".")):
            done()

    files = {
        "model.hog": hog,
        "source": source,
        "sink": b"",
        "device_run.py": Path(device_run.__file__).read_bytes(),
    }
    code = remote.LOAD + _RUN.format(engine=engine, mode=mode, sequence=sequence)
    return remote.execute(port, disassemble(hog), files, engine, code, heard)["sink"]
