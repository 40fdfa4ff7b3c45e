# SPDX-License-Identifier: MIT
"""The command `hognose` as its user sees it: exit codes, one line of error, files whole or not at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hognose_tools import files
from hognose_tools.analysis import verify
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.board import link
from hognose_tools.commands.pack import parse_meta
from hognose_tools.compiler import carry_tflite, compile_tflite
from hognose_tools.compiler.disassemble import disassemble, needs
from hognose_tools.data import samples
from test_oracle import aborts, endless
from tflite_builder import Builder


def hognose(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "hognose_tools", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def fails(*arguments: object, words: str = "") -> str:
    """The one line on stderr of a command that must exit with 2."""
    result = hognose(*arguments)
    assert result.returncode == 2, result
    assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr, result.stderr
    assert words in result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def tflite() -> bytes:
    """A convolution and a dense layer, int8."""
    chance = np.random.default_rng(3)
    b = Builder()
    x = b.tensor((1, 6, 6, 2), "int8", scale=0.05, zero_point=-5, name="serving_default_x:0")
    w = b.const(chance.integers(-127, 128, (3, 3, 3, 2), np.int8), scale=[0.01, 0.02, 0.03])
    y = b.tensor((1, 6, 6, 3), "int8", scale=0.1, zero_point=4, name="conv/Relu")
    b.op("CONV_2D", [x, w, None], y, padding="SAME", stride_h=1, stride_w=1, activation="RELU")
    flat = b.tensor((1, 108), "int8", scale=0.1, zero_point=4)
    b.op("RESHAPE", [y], flat, new_shape=np.array([1, 108], np.int32))
    v = b.const(chance.integers(-127, 128, (4, 108), np.int8), scale=0.004)
    z = b.tensor((1, 4), "int8", scale=0.2, name="dense")
    b.op("FULLY_CONNECTED", [flat, v, None], z)
    return b.build([x], [z])


@pytest.fixture
def packed(tflite, tmp_path):
    (tmp_path / "m.tflite").write_bytes(tflite)
    result = hognose(
        "pack", tmp_path / "m.tflite", "-o", tmp_path / "m.hog", "--labels", "a,b,c,d", "--meta", "rate=10"
    )
    assert result.returncode == 0, result.stderr
    return tmp_path


def test_pack_then_inspect(packed):
    facts = json.loads(hognose("inspect", packed / "m.hog", "--json").stdout)
    assert facts["format"] == "hog" and facts["name"] == "m"
    assert facts["meta"] == {"labels": ["a", "b", "c", "d"], "rate": 10}
    assert facts["macs"] == 36 * 3 * 18 + 112 * 4  # the dense layer reads a multiple of 8 inputs
    assert facts["file_size"] == facts["hog_size"] == (packed / "m.hog").stat().st_size
    assert facts["inputs"] == [
        {"name": "x", "shape": [1, 6, 6, 2], "dtype": "int8", "scale": pytest.approx(0.05), "zero_point": -5}
    ]
    assert [layer["name"] for layer in facts["layers"]] == ["CONV_TILED", "DENSE"]


def test_inspect_tflite_names_layers_and_shows_the_plan(packed):
    facts = json.loads(hognose("inspect", packed / "m.tflite", "--json").stdout)
    assert [layer["operator"] for layer in facts["layers"]] == ["CONV_2D", "FULLY_CONNECTED"]
    assert facts["layers"][0]["layer"] == "conv/Relu"
    assert facts["arena_lower_bound"] <= facts["arena_size"]
    assert facts["macs"] < facts["work"] < 3 * facts["macs"] and facts["turns"] == 0
    assert all(b["offset"] + b["size"] <= facts["arena_size"] for b in facts["arena_plan"])
    table = hognose("inspect", packed / "m.tflite").stdout
    assert "FULLY_CONNECTED" in table and "x" in table and f"{facts['macs']:,}" in table


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_run_raw_is_tflm(packed, tflite, engine):
    x = np.random.default_rng(0).integers(-128, 128, (5, 1, 6, 6, 2), np.int8)
    np.savez(packed / "in.npz", **{"0": x})
    result = hognose(
        "run",
        packed / "m.hog",
        "--inputs",
        packed / "in.npz",
        "--outputs",
        packed / "out.npz",
        "--engine",
        engine,
        "--raw",
    )
    assert result.returncode == 0, result.stderr
    oracle = Oracle(tflite)
    expected = np.stack([oracle.run([a])[0] for a in x])
    with np.load(packed / "out.npz") as out:
        assert out.files == ["0"] and out["0"].dtype == np.int8
        np.testing.assert_array_equal(out["0"], expected)


def test_run_numbers_quantizes_and_dequantizes(packed, tflite):
    x = np.random.default_rng(0).normal(0, 3, (5, 6, 6, 2))  # the batch axis may be missing
    np.savez(packed / "in.npz", **{"0": x})
    assert (
        hognose(
            "run", packed / "m.hog", "--inputs", packed / "in.npz", "--outputs", packed / "out.npz"
        ).returncode
        == 0
    )
    ratio = (x.astype(np.float32) / np.float32(0.05)).astype(float)
    q = np.clip(np.sign(ratio) * np.floor(np.abs(ratio) + 0.5) - 5, -128, 127).astype(np.int8)
    oracle = Oracle(tflite)
    expected = np.stack([oracle.run([a[None]])[0] for a in q]).astype(np.float32) * np.float32(0.2)
    with np.load(packed / "out.npz") as out:
        np.testing.assert_array_equal(out["0"], expected)


def test_verify_agrees(packed):
    for engine in ("native", "reference"):
        result = hognose("verify", packed / "m.tflite", "--engine", engine, "--samples", 4)
        assert result.returncode == 0, result.stdout + result.stderr


def test_verify_names_the_first_layer_that_differs(tflite):
    """A model whose second layer was changed after packing is caught, and there."""
    compiled = compile_tflite(tflite)
    step = compiled.lowered.steps[1]
    other = compile_tflite(_with_other_dense(tflite))
    compiled.hog = other.hog
    inputs = samples.random(disassemble(compiled.hog).inputs, 3)
    said = verify.verify(tflite, compiled, inputs, "native", "cpython")
    assert said is not None and said.startswith("sample 0, output 0: ")
    assert f"First layer that differs: {step.operator.label}" in said


def test_how_close_float32_must_be() -> None:
    """To 1e-6: of the value, or of the largest one where that is less than 1."""

    def differ(got: list[float], expected: list[float]) -> int:
        found = verify.compare(np.float32(got), np.float32(expected), "")
        return found.count if found else 0

    assert differ([1000.0005, 0.5], [1000, 0.5]) == 0
    assert differ([1000.01, 0.5], [1000, 0.5]) == 1
    assert differ([1000, 5e-7], [1000, 1e-6]) == 0
    assert differ([1000, 3e-6], [1000, 1e-6]) == 1
    assert differ([0.01, 1.005e-6], [0.01, 1e-6]) == 0
    assert differ([0.01, 1.02e-6], [0.01, 1e-6]) == 1
    assert differ([np.nan, np.inf, -np.inf], [np.nan, np.inf, np.inf]) == 1


def test_what_differs_is_counted_in_elements() -> None:
    found = verify.compare(np.int16([1, 2, 3, 257]), np.int16([1, 2, 3, 514]), "output 0")
    assert str(found) == "output 0: 1 of 4 values differ, the first at 3: 257, TFLM has 514"


@pytest.mark.parametrize("verb", ["verify", "debug"])
def test_tflm_that_dies_is_one_sentence(tmp_path: Path, verb: str) -> None:
    """Exit code 2, in JSON, too; `debug` tells what the engine has made nevertheless."""
    (tmp_path / "m.tflite").write_bytes(aborts())
    sentence = "TensorFlow Lite Micro stopped with SIGABRT on this file"
    fails(verb, tmp_path / "m.tflite", words=f"hognose: {sentence}")
    result = hognose(verb, tmp_path / "m.tflite", "--json")
    assert result.returncode == 2 and result.stderr.startswith(f"hognose: {sentence}"), result
    facts = json.loads(result.stdout)
    assert facts["error"].startswith(sentence)
    assert verb == "verify" or len(facts["rows"]) == 2


def test_verify_stops_what_does_not_end(tmp_path: Path) -> None:
    """The engine stops by itself, so the loop is entered there with a value that ends it at once."""
    (tmp_path / "m.tflite").write_bytes(endless())
    np.savez(tmp_path / "in.npz", **{"0": np.array([[1000]], np.float32)})
    arguments = ["verify", tmp_path / "m.tflite", "--inputs", tmp_path / "in.npz"]
    assert hognose(*arguments, "--timeout", 20).returncode == 0
    fails(*arguments, "--timeout", "0.000001", words="not done with this file after 1e-06 s")
    fails(*arguments, "--timeout", "nan", words="--timeout")


@pytest.mark.parametrize(
    ("verb", "engine"), [("verify", "native"), ("verify", "reference"), ("debug", "native")]
)
def test_a_loop_without_end_in_the_engine_is_one_line(tmp_path: Path, verb: str, engine: str) -> None:
    (tmp_path / "m.tflite").write_bytes(endless())
    arguments = [verb, tmp_path / "m.tflite", "--engine", engine, "--samples", 1]
    fails(*arguments, words="a loop of the model does not end")
    result = hognose(*arguments, "--json")
    assert result.returncode == 2 and "does not end" in json.loads(result.stdout)["error"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kill -SEGV $$", "MicroPython failed: it stopped with SIGSEGV"),
        ("exit 3", "MicroPython failed: it said nothing (exit code 3)"),
        ("echo ..Traceback; echo ValueError: no; exit 1", "MicroPython failed: ValueError: no"),
        ("exec sleep 100", "MicroPython was not done with a sample after 0.5 s"),
    ],
)
@pytest.mark.parametrize("verb", ["verify", "debug"])
def test_a_micropython_that_dies_is_one_line(tmp_path: Path, monkeypatch, verb, script, words) -> None:
    (tmp_path / "m.tflite").write_bytes(endless())
    (tmp_path / "micropython").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "micropython").chmod(0o755)
    monkeypatch.setenv("HOGNOSE_MICROPYTHON", str(tmp_path / "micropython"))
    fails(verb, tmp_path / "m.tflite", "--engine", "tflm", "--on", "unix", "--timeout", 0.5, words=words)


def test_verify_tells_programs(packed) -> None:
    facts = json.loads(hognose("verify", packed / "m.tflite", "--samples", 4, "--json").stdout)
    assert facts.pop("model").endswith("m.tflite")
    assert facts == {
        "engine": "native",
        "on": "cpython",
        "samples": 4,
        "tolerance": 0,
        "difference": None,
    }
    failed = hognose("verify", packed / "absent", "--json")
    assert failed.returncode == 2 and "cannot read" in json.loads(failed.stdout)["error"]


def test_random_indices_are_named(tmp_path: Path) -> None:
    b = Builder()
    table, x, y = b.const(np.zeros((4, 2), np.float32)), b.tensor((1, 3), "int32"), b.tensor((1, 3, 2))
    b.op("GATHER", [table, x], y, version=2)
    (tmp_path / "m.tflite").write_bytes(b.build([x], [y]))
    np.savez(tmp_path / "in.npz", **{"0": np.array([[[0, 3, 1]]], np.int32)})
    fails("verify", tmp_path / "m.tflite", words="give it samples with --inputs")
    assert hognose("verify", tmp_path / "m.tflite", "--inputs", tmp_path / "in.npz").returncode == 0


def _with_other_dense(tflite: bytes) -> bytes:
    """The same model with one byte of the dense weights changed."""
    compiled = compile_tflite(tflite)
    at = tflite.index(compiled.lowered.steps[1].operator.inputs[1].data.tobytes())
    changed = bytearray(tflite)
    changed[at : at + 108] = bytes((b + 64) & 255 for b in changed[at : at + 108])
    return bytes(changed)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["dance"], "dance"),
        (["pack", "absent.tflite", "-o", "x.hog"], "cannot read absent.tflite"),
        (["pack", "m.tflite"], "-o"),
        (["pack", "m.tflite", "-o", "absent/x.hog"], "cannot write absent"),
        (["pack", "m.tflite", "-o", "x.hog", "--labels", "a,b"], "2 labels"),
        (["pack", "m.tflite", "-o", "x.hog", "--labels", "a,,c,d"], "empty"),
        (["pack", "m.tflite", "-o", "x.hog", "--meta", "novalue"], "KEY=VALUE"),
        (["pack", "m.tflite", "-o", "x.hog", "--meta", "name=x"], "name"),
        (["pack", "m.hog", "-o", "x.hog"], "the .tflite that it was packed from"),
        (["inspect", "text"], "TFL3"),
        (["inspect", "damaged.hog"], "checksum"),
        (["run", "m.hog", "--inputs", "text", "--outputs", "x.npz"], "no .npz"),
        (["run", "m.hog", "--inputs", "one.npy", "--outputs", "x.npz"], "no .npz"),
        (["run", "m.hog", "--inputs", "half.npz", "--outputs", "x.npz"], "no .npz"),
        (["run", "m.hog", "--inputs", "empty.npz", "--outputs", "x.npz"], "no samples"),
        (["run", "tflm.hog", "--inputs", "float.npz", "--outputs", "x.npz"], "without --engine tflm"),
        (["run", "m.hog", "--inputs", "keys.npz", "--outputs", "x.npz"], "name them"),
        (["run", "m.hog", "--inputs", "shape.npz", "--outputs", "x.npz"], "expected [samples, 1, 6, 6, 2]"),
        (["run", "m.hog", "--inputs", "float.npz", "--outputs", "x.npz", "--raw"], "raw int8"),
        (["run", "m.hog", "--inputs", "large.npz", "--outputs", "x.npz", "--raw"], "beyond int8"),
        (["verify", "m.tflite", "--samples", "0"], "at least 1"),
        (["verify", "m.tflite", "--samples", "9" * 20], "ask for fewer"),
        (["verify", "m.tflite", "--engine", "magic"], "magic"),
    ],
)
def test_errors_are_one_line_and_write_nothing(packed, monkeypatch, arguments, words):
    monkeypatch.chdir(packed)
    (packed / "text").write_text("no model")
    damaged = bytearray((packed / "m.hog").read_bytes())
    damaged[200] ^= 1
    (packed / "damaged.hog").write_bytes(damaged)
    np.savez("keys.npz", y=np.zeros((1, 6, 6, 2)))
    np.savez("shape.npz", **{"0": np.zeros((1, 5, 6, 2))})
    np.savez("float.npz", **{"0": np.zeros((1, 6, 6, 2))})
    (packed / "half.npz").write_bytes((packed / "float.npz").read_bytes()[:99])
    np.save("one.npy", np.zeros((1, 6, 6, 2)))
    np.savez("empty.npz", **{"0": np.zeros((0, 6, 6, 2))})
    Path("tflm.hog").write_bytes(carry_tflite(Path("m.tflite").read_bytes()))
    np.savez("large.npz", **{"0": np.full((1, 6, 6, 2), 300)})
    fails(*arguments, words=words)
    assert not list(packed.glob("x.*")) and not list(packed.glob(".x*"))


def test_an_old_file_stays_until_the_new_one_is_whole(packed):
    before = (packed / "m.hog").read_bytes()
    fails("pack", packed / "m.tflite", "-o", packed / "m.hog", "--labels", "a")
    assert (packed / "m.hog").read_bytes() == before


def test_links_and_pipes_stay_what_they_are(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    files.write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    files.write(tmp_path / "pipe", b"hog")
    assert os.read(reader, 9) == b"hog" and (tmp_path / "pipe").is_fifo()
    os.close(reader)


def test_metadata_that_is_no_json_is_text():
    assert parse_meta(["a=1e999", "b=NaN", "c=[1]", "d=" + "[" * 99999]) == {
        "a": "1e999",
        "b": "NaN",
        "c": [1],
        "d": "[" * 99999,
    }


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_output_that_nobody_can_take(packed):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "hognose_tools", "inspect", str(packed / "m.hog")]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2 and result.stderr.startswith("hognose: ") and result.stderr.count("\n") == 1


def test_names_that_are_no_text(packed):
    """Bytes that are not UTF-8, as Linux lets names be."""
    name = os.fsdecode(os.fsencode(packed) + b"/\xff.tflite")
    os.rename(packed / "m.tflite", name)
    result = hognose("pack", name, "-o", packed / "x.hog", "--labels", os.fsdecode(b"a,b,c,\xff"))
    assert result.returncode == 0, result.stderr
    assert json.loads(hognose("inspect", packed / "x.hog", "--json").stdout)["meta"]["labels"][3] == "?"


@pytest.mark.parametrize("verb", ["train", "quantize", "pack", "inspect", "run", "verify"])
def test_every_verb_has_help(verb):
    result = hognose(verb, "--help")
    assert result.returncode == 0 and f"hognose {verb}" in result.stdout.replace("__main__.py", "hognose")


# module


def test_module(packed, tmp_path):
    if not link.available("armv6m"):
        pytest.skip("no armv6m archive: make natmod")
    result = hognose(
        "module",
        "armv6m",
        "--for",
        f"{packed / 'm.hog'},{packed / 'm.hog'}",
        "-o",
        tmp_path / "new" / "folder",
    )
    written = tmp_path / "new" / "folder" / "_hognose.mpy"
    assert result.returncode == 0, result
    module = link.link("armv6m", needs(disassemble((packed / "m.hog").read_bytes())))
    assert written.read_bytes() == module.mpy
    assert result.stdout == f"{written}: {len(module.mpy):,} bytes, {module.ram:,} in the RAM of a board\n"
    assert hognose("module", "armv6m", "--preset", "small", "-o", tmp_path).returncode == 0
    assert (tmp_path / "_hognose.mpy").read_bytes() == link.link("armv6m", "small").mpy


def test_module_errors(packed, tflite, tmp_path):
    fails("module", "armv6m", words="--for --preset is required")
    fails("module", "armv6m", "--preset", "medium", words="medium")
    fails("module", "z80", "--preset", "full", words="choose from x64, armv6m")
    fails("module", "armv6m", "--for", tmp_path / "none.hog", words="cannot read")
    fails("module", "armv6m", "--for", tmp_path / "m.tflite", words="hognose pack")
    fails("module", "armv6m", "--preset", "full", "-o", packed / "m.hog", words="cannot make the folder")
    hognose("pack", tmp_path / "m.tflite", "-o", tmp_path / "t.hog", "--engine", "tflm")
    fails("module", "armv6m", "--for", tmp_path / "t.hog", words="for TensorFlow Lite Micro")
