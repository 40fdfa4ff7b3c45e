# SPDX-License-Identifier: MIT
"""Library, native module, model and app onto a board, all or none."""

from dataclasses import dataclass

from ..compiler.disassemble import HogFile, disassemble, needs
from ..errors import UserError
from ..progress import bar
from .connection import Link
from .examine import examine, models_there
from .facts import Facts
from .install import Deployment
from .library import check_ram, library
from .link import FILE, Needs, lacking


@dataclass
class Deployed:
    """What a deployment did."""

    board: Facts
    engine: str
    copied: int  # files
    size: int  # bytes of these
    unchanged: int  # files that were there
    module: int  # bytes of the native module; 0: there is none
    linked_for: list[str]  # models


def deploy(
    link: Link,
    name: str,
    hog: bytes,
    model: HogFile,
    app: dict[str, bytes],
    engine: str | None,
    module: str | bytes | None = None,
) -> Deployed:
    """Brings everything onto the board; `engine` None: the best that it can have.

    `module`: a preset of the native module, or a file; None: it is linked for all models, for those of `app`
    and those that the board has already, too.
    """
    board = examine(link)
    if model.arena_size == 0:  # it carries a .tflite
        if not board.tflm:
            raise UserError(
                f"{name} is for firmware with TensorFlow Lite Micro in it (native_module/README.md), which "
                f"{board.machine} does not have: pack it without --engine tflm"
            )
        engine = "tflm"
    elif engine is None:
        engine = "reference" if board.implementation == "circuitpython" else "native"
    if board.hiding:
        raise UserError(
            f"{board.hiding[0]} on the board hides the library in /lib: remove it "
            f"(`mpremote rm -r :{board.hiding[0]}`)"
        )
    models: dict[str, Needs] = {name: needs(model)}
    models |= {file: needs(disassemble(data)) for file, data in app.items() if file.endswith(".hog")}
    if isinstance(module, str):
        _check_preset(module, models)
    elif engine == "native" and not board.builtin_engine and module is None:
        models = models_there(link, board.base) | models
    sources = [data for file, data in app.items() if not file.endswith(".hog")]
    there = library(board, engine, model, sources, module or set().union(*models.values()))
    wanted = {f"{board.base}/lib/{path}": data for path, data in there.items()}
    wanted[f"{board.base}/{name}"] = hog
    for file, data in app.items():
        wanted[board.app if file == "main.py" else f"{board.base}/{file}"] = data
    check_ram(board, model, there, streams=any(b"stream=True" in data for data in app.values()))
    deployment = Deployment(link, board, wanted)
    deployment.prepare()
    with bar("deploy", deployment.size, "bytes", quiet=True) as progress:
        deployment.copy(progress.update)
    deployment.commit()
    return Deployed(
        board,
        engine,
        len(deployment.files),
        deployment.size,
        deployment.unchanged,
        len(there.get(FILE, b"")),
        sorted(models) if FILE in there and module is None else [],
    )


def _check_preset(preset: str, models: dict[str, Needs]) -> None:
    for file, wanted in models.items():
        absent = lacking(preset, wanted)
        if absent:
            raise UserError(
                f"{file} needs {', '.join(absent)}, which the native module '{preset}' does not have: "
                "leave --module out, or take --module full"
            )
