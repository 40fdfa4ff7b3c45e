# SPDX-License-Identifier: MIT
"""`make bench`: counts, never times. Writes tables into native_module/BENCHMARKS.md, and a picture beside it.

With --layers (`make bench LAYERS=1`): the cycles of each operator, printed and no more.

A table stands between `<!-- NAME -->` and `<!-- /NAME -->`, so that the page shows what a command measured.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import device_models
import instructions
import matrix

import mobilenet
import picture
import qemu
from hognose_tools import files
from hognose_tools.analysis.bench import bench
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.board import link
from hognose_tools.commands.bench import table
from hognose_tools.compiler import Compiled, compile_tflite
from hognose_tools.compiler.disassemble import Layer, disassemble, needs
from hognose_tools.compiler.records import Record
from hognose_tools.compiler.strip import strip
from hognose_tools.errors import UserError

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "native_module" / "BENCHMARKS.md"
PICTURE = ROOT / "native_module" / "benchmarks.svg"
MOBILENET = ROOT / ".build" / "bench" / "mobilenet_v1_0.25_96.tflite"
MODELS = Path(os.environ.get("HOGNOSE_MODELS", ROOT.parent / "shared" / "models"))
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
    """Bytes of the native module that is linked for a model, and of the presets, for each architecture."""
    there = [name for name in link.MODULES if link.available(name)]
    wanted = {path.stem: needs(disassemble(c.hog)) for path, c in _packed()}
    made = {
        "int8 convolution over time, as examples/gesture": device_models.classifier(),
        "float32 dense, TANH": device_models.float_network(),
        "int8 SVDF, LSTM": device_models.stream(),
        "int8 sum, LOGISTIC": device_models.branches(),
    }
    wanted |= {name: needs(disassemble(compile_tflite(tflite).hog)) for name, tflite in made.items()}
    rows = [f"| module for | {' | '.join(there)} |", "|---|" + "--:|" * len(there)]
    for name, what in {**wanted, "preset small": "small", "preset full": "full"}.items():
        rows.append(f"| {name} | " + " | ".join(f"{len(link.link(a, what).mpy):,}" for a in there) + " |")
    return rows


@dataclass(frozen=True)
class Others:
    """TFLM's figures for a model on Armv6-M (gcc 12.2, code and weights as if cached), and our target."""

    reference: float  # cycles, TFLM's reference kernels
    cmsis_nn: float
    arena: int  # bytes
    target: float  # cycles


OTHERS = {
    "hello_world_int8": Others(11.7e3, 9.4e3, 676, 4e3),
    "kws_ref_model": Others(93.7e6, 34.8e6, 22_772, 10.5e6),
    "pretrainedResnet_quant": Others(221.4e6, 131.3e6, 54_340, 42e6),
    "ad01_int8": Others(4.20e6, 2.31e6, 2_260, 1.3e6),
}
# Cycles a MAC with CMSIS-NN by kind of layer, flash misses included.
CMSIS_NN_KINDS = {
    "first convolution": 12.7,
    "1x1 convolution": 9.6,
    "convolution": 10.3,
    "depthwise": 39,
    "dense": 23,
}
TINYMAIX = 0.715827 * 280e6 / 7_489_664  # cycles a MAC
MOBILENET_TARGET = 20e6
# Series that are not counted as ours are, with flash as if cached.
MISSES, HARDWARE = "CMSIS-NN with flash misses", "TinyMaix on hardware"


@cache
def measured() -> dict[str, tuple[Path, Compiled, dict]]:
    """Each model that a Pico can run, with what bench() says of it."""
    found = {}
    for path, c in _packed():
        try:
            found[path.stem] = path, c, bench(c.hog, "rp2040", layers=True)
        except UserError as e:
            print(f"left out: {path.name}: {e}")
    return found


