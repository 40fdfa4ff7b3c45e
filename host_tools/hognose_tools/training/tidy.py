# SPDX-License-Identifier: MIT
"""What TensorFlow's converter leaves to be done in a `.tflite`: the order and the names of inputs and outputs
are Keras's, and small integers reach int8 without a detour through float32.

It works on the objects that TensorFlow's own converter makes of the file to change it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from tflite import BuiltinOperator as _OP
from tflite import TensorType as _TYPE

SIGNATURE = "serving_default"
_BIAS = {_OP.CONV_2D: 2, _OP.DEPTHWISE_CONV_2D: 2, _OP.FULLY_CONNECTED: 2, _OP.TRANSPOSE_CONV: 3}
# TFLM casts none of these to float32, or not all, but dequantizes them.
_SMALL = (_TYPE.UINT8, _TYPE.INT8, _TYPE.INT16)


def tidy(tflite: bytes, inputs: Sequence[str], outputs: Sequence[str], names: Sequence[str]) -> bytes:
    """`inputs`, `outputs`: Keras's names in Keras's order; `names`: those that the file's signature has for
    all of these now."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(tflite)
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    _dequantize_small(model, graph)
    places = {_text(m.name): m.tensorIndex for m in (*signature.inputs, *signature.outputs)}
    order = [places[name] for name in names]
    graph.inputs, graph.outputs = np.split(np.array(order, np.int32), [len(inputs)])
    signature.signatureKey = SIGNATURE
    signature.inputs = _maps(inputs, graph.inputs)
    signature.outputs = _maps(outputs, graph.outputs)
    for name, tensor in reversed(list(zip((*inputs, *outputs), order, strict=True))):
        graph.tensors[tensor].name = name  # one that is an input and an output is called as the input
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def unshare_biases(tflite: bytes) -> bytes:
    """A bias of its own for each layer. Equal ones are one tensor in a float model, and TensorFlow's way to
    int16 gives it the scale of one of the layers."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(tflite)
    for graph in model.subgraphs:
        used: set[int] = set()
        for op in graph.operators:
            place = _BIAS.get(_kind(model, op), len(op.inputs))
            bias = int(op.inputs[place]) if place < len(op.inputs) else -1
            if bias in used:
                graph.tensors.append(copy.deepcopy(graph.tensors[bias]))
                model.buffers.append(copy.deepcopy(model.buffers[graph.tensors[bias].buffer]))
                graph.tensors[-1].buffer = len(model.buffers) - 1
                op.inputs = np.where(np.arange(len(op.inputs)) == place, len(graph.tensors) - 1, op.inputs)
            used |= {bias} - {-1}
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _maps(names: Sequence[str], tensors: np.ndarray) -> list[Any]:
    from tensorflow.lite.python.schema_py_generated import TensorMapT

    maps = []
    for name, tensor in zip(names, tensors, strict=True):
        entry = TensorMapT()
        entry.name, entry.tensorIndex = name, int(tensor)
        maps.append(entry)
    return maps


def _dequantize_small(model: Any, graph: Any) -> None:
    """CAST of an input of uint8, int8 or int16 to float32 becomes DEQUANTIZE with the scale 1, or nothing
    where only QUANTIZE to int8 follows it: an image takes a byte a pixel then, not four more."""
    from tensorflow.lite.python.schema_py_generated import QuantizationParametersT

    readers: dict[int, list[Any]] = {}
    for op in graph.operators:
        for i in op.inputs:
            readers.setdefault(int(i), []).append(op)
    for cast in [op for op in graph.operators if _kind(model, op) == _OP.CAST]:
        x, y = int(cast.inputs[0]), int(cast.outputs[0])
        source, result = graph.tensors[x], graph.tensors[y]
        if x not in graph.inputs or source.type not in _SMALL or result.type != _TYPE.FLOAT32:
            continue
        source.quantization = QuantizationParametersT()
        source.quantization.scale, source.quantization.zeroPoint = [1.0], [0]
        after = readers.get(y, [])
        quantized = all(_kind(model, op) == _OP.QUANTIZE for op in after) and y not in graph.outputs
        types = {graph.tensors[op.outputs[0]].type for op in after}
        if quantized and types == {_TYPE.INT8} and source.type != _TYPE.INT16:
            for op in after:
                op.inputs = np.array([x], np.int32)
            graph.operators.remove(cast)
        else:
            cast.opcodeIndex = _code(model, _OP.DEQUANTIZE, 3 if source.type == _TYPE.INT16 else 2)
            cast.builtinOptionsType, cast.builtinOptions = 0, None


def _kind(model: Any, op: Any) -> int:
    code = model.operatorCodes[op.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def _code(model: Any, kind: int, version: int) -> int:
    """The index of an operator code, which is made where there is none."""
    from tensorflow.lite.python.schema_py_generated import OperatorCodeT

    for i, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == kind and code.version >= version:
            return i
    code = OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
