# SPDX-License-Identifier: MIT
"""A small builder of real .tflite files, for tests.

b = Builder()
x = b.tensor((1, 8, 8, 3), "int8", scale=0.1, zero_point=-3)
w = b.const(weights, scale=[0.01, 0.02], axis=0)
y = b.tensor((1, 8, 8, 2), "int8", scale=0.2)
b.op("CONV_2D", [x, w, None], y, padding="SAME", stride_h=1, stride_w=1, activation="RELU")
tflite = b.build([x], [y])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

_NUMPY = {"int4": np.int8, "bool": np.bool_}
# Operators whose options table has another name than their own.
_OPTIONS = {
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), "Pool2DOptions"),
    **dict.fromkeys(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY"), "ReducerOptions"
    ),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), "MaximumMinimumOptions"),
    "L2_NORMALIZATION": "L2NormOptions",
    "SPLIT_V": "SplitVOptions",
}
_OPTION_NAMES = {
    name.removesuffix("Options").lower(): name
    for name in vars(schema.BuiltinOptions)
    if name.endswith("Options")
}
_ENUMS = {
    "padding": schema.Padding,
    "fusedActivationFunction": schema.ActivationFunctionType,
    "mode": schema.MirrorPadMode,
    "inDataType": schema.TensorType,
    "outDataType": schema.TensorType,
    "outputType": schema.TensorType,
    "outType": schema.TensorType,
}


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph under construction."""

    index: int
    shape: tuple[int, ...]
    dtype: str
    scale: float | tuple[float, ...] | None
    zero_point: int | tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def numpy_dtype(self) -> np.dtype:
        return np.dtype(_NUMPY.get(self.dtype, self.dtype))


class AlignedBuffer(schema.BufferT):
    """A buffer at a multiple of 16 bytes, as TensorFlow writes it."""

    def Pack(self, builder: flatbuffers.Builder) -> int:
        data = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), 16)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


