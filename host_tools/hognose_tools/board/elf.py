# SPDX-License-Identifier: MIT
"""Reads relocatable ELF objects, as little of them as MicroPython's linker asks for (see link.py)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

_MACHINES = {40: "EM_ARM", 62: "EM_X86_64", 94: "EM_XTENSA", 243: "EM_RISCV"}
_BINDS = {0: "STB_LOCAL", 1: "STB_GLOBAL", 2: "STB_WEAK"}
_SYMBOL_TYPES = {0: "STT_NOTYPE", 1: "STT_OBJECT", 2: "STT_FUNC", 3: "STT_SECTION", 4: "STT_FILE"}
_PROGBITS, _SYMTAB, _RELA, _NOBITS, _REL = 1, 2, 4, 8, 9
_LOADED = (".literal", ".text", ".rodata", ".data.rel.ro", ".bss")

# By word size: the forms of a section header, of a symbol, of a relocation and of one with an addend.
_FORMS = {4: ("<10I", "<IIIBBH", "<II", "<IIi"), 8: ("<IIQQQQIIQQ", "<IBBHQQ", "<QQ", "<QQq")}


@dataclass(eq=False)
class Section:
    """Code or data. The field names are those that mpy_ld.py works with; it fills in `addr`."""

    name: str
    data: bytes
    alignment: int
    filename: str
    addr: int = 0
    reloc: list[Relocation] = field(default_factory=list)
    reloc_name: str = ""


class Symbol:
    """A symbol; `section` is there only where the object defines it."""

    section: Section

    def __init__(self, name: str, entry: dict[str, Any], filename: str):
        self.name, self.entry, self.filename = name, entry, filename

    def __getitem__(self, key: str) -> Any:
        return self.entry[key]

    @property
    def is_global(self) -> bool:
        return self.entry["st_info"]["bind"] != "STB_LOCAL"

    @property
    def is_section(self) -> bool:
        return self.entry["st_info"]["type"] == "STT_SECTION"


class Relocation(dict):
    """r_offset, r_info_type and, where the architecture has it, r_addend; and the symbol."""

    def __init__(self, sym: Symbol, *numbers: int):
        super().__init__(zip(("r_offset", "r_info_type", "r_addend"), numbers, strict=False))
        self.sym = sym


@dataclass
class Object:
    """A relocatable object: what of it is loaded, and its symbols."""

    machine: str
    sections: list[Section]
    symbols: list[Symbol]


def read(data: bytes, filename: str) -> Object:
    """The parts of a little-endian object that a compiler has made."""
    word = 4 * data[4]
    header_form, symbol_form, *relocation_forms = _FORMS[word]
    place, count, names_at = _header(data, word)
    size = struct.calcsize(header_form)
    headers = [struct.unpack_from(header_form, data, place + i * size) for i in range(count)]

    def content(i: int) -> bytes:
        return data[headers[i][4] : headers[i][4] + headers[i][5]]

    names = content(names_at)
    sections: dict[int, Section] = {}
    for i, h in enumerate(headers):
        name = _text(names, h[0])
        if h[1] in (_PROGBITS, _NOBITS) and h[5] and name.startswith((*_LOADED, ".data")):
            body = content(i) if h[1] == _PROGBITS else bytes(h[5])
            sections[i] = Section(name, body, h[8] or 1, filename)
    symbols = []
    for i, h in enumerate(headers):
        if h[1] == _SYMTAB:
            strings = content(h[6])
            for fields in struct.iter_unpack(symbol_form, content(i)):
                fields = fields if word == 4 else (fields[0], *fields[4:], *fields[1:4])
                symbols.append(_symbol(fields, strings, sections, filename))
    shift = 8 if word == 4 else 32
    for i, h in enumerate(headers):
        section = sections.get(h[7])
        if h[1] in (_REL, _RELA) and section is not None:
            section.reloc_name = _text(names, h[0])
            section.reloc = [
                Relocation(symbols[info >> shift], offset, info & ((1 << shift) - 1), *addend)
                for offset, info, *addend in struct.iter_unpack(relocation_forms[h[1] == _RELA], content(i))
            ]
    return Object(_MACHINES[struct.unpack_from("<H", data, 18)[0]], list(sections.values()), symbols)


def _header(data: bytes, word: int) -> tuple[int, int, int]:
    """Of the section headers: where they lie, how many they are, which one names them."""
    (place,) = struct.unpack_from("<I" if word == 4 else "<Q", data, 32 if word == 4 else 40)
    return place, *struct.unpack_from("<HH", data, 48 if word == 4 else 60)


def _symbol(fields: tuple[int, ...], strings: bytes, sections: dict[int, Section], filename: str) -> Symbol:
    name, value, _, info, _, index = fields
    types = {"bind": _BINDS[info >> 4], "type": _SYMBOL_TYPES[info & 15]}
    entry = {"st_info": types, "st_value": value, "st_shndx": index or "SHN_UNDEF"}
    symbol = Symbol(_text(strings, name), entry, filename)
    if index in sections:
        symbol.section = sections[index]
    return symbol


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()
