# SPDX-License-Identifier: MIT
"""The native module of every architecture, in MicroPython on its processor: TFLM's bytes."""

import instructions
import pytest
from operator_models import differences
from session import Session

import qemu
from hognose_tools import runners
from hognose_tools.analysis import verify
from hognose_tools.board.link import lacking, link
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble, needs
from hognose_tools.data import samples

MODELS = ("hello_world_int8", "kws_ref_model", "pretrainedResnet_quant", "ad01_int8", "ad01_fp32")
LIBRARY = 60 << 10  # bytes that the library and the module take of RAM and of flash, roughly


@pytest.mark.parametrize("name", MODELS)
def test_published_models(models, name, board_name, monkeypatch):
    """From its file in memory, without a copy."""
    path = models / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"no {path.name} in the folder of models")
    tflite = path.read_bytes()
    compiled = compile_tflite(tflite, name=name)
    machine = qemu.MACHINES[board_name]
    if len(compiled.hog) + LIBRARY > machine.rom_size or compiled.arena_size + LIBRARY > machine.heap:
        pytest.skip(f"{len(compiled.hog)} bytes and an arena of {compiled.arena_size} are too much for it")

    def rung(hog, engine, mode, sequence, source, done):
        module = link(machine.arch, needs(disassemble(hog))).mpy
        with Session(board_name, [hog, source], module=module) as session:
            return session.run(engine, mode, 0, 1)

    monkeypatch.setitem(runners.RUNNERS, board_name, rung)
    inputs = samples.random(disassemble(compiled.hog).inputs, 2)
    assert verify.verify(tflite, compiled, inputs, "native", board_name) is None


def test_instructions(models):
    """Counts repeat; an instruction for two products keeps large convolutions under two a product."""
    path = models / "pretrainedResnet_quant.tflite"
    if not path.exists() or qemu.missing("M33F"):
        pytest.skip(f"no {path.name}, or no M33F")
    hog = compile_tflite(path.read_bytes()).hog
    found = instructions.count("M33F", hog)
    assert abs(found["invoke"] - found["again"]) <= 1  # a tick is not a whole number of instructions
    layers = zip(disassemble(hog).layers, found["layers"], strict=True)
    rates = [n / layer.macs for layer, n in layers if layer.macs > 10**6]
    assert len(rates) == 6 and max(rates) < 2


@pytest.mark.parametrize("full", [False, True], ids=["small", "full"])
def test_operators(operator_cases, board_name, cases_run, full):
    """Each by the smallest module that has it."""
    chosen = [case for case in operator_cases if bool(lacking("small", needs(disassemble(case[1])))) == full]
    blobs = [blob for _, hog, source, _ in chosen for blob in (hog, source)]
    found = []
    with Session(board_name, blobs, full=full) as session:
        for i, (name, hog, _, sink) in enumerate(chosen):
            answer = session.run("native", "raw", 2 * i, 2 * i + 1)
            found += [f"{name}: {d}" for d in differences(hog, answer, sink)]
            operator, dtype, _ = name.rsplit("_", 2)
            cases_run[operator, dtype, board_name] += 1
    assert not found
