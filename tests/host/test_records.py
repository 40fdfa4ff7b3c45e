# SPDX-License-Identifier: MIT
"""Records and their bytes: exactly the fields of their layouts, or an error that names operator and field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hognose_tools.compiler import compile_tflite, layouts
from hognose_tools.compiler.layouts import FIELDS, OPERATORS, RESERVED
from hognose_tools.compiler.records import FieldError, Loop, Record, unpack
from hognose_tools.compiler.work import MAX_TURNS, MAX_WORK, turns
from test_compiler import dense_chain
from test_engine_load import VALID


def filled(record: Record) -> Record:
    """With what may be left out."""
    names = {name for fields in FIELDS[OPERATORS[record.name].record].values() for name, _ in fields}
    more = dict.fromkeys(RESERVED & names, 0) | ({"loops": len(record.loops)} if "loops" in names else {})
    return replace(record, fields=more | record.fields)


@pytest.mark.parametrize("name", VALID)
def test_what_is_packed_is_unpacked(name: str) -> None:
    record = VALID[name]
    packed = record.pack()
    assert unpack(b"1234" + packed + b"5678", 4) == (filled(record), 4 + len(packed))


@pytest.mark.parametrize("name", VALID)
def test_every_field_is_set_or_refused(name: str) -> None:
    record = VALID[name]
    for field in record.fields.keys() - RESERVED - {"loops"}:
        less = {k: v for k, v in record.fields.items() if k != field}
        with pytest.raises(FieldError, match=f"^{record.name} .*field {field} is missing"):
            replace(record, fields=less).pack()
    with pytest.raises(FieldError, match=f"^{record.name} .*no field tyle"):
        replace(record, fields={**record.fields, "tyle": 0}).pack()


@pytest.mark.parametrize(
    ("struct", "field"),
    [(s, f) for s, variants in FIELDS.items() for f, _ in next(iter(variants.values())) if f not in RESERVED],
)
def test_a_renamed_field_is_noticed(struct: str, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the C struct alone: no operator with this record can be packed."""
    renamed = {
        kinds: tuple(("renamed" if name == field else name, form) for name, form in fields)
        for kinds, fields in FIELDS[struct].items()
    }
    records = [r for r in VALID.values() if OPERATORS[r.name].record == struct and field in filled(r).fields]
    assert records
    monkeypatch.setitem(layouts.FIELDS, struct, renamed)
    for record in records:
        with pytest.raises(FieldError, match="renamed"):
            record.pack()


def test_the_compiler_does_not_hide_a_renamed_field(monkeypatch: pytest.MonkeyPatch) -> None:
    (fields,) = FIELDS["hog_dense_t"].values()
    renamed = {"b": tuple((name.replace("layout", "order"), form) for name, form in fields)}
    monkeypatch.setitem(layouts.FIELDS, "hog_dense_t", renamed)
    with pytest.raises(FieldError, match="DENSE b: the field order is missing"):
        compile_tflite(dense_chain([8, 4]))


def test_loops_go_only_where_a_nest_is() -> None:
    with pytest.raises(FieldError, match="LUT b: no field of loops"):
        replace(VALID["lut"], loops=[Loop(1)]).pack()


@pytest.mark.parametrize(("field", "value"), [("tile", 1 << 16), ("in_c", 1 << 32), ("min", -(1 << 15) - 1)])
def test_numbers_that_do_not_fit(field: str, value: int) -> None:
    with pytest.raises(OverflowError):
        replace(VALID["conv"], fields={**VALID["conv"].fields, field: value}).pack()


def test_types_that_an_operator_has_not() -> None:
    with pytest.raises(FieldError, match="LUT has no type f"):
        replace(VALID["lut"], type="f").pack()


@pytest.mark.parametrize(
    ("steps", "expected"), [(100, MAX_TURNS), (MAX_WORK >> 16, MAX_TURNS - 1), (2**32 - 2, 1)]
)
def test_the_most_jumps_back(steps: int, expected: int) -> None:
    """As many as the engine may accept for so much work."""
    fill = VALID["fill"]
    ahead, back = (replace(VALID["jump"], fields={"condition": 5, "target": n}) for n in (2, 1))
    assert turns([fill, ahead, fill], steps) == 0
    assert turns([fill, back, fill], steps) == expected
    assert steps * (expected + 1) <= MAX_WORK
