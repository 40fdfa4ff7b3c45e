# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""Mutated `.hog` files through the C engine under AddressSanitizer and UBSan: no finding.

HOGNOSE_MUTATIONS=10000000 pytest tests/host/test_engine_fuzz.py   # more
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import hypothesis
import pytest

import operators_flow  # noqa: F401  (adds to OPERATORS)
import operators_more  # noqa: F401  (adds to OPERATORS)
import operators_recurrent  # noqa: F401
from hognose_tools.compiler import compile_tflite
from hognose_tools.errors import UserError
from operators import OPERATORS, cases

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "native_module" / "engine"
MUTATIONS = int(os.environ.get("HOGNOSE_MUTATIONS", "50000"))
SANITIZERS = ["-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    exe = tmp_path_factory.mktemp("fuzz") / "fuzz_load"
    sources = [ROOT / "tests/host/fuzz_load.c", *ENGINE.glob("*.c"), *ENGINE.glob("kernels/*.c")]
    flags = ["-std=c99", "-g", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", f"-I{ENGINE}"]
    subprocess.run(["gcc", *flags, *SANITIZERS, *map(str, sources), "-o", str(exe)], check=True)
    return exe


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A few small models of every operator and type."""
    folder = tmp_path_factory.mktemp("seeds")
    files: list[Path] = []

    def collect(name: str, dtype: str) -> None:
        @hypothesis.settings(max_examples=5, derandomize=True, phases=[hypothesis.Phase.generate])
        @hypothesis.given(cases(name, dtype))
        def write(case) -> None:
            try:
                hog = compile_tflite(case.tflite).hog
            except UserError:  # an operator that the compiler does not have
                return
            files.append(folder / f"{len(files):03}_{name}_{dtype}.hog")
            files[-1].write_bytes(hog)

        write()

    for name, dtype in sorted(OPERATORS):
        collect(name, dtype)
    assert len(files) > 100
    return files


@pytest.mark.parametrize("seed", [1, 2])
def test_mutations(program: Path, seeds: list[Path], seed: int) -> None:
    command = [str(program), str(MUTATIONS), str(seed), *map(str, seeds)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stderr[-4000:]
    counts = re.match(r"(\d+) mutations of \d+ files: (\d+) loaded, (\d+) ran", done.stdout)
    assert counts, done.stdout
    mutations, loaded, ran = map(int, counts.groups())
    assert mutations == MUTATIONS >= 10_000
    # Mutations that never get past the loader would test half of the engine only.
    assert ran > mutations // 20
    assert mutations - loaded > mutations // 20
    print(done.stdout.strip())


@pytest.mark.parametrize("model", ["hello_world_int8", "kws_ref_model"])
def test_reference_models(program: Path, models: Path, tmp_path: Path, model: str) -> None:
    """Larger files, of which most mutations hit weights; fewer of them."""
    path = tmp_path / f"{model}.hog"
    path.write_bytes(compile_tflite((models / f"{model}.tflite").read_bytes()).hog)
    done = subprocess.run(
        [str(program), "2000", "3", str(path)], capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, done.stderr[-4000:]
