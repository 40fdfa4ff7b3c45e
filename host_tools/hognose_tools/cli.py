# SPDX-License-Identifier: MIT
"""The command line: a table of verbs, modules of commands/ with `add_arguments(parser)` and `main(args)`."""

import argparse
import contextlib
import importlib
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version

from . import files, signals
from .errors import UserError
from .text import LIMIT, clipped, printable

VERBS = {
    "train": "train a small network on recorded data",
    "quantize": "convert a Keras model to a quantized .tflite",
    "pack": "pack a .tflite into a .hog, the file for the board",
    "ops": "list the operators that can be packed, and for which types",
    "inspect": "show what is in a .tflite or .hog: layers, MACs, memory, sizes",
    "run": "run a .hog on samples from a file",
    "deploy": "copy library, native module, model and app to a board",
    "module": "link the native module for some models",
    "boards": "list the boards that are plugged in",
    "bench": "count cycles of one inference on an emulated Pico, or microseconds on a board",
    "debug": "show layer by layer what quantization does to a model",
    "verify": "compare every byte with TensorFlow Lite Micro's own answer",
}


class _Parser(argparse.ArgumentParser):
    """A usage error is one line, like every other error."""

    def error(self, message: str):
        raise UserError(f"{message} (see `{self.prog} --help`)")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done; 1 the difference that a command exists to find; 2 bad usage or bad input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in sys.stdout, sys.stderr:  # a terminal may not be able to show every letter
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        with signals.raised():
            code = _run(arguments)
            sys.stdout.flush()  # here, where errors are reported
            return code
    except UserError as e:
        return _fail(str(e), arguments)
    except MemoryError:
        return _fail("not enough memory on this computer: try fewer samples", arguments)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        return 0
    except OSError as e:  # e.g. a full disk
        return _fail(str(e), arguments)
    except signals.Stopped as e:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(f"hognose: stopped ({e})", file=sys.stderr)
        return e.code
    except KeyboardInterrupt:
        print("hognose: interrupted", file=sys.stderr)
        return 130


def _fail(error: str, arguments: list[str]) -> int:
    """One line, for programs too."""
    message = clipped(printable(error), LIMIT - len("hognose: "))
    if "--json" in arguments:
        with contextlib.suppress(OSError):  # a full disk, which may be the error
            print(json.dumps({"error": message}), flush=True)
    print(f"hognose: {message}", file=sys.stderr)
    return 2


def _run(arguments: list[str]) -> int:
    parser = _Parser(prog="hognose", description="Neural networks in MicroPython.")
    parser.add_argument("--version", action="version", version=f"hognose {version('hognose')}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    wanted = next((a for a in arguments if not a.startswith("-")), None)
    modules = {}
    for verb, help_text in VERBS.items():
        sub = verbs.add_parser(verb, help=help_text, description=help_text)
        if verb == wanted:  # import only this one: TensorFlow takes seconds
            modules[verb] = importlib.import_module(f".commands.{verb}", __package__)
            modules[verb].add_arguments(sub)
    args = parser.parse_args(arguments)
    _check_outputs(args)
    return modules[args.verb].main(args)


def _check_outputs(args: argparse.Namespace) -> None:
    """UserError where an output is a file that another argument names, or one of another kind."""
    given = vars(args)
    for output, kind in given.get("written", {}).items():
        if given[output] is not None:
            others = [v for key, value in given.items() if key != output for v in _texts(value)]
            files.check(given[output], kind, others, args.force)


def _texts(value: object) -> list[str]:
    return [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)]
