# SPDX-License-Identifier: MIT
"""Damaged `.tflite` files through `hognose verify` and through TFLM in MicroPython; `make fuzz` does more.

HOGNOSE_DAMAGED=1000 pytest tests/host/test_fuzz_tflite.py
"""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import fuzz_tflite
from fuzz_tflite import EXPECTED, damaged, remade, seeds, verify

DAMAGED = int(os.environ.get("HOGNOSE_DAMAGED", "150"))


@pytest.fixture(scope="module")
def models() -> list[tuple[str, bytes]]:
    return seeds(1)


def test_mutations_say_something_else(models: list[tuple[str, bytes]]) -> None:
    """Each kind of change is made, and most of the files are still well-formed."""
    chance, changed = np.random.default_rng(0), 0
    for _, tflite in models[:100]:
        changed += remade(tflite, chance) != tflite
    assert changed > 80


def test_verify(models: list[tuple[str, bytes]], tmp_path: Path) -> None:
    """No crash, no traceback, one short line; what is packed gives TFLM's bytes."""
    chance, found = np.random.default_rng(5), Counter()
    path = tmp_path / "damaged.tflite"
    for _ in range(DAMAGED):
        name, tflite = models[chance.integers(len(models))]
        path.write_bytes(damaged(tflite, chance))
        outcome = verify(path)
        assert outcome in EXPECTED, name
        found[outcome] += 1
    assert found["same"] > DAMAGED // 20 and found["refused"] > DAMAGED // 4, found


def test_tflm_in_micropython(models: list[tuple[str, bytes]], tmp_path: Path) -> None:
    """What the checks let through runs, or fails in words."""
    if not fuzz_tflite.MICROPYTHON.exists():
        pytest.skip("no unix port with TFLM: make unix-tflm")
    chance, found = np.random.default_rng(5), Counter()
    files = [damaged(models[i][1], chance) for i in chance.integers(len(models), size=2 * DAMAGED)]
    fuzz_tflite.in_micropython(files, tmp_path, lambda n, outcome: found.update([outcome]))
    assert found.total() == len(files) and found.keys() <= {"refused", "ran", "endless"}, found
    assert found["ran"] > DAMAGED // 20, found
