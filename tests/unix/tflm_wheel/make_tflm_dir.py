# SPDX-License-Identifier: MIT
"""Makes a TFLM_DIR for this computer from the pinned wheel `tflite-micro`.

python make_tflm_dir.py FOLDER

The folder then holds what native_module/tflm wants: TFLM's headers (each is tflm_wheel.h) and
`libtensorflow-microlite.a` (a linker script that names the wheel's shared object). Nothing of the wheel
is copied. The shared object wants Python's symbols at load, which nothing here calls: a library with
empty ones keeps a whole Python out of the program.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

HEADERS = (
    "micro/arena_allocator/single_arena_buffer_allocator.h",
    "micro/memory_planner/greedy_memory_planner.h",
    "micro/micro_interpreter.h",
    "micro/micro_mutable_op_resolver.h",
    "micro/micro_profiler_interface.h",
    "micro/micro_resource_variable.h",
    "schema/schema_generated.h",
)
HERE = Path(__file__).resolve().parent


def main(folder: Path) -> None:
    spec = importlib.util.find_spec("tflite_micro")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("The package tflite-micro is not installed: pip install -e '.[dev]'")
    runtime = Path(spec.submodule_search_locations[0]) / "python/tflite_micro/_runtime.so"
    folder.mkdir(parents=True, exist_ok=True)
    for name in HEADERS:
        header = folder / "tensorflow/lite" / name
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text(f'#include "{HERE / "tflm_wheel.h"}"\n')
    cc = os.environ.get("CC", "cc")
    undefined = _run("nm", "-D", "--undefined-only", runtime).splitlines()
    names = [name for name in (line.split()[-1] for line in undefined) if name.startswith(("Py", "_Py"))]
    places = "".join(f".globl {name}\n{name}: .skip 16\n" for name in names)
    (folder / "python.s").write_text(f'.bss\n{places}.section .note.GNU-stack,""\n')
    _run(cc, "-shared", "-nostdlib", "-o", folder / "libpython.so", folder / "python.s")
    _run(cc, "-O1", "-c", "-o", folder / "stderr.o", HERE / "stderr.c")
    parts = " ".join(str(p) for p in (folder / "stderr.o", runtime, folder / "libpython.so"))
    (folder / "libtensorflow-microlite.a").write_text(f"INPUT({parts})\n")


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
