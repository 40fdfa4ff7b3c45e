# SPDX-License-Identifier: MIT
"""Each operator with a native module that is linked only for it: nothing that it calls is missing.

Without the device library: a board imports one module after another and calls its functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import device_models
import pytest
from operator_models import Case, cases_in, differences

import qemu
from hognose import hogfile
from hognose_tools.board.link import link
from hognose_tools.compiler.disassemble import disassemble, needs

BOARDS = ("M0", "RV32", "XTENSA")

SCRIPT = """
import binascii, gc, sys

def run(folder, hog, end, initial, count, sizes_in, sizes_out, source):
    gc.collect()
    if sys.path[0] != folder:
        sys.path[0] = folder
        sys.modules.pop("_hognose", None)
    import _hognose
    view = memoryview(memory)
    state = bytearray(_hognose.STATE_SIZE)
    arena = bytearray(_hognose.load(view[hog:end], state))
    _hognose.run(state, arena, 0, initial)
    inputs = []
    for size in sizes_in:
        inputs.append(view[source : source + size])
        source += size
    outputs = [bytearray(size) for size in sizes_out]
    _hognose.enter(state, arena, inputs, outputs)
    _hognose.run(state, arena, initial, count)
    _hognose.leave(state, arena, outputs)
    for data in outputs:
        for i in range(0, len(data), 256):
            print(binascii.hexlify(data[i : i + 256]).decode())
"""


@dataclass
class Batch:
    """Cases for one start of a board: what its file system and its memory hold."""

    files: dict[str, bytes] = field(default_factory=dict)
    memory: bytearray = field(default_factory=bytearray)
    calls: list[tuple[Case, str]] = field(default_factory=list)
    ram: int = 0

    def add(self, case: Case, folder: str) -> None:
        _, hog, source, _ = case
        model = disassemble(hog)
        at = self._place(hog)
        sizes = [[p.size * p.dtype.itemsize for p in ports] for ports in (model.inputs, model.outputs)]
        places = at, at + len(hog), model.initial, hogfile.count(memoryview(hog)), *sizes, self._place(source)
        self.calls.append((case, f"run({folder!r}, {', '.join(map(str, places))})"))

    def _place(self, blob: bytes) -> int:
        self.memory += bytes(-len(self.memory) % 16)
        self.memory += blob
        return len(self.memory) - len(blob)


@pytest.fixture(scope="module")
def cases(operator_cases, tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    folder = tmp_path_factory.mktemp("others")
    device_models.write_others(folder)
    return [*operator_cases, *cases_in(folder)]


def batches(cases: list[Case], machine: qemu.Machine) -> Iterator[Batch]:
    """Modules stay in a board's RAM once they are imported: as many as go into half of it."""
    by_needs: dict[frozenset, list[Case]] = {}
    for case in cases:
        by_needs.setdefault(frozenset(needs(disassemble(case[1]))), []).append(case)
    batch = Batch()
    for wanted, alike in sorted(by_needs.items(), key=lambda item: sorted(item[0])):
        module = link(machine.arch, wanted)
        if batch.ram + module.ram > machine.heap // 2:
            yield batch
            batch = Batch()
        folder = f"/rom/{len(batch.files)}"
        batch.files[f"{folder.removeprefix('/rom/')}/_hognose.mpy"] = module.mpy
        batch.ram += module.ram
        for case in alike:
            batch.add(case, folder)
    yield batch


@pytest.mark.parametrize("name", BOARDS)
def test_every_operator_with_a_module_of_its_own(name: str, cases: list[Case]) -> None:
    reason = qemu.missing(name)
    if reason:
        pytest.skip(reason)
    found, count, modules = [], 0, 0
    for batch in batches(cases, qemu.MACHINES[name]):
        modules += len(batch.files)
        with qemu.Board(name, batch.files, bytes(batch.memory)) as board:
            board.run(SCRIPT)
            for (case, hog, _, sink), call in batch.calls:
                count += 1
                answer = bytes.fromhex(board.run(call))
                found += [f"{case}: {d}" for d in differences(hog, answer, sink)]
    print(f"{name}: {count} cases, {modules} modules")
    assert not found
    assert count >= 522
