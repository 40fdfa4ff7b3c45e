# SPDX-License-Identifier: MIT
"""Models whose weights stay in the file."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuzz
import hognose
from engines import ENGINES, open_model, run_on
from hognose import hogfile, stream
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.compiler.layouts import FIELDS, IN_DATA, NONE, OPERATORS, REFS, Fields
from hognose_tools.compiler.records import Record
from hognose_tools.errors import UserError
from operators import OPERATORS as CASES
from operators import Case, cases
from test_compiler import dense_chain

KEEP_STATE = [
    key for key in sorted(CASES) if key[0] in ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "VAR_HANDLE")
]


def file_of(tmp_path: Path, hog: bytes) -> str:
    path = tmp_path / "m.hog"
    path.write_bytes(hog)
    return str(path)


def signed(hog: bytes) -> bytes:
    """With a checksum that is right."""
    return hog[:12] + struct.pack("<I", zlib.crc32(hog[16:])) + hog[16:]


def test_the_table_of_refs_has_all_that_lie_in_data() -> None:
    """Those of the records that the compiler writes."""
    found: dict[str, set[int]] = {}
    for _, tflite in fuzz.models(2):
        for record in disassemble(compile_tflite(tflite).hog).records:
            place = 0
            for name, form in _layout(record):
                ref = record.fields[name]
                if name in REFS and ref != NONE and ref & IN_DATA:
                    found.setdefault(record.name, set()).add(place // 4)
                place += struct.calcsize("<" + form)
    assert len(found) > 15
    for name, words in found.items():
        assert all(stream._REFS[OPERATORS[name].code] >> word & 1 for word in words), name


def _layout(record: Record) -> Fields:
    variants = FIELDS[OPERATORS[record.name].record]
    return next(fields for kinds, fields in variants.items() if record.type in kinds)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_shared_models(models: Path, tmp_path: Path, engine: str) -> None:
    for source in sorted(models.glob("*.tflite")):
        if engine == "reference" and source.stem != "ad01_int8":
            continue  # minutes
        try:
            hog = compile_tflite(source.read_bytes()).hog
        except UserError:
            continue
        oracle = Oracle(source.read_bytes())
        shape, dtype = oracle.input_shapes[0], oracle.input_dtypes[0]
        chance = np.random.default_rng(1)
        with hognose.Model(file_of(tmp_path, hog), engine=engine, stream=True) as model:
            for _ in range(2):
                x = chance.normal(0, 30, shape).astype(dtype)
                expected = oracle.run([x])
                assert np.array_equal(run_on(model, [x], expected)[0], expected[0]), source.name


def test_ad01_needs_a_fraction_of_its_size(models: Path, tmp_path: Path) -> None:
    hog = compile_tflite((models / "ad01_int8.tflite").read_bytes()).hog
    model = hognose.Model(file_of(tmp_path, hog), stream=True)
    assert model.len == len(hog) > 260_000
    assert model.ram < 45_000 and str(model.ram) in repr(model)
    assert [name for name, _ in model.profile()] == ["DENSE"] * len(model.profile())


def same_as_whole(case: Case, path: str, hog: bytes) -> None:
    whole, streamed = open_model(hog, "native"), hognose.Model(path, stream=True)
    like = [
        np.zeros(shape, {"?": "?", "B": "u1"}.get(kind, kind))
        for shape, kind in zip(whole.output_shape, whole.output_dtype, strict=True)
    ]
    for inputs in [case.inputs, *case.then]:
        if inputs is None:
            whole.reset()
            streamed.reset()
            continue
        for a, b in zip(run_on(whole, inputs, like), run_on(streamed, inputs, like), strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("some", [sorted(CASES), KEEP_STATE], ids=["all", "state"])
def test_random_operators(some: list, tmp_path_factory: pytest.TempPathFactory) -> None:
    @settings(max_examples=100)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        case = data.draw(cases(*data.draw(st.sampled_from(some))))
        hog = compile_tflite(case.tflite).hog
        path = file_of(tmp_path_factory.mktemp("m"), hog)
        if "JUMP" in hogfile.operators(memoryview(hog)):
            with pytest.raises(ValueError, match="loops or branches"):
                hognose.Model(path, stream=True)
        else:
            same_as_whole(case, path, hog)

    run()


def test_a_large_dense_layer_is_cut(tmp_path: Path) -> None:
    tflite = dense_chain([600, 500, 10])
    compiled = compile_tflite(tflite)
    assert len(compiled.lowered.steps) > 2
    x = np.random.default_rng(3).integers(-128, 128, (1, 600), np.int8)
    expected = Oracle(tflite).run([x])
    model = hognose.Model(file_of(tmp_path, compiled.hog), stream=True)
    assert np.array_equal(run_on(model, [x], expected)[0], expected[0])
    assert model.ram < 40_000 < model.len


def test_what_cannot_be_streamed_says_so(tmp_path: Path) -> None:
    hog = compile_tflite(dense_chain([8, 4])).hog
    with pytest.raises(TypeError, match="give its path"):
        hognose.Model(hog, stream=True)
    with pytest.raises(OSError, match="cannot open"):
        hognose.Model(str(tmp_path / "none.hog"), stream=True)
    for damaged, words in [
        (b"", "not a .hog file"),
        (b"HOGN", "not a .hog file"),
        (hog[:-1], "length"),
        (hog[:-1] + bytes([hog[-1] ^ 1]), "damaged"),
        (hog[:4] + b"\x03" + hog[5:], "checksum|version"),
        (signed(hog[:32] + hog[44:56] + hog[32:44] + hog[56:]), None),  # sections may be in any order
    ]:
        if words is None:
            hognose.Model(file_of(tmp_path, damaged), stream=True)
        else:
            with pytest.raises(ValueError, match=words):
                hognose.Model(file_of(tmp_path, damaged), stream=True)


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = Path(file_of(tmp_path, compile_tflite(dense_chain([600, 200, 200, 10])).hog))
    model = hognose.Model(str(path), stream=True)
    x, out = bytes(600), bytearray(10)
    model.invoke(x, out)
    good = path.read_bytes()
    for changed in (good[:-9000] + bytes(9000), good[:-9000]):
        with path.open("r+b") as file:
            file.write(changed)
            file.truncate()
        with pytest.raises((ValueError, OSError), match=r"checksum|shorter"):
            model.invoke(x, out)
    path.write_bytes(good)
    with path.open("r+b") as file:
        file.write(good)
    model.invoke(x, out)
    model.deinit()


@settings(max_examples=300)
@given(st.data())
def test_hostile_files_are_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    hog = bytearray(compile_tflite(dense_chain([40, 8, 4])).hog)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(16, len(hog) - 4))
        hog[at : at + 4] = struct.pack(
            "<I", data.draw(st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 99)))
        )
    path = file_of(tmp_path_factory.mktemp("m"), signed(bytes(hog)))
    try:
        model = hognose.Model(path, stream=True)
    except (ValueError, MemoryError):
        return
    model.predict([0.0] * 40)
