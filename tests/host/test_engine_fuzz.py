# SPDX-License-Identifier: MIT
"""Mutated `.hog` files through the C engine under AddressSanitizer and UBSan: no finding.

HOGNOSE_MUTATIONS=10000000 pytest tests/host/test_engine_fuzz.py   # more
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

import fuzz
import hognose
from hognose import hogfile
from hognose_tools.compiler import compile_tflite
from test_model import assert_agree, reads_unwritten, verdict, work

CORPUS = Path(__file__).parent / "corpus"
MUTATIONS = int(os.environ.get("HOGNOSE_MUTATIONS", "50000"))


@pytest.fixture(scope="module", params=fuzz.BUILDS)
def program(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    exe = tmp_path_factory.mktemp("fuzz") / "fuzz_load"
    flags = [*fuzz.FLAGS, "-O1", *fuzz.BUILDS[request.param], *fuzz.SANITIZERS]
    subprocess.run(["gcc", *flags, *fuzz.sources(), "-o", str(exe)], check=True)
    return exe


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A few small models of every operator and type."""
    folder = tmp_path_factory.mktemp("seeds")
    files: list[Path] = []
    for name, tflite in fuzz.models():
        hog = fuzz.packed(tflite)
        if hog:
            files.append(folder / f"{name}.hog")
            files[-1].write_bytes(hog)
    assert len(files) > 100
    return files


def test_mutations(program: Path, seeds: list[Path]) -> None:
    command = [str(program), str(MUTATIONS), "1", *map(str, seeds)]
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


def kept() -> list[Path]:
    files = sorted(CORPUS.glob("*.hog"))
    assert files
    return files


def test_kept_files(program: Path) -> None:
    """What fuzzing found once, and files that reach most of the engine between them."""
    files = kept()
    done = subprocess.run(
        [str(program), "replay", *map(str, files)], capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, done.stderr[-4000:]
    verdicts = done.stdout.splitlines()
    assert len(verdicts) == len(files)
    for path, said in zip(files, verdicts, strict=True):
        for engine in ("native", "reference"):
            found = verdict(path.read_bytes(), engine, bytearray(1 << 18))
            assert ("loaded" if isinstance(found, hognose.Model) else found.split(": ")[-1]) in said, path


def test_kept_files_give_the_same_bytes() -> None:
    ran = 0
    for path in kept():
        arenas = bytearray(1 << 18), bytearray(1 << 18)
        native, other = (
            verdict(path.read_bytes(), *pair) for pair in zip(("native", "reference"), arenas, strict=True)
        )
        if isinstance(native, str) or isinstance(other, str):
            assert native == other, path
        elif work(other) < 1_000_000:
            chance = np.random.default_rng(0)
            inputs = [chance.bytes(t.nbytes()) for t in native._inputs]
            if not reads_unwritten(other, inputs):
                assert_agree(native, other, inputs)
                ran += 1
    assert ran


def test_tables_may_hold_anything() -> None:
    """With nonsense in place of weights and tables both engines still give the same bytes."""
    ran = 0
    tables = ("LOGISTIC", "LOG_SOFTMAX", "SOFTMAX", "TANH", "UNIDIRECTIONAL_SEQUENCE_LSTM")
    for name, tflite in fuzz.models(8, tables):
        damaged = bytearray(compile_tflite(tflite).hog)
        at, size = hogfile.section(memoryview(damaged), b"DATA")
        damaged[at:] = np.random.default_rng(ran).bytes(size)
        struct.pack_into("<I", damaged, 12, zlib.crc32(damaged[16:]))
        native, other = (verdict(bytes(damaged), e, bytearray(1 << 18)) for e in ("native", "reference"))
        if isinstance(native, str) or isinstance(other, str):
            assert native == other, name
        else:
            assert_agree(native, other, [np.random.default_rng(1).bytes(t.nbytes()) for t in native._inputs])
            ran += 1
    assert ran > 20


def test_damaged_tflite_files() -> None:
    """The reader, briefly; `make fuzz` does more."""
    chance = np.random.default_rng(1)
    seeds = [tflite for _, tflite in fuzz.models(1)]
    outcomes = [fuzz.read_damaged(fuzz.mutant(t, chance)) for t in seeds * 4]
    assert set(outcomes) == {"packed", "refused"}
    assert outcomes.count("packed") > len(outcomes) // 20