def cycles() -> list[str]:
    """One inference on the emulated Pico: the native module on stock firmware."""
    rows = [
        "| model | MACs | cycles | a MAC | TFLM + CMSIS-NN | | peak RAM | load, cycles |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, (_, _, b) in measured().items():
        others = OTHERS.get(name)
        beside = f"{others.cmsis_nn:,.0f} | {b['cycles'] / others.cmsis_nn:.2f}" if others else "|"
        rows.append(
            f"| {name} | {b['macs']:,} | {b['cycles']:,} | {b.get('cycles_per_mac', '')} "
            f"| {beside} | {b['peak_ram']:,} | {b['load_cycles']:,} |"
        )
    return rows


def targets() -> list[str]:
    """Where we are with cycles, RAM and file size."""
    rows = [
        "| model | target, cycles | cycles | | RAM (0.80) | file (0.95) |",
        "|---|--:|--:|---|--:|--:|",
    ]
    for name, (path, c, b) in measured().items():
        others = OTHERS.get(name)
        target = others.target if others else MOBILENET_TARGET
        tflm = others.arena if others else Oracle(files.read(path)).arena_used
        reached = "reached" if b["cycles"] <= target else "missed"
        rows.append(
            f"| {name} | {target:,.0f} | {b['cycles']:,} | {reached} | {b['peak_ram'] / tflm:.2f} "
            f"| {len(c.hog) / path.stat().st_size:.2f} |"
        )
    return rows


def kind(layer: Layer, record: Record) -> str | None:
    """The kind of layer that a record with MACs is; None where it has none."""
    f = record.fields
    if record.name == "DENSE":
        return "dense"
    if record.name in ("DEPTHWISE", "DEPTHWISE_TILED"):
        return "depthwise"
    if record.name not in ("CONV", "CONV_TILED"):
        return None
    if f["out_h"] * f["out_w"] == 1:
        return "dense"
    if f["in_c"] <= 4:
        return "first convolution"
    return "1x1 convolution" if f["k_h"] * f["k_w"] == 1 else "convolution"


def kinds() -> list[str]:
    """Cycles a MAC by kind of layer and by model; the picture shows the same."""
    spent: dict[str, list[int]] = {name: [0, 0] for name in CMSIS_NN_KINDS}
    groups: dict[str, dict[str, float]] = {}
    for _, c, b in measured().values():
        model = disassemble(c.hog)
        for layer, record, found in zip(model.layers, model.records, b["layers"], strict=True):
            if (name := kind(layer, record)) and layer.macs:
                spent[name][0] += found["cycles"]
                spent[name][1] += layer.macs
    for name, (count, macs) in spent.items():
        if macs:
            groups[name] = {"hognose": count / macs, MISSES: CMSIS_NN_KINDS[name]}
    for name, (_, c, b) in measured().items():
        if name == "hello_world_int8":
            continue  # it is a table
        groups[name] = {"hognose": b["cycles"] / c.macs}
        if others := OTHERS.get(name):
            groups[name] |= {
                "TFLM + CMSIS-NN": others.cmsis_nn / c.macs,
                "TFLM, reference": others.reference / c.macs,
            }
        else:
            groups[name][HARDWARE] = TINYMAIX
    series = ("hognose", MISSES, "TFLM + CMSIS-NN", "TFLM, reference", HARDWARE)
    files.write(
        PICTURE,
        picture.bars("Cycles per MAC on the RP2040", groups, "cycles per MAC, less is better").encode(),
    )
    rows = [f"| cycles a MAC | {' | '.join(series)} |", "|---|" + "--:|" * len(series)]
    for name, values in groups.items():
        rows.append(
            f"| {name} | " + " | ".join(f"{values[s]:.2f}" if s in values else "" for s in series) + " |"
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
            cells += [f"{n:,}", f"{n / c.macs:.2f}" if c.macs else ""]
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
    if not MOBILENET.exists():
        print("making a MobileNet")
        mobilenet.write(MOBILENET)
    for path in [*sorted(MODELS.glob("*.tflite")), MOBILENET]:
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
        "kinds": kinds(),
        "targets": targets(),
        "sizes": sizes(),
        "modules": modules(),
        "cycles": cycles(),
        "engines": engines(),
        "code": code(),
        "matrix": matrix.rows(MODELS),
        "instructions": instructions_table(),
    }.items():
        print("\n".join(rows), end="\n\n")
        marks = f"<!-- {name} -->", f"<!-- /{name} -->"
        table = "\n".join([marks[0], "", *rows, "", marks[1]])
        page, places = re.subn(f"{marks[0]}.*{marks[1]}", lambda _, t=table: t, page, flags=re.DOTALL)
        assert places == 1, name
    files.write(PAGE, page.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
