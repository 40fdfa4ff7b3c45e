# SPDX-License-Identifier: MIT
"""Damaged `.tflite` files for what runs them: `hognose verify`, and TFLM inside MicroPython. `make fuzz`.

    python tests/host/fuzz_tflite.py verify --runs 1000 --seed 7
    python tests/host/fuzz_tflite.py tflm --time 600

`verify`: no crash, no traceback, one short line; what is packed gives TFLM's bytes. `tflm`: what the checks
of native_module/tflm let through runs in the unix port, with its summary, and in `hognose debug`. What is
found lies in .build/fuzz/findings.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

import fuzz
from hognose_tools import cli
from tflite_builder import AlignedBuffer

MICROPYTHON = fuzz.ROOT / ".build" / "unix-tflm" / "micropython"
SCRIPT = fuzz.ROOT / "tests" / "unix" / "fuzz_tflm.py"
SECONDS = 60  # for one file: the engine, TFLM, and the start of its process
TFLM_SECONDS = 5  # for one run; a WHILE that is damaged may have no end, which no check can tell
LONGEST = 600  # characters of a message
_NUMBERS = (0, 1, 2, 3, 4, 5, 8, 127, 128, 255, 256, 2048, 65535, 65536, 2**31 - 1, -1, -2, -128)
_SCALES = (0.0, 1.0, -1.0, 1e-45, 1e-38, 1e38, float("nan"), float("inf"))


# --- Mutations -----------------------------------------------------------------------------------------


def damaged(tflite: bytes, chance: np.random.Generator) -> bytes:
    """A mutant: of the bytes, or of what they say."""
    return fuzz.mutant(tflite, chance) if chance.integers(2) else remade(tflite, chance)


def remade(tflite: bytes, chance: np.random.Generator) -> bytes:
    """A file in perfect order that says something else: other numbers, names and shapes, longer lists."""
    model = schema.ModelT.InitFromPackedBuf(tflite)
    for buffer in model.buffers:
        buffer.__class__ = AlignedBuffer
    pick = random.Random(int(chance.integers(1 << 32)))
    for _ in range(pick.randint(1, 3)):
        holder, key, value = pick.choice(list(_slots(model)))
        _put(holder, key, _changed(value, pick))
    builder = flatbuffers.Builder()
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
    except Exception:  # such a file cannot be written, which the schema's classes say in many ways
        return fuzz.mutant(tflite, chance)


def _slots(value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Everything that can be changed: who holds it, under which name or number, and it."""
    items = enumerate(value) if isinstance(value, list) else vars(value).items()
    for key, item in list(items):
        if item is None:
            continue
        yield value, key, item
        if isinstance(item, list) or (hasattr(item, "__dict__") and not isinstance(item, np.ndarray)):
            yield from _slots(item)


def _put(holder: Any, key: Any, value: Any) -> None:
    if isinstance(holder, list):
        holder[key] = value
    else:
        setattr(holder, key, value)


def _changed(value: Any, pick: random.Random) -> Any:
    if isinstance(value, (bool, np.bool_)):
        return not value
    if isinstance(value, (int, np.integer)):
        return pick.choice((int(value) + 1, int(value) - 1, int(value) * 2, pick.choice(_NUMBERS)))
    if isinstance(value, (float, np.floating)):
        return pick.choice((*_SCALES, float(value) * 2, -float(value)))
    if isinstance(value, bytes):
        return pick.choice((b"", value[:-1], value + value, b"\"'\\", b"\xff\x1b[31m"))
    if isinstance(value, np.ndarray):
        return _array(value, pick)
    if isinstance(value, list) and value:
        return _list(value, pick)
    return None  # a table that is not there


def _array(value: np.ndarray, pick: random.Random) -> np.ndarray | None:
    kind = pick.randrange(6)
    if kind == 0 or not value.size:
        return None
    if kind == 1:
        return value[:-1]
    if kind == 2:
        return np.concatenate([value, value[-1:]])
    changed, at = value.copy(), pick.randrange(value.size)
    with np.errstate(all="ignore"):
        changed[at] = np.array(_changed(value[at].item(), pick)).astype(value.dtype)
    return changed


def _list(value: list, pick: random.Random) -> list:
    changed, at, other = list(value), pick.randrange(len(value)), pick.randrange(len(value))
    kind = pick.randrange(4)
    if kind == 0:
        del changed[at]
    elif kind == 1:
        changed.insert(other, copy.deepcopy(changed[at]))
    elif kind == 2:
        changed[at], changed[other] = changed[other], changed[at]
    else:
        changed[at] = copy.deepcopy(changed[other])
    return changed


def seeds(each: int = 2) -> list[tuple[str, bytes]]:
    """Names and models to damage."""
    return [*fuzz.models(each), *((n, t) for n, t in fuzz.larger_models() if len(t) < 60_000)]


# --- hognose verify ------------------------------------------------------------------------------------


