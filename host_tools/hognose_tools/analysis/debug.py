# SPDX-License-Identifier: MIT
"""A model layer by layer, to see which layer quantization broke."""

import math
from difflib import SequenceMatcher

import numpy as np

from ..compiler import Compiled, compile_graph
from ..compiler.floating import dequantized, is_quantized, to_float
from ..compiler.graph import Graph, Tensor
from ..compiler.reader import read_tflite
from ..data import samples
from ..errors import UserError
from . import layers
from .debug_table import Row, Table
from .oracle import SECONDS, OracleDied
from .verify import compare

SAME_WEIGHTS = "a float run of the same weights (only --float shows the error of the weights)"


def debug(
    tflite: bytes,
    compiled: Compiled | None,
    inputs: list[np.ndarray],
    given: list[np.ndarray],
    engine: str,
    on: str,
    floats: bytes | None = None,
    seconds: float = SECONDS,
) -> Table:
    """The table of all layers. `inputs`: raw, [samples, *shape]; `given`: the numbers they came from, or raw.

    `compiled`: the same model packed, None for the engine tflm; `floats`: the float model, a `.tflite`.
    `seconds`: what TFLM may take for one sample.
    """
    graph = read_tflite(tflite)
    table = Table("", [], "", [])
    values = _values(tflite, graph, compiled, inputs, engine, on)
    right = _tflm(tflite, inputs, values, table, seconds)
    rows = {t.index: _row(-1, "input", t, values) for t in graph.inputs}
    for op in graph.operators:
        for t in op.outputs:
            rows[t.index] = row = _row(op.index, op.kind, t, values)
            if t.index in right:
                found = compare(values[t.index], right[t.index], "")
                row.differing = found.count if found else 0
    table.reference = _compare_with_float(graph, values, inputs, given, floats, rows, table.notes)
    table.rows = list(rows.values())
    return table


def _values(
    tflite: bytes, graph: Graph, compiled: Compiled | None, inputs: list[np.ndarray], engine: str, on: str
) -> layers.Values:
    """Of all tensors that exist when the model runs, inputs included."""
    values = {t.index: a for t, a in zip(graph.inputs, inputs, strict=True)}
    if compiled is None:
        tensors = [t for op in graph.operators for t in op.outputs]
        return values | layers.with_tflm(tflite, tensors, inputs, on)
    values |= layers.on_engine(compiled, inputs, engine, on)
    return values | layers.views(compiled, values)


def _tflm(
    tflite: bytes, inputs: list[np.ndarray], values: layers.Values, table: Table, seconds: float
) -> layers.Values:
    """TFLM's own values of the same tensors; none, and a note, where it cannot tell."""
    try:
        return layers.in_tflm(tflite, inputs, values, seconds)
    except UserError as e:
        table.notes.append(f"Not compared with TFLM: {e}")
        table.error = str(e) if isinstance(e, OracleDied) else None
        return {}


def _row(index: int, operator: str, t: Tensor, values: layers.Values) -> Row:
    row = Row(index, operator, t.label, t.dtype, t.shape)
    got = values.get(t.index)
    if got is None:
        row.note = "no tensor of its own: fused, or not needed"
    elif got.size:
        real = real_values(got, t)
        finite = real[np.isfinite(real)]
        if finite.size:
            row.low, row.high = float(finite.min()), float(finite.max())
        if finite.size < real.size:
            row.note = f"{real.size - finite.size} values are not finite"
        if t.dtype != "float32" and t.dtype != "bool":
            bounds = np.iinfo(got.dtype)
            row.at_low, row.at_high = float(np.mean(got == bounds.min)), float(np.mean(got == bounds.max))
    return row


def real_values(values: np.ndarray, t: Tensor) -> np.ndarray:
    """The numbers that a tensor's elements stand for."""
    return dequantized(values, t) if is_quantized(t) else values.astype(np.float32)


