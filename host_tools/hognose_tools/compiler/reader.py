# SPDX-License-Identifier: MIT
"""Step 1: a `.tflite` flatbuffer into a Graph (schema: TensorFlow's lite/schema/schema.fbs)."""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import flatbuffers
import numpy as np
import tflite

from ..errors import UserError
from . import decode, wellformed
from .graph import Graph, Operator, Tensor, label

DTYPES = {
    tflite.TensorType.FLOAT32: "float32",
    tflite.TensorType.FLOAT16: "float16",
    tflite.TensorType.INT32: "int32",
    tflite.TensorType.UINT8: "uint8",
    tflite.TensorType.INT64: "int64",
    tflite.TensorType.STRING: "string",
    tflite.TensorType.BOOL: "bool",
    tflite.TensorType.INT16: "int16",
    tflite.TensorType.COMPLEX64: "complex64",
    tflite.TensorType.INT8: "int8",
    tflite.TensorType.FLOAT64: "float64",
    tflite.TensorType.UINT64: "uint64",
    tflite.TensorType.RESOURCE: "resource",
    tflite.TensorType.VARIANT: "variant",
    tflite.TensorType.UINT32: "uint32",
    tflite.TensorType.UINT16: "uint16",
    tflite.TensorType.INT4: "int4",
}
KINDS = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
OPTIONS = {v: k for k, v in vars(tflite.BuiltinOptions).items() if isinstance(v, int)}
CUSTOM = {"CIRCULAR_BUFFER", "TFLite_Detection_PostProcess"}  # custom operators that are known
NUMPY = {"float32", "float16", "int32", "uint8", "int64", "bool", "int16", "int8", "float64"}
NUMPY |= {"uint16", "uint32", "uint64"}

# A 32-bit offset reaches no further; more is a damaged or hostile file.
MAX_ELEMENTS = 2**31 - 1
# A damaged file may refer to the same part many times. This bounds the cost of reading all references, by the
# time that each takes; a file without repetition is far below it.
_COST, _COST_A_BYTE = 1 << 23, 16
_COST_OF_A_TABLE, _COST_OF_AN_INTEGER = 1000, 10
# The planner's time grows with the square.
MAX_OPERATORS = 2048
_DETAIL = 400  # characters of it in a message: shapes may be of any length
# What flatbuffers' and NumPy's readers raise on offsets that lead nowhere.
DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, KeyError)


@contextmanager
def reading(data: bytes) -> Iterator[None]:
    """Raises UserError where `data` is no .tflite, or what is read of it meanwhile is damaged."""
    if data[:4] == b"HOGN":
        raise UserError("this is a .hog file already: give the .tflite that it was packed from")
    if data[:4] == b"\x89HDF" or (data[:4] == b"PK\3\4" and b"config.json" in data):
        raise UserError("this is a Keras model: make a .tflite of it with `hognose quantize`")
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise UserError("this is no .tflite file (the identifier TFL3 is missing at offset 4)")
    try:
        yield
    except DAMAGE as e:
        detail = str(e).split("\n")[0][:_DETAIL] or type(e).__name__
        raise UserError(f"damaged .tflite file ({detail}); export the model again") from e


def read_tflite(data: bytes, name: str = "") -> Graph:
    """The first subgraph of the flatbuffer `data`, with the others. Raises UserError on anything else."""
    with reading(data):
        return _read(bytes(data), name)


