# SPDX-License-Identifier: MIT
"""Fits the cost model (analysis/cost.json) to cycles of random layers on the emulated Pico (`make cost`).

Half of the networks are fitted, the other half tells the error that the file states. They are counts: every
run of this program writes the same file.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "host"))

from hognose_tools.analysis import cost
from hognose_tools.analysis.bench import bench
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.errors import UserError
from hognose_tools.progress import bar
from tflite_builder import Builder, Tensor

NETWORKS = 40
LAYERS = 10  # of a network, at most


class Network:
    """Layers beside each other, each with an input of its own."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.layers = 1 if seed % 4 == 0 else 2 + seed * 7 % (LAYERS - 1)
        self.b = Builder()
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []

    def of(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def numbers(self, scale: float) -> dict:
        return {"scale": scale * self.rng.uniform(0.5, 1.5), "zero_point": int(self.rng.integers(-128, 100))}

    def input(self, shape) -> Tensor:
        x = self.b.tensor(shape, "int8", **self.numbers(0.05))
        self.inputs.append(x)
        return x

    def output(self, shape, **numbers) -> Tensor:
        y = self.b.tensor(shape, "int8", **self.numbers(0.2) | numbers)
        self.outputs.append(y)
        return y

    def convolution(self) -> None:
        depthwise = self.rng.random() < 0.4
        k = 3 if depthwise and self.rng.random() < 0.6 else self.of(1, 1, 3, 3, 5)
        channels = self.of(1, 3, 4, 8, 16, 16, 32, 64)
        out_c = channels if depthwise else self.of(4, 8, 16, 16, 32, 64, 6)
        size = self.of(6, 8, 12, 16, 24, 32)
        while size * size * max(channels, out_c) > 12_000 or k > size:
            size //= 2
        size = max(size, 1)
        k = min(k, size)
        stride = self.of(1, 1, 2)
        same = self.rng.random() < 0.6
        out = -(-size // stride) if same else (size - k) // stride + 1
        x = self.input((1, size, size, channels))
        shape = (1, k, k, out_c) if depthwise else (out_c, k, k, channels)
        scales = self.rng.uniform(0.001, 0.01, out_c)
        w = self.b.const(
            self.rng.integers(-127, 128, shape, np.int8), scale=scales, axis=3 if depthwise else 0
        )
        bias = self.b.const(self.rng.integers(-900, 900, out_c).astype(np.int32), scale=x.scale * scales)
        y = self.output((1, out, out, out_c))
        options = {"padding": "SAME" if same else "VALID", "stride_h": stride, "stride_w": stride}
        options |= {"dilation_h_factor": 1, "dilation_w_factor": 1, "activation": self.of("NONE", "RELU")}
        options |= {"depth_multiplier": 1} if depthwise else {}
        self.b.op("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, w, bias], y, version=3, **options)

    def steps(self) -> None:
        """What a network that is given one step after another makes of the last ones: one pixel."""
        k, channels = self.of(3, 5, 9, 17, 25), self.of(16, 32, 64)
        x = self.input((1, k, 1, channels))
        scales = self.rng.uniform(0.001, 0.01, channels)
        w = self.b.const(self.rng.integers(-127, 128, (1, k, 1, channels), np.int8), scale=scales, axis=3)
        options = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "depth_multiplier": 1}
        options |= {"dilation_h_factor": 1, "dilation_w_factor": 1, "activation": "NONE"}
        bias = self.b.const(np.zeros(channels, np.int32), scale=x.scale * scales)
        y = self.output((1, 1, 1, channels))
        self.b.op("DEPTHWISE_CONV_2D", [x, w, bias], y, version=3, **options)

    def dense(self) -> None:
        k, units = self.of(8, 16, 64, 100, 256, 640, 30), self.of(1, 4, 10, 16, 64, 128)
        x = self.input((1, k))
        scales = self.rng.uniform(0.001, 0.01, units) if self.rng.random() < 0.5 else [0.005]
        w = self.b.const(self.rng.integers(-127, 128, (units, k), np.int8), scale=scales)
        self.b.op(
            "FULLY_CONNECTED", [x, w, None], self.output((1, units)), activation=self.of("NONE", "RELU")
        )

    def image(self) -> Tensor:
        size = self.of(4, 8, 12, 16)
        return self.input((1, size, size, self.of(1, 3, 8, 16, 32)))

    def pool(self) -> None:
        x = self.image()
        k = self.of(2, 3, x.shape[1])
        stride = self.of(1, 2) if k < x.shape[1] else 1
        out = (x.shape[1] - k) // stride + 1
        y = self.output((1, out, out, x.shape[3]), scale=x.scale, zero_point=x.zero_point)
        options = {"filter_height": k, "filter_width": k, "stride_h": stride, "stride_w": stride}
        self.b.op(self.of("AVERAGE_POOL_2D", "MAX_POOL_2D"), [x], y, padding="VALID", **options)

    def binary(self) -> None:
        x = self.image()
        other = self.input(x.shape) if self.rng.random() < 0.7 else self.input((1, 1, 1, x.shape[3]))
        self.b.op(self.of("ADD", "MUL"), [x, other], self.output(x.shape))

    def others(self) -> None:
        x, b = self.image(), self.b
        kind = self.of("MEAN", "PAD", "LOGISTIC", "SOFTMAX", "TRANSPOSE", "QUANTIZE", "DEQUANTIZE")
        n, h, w, c = x.shape
        same = {"scale": x.scale, "zero_point": x.zero_point}
        if kind == "MEAN":
            b.op(kind, [x, b.const(np.array([1, 2], np.int32))], self.output((n, c)), keep_dims=False)
        elif kind == "PAD":
            sides = b.const(np.array([[0, 0], [1, 1], [1, 2], [0, 0]], np.int32))
            b.op(kind, [x, sides], self.output((n, h + 2, w + 3, c), **same))
        elif kind == "LOGISTIC":
            b.op(kind, [x], self.output(x.shape, scale=1 / 256, zero_point=-128))
        elif kind == "SOFTMAX":
            b.op(kind, [x], self.output(x.shape, scale=1 / 256, zero_point=-128), beta=1.0)
        elif kind == "TRANSPOSE":
            b.op(kind, [x, b.const(np.array([0, 2, 1, 3], np.int32))], self.output((n, w, h, c), **same))
        else:
            y = b.tensor(x.shape, "float32")
            b.op("DEQUANTIZE", [x], y)
            if kind == "QUANTIZE":
                b.op("QUANTIZE", [y], self.output(x.shape))
            else:
                self.outputs.append(y)

    def build(self) -> bytes:
        kinds = [self.convolution] * 5 + [self.dense] * 3 + [self.pool, self.others] * 2 + [self.binary] * 3
        for _ in range(self.layers):
            self.of(*kinds)()
        if self.layers > 1:  # a network of one layer tells what a call takes
            self.steps()
        return self.b.build(self.inputs, self.outputs)


Row = tuple[str, list[float], int]  # kernel, what is counted, cycles


def measure(hog: bytes) -> list[Row]:
    """Of each operator that has a kernel, and of the call."""
    try:
        found = bench(hog, "rp2040", layers=True)
    except UserError as e:
        print(f"left out: {e}")
        return []
    model = disassemble(hog)
    cycles = [layer["cycles"] for layer in found["layers"]]
    rows = []
    if len(cycles) == 1:  # what others compute with may be overwritten by then, and cycles depend on it
        rows.append((cost.CALL, cost.call_counts(model), found["cycles"] - sum(cycles)))
    known = [(cost.counts(r), n) for r, n in zip(model.records, cycles, strict=True)]
    return rows + [(*c, n) for c, n in known if c]


def fit(rows: list[tuple[list[float], int]]) -> list[float]:
    """Weights that are not negative, for the least sum of squared relative errors."""
    x = np.array([v for v, _ in rows], float)
    y = np.array([c for _, c in rows], float)
    x, y = x / y[:, None], np.ones(len(y))
    used = x.any(axis=0)
    while True:
        w = np.zeros(x.shape[1])
        w[used] = np.linalg.lstsq(x[:, used], y, rcond=None)[0]
        if (w >= 0).all():
            return [round(float(v), 3) for v in w]
        used &= w > w.min()


def main() -> int:
    seen: dict[str, list[tuple[list[float], int, bool]]] = defaultdict(list)
    with bar("measuring", NETWORKS, "networks") as progress:
        for seed in range(NETWORKS):
            for kernel, values, cycles in measure(compile_tflite(Network(seed).build()).hog):
                seen[kernel].append((values, cycles, seed % 2 == 0))
            progress.update()
    kernels, errors = {}, {}
    for kernel, rows in sorted(seen.items()):
        few = len(rows) < 12  # then all are fitted, and none is left to tell the error
        kernels[kernel] = fit([(v, n) for v, n, fitted in rows if fitted or few])
        off = [abs(np.dot(kernels[kernel], v) / n - 1) for v, n, fitted in rows if few or not fitted]
        errors[kernel] = {
            "layers": len(off),
            "median": float(np.median(off)),
            "of ten, nine": float(np.quantile(off, 0.9)),
        }
        errors[kernel] = {k: round(v, 3) for k, v in errors[kernel].items()}
        print(f"{kernel:16}{len(rows):5}{np.median(off):8.1%}{np.quantile(off, 0.9):8.1%} {kernels[kernel]}")
    facts = {"errors": errors, "kernels": kernels}
    cost.FITTED.write_text(json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
