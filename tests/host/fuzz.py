# SPDX-License-Identifier: MIT
"""Damaged files for the engine's loader (libFuzzer) and for the reader of .tflite (mutation): `make fuzz`.

    python tests/host/fuzz.py loader --time 600
    python tests/host/fuzz.py reader --runs 10000 --seed 7

What is found lies in .build/fuzz/findings; a file that is kept goes to tests/host/corpus, which `make test`
replays. Executions and edges are counted in .build/fuzz/statistics.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import _hognose
import hypothesis
import numpy as np

from hognose_tools.compiler import carry_tflite, compile_tflite
from hognose_tools.errors import UserError
from operators import OPERATORS, cases

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "native_module" / "engine"
FOLDER = ROOT / ".build" / "fuzz"
MODELS = Path(os.environ.get("HOGNOSE_MODELS", ROOT.parent / "shared" / "models"))
GESTURE = ROOT / ".build" / "gesture" / "gesture.tflite"  # `make demo` makes it
SANITIZERS = ["-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"]
FLAGS = ["-std=c99", "-g", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", f"-I{ENGINE}"]
# The engine as it is here, and with the kernels for small processors.
BUILDS = {"portable": [], "pairs": ["-DHOG_PAIRS=2"]}

SMALL = 8192  # bytes: of larger files most mutations hit weights, so they get little of the time

# Of one file, in the reader: what no model that fits a board comes near.
SECONDS, MEMORY = 20, 4 << 30


def sources() -> list[str]:
    """What the loader's fuzz programs are made of."""
    files = [ROOT / "tests/host/fuzz_load.c", *ENGINE.glob("*.c"), *ENGINE.glob("ops/*.c")]
    return [str(f) for f in files]


