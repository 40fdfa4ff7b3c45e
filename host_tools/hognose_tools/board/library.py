# SPDX-License-Identifier: MIT
"""What goes into a board's /lib, and whether its RAM holds that and the model."""

from collections.abc import Iterable
from pathlib import Path

import hognose

from ..compiler.disassemble import HogFile, needs
from ..errors import UserError
from .facts import Facts
from .link import FILE, Needs
from .native_module import native_module

# RAM that the library takes once it is imported, bytes; measured on an RP2040.
LIBRARY_RAM = 15_000
REFERENCE_RAM = 42_000
REFERENCE_COMPILING = 80_000  # for a moment, before there is a model


def library(
    facts: Facts,
    engine: str,
    model: HogFile,
    app: Iterable[bytes] = (),
    module: Needs | str | bytes | None = None,
) -> dict[str, bytes]:
    """What the board's /lib has to hold, contents by path. Optional modules go where they are of use.

    `module`: what the native module has to have; by default what the model needs.
    """
    sources = list(app)
    wanted = {
        "reference": engine == "reference",
        "stream": any(b"stream" in s for s in sources) if sources else model.streamed < model.size // 2,
        "tflm_engine": facts.tflm,
        "lite": facts.tflm or any(b"hognose.lite" in source for source in sources),
    }
    files = {}
    if facts.frozen_library is None:
        package = Path(hognose.__file__).parent
        for path in sorted(package.rglob("*.py")):
            name = path.relative_to(package)
            if wanted.get(name.parts[0].removesuffix(".py"), True):
                files[f"hognose/{name.as_posix()}"] = path.read_bytes()
    if engine == "native" and not facts.builtin_engine:
        files[FILE] = native_module(facts, needs(model) if module is None else module)
    return files


def check_ram(facts: Facts, model: HogFile, library: dict[str, bytes], streams: bool = False) -> None:
    """UserError where the board's RAM cannot hold the model. The arena's size is in the file.

    `streams`: the app leaves the weights in the file.
    """
    reference = "hognose/reference/__init__.py" in library
    parts = {
        "weights being read" if streams else "file": model.streamed if streams else model.size,
        "arena": model.arena_size,
        "inputs": sum(4 * p.size for p in model.inputs),
        "native module": len(library.get(FILE, b"")),
        "library": (REFERENCE_RAM if reference else LIBRARY_RAM) if facts.frozen_library is None else 0,
    }
    need = max(sum(parts.values()), REFERENCE_COMPILING if reference and parts["library"] else 0)
    if facts.ram_free is not None and need > facts.ram_free:
        listed = ", ".join(f"{part} {size:,}" for part, size in parts.items() if size)
        streamed = need - model.size + model.streamed
        helps = f"open it with Model(..., stream=True) for {streamed:,} bytes, "
        raise UserError(
            f"the model needs {need:,} bytes of RAM ({listed}), {facts.machine} has {facts.ram_free:,} free: "
            + (helps if not streams and streamed <= facts.ram_free else "")
            + "make it smaller (`hognose inspect` shows its layers), or use firmware with the engine built "
            "in (native_module/README.md), or a board with more RAM"
        )
