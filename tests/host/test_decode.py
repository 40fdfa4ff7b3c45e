# SPDX-License-Identifier: MIT
"""TFLM's compressed constants: unpacked by the compiler as TFLM does it on the board."""

from __future__ import annotations

import heapq
from collections import Counter

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engines import assert_same, run
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.compiler import compile_tflite
from hognose_tools.errors import UserError
from tflite_builder import Builder

LUT, HUFFMAN, PRUNE = range(3)
TYPES = ("int8", "int16", "int32", "float32")


def header(kind: int, *params: int) -> bytes:
    return bytes([kind, 1, 0, 0, 1, *params]).ljust(16, b"\0")


def pack_bits(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 32)
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big")


def lut(values: np.ndarray, axis: int | None, width: int) -> tuple[bytes, bytes]:
    stride = 1 << width
    tables, indices = b"", np.zeros(values.shape, int)
    parts = (
        [...] if axis is None else [np.s_[..., c] if axis else np.s_[c] for c in range(values.shape[axis])]
    )
    for part in parts:
        found, index = np.unique(values[part], return_inverse=True)
        indices[part] = index.reshape(values[part].shape)
        tables += np.resize(found, stride).tobytes()
    return pack_bits("".join(f"{i:0{width}b}" for i in indices.reshape(-1))), header(
        LUT, width, stride
    ) + tables


def prune(values: np.ndarray, zeros: np.ndarray) -> tuple[bytes, bytes]:
    there = (values != zeros).reshape(-1)
    return pack_bits("".join("1" if b else "0" for b in there)), header(PRUNE) + values.reshape(-1)[
        there
    ].tobytes()


def huffman(values: np.ndarray, first: int) -> tuple[bytes, bytes]:
    """`first`: bits that the first table takes; longer codes go on in others."""
    heap = [(n, int(v), {int(v): ""}) for v, n in Counter(values.reshape(-1).tolist()).items()]
    heapq.heapify(heap)
    while len(heap) > 1:
        (n, v, a), (m, _, b) = heapq.heappop(heap), heapq.heappop(heap)
        joined = {s: "0" + c for s, c in a.items()} | {s: "1" + c for s, c in b.items()}
        heapq.heappush(heap, (n + m, v, joined))
    codes = {s: c or "0" for s, c in heap[0][2].items()}
    bits = 32 if values.dtype == np.int16 else 16
    table: list[int] = []

    def add(codes: dict[int, str], width: int) -> None:
        start = len(table)
        table.extend([0] * (1 << width))
        for i in range(1 << width):
            prefix = f"{i:0{width}b}"
            for symbol, code in codes.items():
                if prefix.startswith(code):
                    low = symbol & (0xFFFF if bits == 32 else 0xFF)
                    table[start + i] = 1 << (bits - 1) | len(code) << (bits - 5) | low
            longer = {s: c[width:] for s, c in codes.items() if c.startswith(prefix) and c != prefix}
            if longer:
                more = min(max(map(len, longer.values())), 3)
                table[start + i] = (more - 1) << (bits - 5) | (len(table) - start - i)
                add(longer, more)

    add(codes, first)
    stream = pack_bits("".join(codes[v] for v in values.reshape(-1).tolist()))
    tables = np.array(table, f"uint{bits}").tobytes()
    return stream, header(HUFFMAN, (first - 1) << 4 | (bits == 32)) + tables


def model(values: np.ndarray, stored: tuple[bytes, bytes] | None, quantization: dict) -> bytes:
    """The constant is an output, by way of RESHAPE; beside it what a model needs: an input."""
    b = Builder()
    x = b.tensor((2,), "float32")
    y = b.tensor((2,), "float32")
    b.op("ABS", [x], y)
    if stored is None:
        w = b.const(values, **quantization)
    else:
        w = b.tensor(values.shape, values.dtype.name, **quantization)
        encoded, ancillary = (b.const(np.frombuffer(part, np.uint8)) for part in stored)
        b.op("CUSTOM", [encoded, ancillary], w, custom="TFLM_DECODE")
    flat = b.tensor((values.size,), values.dtype.name, **quantization)
    b.op("RESHAPE", [w, b.const(np.array([values.size], np.int32))], flat, new_shape=[values.size])
    return b.build([x], [flat, y])


