# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""`make bench`: counts, never times. Writes its tables into native_module/README.md.

With --layers (`make bench LAYERS=1`): the cycles of each operator, printed and no more.

A table stands between `<!-- NAME -->` and `<!-- /NAME -->`, so that the page shows what a command measured.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import instructions
import matrix

import qemu
from hognose_tools import files
from hognose_tools.bench import bench, table
from hognose_tools.compiler import Compiled, compile_tflite
from hognose_tools.compiler.strip import strip
from hognose_tools.errors import UserError
from hognose_tools.ops import markdown as operators_table
from hognose_tools.oracle import Oracle

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "native_module" / "README.md"
MODELS = Path(os.environ.get("HOGNOSE_MODELS", ROOT.parent / "shared" / "models"))
NATMOD = ROOT / ".build" / "natmod"
UNIX_TFLM = ROOT / ".build" / "unix-tflm" / "micropython"


def sizes() -> list[str]:
    """File and arena of each model that can be packed, beside TFLM's."""
    rows = [
        "| model | MACs | .tflite | .hog | | arena | lower bound | TFLM's arena | |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for path, c in _packed():
        tflite = files.read(path)
        tflm = Oracle(tflite).arena_used
        rows.append(
            f"| {path.stem} | {c.macs:,} | {len(tflite):,} | {len(c.hog):,} | {len(c.hog) / len(tflite):.2f} "
            f"| {c.arena_size:,} | {c.lower_bound:,} | {tflm:,} | {c.arena_size / tflm:.2f} |"
        )
    return rows


def modules() -> list[str]:
    """Size of the native module for each architecture that is built, small and full."""
    rows = ["| architecture | small, bytes | full, bytes |", "|---|--:|--:|"]
    for path in sorted(NATMOD.glob("*_6.3/_hognose.mpy")):
        full = NATMOD / "full" / path.parent.name / path.name
        rows.append(f"| {path.parent.name} | {path.stat().st_size:,} | {full.stat().st_size:,} |")
    return rows


# TFLM with CMSIS-NN on Armv6-M, gcc 12.2, the same cycle model: code and weights as if cached.
TFLM_CYCLES = {
    "hello_world_int8": 9_400,
    "kws_ref_model": 34_800_000,
    "pretrainedResnet_quant": 131_300_000,
    "ad01_int8": 2_310_000,
}


def cycles() -> list[str]:
    """One inference on the emulated Pico: the native module on stock firmware."""
    rows = [
        "| model | MACs | cycles | a MAC | TFLM + CMSIS-NN | | peak RAM | load, cycles |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for path, c in _packed():
        try:
            b = bench(c.hog, "rp2040")
        except UserError as e:
            print(f"left out: {path.name}: {e}")
            continue
        tflm = TFLM_CYCLES.get(path.stem)
        beside = f"{tflm:,} | {b['cycles'] / tflm:.2f}" if tflm else "|"
        rows.append(
            f"| {path.stem} | {b['macs']:,} | {b['cycles']:,} | {b['cycles_per_mac']} "
            f"| {beside} | {b['peak_ram']:,} | {b['load_cycles']:,} |"
        )
    return rows


# TFLM with CMSIS-NN, measured the same way.
CMSIS_NN = {"kws_ref_model": 2.89, "pretrainedResnet_quant": 2.40, "ad01_int8": 2.21}


def instructions_table() -> list[str]:
    """Instructions of one inference on QEMU's boards."""
    boards = [name for name in ("M4F", "M33F", "RV32") if not qemu.missing(name)]
    heads = "".join(f"{name}, instructions | a MAC | " for name in boards)
    rows = [f"| model | {heads}CMSIS-NN on M33, a MAC |", "|---|" + "--:|--:|" * len(boards) + "--:|"]
    for path, c in _packed():
        cells = [path.stem]
        for name in boards:
            n = instructions.count(name, c.hog)["invoke"]
            cells += [f"{n:,}", f"{n / c.macs:.2f}"]
        rows.append(f"| {' | '.join(cells)} | {CMSIS_NN.get(path.stem, '')} |")
    return rows


# Prints the RAM of a model whose file lies elsewhere, and runs it.
INVOKE = """
import gc, sys
from hognose import Model
model = Model(open(sys.argv[1], "rb").read(), engine=sys.argv[2])
ram = model.ram
model.predict([[0.5] * t.size for t in model._inputs])
gc.collect()
gc.disable()
for _ in range(int(sys.argv[3])):
    model.invoke()
print(ram)
"""


def engines() -> list[str]:
    """Native engine and TFLM in the same MicroPython, on the same models."""
    rows = [
        "| model | .hog | .tflite, stripped | | RAM | TFLM's | | instructions | TFLM's | |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for path, c in _packed():
        contents = {"native": c.hog, "tflm": strip(files.read(path))}
        figures = [[len(b), *_invoke(b, engine)] for engine, b in contents.items()]
        cells = [f"{a:,} | {b:,} | {a / b:.2f}" for a, b in zip(*figures, strict=True)]
        rows.append(f"| {path.stem} | " + " | ".join(cells) + " |")
    return rows


def _invoke(model: bytes, engine: str) -> tuple[int, int]:
    """Bytes of RAM, and instructions of one more invocation, to three digits."""
    with tempfile.TemporaryDirectory() as folder:
        script, content = Path(folder) / "invoke.py", Path(folder) / "model"
        script.write_text(INVOKE)
        content.write_bytes(model)
        ram, counts = 0, []
        for times in (2, 3):
            run = [UNIX_TFLM, "-X", "heapsize=8m", script, content, engine, str(times)]
            done = subprocess.run(
                ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *run],
                env={**os.environ, "MICROPYPATH": str(ROOT / "device_lib")},
                capture_output=True,
                text=True,
                check=True,
            )
            ram = int(done.stdout)
            counts.append(int(re.findall(r"Collected : (\d+)", done.stderr)[0]))
    return ram, int(float(f"{counts[1] - counts[0]:.3g}"))


def code() -> list[str]:
    """Sizes of code and constants on x86-64, in bytes."""
    objects = ROOT / ".build" / "unix-tflm" / ROOT.relative_to("/") / "native_module"
    runtime = re.findall(
        r"\S+_runtime\.so", (ROOT / ".build/tflm-wheel/libtensorflow-microlite.a").read_text()
    )
    tflm = subprocess.run(["size", "-A", *runtime], check=True, capture_output=True, text=True).stdout
    whole = sum(int(n) for n in re.findall(r"^\.(?:text|rodata) +(\d+)", tflm, re.MULTILINE))

    def text(*patterns: str) -> int:
        paths = [p for pattern in patterns for p in objects.glob(pattern)]
        lines = subprocess.run(["size", *paths], check=True, capture_output=True, text=True).stdout
        return sum(int(line.split()[0]) for line in lines.splitlines()[1:])

    checks = ("tflm/tflite.o", "tflm/shapes.o", "tflm/custom.o")
    return [
        "| | native | TFLM |",
        "|---|--:|--:|",
        f"| engine, all operators | {text('engine/**/*.o'):,} | {whole:,} |",
        f"| check of the file | in the engine | {text(*checks):,} |",
        f"| binding | {text('micropython/*.o'):,} | {text('tflm/modtflm.o', 'tflm/shim.o'):,} |",
    ]


def layers() -> Iterator[str]:
    """Cycles of each operator on the emulated Pico."""
    for path, c in _packed():
        try:
            yield table(path.stem, bench(c.hog, "rp2040", layers=True)) + "\n"
        except UserError as e:
            yield f"left out: {path.name}: {e}\n"


def _packed() -> Iterator[tuple[Path, Compiled]]:
    for path in sorted(MODELS.glob("*.tflite")):
        try:
            yield path, compile_tflite(files.read(path), name=path.stem)
        except UserError as e:
            print(f"left out: {path.name}: {e}")


def main() -> int:
    if not MODELS.is_dir():
        print(f"no models in {MODELS}: set HOGNOSE_MODELS to a folder of .tflite files", file=sys.stderr)
        return 2
    if "--layers" in sys.argv[1:]:
        for text in layers():
            print(text)
        return 0
    page = PAGE.read_text()
    for name, rows in {
        "sizes": sizes(),
        "modules": modules(),
        "cycles": cycles(),
        "engines": engines(),
        "code": code(),
        "matrix": matrix.rows(MODELS),
        "instructions": instructions_table(),
        "operators": operators_table(),
    }.items():
        print("\n".join(rows), end="\n\n")
        marks = f"<!-- {name} -->", f"<!-- /{name} -->"
        table = "\n".join([marks[0], "", *rows, "", marks[1]])
        page, found = re.subn(f"{marks[0]}.*{marks[1]}", lambda _, t=table: t, page, flags=re.DOTALL)
        if not found:
            raise ValueError(f"{PAGE} has no place for the table {name}")
    files.write(PAGE, page.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
