# SPDX-License-Identifier: MIT
"""Published models, every engine, on CPython and on the unix port: TFLM's bytes."""

import pytest

from hognose_tools.analysis import verify
from hognose_tools.compiler import carry_tflite, compile_tflite
from hognose_tools.compiler.disassemble import disassemble
from hognose_tools.data import samples
from hognose_tools.errors import UserError
from hognose_tools.runners import ENGINES, unix

MODELS = ("hello_world_int8", "kws_ref_model", "pretrainedResnet_quant", "ad01_int8", "ad01_fp32")


@pytest.mark.parametrize("on", ["cpython", "unix"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_every_byte_is_tflms(models, name, engine, on):
    path = models / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"no {path.name} in the folder of models")
    if on == "unix":
        try:
            unix.micropython(engine)
        except UserError as e:
            pytest.skip(str(e))
    elif engine == "tflm":
        pytest.skip("TFLM is a MicroPython module; on CPython it is the judge itself")
    tflite = path.read_bytes()
    packed = carry_tflite(tflite) if engine == "tflm" else compile_tflite(tflite, name=name)
    count = 1 if engine == "reference" else 10
    hog = packed if isinstance(packed, bytes) else packed.hog
    inputs = samples.random(disassemble(hog).inputs, count)
    assert verify.verify(tflite, packed, inputs, engine, on) is None
