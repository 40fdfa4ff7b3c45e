# SPDX-License-Identifier: MIT
"""The linker of native modules, and the reader of objects beneath it."""

from __future__ import annotations

import io
import zipfile
from itertools import zip_longest
from pathlib import Path

import pytest
from elftools.elf import elffile
from hypothesis import given
from hypothesis import strategies as st

from fake_board import ROOT
from hognose_tools.board import elf, link
from hognose_tools.board.architectures import BY_NAME
from hognose_tools.board.elf import Relocation, Section, Symbol
from hognose_tools.compiler.disassemble import IO
from hognose_tools.compiler.layouts import OPERATORS, TYPECODE
from hognose_tools.errors import UserError

NATMOD = ROOT / ".build" / "natmod"
EVERYTHING = [(name, letter) for name, operator in OPERATORS.items() for letter in operator.types]
EVERYTHING += [(IO, letter) for letter in TYPECODE.values()]
DENSE = {("DENSE", "b"), (IO, "b")}


@pytest.fixture(params=link.MODULES)
def arch(request: pytest.FixtureRequest) -> str:
    if not link.available(request.param):
        pytest.skip(f"no {request.param} archive: make natmod")
    return request.param


# The linker.


def test_everything_that_the_table_has_can_be_linked(arch: str) -> None:
    assert link.link(arch, set(EVERYTHING)) == link.link(arch, "full")


def test_only_what_is_needed(arch: str) -> None:
    names = [name for name, _ in link.link(arch, DENSE).sections]
    assert ".text.hog_dense" in names and ".text.hog_check_dense" in names
    foreign = ("hog_conv_tiled", "hog_lstm", "hog_softmax", "hog_check_pool", "hog_write_float32")
    assert not [name for name in names if any(f in name for f in foreign)]
    assert sum(".hog_op." in name for name in names) == 1 and sum(".hog_port." in name for name in names) == 1


def test_a_module_grows_with_what_it_has(arch: str) -> None:
    sizes = [
        len(link.link(arch, wanted).mpy)
        for wanted in (set(), DENSE, DENSE | {("SOFTMAX", "b")}, "small", "full")
    ]
    assert sizes == sorted(set(sizes)) and sizes[0] * 4 < sizes[-1]


def test_the_same_needs_make_the_same_bytes(arch: str) -> None:
    wanted = set(EVERYTHING[::3])
    assert link.link(arch, wanted) == link.link(arch, set(reversed(EVERYTHING[::3])))


@given(st.sets(st.sampled_from(EVERYTHING)))
def test_any_needs(wanted: set[tuple[str, str]]) -> None:
    """The linker's own checks hold: every symbol is found, every table is whole."""
    if not link.available("armv6m"):
        pytest.skip("no armv6m archive: make natmod")
    module = link.link("armv6m", wanted)
    assert module.mpy[:2] == b"M\6" and module.mpy[2] >> 2 == BY_NAME["armv6m"].number
    assert module.ram < len(module.mpy) < module.ram + 1000


def test_what_small_lacks() -> None:
    assert link.lacking("full", set(EVERYTHING)) == []
    assert link.lacking("small", DENSE | {("MOVE", "q"), (IO, "f")}) == []
    lacks = link.lacking("small", {("SOFTMAX", "f"), ("LSTM", "h"), (IO, "i")})
    assert lacks == ["inputs or outputs of int32", "LSTM of int16", "SOFTMAX of float32"]


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="choose from x64, armv6m"):
        link.link("z80", set())
    with pytest.raises(UserError, match="make natmod ARCH=armv6m"):
        link.link("armv6m", set(), [tmp_path])
    if not link.available("armv6m"):
        pytest.skip("no armv6m archive: make natmod")
    with pytest.raises(UserError, match="choose from small, full"):
        link.link("armv6m", "medium")
    with pytest.raises(UserError, match=r"no ALCHEMY of type b: .*make natmod"):
        link.link("armv6m", {("ALCHEMY", "b")})


