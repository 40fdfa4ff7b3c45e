#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Changes single lines of the project, one at a time, and reports the changes that no test notices.

    mutate.py                        a sample of every target; --all for every change
    mutate.py engine deploy          these targets only
    mutate.py --sample 5 --seed 2    five changes a file, others than with --seed 1

A change that survives is a bound, a guard or a rounding that no test holds. The report is
.build/mutations.md.
"""

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / ".build/mutations.md"
ENGINE = ROOT / "native_module/engine"
SECONDS = 600  # of the tests of one change: one that makes a loop endless counts as noticed


@dataclass(frozen=True)
class Target:
    """Files, and the tests nearest to them, the quickest first."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


TARGETS = {
    "engine": Target(
        tuple(f"native_module/engine/{name}.c" for name in ("load", "check", "state", "run", "ports")),
        ("test_engine_load.py", "test_engine_binding.py", "test_limits.py", "test_flow.py", "test_model.py"),
    ),
    "ops": Target(
        ("native_module/engine/ops/*.c",),
        ("test_engine_load.py", "test_rounding.py", "test_extremes.py", "test_operators.py", "test_state.py"),
    ),
    "reference": Target(
        ("device_lib/hognose/reference/*.py",),
        ("test_engine_load.py", "test_rounding.py", "test_model.py", "test_operators.py", "test_state.py"),
    ),
    "planner": Target(
        ("host_tools/hognose_tools/compiler/planner.py", "host_tools/hognose_tools/compiler/tiling.py"),
        ("test_compiler.py", "test_in_place.py", "test_networks.py"),
    ),
    "deploy": Target(("host_tools/hognose_tools/board/*.py",), ("test_deploy.py", "test_link.py")),
    "decide": Target(
        ("device_lib/hognose/decide.py", "device_lib/hognose/window.py"), ("../unix/test_device.py",)
    ),
}

# A line's part, and what takes its place.
CHANGES = (
    (r"<=", "<"),
    (r">=", ">"),
    (r"(?<![<>=!-])<(?![<=])", "<="),
    (r"(?<![<>=!-])>(?![>=])", ">="),
    (r"==", "!="),
    (r"!=", "=="),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" && ", " || "),
    (r" \|\| ", " && "),
    (r" and ", " or "),
    (r" or ", " and "),
    (r"\bif \((?!.*\\$)", "if (0 && "),
    (r"\bnot ", ""),
    (r"\breturn E_\w+;", "return E_OK;"),
    (r"\braise \w+", "0 and "),
    (r"(?<![\w.])(\d+)(?![\w.])", "+1"),
)


@dataclass(frozen=True)
class Mutant:
    """One changed line."""

    file: Path
    line: int
    before: str
    after: str

    def __str__(self) -> str:
        place = f"{self.file.relative_to(ROOT)}:{self.line}"
        return f"{place}: `{self.before.strip()}` ▶ `{self.after.strip()}`"


def mutants(file: Path) -> Iterator[Mutant]:
    """All changes of a file that still reads as a program."""
    lines = file.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        code = line.split("//" if file.suffix == ".c" else "#")[0]
        if not code.strip() or '"' in code or re.match(r"\s*(#|import|from|static const|const )", code):
            continue
        for pattern, replacement in CHANGES:
            for match in re.finditer(pattern, code):
                new = str(int(match.group(1)) + 1) if replacement == "+1" else replacement
                changed = line[: match.start()] + new + line[match.end() :]
                if "if (0 && " in changed and new.startswith("if"):
                    changed = changed.replace("if (0 && ", "if (0 && (", 1).replace(") {", ")) {", 1)
                    if not changed.rstrip().endswith(")) {"):
                        continue
                if file.suffix == ".c" or _parses(lines, number, changed):
                    yield Mutant(file, number, line, changed)


def _parses(lines: list[str], number: int, changed: str) -> bool:
    try:
        ast.parse("\n".join([*lines[: number - 1], changed, *lines[number:]]))
    except SyntaxError:
        return False
    return True


class Workshop:
    """A copy of the project in which one line at a time is changed."""

    def __init__(self, folder: Path):
        self.root = folder / "project"
        ignored = shutil.ignore_patterns(".git", ".build", ".venv", "__pycache__", "*.so", "*.egg-info")
        shutil.copytree(ROOT, self.root, ignore=ignored)
        (self.root / ".build").symlink_to(ROOT / ".build")
        self.extension = self.root / f"_hognose{sysconfig.get_config_var('EXT_SUFFIX')}"
        flags = ["-std=c99", "-O1", "-ffp-contract=off", "-fPIC", "-w", "-Inative_module/engine"]
        self._compile = ["gcc", *flags, f"-I{sysconfig.get_paths()['include']}"]
        native = self.root / "native_module"
        sources = [p for p in native.rglob("*.c") if p.parent.name in ("engine", "ops", "cpython")]
        self.objects = {source: folder / f"{source.parent.name}-{source.stem}.o" for source in sources}
        for source in sources:
            self._build(source)
        assert self._link()

    def _build(self, source: Path) -> bool:
        command = [*self._compile, "-c", str(source), "-o", str(self.objects[source])]
        return subprocess.run(command, cwd=self.root, stderr=subprocess.DEVNULL).returncode == 0

    def _link(self) -> bool:
        command = ["gcc", "-shared", *map(str, self.objects.values()), "-o", str(self.extension)]
        return subprocess.run(command, cwd=self.root, stderr=subprocess.DEVNULL).returncode == 0

    def survives(self, mutant: Mutant, tests: tuple[str, ...]) -> bool | None:
        """Whether no test notices; None where the change does not compile."""
        source = self.root / mutant.file.relative_to(ROOT)
        text = source.read_text()
        lines = text.splitlines(keepends=True)
        lines[mutant.line - 1] = mutant.after + "\n"
        source.write_text("".join(lines))
        try:
            if source.suffix == ".c" and not (self._build(source) and self._link()):
                return None
            return self._pass(tests)
        finally:
            source.write_text(text)
            if source.suffix == ".c":
                self._build(source)

    def _pass(self, tests: tuple[str, ...]) -> bool:
        path = os.pathsep.join(str(self.root / p) for p in (".", "host_tools", "device_lib"))
        environment = os.environ | {"PYTHONPATH": path, "HOGNOSE_EXAMPLES": "15"}
        files = [str(self.root / "tests/host" / t) for t in tests]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files]
        try:
            done = subprocess.run(
                command, cwd=self.root, env=environment, capture_output=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def main() -> None:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="|".join(TARGETS))
    parser.add_argument("--sample", type=int, default=3, help="changes a file (default: 3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="every change")
    args = parser.parse_args()
    draw = random.Random(args.seed)
    report = ["# Changes that no test notices", ""]
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        for name in args.targets or TARGETS:
            target = TARGETS[name]
            chosen: list[Mutant] = []
            for pattern in target.files:
                for file in sorted(ROOT.glob(pattern)):
                    found = list(mutants(file))
                    chosen += found if args.all else draw.sample(found, min(args.sample, len(found)))
            progress = tqdm(chosen, desc=name, unit="change")
            results = [(m, workshop.survives(m, target.tests)) for m in progress]
            tried = [m for m, survived in results if survived is not None]
            survivors = [m for m, survived in results if survived]
            report += [f"## {name}: {len(survivors)} of {len(tried)}", ""]
            report += [f"- {m}" for m in survivors] + [""]
            print(f"{name}: {len(survivors)} of {len(tried)} changes survive")
    REPORT.write_text("\n".join(report))
    print(f"see {REPORT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
