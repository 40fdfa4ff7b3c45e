# SPDX-License-Identifier: MIT
"""`hognose debug` on an emulated Pico: the tensors of each layer come back over the serial line."""

import numpy as np
import pytest

from hognose_tools.analysis import debug
from hognose_tools.board.link import available
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.data import samples
from hognose_tools.runners.pico import missing
from tflite_builder import Builder

pytestmark = pytest.mark.skipif(
    missing() is not None or not available("armv6m"), reason=f"no emulated Pico or no module: {missing()}"
)


def test_layers() -> None:
    b = Builder()
    x = b.tensor((1, 8, 8, 2), "int8", scale=0.05)
    w = b.const(np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 2), np.int8), scale=0.01)
    y, z = (
        b.tensor((1, 8, 8, 4), "int8", scale=0.1),
        b.tensor((1, 8, 8, 4), "int8", scale=1 / 256, zero_point=-128),
    )
    b.op("CONV_2D", [x, w, None], y, padding="SAME", stride_h=1, stride_w=1, activation="RELU")
    b.op("LOGISTIC", [y], z)
    tflite = b.build([x], [z])
    compiled = compile_tflite(tflite)
    inputs = samples.random(disassemble(compiled.hog).inputs, 2)
    there = debug.debug(tflite, compiled, inputs, inputs, "native", "rp2040")
    here = debug.debug(tflite, compiled, inputs, inputs, "native", "cpython")
    assert there.rows == here.rows
    assert [row.differing for row in there.rows] == [None, 0, 0]