def models(each: int = 5, names: Collection[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Names and .tflite files: some small models of every operator, or of those named, and type."""
    for name, dtype in sorted(OPERATORS):
        if names and name not in names:
            continue
        yield from ((f"{name}_{dtype}_{i}", tflite) for i, tflite in enumerate(_drawn(name, dtype, each)))


def _drawn(name: str, dtype: str, count: int) -> list[bytes]:
    found: list[bytes] = []

    @hypothesis.settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(cases(name, dtype))
    def draw(case) -> None:
        found.append(case.tflite)

    draw()
    return found


def larger_models() -> Iterator[tuple[str, bytes]]:
    """The gesture example and the published models, where they are."""
    for path in [GESTURE, *sorted(MODELS.glob("*.tflite"))]:
        if path.is_file():
            yield path.stem, path.read_bytes()


def packed(tflite: bytes) -> bytes | None:
    """The `.hog`, if the compiler takes the model."""
    try:
        return compile_tflite(tflite).hog
    except UserError:
        return None


# --- The loader ----------------------------------------------------------------------------------------


def fuzz_loader(seconds: int, runs: int, seed: int) -> bool:
    """True where nothing is found. One process at a time."""
    small, large = FOLDER / "seeds", FOLDER / "large-seeds"
    for folder in (small, large):
        folder.mkdir(parents=True, exist_ok=True)
    for name, tflite in [*models(), *larger_models()]:
        hog = packed(tflite)
        if hog:
            ((small if len(hog) <= SMALL else large) / name).write_bytes(hog)
    good = True
    for name, build, seeds, share, of_runs in (
        ("portable", "portable", small, 0.6, 0.6),
        ("pairs", "pairs", small, 0.37, 0.399),
        ("large files", "portable", large, 0.03, 0.001),  # a hundred times slower
    ):
        options = [f"-seed={seed}", f"-max_len={SMALL if seeds is small else 2 << 20}"]
        options += [f"-max_total_time={int(seconds * share) + 1}"] if seconds else []
        options += [f"-runs={int(runs * of_runs) + 1}"] if runs else []
        good &= _run_libfuzzer(name, _build(build), seeds, options)
    return good


def _build(name: str) -> Path:
    program = FOLDER / f"loader-{name}"
    sanitizers = [SANITIZERS[0] + ",fuzzer", SANITIZERS[1]]
    flags = [*FLAGS, "-O2", "-DLIBFUZZER", *BUILDS[name], *sanitizers]
    subprocess.run(["clang", *flags, *sources(), "-o", str(program)], check=True)
    return program


def _run_libfuzzer(name: str, program: Path, seeds: Path, options: list[str]) -> bool:
    label = name.replace(" ", "-")
    corpus, findings, path = FOLDER / f"corpus-{label}", FOLDER / "findings", FOLDER / f"{label}.log"
    for folder in (corpus, findings):
        folder.mkdir(exist_ok=True)
    limits = ["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]
    command = [str(program), str(corpus), str(seeds), *limits, *options]
    command.append(f"-artifact_prefix={findings}/{label}-")
    # The engine frees nothing, so there is no use after it to look for: twice the speed.
    env = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1:malloc_context_size=0"}
    with path.open("w") as log:
        done = subprocess.run(command, stderr=log, stdout=log, env=env, check=False)
    text = path.read_text(errors="replace")
    executions = re.search(r"number_of_executed_units: (\d+)", text)
    edges = re.findall(r"cov: (\d+)", text)
    found = bool(done.returncode) and "run interrupted" not in text
    _count(
        f"loader, {name}",
        int(executions[1]) if executions else 0,
        found,
        edges=int(edges[-1]) if edges else 0,
    )
    if found:
        print(f"{name}: see {path} and {findings}")
    return not found


# --- The reader ----------------------------------------------------------------------------------------


class Slow(BaseException):
    """A file took too long."""


def fuzz_reader(seconds: int, runs: int, seed: int) -> bool:
    """Damaged .tflite files give a UserError or a model; True where none did anything else."""
    chance = np.random.default_rng(seed)
    seeds = [t for _, t in models(2)] + [t for _, t in larger_models() if len(t) < 60_000]
    end = time.monotonic() + seconds if seconds else float("inf")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_slow)
    done = read = 0
    found: dict[str, int] = {}
    while time.monotonic() < end and (not runs or done < runs):
        damaged = mutant(seeds[chance.integers(len(seeds))], chance)
        outcome = read_damaged(damaged)
        done += 1
        read += outcome == "packed"
        if outcome not in ("packed", "refused"):
            found[outcome] = found.get(outcome, 0) + 1
            if found[outcome] == 1:  # the others are the same most likely
                path = FOLDER / "findings" / f"reader-{seed}-{done}.tflite"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(damaged)
                print(f"{path}: {outcome}")
    _count("reader", done, sum(found.values()), packed=read)
    return not found


def _too_slow(*_: object) -> None:
    raise Slow(f"more than {SECONDS} s")


def read_damaged(tflite: bytes) -> str:
    """`packed`, `refused`, or what must not be."""
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning would be noise in the user's terminal
            _outcome(carry_tflite, tflite)
            if _outcome(_packs_for_the_engine, tflite):
                return "refused"
            return "packed"
    except (Exception, Slow) as e:
        return f"{type(e).__name__}: {e}"
    finally:
        signal.alarm(0)


def _packs_for_the_engine(tflite: bytes) -> None:
    """What is packed the engine takes: all that is wrong with a model the host must say."""
    _hognose.load(compile_tflite(tflite).hog, bytearray(_hognose.STATE_SIZE))


def _outcome(function, tflite: bytes) -> str:
    try:
        function(tflite)
        return ""
    except UserError as e:
        if "\n" in str(e) or not 0 < len(str(e)) < 600:
            raise ValueError(f"an error of several lines, or of {len(str(e))} characters: {e!r}") from e
        return str(e)


_WORDS = (
    0,
    1,
    2,
    3,
    4,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32 - 4,
    10**9,
    10**6,
)


def mutant(tflite: bytes, chance: np.random.Generator) -> bytes:
    """A damaged copy: bits, bytes, words and halves, offsets that point elsewhere, an end cut off."""
    damaged = bytearray(tflite)
    for _ in range(chance.integers(1, 5)):
        at = int(chance.integers(len(damaged)))
        kind = chance.integers(8)
        word = at & ~3
        if kind == 0:
            damaged[at] ^= 1 << int(chance.integers(8))
        elif kind == 1:
            damaged[at] = int(chance.integers(256))
        elif kind == 2 and at & ~1 <= len(damaged) - 2:
            struct.pack_into("<H", damaged, at & ~1, int(chance.choice(_WORDS)) & 0xFFFF)
        elif kind in (3, 4) and word <= len(damaged) - 4:
            struct.pack_into("<I", damaged, word, int(chance.choice(_WORDS)))
        elif kind == 5 and word <= len(damaged) - 4:  # a small step: another tensor, another field
            (old,) = struct.unpack_from("<I", damaged, word)
            struct.pack_into("<I", damaged, word, (old + int(chance.integers(-9, 10))) & 0xFFFFFFFF)
        elif kind == 6 and word <= len(damaged) - 4:  # one word becomes another
            start = int(chance.integers(len(damaged))) & ~3
            damaged[word : word + 4] = damaged[start : start + 4].ljust(4, b"\0")
        elif kind == 7 and chance.integers(8) == 0:
            del damaged[at:]
            if not damaged:
                break
    return bytes(damaged)


# --- Both ----------------------------------------------------------------------------------------------


def _count(what: str, executions: int, findings: int, **facts: int) -> None:
    """Adds to the statistics and prints the line."""
    path = FOLDER / "statistics.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = json.loads(path.read_text()) if path.exists() else {}
    entry = table.setdefault(what, {"executions": 0, "findings": 0})
    entry["executions"] += executions
    entry["findings"] += int(findings)
    entry.update(facts)
    path.write_text(json.dumps(table, indent=2) + "\n")
    more = "".join(f", {value:,} {key}" for key, value in facts.items())
    print(
        f"{what}: {executions:,} executions{more}, {int(findings)} findings; in all {entry['executions']:,}"
    )


def main(targets: Mapping[str, Callable[[int, int, int], bool]], about: str) -> int:
    """Runs the target (seconds, files, seed) that the command line names."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("what", choices=tuple(targets))
    parser.add_argument("--time", type=int, default=0, help="seconds")
    parser.add_argument(
        "--runs", type=int, default=0, help="executions (default: as many as the time allows)"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    seconds = args.time or (0 if args.runs else 300)
    return 0 if targets[args.what](seconds, args.runs, args.seed) else 1


if __name__ == "__main__":
    sys.exit(main({"loader": fuzz_loader, "reader": fuzz_reader}, __doc__))
