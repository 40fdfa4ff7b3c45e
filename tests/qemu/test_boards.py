# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The native module of every architecture, in MicroPython on its processor: TFLM's bytes."""

import device_models
import instructions
import numpy as np
import pytest
from session import Session

import qemu
from hognose_tools import runners
from hognose_tools.analysis import verify
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
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
        with Session(board_name, [hog, source], full=disassemble(hog).needs_full) as session:
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


@pytest.fixture(scope="session")
def operator_cases(tmp_path_factory):
    """Random models of one operator each, with samples and TFLM's answers: (name, hog, source, sink)."""
    folder = tmp_path_factory.mktemp("operators")
    device_models.write_all(folder)
    cases = []
    for hog in sorted((folder / "cases").glob("*.hog")):
        cases.append((hog.stem, hog.read_bytes(), _content(hog, "in"), _content(hog, "out")))
    return cases


def _content(hog, way):
    return b"".join(p.read_bytes() for p in sorted(hog.parent.glob(f"{hog.stem}.{way}?")))


@pytest.mark.parametrize("full", [False, True], ids=["small", "full"])
def test_operators(operator_cases, board_name, cases_run, full):
    """Each by the smallest module that has it."""
    chosen = [case for case in operator_cases if disassemble(case[1]).needs_full == full]
    blobs = [blob for _, hog, source, _ in chosen for blob in (hog, source)]
    differences = []
    with Session(board_name, blobs, full=full) as session:
        for i, (name, hog, _, sink) in enumerate(chosen):
            answer = session.run("native", "raw", 2 * i, 2 * i + 1)
            differences += [f"{name}: {d}" for d in _differences(hog, answer, sink)]
            operator, dtype, _ = name.rsplit("_", 2)
            cases_run[operator, dtype, board_name] += 1
    assert not differences


def _differences(hog: bytes, answer: bytes, expected: bytes):
    assert len(answer) == len(expected)
    at = 0
    for i, port in enumerate(disassemble(hog).outputs):
        end = at + port.size * port.dtype.itemsize
        pair = (np.frombuffer(b[at:end], port.dtype) for b in (answer, expected))
        found = verify.compare(*pair, f"output {i}")
        if found:
            yield found
        at = end
