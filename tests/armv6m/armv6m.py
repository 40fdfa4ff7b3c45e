# SPDX-License-Identifier: MIT
"""The engine on a simulated Cortex-M0+: builds it, runs a `.hog` on it, counts cycles.

`python tests/armv6m/armv6m.py [MODEL.tflite …]` prints the cycles of each operator and of the whole.
"""

import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENGINE = ROOT / "native_module" / "engine"
BUILD = ROOT / ".build" / "armv6m"
MODEL, INPUTS = 0x10100000, 0x10C00000
COMPILER = "arm-none-eabi-gcc"
# As the native module is built, but for flags that save room where time does not matter.
FLAGS = ["-mcpu=cortex-m0plus", "-mthumb", "-Os", "-std=c99", "-ffp-contract=off", "-fpic", "-fno-common"]
FLAGS += ["-fno-inline-functions-called-once", "-fno-thread-jumps"]


@dataclass
class Run:
    """What came out of a run: the outputs' bytes, sample after sample; cycles by operator, and of all."""

    outputs: bytes
    cycles: list[int]
    total: int


def missing() -> str:
    """What must be installed before anything here runs, or nothing."""
    tools = [t for t in ("gcc", COMPILER) if not shutil.which(t)]
    return f"{' and '.join(tools)} not installed" if tools else ""


def build() -> tuple[Path, Path]:
    """The simulator and the engine's program, built when a source is newer."""
    BUILD.mkdir(parents=True, exist_ok=True)
    simulator, program = BUILD / "simulator", BUILD / "engine.elf"
    sources = [HERE / "main.c", *sorted(ENGINE.glob("*.c")), *sorted((ENGINE / "ops").glob("*.c"))]
    sources = [s for s in sources if s.name != "state.c"]
    headers = [*ENGINE.glob("*.h"), *(ENGINE / "ops").glob("*.h"), HERE / "link.ld"]
    _make(simulator, ["gcc", "-O2", "-o", str(simulator), str(HERE / "simulator.c")], [HERE / "simulator.c"])
    linking = ["-nostartfiles", "-T", str(HERE / "link.ld"), "-Wl,--gc-sections", "-ffunction-sections"]
    command = [COMPILER, *FLAGS, *linking, "-I", str(ENGINE), "-o", str(program), *map(str, sources)]
    _make(program, command, [*sources, *headers])
    return simulator, program


def _make(target: Path, command: list[str], sources: list[Path]) -> None:
    if not target.exists() or any(s.stat().st_mtime > target.stat().st_mtime for s in sources):
        subprocess.run(command, check=True)


def run(hog: bytes, samples: list[list[np.ndarray]], ops: int) -> Run:
    """Runs `hog`, which has `ops` operators, on each sample: a list of raw inputs."""
    simulator, program = build()
    with tempfile.TemporaryDirectory() as folder:
        model, inputs = Path(folder) / "model", Path(folder) / "inputs"
        model.write_bytes(struct.pack("<II", len(hog), len(samples)) + hog)
        inputs.write_bytes(b"".join(np.ascontiguousarray(a).tobytes() for s in samples for a in s))
        command = [simulator, program, model, hex(MODEL), inputs, hex(INPUTS)]
        done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout.decode(errors="replace")[-200:] + done.stderr.decode())
    *cycles, total = struct.unpack(f"<{ops + 1}I", done.stdout[-4 * (ops + 1) :])
    return Run(done.stdout[: -4 * (ops + 1)], cycles, total)


def report(path: Path) -> None:
    """Prints what a model costs, operator by operator."""
    from hognose_tools.compiler import compile_tflite

    c = compile_tflite(path.read_bytes(), name=path.stem)
    rng = np.random.default_rng(1)
    sample = [
        rng.normal(0, 1, t.shape).astype(np.float32)
        if t.dtype == "float32"
        else rng.integers(-128, 128, t.shape).astype(np.int8)
        for t in c.graph.inputs
    ]
    result = run(c.hog, [sample], len(c.lowered.steps))
    print(f"{path.stem}: {result.total:,} cycles, {c.macs:,} MACs, arena {c.arena_size:,}")
    for step, cycles in zip(c.lowered.steps, result.cycles, strict=True):
        each = f"{cycles / step.macs:6.2f} a MAC" if step.macs else ""
        print(f"  {step.name:14}{cycles:12,}  {each}")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        report(Path(name))