@dataclass
class _File:
    """The flatbuffer, and how much more of it may be read."""

    model: Any
    left: int

    def spend(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise ValueError("the same parts repeated without end")

    def array(self, vector: Any) -> np.ndarray:
        """A vector, empty where it is absent (flatbuffers' reader gives 0 then)."""
        found = vector if isinstance(vector, np.ndarray) else np.array([], np.uint8)
        self.spend(len(found))
        return found

    def ints(self, vector: Any) -> list[int]:
        found = self.array(vector)
        self.spend(len(found) * _COST_OF_AN_INTEGER)
        return [int(v) for v in found]

    def numbers(self, vector: Any) -> list[int] | list[float]:
        found = self.array(vector)
        self.spend(len(found) * _COST_OF_AN_INTEGER)
        return found.tolist()  # type: ignore[no-any-return]

    def text(self, string: bytes | None) -> str:
        self.spend(len(string or b""))
        return (string or b"").decode("utf-8", "replace")


def _read(data: bytes, name: str) -> Graph:
    model = tflite.Model.GetRootAs(data, 0)
    if model.Version() != 3:
        raise UserError(f"version {model.Version()} of .tflite is unknown (3 is)")
    file = _File(model, _COST + _COST_A_BYTE * len(data))
    subgraphs: list[Graph] = []
    first = 0
    for i in range(model.SubgraphsLength()):
        if i and model.Subgraphs(i)._tab.Pos == model.Subgraphs(0)._tab.Pos:
            raise ValueError(f"subgraph {i} is the first one again")
        subgraphs.append(_subgraph(file, model.Subgraphs(i), name, first))
        subgraphs[i].subgraphs = subgraphs
        first += len(subgraphs[i].tensors)
    _name_ports(file, subgraphs[0])
    return subgraphs[0]


def _name_ports(file: _File, graph: Graph) -> None:
    """What the signature of the first subgraph calls its inputs and outputs, in the order of the subgraph."""
    signatures = (file.model.SignatureDefs(i) for i in range(file.model.SignatureDefsLength()))
    signature = next((s for s in signatures if s.SubgraphIndex() == 0), None)
    if signature is not None:
        inputs = [signature.Inputs(i) for i in range(signature.InputsLength())]
        outputs = [signature.Outputs(i) for i in range(signature.OutputsLength())]
        graph.input_names = _names(file, inputs, graph.inputs)
        graph.output_names = _names(file, outputs, graph.outputs)


def _names(file: _File, entries: list[Any], tensors: list[Tensor]) -> list[str]:
    """None where the signature leaves a tensor out. One that is there twice has a name for each place."""
    names: dict[int, list[str]] = {}
    for entry in entries:
        file.spend(_COST_OF_A_TABLE)
        names.setdefault(entry.TensorIndex(), []).append(file.text(entry.Name()))
    found = [names[t.index].pop(0) for t in tensors if names.get(t.index)]
    return found if len(found) == len(tensors) else []


def _subgraph(file: _File, subgraph: Any, name: str, first: int) -> Graph:
    """`first`: the number of its first tensor; tensors are numbered through the whole file."""
    count = subgraph.OperatorsLength()
    if count > MAX_OPERATORS:
        raise UserError(
            f"{count} operators are too many, {MAX_OPERATORS} is the limit: make the model smaller"
        )
    file.spend((1 + subgraph.TensorsLength() + count) * _COST_OF_A_TABLE)
    tensors = [_tensor(file, subgraph.Tensors(i), first + i) for i in range(subgraph.TensorsLength())]
    operators = [_operator(file, subgraph.Operators(i), i, tensors) for i in range(count)]
    operators = [o for o in operators if not _is_decoded(file, o)]
    inputs = [_at(tensors, i) for i in file.ints(subgraph.InputsAsNumpy())]
    outputs = [_at(tensors, i) for i in file.ints(subgraph.OutputsAsNumpy())]
    graph = Graph(name, tensors, operators, inputs, outputs)
    wellformed.check(graph)
    return graph


def _is_decoded(file: _File, op: Operator) -> bool:
    """Whether `op` only decodes compressed constants; its outputs then hold the data."""
    if op.kind != decode.KIND:
        return False
    if len(op.inputs) != 2 * len(op.outputs):
        raise ValueError(f"operator {op.index} has {len(op.inputs)} inputs")
    for encoded, ancillary, t in zip(op.inputs[::2], op.inputs[1::2], op.outputs, strict=True):
        if encoded is None or encoded.data is None or ancillary is None or ancillary.data is None:
            raise ValueError(f"operator {op.index} decodes what is not constant")
        file.spend(t.size)
        t.data = decode.decode(encoded.data.tobytes(), ancillary.data.tobytes(), t)
    return True


def _at(tensors: list[Tensor], index: int) -> Tensor:
    if not 0 <= index < len(tensors):
        raise IndexError(f"tensor {index} of {len(tensors)}")
    return tensors[index]


def _tensor(file: _File, t: Any, index: int) -> Tensor:
    shape = tuple(file.ints(t.ShapeAsNumpy()))
    if any(d < 0 for d in shape) or prod(shape) > MAX_ELEMENTS:
        raise ValueError(f"tensor {index} has the shape {shape}")
    dtype = DTYPES.get(t.Type(), f"type {t.Type()}")
    q = t.Quantization()
    scales = file.array(q.ScaleAsNumpy() if q else None).astype(np.float32)
    zeros = file.array(q.ZeroPointAsNumpy() if q else None).astype(np.int64)
    if not len(zeros):  # TFLM takes such a tensor for one that is not quantized
        scales = scales[:0]
    elif len(zeros) != len(scales):
        zeros = np.resize(zeros, len(scales))
    if len(zeros) and not -(2**31) <= zeros.min() <= zeros.max() < 2**31:
        raise ValueError(f"tensor {index} has a zero point beyond 32 bits")
    name = file.text(t.Name())
    axis = int(q.QuantizedDimension()) if q else 0
    data = _data(file, t, index, shape, dtype)
    int4 = dtype == "int4" and data is not None
    if int4:
        dtype = "int8"  # TFLM computes with int4 as with int8
    batch, sizes = (-1 in part for part in np.split(file.ints(t.ShapeSignatureAsNumpy()), [1]))
    variable = bool(t.IsVariable())
    return Tensor(index, name, shape, dtype, scales, zeros, axis, data, variable, int4, batch, sizes)


def _data(file: _File, t: Any, index: int, shape: tuple[int, ...], dtype: str) -> np.ndarray | None:
    if not 0 <= t.Buffer() < file.model.BuffersLength():
        raise IndexError(f"buffer {t.Buffer()} of {file.model.BuffersLength()}")
    raw = file.array(file.model.Buffers(t.Buffer()).DataAsNumpy())
    if not len(raw):
        return None
    if t.Sparsity() is not None:
        raise UserError(
            f"tensor {index} ({label(file.text(t.Name()))}) is stored sparse, which neither TFLM nor "
            "hognose has: convert the model without sparsity"
        )
    if dtype == "int4":  # two to a byte, the low nibble first
        if len(raw) != (prod(shape) + 1) // 2:
            raise ValueError(f"tensor {index}: {len(raw)} bytes for shape {shape} of int4")
        nibbles = np.stack([raw & 15, raw >> 4], axis=-1).reshape(-1)[: prod(shape)]
        return (((nibbles ^ 8).astype(np.int8)) - 8).reshape(shape)
    if dtype not in NUMPY:
        return raw
    if len(raw) != prod(shape) * np.dtype(dtype).itemsize:
        raise ValueError(f"tensor {index}: {len(raw)} bytes for shape {shape} of {dtype}")
    return np.frombuffer(raw.tobytes(), np.dtype(dtype).newbyteorder("<")).reshape(shape)


def _operator(file: _File, o: Any, index: int, tensors: list[Tensor]) -> Operator:
    if not 0 <= o.OpcodeIndex() < file.model.OperatorCodesLength():
        raise IndexError(f"operator code {o.OpcodeIndex()} of {file.model.OperatorCodesLength()}")
    code = file.model.OperatorCodes(o.OpcodeIndex())
    number = builtin_code(code)
    kind = KINDS.get(number, f"number {number}")
    options = _options(file, o)
    if kind == "CUSTOM":
        _check_end(code._tab, 6)
        name = file.text(code.CustomCode())
        kind = name if name in CUSTOM else "custom " + (label(name) or "?")
        options["custom"] = file.array(o.CustomOptionsAsNumpy()).tobytes()
    inputs = [None if i == -1 else _at(tensors, i) for i in file.ints(o.InputsAsNumpy())]
    outputs = [_at(tensors, i) for i in file.ints(o.OutputsAsNumpy())]
    op = Operator(index, kind, code.Version(), inputs, outputs, options)
    wellformed.check_options(op, OPTIONS.get(o.BuiltinOptionsType(), "NONE"))
    return op


def builtin_code(code: Any) -> int:
    """An OperatorCode's number: in one of two fields, or in both; TFLM takes the larger one."""
    # (tflite's own accessor looks into one only.)
    at = code._tab.Offset(10)
    new = code._tab.Get(flatbuffers.number_types.Int32Flags, at + code._tab.Pos) if at else 0
    return max(new, code.DeprecatedBuiltinCode())


def _options(file: _File, o: Any) -> dict[str, Any]:
    """All builtin options by their schema names: integers, floats, and vectors as lists."""
    table = o.BuiltinOptions()
    cls = getattr(tflite, OPTIONS.get(o.BuiltinOptionsType(), ""), None)
    if table is None or cls is None:
        return {}
    options = cls()
    options.Init(table.Bytes, table.Pos)
    methods = [m for m in vars(cls) if m != "Init" and not m.startswith(("_", "GetRoot"))]
    values: dict[str, Any] = {}
    if cls is tflite.VarHandleOptions:
        for slot in (4, 6):  # container and name
            _check_end(options._tab, slot)
    for method in methods:
        if method + "AsNumpy" in methods:
            values[_snake(method)] = file.numbers(getattr(options, method + "AsNumpy")())
        elif not method.endswith(("AsNumpy", "Length", "IsNone", "BufferHasIdentifier")):
            values[_snake(method)] = getattr(options, method)()
    return values


def _check_end(table: Any, slot: int) -> None:
    """TFLM compares names up to their first 0, so that this must be their end."""
    at = table.Offset(slot)
    text = table.String(at + table.Pos) if at else b""
    end = table.Vector(at) + table.VectorLen(at) if at else 0
    if b"\0" in text or (at and table.Bytes[end] != 0):
        raise ValueError("a name of a variable or an operator has no end")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