def call(*arguments: object) -> tuple[int, str, str]:
    """The command in this process: exit code, what it printed, and what it printed to stderr."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        code = cli.main(list(map(str, arguments)))
    out, error = (s.buffer.getvalue().decode() for s in streams)  # type: ignore[attr-defined]
    return code, out, error


def verify(path: Path) -> str:
    """`same`, `refused`, `TFLM refused`, `TFLM died`, or what must not be."""
    signal.signal(signal.SIGALRM, fuzz._too_slow)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning would be noise in the user's terminal
            code, out, error = call("verify", path, "--samples", 3, "--timeout", TFLM_SECONDS)
    except (Exception, fuzz.Slow) as e:
        return f"{type(e).__name__}: {e}"
    finally:
        signal.alarm(0)
    said = out + error
    if said.count("\n") != 1 or len(said) - len(str(path)) > LONGEST or not said[:-1].isprintable():
        return f"not one short line: {said!r}"
    if code == 2 and not out:
        return "TFLM died" if "Lite Micro" in said else "TFLM refused" if "TFLM: " in said else "refused"
    return "same" if code == 0 else said.strip()


EXPECTED = ("same", "refused", "TFLM refused", "TFLM died")


def fuzz_verify(seconds: int, runs: int, seed: int) -> bool:
    chance, models, found = np.random.default_rng(seed), seeds(), Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "damaged.tflite")
        for n in _turns(seconds, runs):
            name, tflite = models[chance.integers(len(models))]
            path.write_bytes(damaged(tflite, chance))
            outcome = verify(path)
            found[outcome if outcome in EXPECTED else "findings"] += 1
            if outcome not in EXPECTED:
                _keep(path.read_bytes(), f"verify-{name}-{seed}-{n}", outcome.replace(str(path), ""))
    fuzz._count("verify", found.total(), found.pop("findings", 0), **found)
    return not found["findings"]


# --- TFLM in MicroPython -------------------------------------------------------------------------------


def in_micropython(files: list[bytes], folder: Path, progress: Callable[[int, str], None]) -> None:
    """Each file in the unix port. `progress`: told its number, and `refused`, `ran`, `endless` or more."""
    batch, first = folder / "batch", 0
    batch.write_bytes(b"".join(struct.pack("<I", len(f)) + f for f in files))
    environment = {**os.environ, "MICROPYPATH": str(fuzz.ROOT / "device_lib")}
    while first < len(files):
        command = [MICROPYTHON, "-X", "heapsize=16m", SCRIPT, batch, str(first)]
        with subprocess.Popen(
            list(map(str, command)),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            watch = _Watch(process)
            for line in process.stdout:  # type: ignore[union-attr]
                if line.startswith("# "):  # begins with a file
                    watch.again()
                    last: list[str] = []
                elif line.startswith("= "):
                    progress(first, line[2:].strip())
                    first += 1
                else:
                    last.append(line)
            watch.stop()
        if first < len(files):
            code = process.wait()
            progress(first, "endless" if watch.stopped else f"exit code {code}: {''.join(last)}")
            first += 1


class _Watch:
    """Kills a process that says nothing for too long."""

    def __init__(self, process: subprocess.Popen):
        self._process = process
        self.stopped = False
        self._timer: threading.Timer | None = None

    def again(self) -> None:
        self.stop()
        self._timer = threading.Timer(TFLM_SECONDS * 2, self._kill)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _kill(self) -> None:
        self.stopped = True
        self._process.kill()


def fuzz_tflm(seconds: int, runs: int, seed: int) -> bool:
    chance, models, found = np.random.default_rng(seed), seeds(), Counter()
    with tempfile.TemporaryDirectory() as folder:
        for start in _turns(seconds, -(-runs // 500)):
            names, files = zip(
                *(
                    (n, damaged(t, chance))
                    for n, t in (models[i] for i in chance.integers(len(models), size=500))
                ),
                strict=True,
            )

            def told(n: int, outcome: str, start: int = start, names=names, files=files) -> None:
                fine = outcome in ("refused", "ran", "endless")
                if fine and outcome == "ran" and n % 10 == 0:
                    outcome = debug(files[n], Path(folder))
                    fine = outcome == "ran"
                found[outcome if fine else "findings"] += 1
                if not fine:
                    _keep(files[n], f"tflm-{names[n]}-{seed}-{start}-{n}", outcome)

            in_micropython(list(files), Path(folder), told)
    fuzz._count("tflm", found.total(), found.pop("findings", 0), **found)
    return not found["findings"]


def debug(tflite: bytes, folder: Path) -> str:
    """`ran`, or what must not be: layer by layer in MicroPython, on a file that runs there."""
    path = folder / "m.tflite"
    path.write_bytes(tflite)
    try:
        code, _, error = call(
            "debug", path, "--engine", "tflm", "--on", "unix", "--samples", 1, "--timeout", TFLM_SECONDS
        )
    except Exception as e:
        return f"debug: {type(e).__name__}: {e}"
    fine = code in (0, 1) or (code == 2 and error.count("\n") == 1 and len(error) < LONGEST)
    return "ran" if fine else f"debug: exit code {code}: {error!r}"


# --- Both ----------------------------------------------------------------------------------------------


def _turns(seconds: int, runs: int) -> Iterator[int]:
    end, n = time.monotonic() + seconds if seconds else float("inf"), 0
    while time.monotonic() < end and (not runs or n < runs):
        yield n
        n += 1


def _keep(tflite: bytes, name: str, outcome: str) -> None:
    path = fuzz.FOLDER / "findings" / f"{name}.tflite"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tflite)
    print(f"{path}: {outcome}", flush=True)


if __name__ == "__main__":
    sys.exit(fuzz.main({"verify": fuzz_verify, "tflm": fuzz_tflm}, __doc__ or ""))
