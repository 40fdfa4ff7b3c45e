# SPDX-License-Identifier: MIT
"""One operator of a `.hog` and its bytes, by the layouts that are generated from engine/operators.h."""

import struct
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .layouts import FIELDS, IN_DATA, ITEMSIZE, MAX_LOOPS, NONE, OPERATORS, RESERVED, TYPECODE, Fields

__all__ = ["IN_DATA", "ITEMSIZE", "MAX_LOOPS", "NONE", "TYPECODE", "FieldError", "Loop", "Record", "unpack"]

_HEAD, _LOOP = "<BBH", "<Iii"  # hog_op_t, hog_loop_t


class FieldError(Exception):
    """A record has not exactly the fields of its layout: a mistake in the compiler, not in the model."""


@dataclass
class Loop:
    """One level of a loop nest: iterations, stride of the first and of the second operand."""

    n: int
    a: int = 0
    b: int = 0


@dataclass
class Record:
    """One operator: its fields by name, and its loop nest."""

    name: str
    type: str
    fields: dict[str, Any]  # integers and floats
    loops: list[Loop] = field(default_factory=list)

    def pack(self) -> bytes:
        """The record's bytes. Reserved fields and the number of loops may be left out.

        FieldError: another field is missing, or unknown. OverflowError: a number does not fit its field.
        """
        operator, layout = OPERATORS[self.name], _layout(self.name, self.type)
        values = [self._value(name) for name, _ in layout]
        unknown = sorted(self.fields.keys() - {name for name, _ in layout})
        if unknown or (self.loops and not operator.nest):
            raise FieldError(f"{self.name} {self.type}: no field {', '.join(unknown) or 'of loops'}")
        try:
            body = struct.pack(_form(layout), *values)
            body += b"".join(struct.pack(_LOOP, v.n, v.a, v.b) for v in self.loops)
            return struct.pack(_HEAD, operator.code, ord(self.type), 1 + len(body) // 4) + body
        except struct.error as e:
            raise OverflowError(str(e)) from e

    def _value(self, name: str) -> Any:
        if name in RESERVED:
            return self.fields.get(name, 0)
        if name == "loops":
            return self.fields.get(name, len(self.loops))
        if name not in self.fields:
            raise FieldError(f"{self.name} {self.type}: the field {name} is missing")
        return self.fields[name]


def unpack(plan: bytes, offset: int) -> tuple[Record, int]:
    """The record at `offset` of a valid PLAN, and the offset of the next one."""
    code, kind, words = struct.unpack_from(_HEAD, plan, offset)
    name, layout = _names()[code], _layout(_names()[code], chr(kind))
    form = _form(layout)
    values = struct.unpack_from(form, plan, offset + 4)
    start, end = offset + 4 + struct.calcsize(form), offset + 4 * words
    loops = [Loop(*struct.unpack_from(_LOOP, plan, at)) for at in range(start, end, struct.calcsize(_LOOP))]
    return Record(name, chr(kind), dict(zip([n for n, _ in layout], values, strict=True)), loops), end


@cache
def _names() -> dict[int, str]:
    return {operator.code: name for name, operator in OPERATORS.items()}


def _layout(name: str, kind: str) -> Fields:
    """Names and formats of the fields of an operator of this element type, in file order."""
    for kinds, fields in FIELDS[OPERATORS[name].record].items():
        if kind in kinds:
            return fields
    raise FieldError(f"{name} has no type {kind}")


def _form(layout: Fields) -> str:
    return "<" + "".join(code for _, code in layout)