@st.composite
def constants(draw, kind: int, dtype: str):
    """Values, how they are stored, their quantization."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    width = draw(st.integers(1, 7))
    some = rng.integers(-(2**7), 2**7, 1 << width).astype(dtype)
    values = rng.choice(some, shape, p=rng.dirichlet(np.full(some.size, 0.3)))
    axis = draw(st.sampled_from((None, 0, len(shape) - 1))) if dtype == "int8" and len(shape) > 1 else None
    channels = 1 if axis is None else shape[axis]
    zeros = rng.integers(-9, 9, channels) if kind == PRUNE and dtype == "int8" else np.zeros(channels, int)
    quantization = {"scale": [0.5] * channels, "zero_point": zeros.tolist(), "axis": axis or 0}
    if dtype == "float32":
        quantization = {}
    axis = axis if channels > 1 else None
    if kind == LUT:
        return values, lut(values, axis, width), quantization
    if kind == HUFFMAN:
        return values, huffman(values, draw(st.integers(1, 6))), quantization
    along = [1] * len(shape)
    along[axis or 0] = channels
    zeros = zeros.reshape(along).astype(dtype)
    values = np.where(rng.random(shape) < 0.5, zeros, values)
    return values, prune(values, zeros), quantization


CASES = [(k, t) for k in (LUT, HUFFMAN, PRUNE) for t in TYPES if k != HUFFMAN or t in ("int8", "int16")]


@pytest.mark.parametrize(("kind", "dtype"), CASES)
def test_decoded(kind: int, dtype: str) -> None:
    """What was stored comes out of the packed model, as out of TFLM."""

    @hypothesis.settings(max_examples=25)
    @hypothesis.given(constants(kind, dtype))
    def check(case) -> None:
        values, stored, quantization = case
        tflite = model(values, stored, quantization)
        decoded = compile_tflite(tflite).hog
        expected = Oracle(tflite).run([np.array([1, -2], np.float32)])
        assert expected[0].tobytes() == values.tobytes()
        got = run(decoded, "native", [np.array([1, -2], np.float32)], expected)
        for ours, tflm in zip(got, expected, strict=True):
            assert_same(ours, tflm, "output")

    check()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({0: 3}, "compression of kind 3 for int8 is not supported"),
        ({1: 2}, "unknown version"),
        ({4: 0}, "unknown version"),
        ({5: 0}, "0-bit indices"),
        ({5: 7}, "7-bit indices"),
        ({6: 200}, "damaged"),
        ({0: HUFFMAN, 5: 0xF0}, "damaged"),
        ({0: PRUNE, 17: None}, "too few values"),
    ],
)
def test_nonsense(change: dict[int, int | None], words: str) -> None:
    values = np.arange(24, dtype=np.int8).reshape(3, 8)
    encoded, ancillary = lut(values, 0, 3)
    bad = bytearray(ancillary)
    for at, value in change.items():
        bad[at : at + 1 if value is not None else None] = [] if value is None else [value]
    quantization = {"scale": [0.5] * 3, "zero_point": [0] * 3, "axis": 0}
    compile_tflite(model(values, (encoded, ancillary), quantization))
    with pytest.raises(UserError, match=words):
        compile_tflite(model(values, (encoded, bytes(bad)), quantization))


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_tflms_own_tool(engine: str) -> None:
    """It writes the code of TFLM_DECODE into one of its two fields only."""
    from tflite_micro.tensorflow.lite.micro.compression import compress, spec

    b, rng = Builder(), np.random.default_rng(0)
    x, y = b.tensor((1, 9), "int8", scale=0.1, zero_point=3), b.tensor((1, 40), "int8", scale=0.5)
    w = b.const(rng.choice([-90, -11, 0, 5, 127], (40, 9)).astype(np.int8), scale=0.02)
    b.op("FULLY_CONNECTED", [x, w, None], y, version=4)
    plain = b.build([x], [y])
    method = spec.LookUpTableCompression(3, spec.PerTensor())
    packed = bytes(compress(plain, [spec.Tensor(0, w.index, [method])]))
    assert b"TFLM_DECODE" in packed
    given = [rng.integers(-128, 128, (1, 9)).astype(np.int8)]
    expected = Oracle(packed).run(given)
    assert (expected[0] == Oracle(plain).run(given)[0]).all()
    assert_same(run(compile_tflite(packed).hog, engine, given, expected)[0], expected[0], "output")


def test_mutations() -> None:
    """A damaged model is packed or refused with words."""
    values = np.arange(40, dtype=np.int8).reshape(5, 8)
    b = Builder()
    x, y = b.tensor((1, 8), "int8", scale=0.1), b.tensor((1, 5), "int8", scale=0.3)
    w = b.tensor(values.shape, "int8", scale=[0.02] * 5, zero_point=[0] * 5, axis=0)
    encoded, ancillary = (b.const(np.frombuffer(part, np.uint8)) for part in lut(values, 0, 3))
    b.op("CUSTOM", [encoded, ancillary], w, custom="TFLM_DECODE")
    b.op("FULLY_CONNECTED", [x, w, None], y)
    tflite = b.build([x], [y])
    rng = np.random.default_rng(1)
    packed = refused = 0
    for _ in range(1500):
        bad = bytearray(tflite)
        for at in rng.integers(8, len(bad), rng.integers(1, 5)):
            bad[at] = rng.choice((0, 127, 128, 255, rng.integers(256)))
        try:
            compile_tflite(bytes(bad))
            packed += 1
        except UserError:
            refused += 1
    assert packed > 50 and refused > 50