def sqnr(exact: np.ndarray, quantized: np.ndarray) -> float:
    """Signal-to-quantization-noise ratio in dB: 10·log10(Σ x² ÷ Σ (x - q)²); infinite where x equals q.

    B. Widrow, I. Kollár: Quantization Noise, Cambridge University Press 2008. Only finite values count.
    """
    x, q = exact.astype(np.float64).reshape(-1), quantized.astype(np.float64).reshape(-1)
    finite = np.isfinite(x) & np.isfinite(q)
    signal, noise = float(np.sum(x[finite] ** 2)), float(np.sum((x[finite] - q[finite]) ** 2))
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def _compare_with_float(
    graph: Graph,
    values: layers.Values,
    inputs: list[np.ndarray],
    given: list[np.ndarray],
    floats: bytes | None,
    rows: dict[int, Row],
    notes: list[str],
) -> str:
    """Fills in the ratios in `rows`; returns the name of what they are relative to."""
    if not any(is_quantized(t) for t in graph.tensors):
        notes.append("This model is not quantized: there are no ratios.")
        return ""
    other = graph if floats is None else read_tflite(floats)
    odd = sorted({op.kind for op in other.operators if op.kind in layers.CHANGING})
    if odd:
        notes.append(f"No float run: layers cannot be run one by one in a model with {' or '.join(odd)}.")
        return ""
    partner = match(graph, other)
    if floats is not None:
        _check_float(graph, other, partner)
    other = to_float(other)  # of a float model with int8 weights the weights
    try:
        compiled = compile_graph(other, whole=True)
    except UserError as e:
        if floats is not None:
            raise
        notes.append(f"No float run: {e}")
        return ""
    tensors = {t.index: t for t in graph.tensors}
    real = {i: real_values(v, tensors[i]) for i, v in values.items()}
    exact = [
        _numbers(a, raw, t, wanted)
        for a, raw, t, wanted in zip(given, inputs, graph.inputs, other.inputs, strict=True)
    ]
    through = layers.in_float(compiled, exact, {})
    through |= layers.views(compiled, through)
    through |= {t.index: a for t, a in zip(other.inputs, exact, strict=True)}
    forced = {partner[i]: v for i, v in real.items() if i in partner}
    by_layer = layers.in_float(compiled, exact, forced)
    for i, row in rows.items():
        if i in partner and i in real and is_quantized(tensors[i]):
            if partner[i] in through:
                row.sqnr = sqnr(through[partner[i]], real[i])
            if partner[i] in by_layer:
                row.alone = sqnr(by_layer[partner[i]], real[i])
    return "the float model" if floats is not None else SAME_WEIGHTS


def _numbers(given: np.ndarray, raw: np.ndarray, t: Tensor, wanted: Tensor) -> np.ndarray:
    """An input of the float model: the numbers as given, not as quantized, unless raw values were given."""
    if wanted.dtype != "float32":
        return raw
    return real_values(raw, t) if given.dtype == raw.dtype else samples.float32(given)


def _check_float(graph: Graph, other: Graph, partner: dict[int, int]) -> None:
    if [t.size for t in graph.inputs] != [t.size for t in other.inputs]:
        raise UserError(
            "--float: its inputs are not this model's: give the float .tflite of the same network"
        )
    quantized = sorted(t.label for t in other.tensors if t.data is None and is_quantized(t))
    if quantized:
        raise UserError(f"--float: {quantized[0]} is quantized; convert the network without quantization")
    if not any(op.outputs[0].index in partner for op in graph.operators if op.outputs):
        raise UserError("--float: no layer has a name or place of this model's: give the same network's")


def match(graph: Graph, other: Graph) -> dict[int, int]:
    """Pairs tensors of `graph` and `other`: by name, else by place among operators of the same kind."""
    by_name = {t.name: t for t in other.tensors if t.name}
    found = {t.index: u.index for t, u in zip(graph.inputs, other.inputs, strict=False) if t.size == u.size}
    for t in graph.tensors:
        u = by_name.get(t.name)
        if u is not None and u.size == t.size and u.data is None and t.data is None:
            found.setdefault(t.index, u.index)
    ours, theirs = _places(graph), _places(other)
    blocks = SequenceMatcher(None, [k for k, _ in ours], [k for k, _ in theirs], autojunk=False)
    for a, b, size in blocks.get_matching_blocks():
        for (_, t), (_, u) in zip(ours[a : a + size], theirs[b : b + size], strict=True):
            found.setdefault(t, u)
    return found


def _places(graph: Graph) -> list[tuple[tuple[str, tuple[int, ...]], int]]:
    """Operator and shape of each tensor in order, without operators that only change the type."""
    return [
        ((op.kind, t.shape), t.index)
        for op in graph.operators
        if op.kind not in ("QUANTIZE", "DEQUANTIZE")
        for t in op.outputs
    ]