class Builder:
    """Collects tensors and operators; `build` gives the file. Subgraphs come one after another."""

    def __init__(self) -> None:
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.description = "hognose test model"
        self._model.operatorCodes = []
        self._model.buffers = [AlignedBuffer()]  # by convention, buffer 0 is empty
        self._model.subgraphs = []
        self._codes: dict[tuple[str, int], int] = {}
        self._begin()

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "float32",
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        axis: int = 0,
        name: str | None = None,
        variable: bool = False,
        data: bytes | None = None,
    ) -> Tensor:
        """A tensor; a sequence of scales means one for each index along `axis`."""
        t = schema.TensorT()
        t.shape = np.array(shape, np.int32)
        t.type = getattr(schema.TensorType, dtype.upper())
        t.name = name or f"t{len(self._graph.tensors)}"
        t.isVariable = variable
        if data is not None:
            buffer = AlignedBuffer()
            buffer.data = data
            self._model.buffers.append(buffer)
        t.buffer = 0 if data is None else len(self._model.buffers) - 1
        if scale is not None:
            q = t.quantization = schema.QuantizationParametersT()
            q.scale = np.array(scale, np.float32).reshape(-1)
            q.zeroPoint = np.broadcast_to(np.array(zero_point, np.int64), q.scale.shape).copy()
            q.quantizedDimension = axis
            scale = float(scale) if np.ndim(scale) == 0 else tuple(map(float, scale))
        self._graph.tensors.append(t)
        return Tensor(
            len(self._graph.tensors) - 1,
            tuple(int(n) for n in shape),
            dtype,
            scale,
            int(zero_point) if np.ndim(zero_point) == 0 else tuple(map(int, zero_point)),
        )

    def const(self, array: Any, dtype: str | None = None, **quantization: Any) -> Tensor:
        """A constant tensor; dtype "int4" packs two values a byte, the first in the low half."""
        array = np.asarray(array)
        dtype = dtype or array.dtype.name
        if dtype == "int4":
            flat = array.astype(np.uint8).reshape(-1) & 15
            flat = np.append(flat, np.zeros(flat.size % 2, np.uint8))
            data = (flat[0::2] | flat[1::2] << 4).tobytes()
        else:
            data = array.astype(_NUMPY.get(dtype, dtype)).tobytes()
        return self.tensor(array.shape, dtype, data=data, **quantization)

    def op(
        self,
        code: str,
        inputs: Sequence[Tensor | None],
        outputs: Tensor | Sequence[Tensor],
        version: int = 1,
        custom: str | None = None,
        custom_options: bytes | None = None,
        **options: Any,
    ) -> Tensor | Sequence[Tensor]:
        """An operator; options by the schema's names in snake case, enumerations as strings."""
        o = schema.OperatorT()
        o.opcodeIndex = self._code(code, version, custom)
        o.inputs = np.array([-1 if t is None else t.index for t in inputs], np.int32)
        listed = [outputs] if isinstance(outputs, Tensor) else outputs
        o.outputs = np.array([t.index for t in listed], np.int32)
        table = _OPTIONS.get(code, _OPTION_NAMES.get(code.replace("_", "").lower()))
        if table:
            o.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            o.builtinOptions = _options(table, options)
        elif options:
            raise ValueError(f"{code} has no options")
        if custom_options is not None:
            o.customOptions = np.frombuffer(custom_options, np.uint8)
        self._graph.operators.append(o)
        return outputs

    def end_subgraph(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> int:
        """Finish the subgraph under construction and begin the next; returns its index."""
        self._finish(inputs, outputs)
        self._begin()
        return len(self._model.subgraphs) - 1

    def build(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bytes:
        """The .tflite file; inputs and outputs are those of the subgraph under construction."""
        self._finish(inputs, outputs)
        size = sum(len(b.data) for b in self._model.buffers if b.data is not None)
        builder = flatbuffers.Builder(size + 4096)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _begin(self) -> None:
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []

    def _finish(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        self._graph.inputs = np.array([t.index for t in inputs], np.int32)
        self._graph.outputs = np.array([t.index for t in outputs], np.int32)
        self._graph.name = f"subgraph{len(self._model.subgraphs)}"
        self._model.subgraphs.append(self._graph)

    def _code(self, name: str, version: int, custom: str | None) -> int:
        key = (custom or name, version)
        if key not in self._codes:
            c = schema.OperatorCodeT()
            c.builtinCode = getattr(schema.BuiltinOperator, "CUSTOM" if custom else name)
            c.deprecatedBuiltinCode = min(c.builtinCode, 127)
            c.version = version
            c.customCode = custom
            self._codes[key] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(c)
        return self._codes[key]


def _options(table: str, values: dict[str, Any]) -> Any:
    made = getattr(schema, table + "T")()
    for name, value in values.items():
        first, *rest = ("fused_activation_function" if name == "activation" else name).split("_")
        field = first + "".join(word.capitalize() for word in rest)
        if not hasattr(made, field):
            raise ValueError(f"{table} has no field {field}")
        if isinstance(value, str):
            value = getattr(_ENUMS[field], value)
        setattr(made, field, value)
    return made


def count_up(b: Builder, step: float) -> tuple[Tensor, Tensor]:
    """WHILE x < 100: x = x + step. Returns input and output of the body, which is not ended yet."""
    given, result = b.tensor((1,)), b.tensor((1,))
    b.op("WHILE", [given], result, cond_subgraph_index=1, body_subgraph_index=2)
    b.end_subgraph([given], [result])
    x, more = b.tensor((1,)), b.tensor((1,), "bool")
    b.op("LESS", [x, b.const(np.float32([100]))], more)
    b.end_subgraph([x], [more])
    x, y = b.tensor((1,)), b.tensor((1,))
    b.op("ADD", [x, b.const(np.float32([step]))], y)
    return x, y