def function(name: str, code: bytes, *calls: Symbol, kind: str = ".text") -> Symbol:
    """A section of its own, of which the words call others."""
    symbol = Symbol(name, {"st_info": {"bind": "STB_LOCAL", "type": "STT_FUNC"}, "st_value": 0}, "test")
    symbol.section = Section(f"{kind}.{name}", code, 4, "test")
    symbol.section.reloc = [Relocation(callee, 4 * i, 10) for i, callee in enumerate(calls)]
    return symbol


def test_identical_code_is_kept_once() -> None:
    external = Symbol("mp_fun_table", {"st_info": {"bind": "STB_GLOBAL", "type": "STT_NOTYPE"}}, "test")
    a, b = function("a", b"same", external), function("b", b"same", external)
    other, data = function("other", b"othr"), function("data", b"same", external, kind=".rodata")
    callers = [function(f"calls_{s.name}", b"call", s) for s in (a, b, other)]
    again = [function("x", b"self"), function("y", b"self")]
    for symbol in again:  # they call themselves
        symbol.section.reloc = [Relocation(symbol, 0, 10)]
    symbols = [a, b, other, data, *callers, *again]
    image = link.Image("armv6m", [], [s.section for s in symbols], [*symbols, external])
    image.fold(image.sections)
    assert a.section is b.section and a.section is not data.section
    assert callers[0].section is callers[1].section is not callers[2].section
    assert again[0].section is again[1].section


@pytest.mark.parametrize(
    ("instruction", "at", "target", "result"),
    [
        (0x000025, 0x10, 0x20, 0x0000E5),  # call8, three words on from the next one
        (0x000025, 0x12, 0x20, 0x0000E5),  # it counts from the word that it is in
        (0x000025, 0x20, 0x10, 0xFFFEE5),
        (0x000006, 0x12, 0x21, 0x0002C6),  # j, eleven bytes on
    ],
)
def test_calls_between_the_sections_of_an_xtensa(instruction, at, target, result) -> None:
    code = instruction.to_bytes(3, "little")
    assert link.call_between(code, at, target) == result.to_bytes(3, "little")
    with pytest.raises(UserError, match="too far"):
        link.call_between(code, at, 0x100000)
    with pytest.raises(UserError, match="another section"):
        link.call_between(b"\x21\0\0", at, target)  # an l32r


# The reader of objects.


def test_the_reader_agrees_with_pyelftools(arch: str) -> None:
    with zipfile.ZipFile(NATMOD / f"{BY_NAME[arch].folder}.zip") as archive:
        objects = {name: archive.read(name) for name in archive.namelist() if name.endswith(".o")}
    assert objects
    for name, data in objects.items():
        judge, ours = elffile.ELFFile(io.BytesIO(data)), elf.read(data, name)
        assert judge["e_machine"] == ours.machine
        table = judge.get_section_by_name(".symtab")
        symbols = list(table.iter_symbols()) if table else []
        for theirs, symbol in zip_longest(symbols, ours.symbols):
            assert (theirs.name, theirs["st_value"]) == (symbol.name, symbol["st_value"])
            assert dict(theirs["st_info"]) == symbol["st_info"]
        found = {section.name: section for section in judge.iter_sections()}
        by_index = dict(enumerate(judge.iter_sections()))
        for theirs, symbol in zip(symbols, ours.symbols, strict=True):
            if hasattr(symbol, "section"):
                assert by_index[theirs["st_shndx"]].name == symbol.section.name
        for section in ours.sections:
            if sum(s.name == section.name for s in ours.sections) > 1:
                continue  # of libgcc, each is called .text
            assert found[section.name].data() == section.data
            assert found[section.name]["sh_addralign"] == section.alignment
            relocations = found[section.reloc_name] if section.reloc_name else None
            for theirs, r in zip_longest(
                relocations.iter_relocations() if relocations else [], section.reloc
            ):
                assert {key: theirs[key] for key in r} == dict(r)
                assert symbols[theirs["r_info_sym"]].name == r.sym.name
