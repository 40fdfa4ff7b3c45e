# SPDX-License-Identifier: MIT
"""Models by engines: which of them give TFLM's bytes, and what the others say. `make bench` shows it."""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import device_models
import hypothesis
import numpy as np
import test_tflm

from hognose_tools.analysis import verify
from hognose_tools.compiler import carry_tflite, compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.data import samples
from hognose_tools.errors import UserError
from operators import OPERATORS, cases

ENGINES = (
    ("native", "cpython"),
    ("reference", "cpython"),
    ("native", "unix"),
    ("reference", "unix"),
    ("tflm", "unix"),
)


def rows(models: Path) -> list[str]:
    """A table in Markdown; `models` holds the published ones."""
    table = [
        "| model | " + " | ".join(f"{engine}, {on}" for engine, on in ENGINES) + " | refused because |",
        "|---|" + "---|" * (len(ENGINES) + 1),
    ]
    for name, tflite in _named(models):
        verdicts = [_verdict(tflite, engine, on) for engine, on in ENGINES]
        said = dict.fromkeys(_shortened(v) for v in verdicts if v not in ("✓", "differs"))
        cells = [v if v in ("✓", "differs") else "refused" for v in verdicts]
        table.append(f"| {name} | " + " | ".join(cells) + f" | {'; '.join(said)} |")
    random = [(case.tflite, [np.asarray(x)[None] for x in case.inputs]) for case in _of_every_operator()]
    counts = [Counter(_verdict(t, engine, on, inputs) for t, inputs in random) for engine, on in ENGINES]
    cells = [f"{c['✓']} ✓" + f", {c['differs']} differ" * bool(c["differs"]) for c in counts]
    refused = sorted({_shortened(v) for c in counts for v in c} - {"✓", "differs"})
    label = f"{len(random)} random ones, of each operator and type"
    table.append(f"| {label} | " + " | ".join(cells) + f" | {'; '.join(refused)} |")
    return table


def _named(models: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(models.glob("*.tflite")):
        yield path.stem, path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", test_tflm.SEED, folder], check=True, capture_output=True)
        yield "4-8-3 dense, float32", (Path(folder) / "seed.tflite").read_bytes()
    for make in (device_models.classifier, device_models.float_network, device_models.branches):
        yield make.__name__, make()
    for name, build in test_tflm.KEEPERS.items():
        b = test_tflm.Builder()
        yield name, b.build(*build(b))


def _verdict(tflite: bytes, engine: str, on: str, inputs: list[np.ndarray] | None = None) -> str:
    """✓, "differs", or why it is refused."""
    try:
        packed = carry_tflite(tflite) if engine == "tflm" else compile_tflite(tflite)
        hog = packed if isinstance(packed, bytes) else packed.hog
        inputs = inputs or samples.random(disassemble(hog).inputs, 1)
        return "✓" if verify.verify(tflite, hog, inputs, engine, on) is None else "differs"
    except UserError as e:
        return str(e).strip().splitlines()[-1]


def _shortened(reason: str) -> str:
    """Without the places, and without what to do."""
    cause = re.sub(r".*(\): |\.hog: (operator \d+: )?)", "", reason.split(": replace")[0].split("; ")[0])
    return cause.split(": convert")[0].replace("|", "/")


def _of_every_operator() -> list:
    """One random model of each."""
    found = []
    for name, dtype in sorted(OPERATORS):

        @hypothesis.settings(max_examples=1, derandomize=True, database=None)
        @hypothesis.given(cases(name, dtype))
        def one(case) -> None:
            found.append(case)

        one()
    return found
