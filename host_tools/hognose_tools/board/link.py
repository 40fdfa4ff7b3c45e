# SPDX-License-Identifier: MIT
"""Links a native module to measure: `_hognose.mpy` with just the kernels that some models need.

It takes no compiler. `make natmod` has compiled the engine for each architecture into an archive of objects,
in which each function has a section of its own, and so has each entry of the engine's two tables: of kernels,
and of conversions of inputs and outputs (native_module/engine/table.h). What the models need says which
entries are wanted; from these and the module's entry point follows all that can be reached. Identical code is
kept once. The entries go behind the first element of their table, which says how many follow. MicroPython's
own linker, mpy_ld.py, which lies beside the archives, lays out and relocates it all, but for calls between
the sections of an Xtensa, which it cannot do.
"""

from __future__ import annotations

import importlib.util
import io
import struct
import sys
import zipfile
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ..compiler.disassemble import IO
from ..compiler.layouts import TYPECODE
from ..errors import UserError
from . import elf
from .architectures import ARCHITECTURES, BY_NAME
from .elf import Relocation, Section, Symbol

FILE = "_hognose.mpy"
PRESETS = ("small", "full")
# The architectures that there are modules for.
MODULES = tuple(a.name for a in ARCHITECTURES if a.module == a.name)

_HERE = Path(__file__).resolve()
# Archives and mpy_ld.py: in an installed package, in a checkout.
PLACES = (_HERE.parent / "natmod", _HERE.parents[3] / ".build" / "natmod")

# What models need: operators and types, as disassemble.needs() says it.
Needs = Set[tuple[str, str]]

# What the preset `small` has: int8 kernels, and what only copies for every type.
_SMALL_COPIES = {"MOVE", "FILL"}
_SMALL_INT8 = {
    *("CONV", "CONV_TILED", "DEPTHWISE", "DEPTHWISE_TILED", "DENSE", "AVERAGE_POOL", "MAX_POOL", "ADD"),
    *("MUL", "MEAN", "SOFTMAX", "LUT", "QUANTIZE", "DEQUANTIZE"),
}
_SMALL = {
    *((name, letter) for name in _SMALL_COPIES for letter in TYPECODE.values()),
    *((name, "b") for name in _SMALL_INT8),
    *((IO, letter) for letter in "bf"),
}

_TYPES = "".join(TYPECODE.values())  # by the bits of an entry's `types`
_KERNEL, _PORT = ".data.rel.ro.hog_op.", ".data.rel.ro.hog_port."  # sections of entries
_TABLES = {_KERNEL: ".data.rel.ro.hog_ops", _PORT: ".data.rel.ro.hog_ports"}
_INIT = "mpy_init"
_XTENSA_SLOT0_OP = 20


def lacking(preset: str, wanted: Needs) -> list[str]:
    """What a preset does not have of what is needed, in words."""
    dtypes = {letter: dtype for dtype, letter in TYPECODE.items()}
    absent = sorted(wanted - _SMALL) if preset == "small" else []
    return [f"{'inputs or outputs' if name == IO else name} of {dtypes[letter]}" for name, letter in absent]


@dataclass(frozen=True)
class Module:
    """A linked native module."""

    mpy: bytes  # the file
    ram: int  # bytes of code and constants, which lie in the board's RAM
    sections: tuple[tuple[str, int], ...]  # name and bytes of each function and table of constants


@dataclass(frozen=True)
class Entry:
    """An element of the engine's tables."""

    section: Section
    does: set[tuple[str, str]]  # operator and type, of each type that it is for


Chosen = dict[str, list[Entry]]  # by kind of entry


def link(architecture: str, wanted: Needs | str, places: Iterable[Path] | None = None) -> Module:
    """The module for an architecture with what is needed, or with a preset by its name.

    `places`: folders of archives, by default where `make natmod` puts them. UserError: there is none.
    """
    archive, linker = _find(architecture, PLACES if places is None else places)
    image = Image.read(archive)
    return image.link(image.preset(wanted) if isinstance(wanted, str) else image.choose(wanted), linker)


def available(architecture: str, places: Iterable[Path] | None = None) -> bool:
    """Whether `make natmod` has built what is needed."""
    return _archive(architecture, PLACES if places is None else places) is not None


def _find(architecture: str, places: Iterable[Path]) -> tuple[Path, ModuleType]:
    """An architecture's archive, and the linker beside it."""
    if architecture not in MODULES:
        raise UserError(f"no native module for '{architecture}': choose from {', '.join(MODULES)}")
    archive = _archive(architecture, places)
    if archive is None:
        raise UserError(
            f"no native module for {architecture} here: "
            f"run `make natmod ARCH={architecture}` in hognose's checkout"
        )
    return archive, _load_linker(archive.with_name("mpy_ld.py"))


def _archive(architecture: str, places: Iterable[Path]) -> Path | None:
    for place in places:
        archive = place / f"{BY_NAME[architecture].folder}.zip"
        if archive.is_file() and (place / "mpy_ld.py").is_file():
            return archive
    return None


@cache
def _load_linker(path: Path) -> ModuleType:
    """MicroPython's mpy_ld.py. It imports readers of objects and libraries, and we have our own."""
    absent = {name: ModuleType(name) for name in ("elftools", "elftools.elf", "ar_util", "makeqstrdata")}
    absent["elftools.elf"].elffile = None  # type: ignore[attr-defined]
    absent["makeqstrdata"].static_qstr_list = []  # type: ignore[attr-defined]  # none of ours is one
    spec = importlib.util.spec_from_file_location("mpy_ld", path)
    assert spec and spec.loader
    linker = importlib.util.module_from_spec(spec)
    modules, search_path = sys.modules.copy(), sys.path[:]
    sys.modules.update(absent)
    try:
        spec.loader.exec_module(linker)
    finally:
        sys.path[:] = search_path
        for name in absent:
            sys.modules.pop(name)
            if name in modules:
                sys.modules[name] = modules[name]
    linker.log_level = 0  # type: ignore[attr-defined]  # it prints
    return linker


@dataclass
class Image:
    """All objects of an archive, about to be linked."""

    architecture: str
    qstrs: list[str]
    sections: list[Section] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)
    defined: dict[str, Symbol] = field(default_factory=dict)

    @classmethod
    def read(cls, archive: Path) -> Image:
        with zipfile.ZipFile(archive) as z:
            image = cls(archive.stem.partition("_")[0], z.read("qstrs").decode().split())
            for name in z.namelist():
                if name.endswith(".o"):
                    image._add(elf.read(z.read(name), name))
        for section in image.sections:
            for r in section.reloc:
                r.sym = image.defined.get(r.sym.name, r.sym) if r.sym.is_global else r.sym
        for i, symbol in enumerate(image.symbols):
            symbol.name += "" if symbol.is_global else f"@{i}"  # mpy_ld.py goes by names
        return image

    def _add(self, part: elf.Object) -> None:
        self.sections += part.sections
        self.symbols += part.symbols
        self.defined |= {s.name: s for s in part.symbols if s.is_global and hasattr(s, "section")}

    def entries(self, kind: str) -> Iterator[Entry]:
        """The operators' kernels, or the conversions of inputs and outputs."""
        for section in self.sections:
            if section.name.startswith(kind):
                types = section.data[3 if kind == _KERNEL else 0]
                letters = {letter for i, letter in enumerate(_TYPES) if types >> i & 1}
                name = section.name.removeprefix(kind).rpartition("_")[0] if kind == _KERNEL else IO
                yield Entry(section, {(name, letter) for letter in letters})

    def choose(self, wanted: Needs) -> Chosen:
        """The entries of either table for what is needed."""
        chosen = {kind: [e for e in self.entries(kind) if e.does & wanted] for kind in _TABLES}
        absent = wanted.difference(*(e.does for entries in chosen.values() for e in entries))
        if absent:
            raise UserError(
                f"the native module for {self.architecture} has no {' of type '.join(min(absent))}: "
                f"it is older than the model, run `make natmod ARCH={self.architecture}`"
            )
        return chosen

    def preset(self, name: str) -> Chosen:
        """The entries of either table for the preset of this name."""
        if name not in PRESETS:
            raise UserError(f"no preset '{name}': choose from {', '.join(PRESETS)}")
        return (
            self.choose(_SMALL) if name == "small" else {kind: list(self.entries(kind)) for kind in _TABLES}
        )

    def link(self, chosen: Chosen, linker: ModuleType) -> Module:
        """The module with these entries. It consumes the image."""
        tables = [self._table(kind, [e.section for e in chosen[kind]]) for kind in _TABLES]
        entries = [section for table in tables for section in table]
        roots = [self.defined[_INIT].section, *entries]
        self.fold([s for s in self.reachable(roots) if not any(s is e for e in entries)])
        others = [s for s in self.reachable(roots) if not any(s is e for e in entries)]
        return self._write([*others, *entries], tables, linker)

    def _table(self, kind: str, entries: list[Section]) -> list[Section]:
        """A table's sections in order; its first element gets the number of the others."""
        (first,) = (s for s in self.sections if s.name == _TABLES[kind])
        size = len(first.data)
        number = struct.pack("<I" if kind == _PORT else "<B", len(entries))
        first.data = number + first.data[len(number) :]
        for section in (first, *entries):
            assert len(section.data) == size
            section.alignment = size & -size  # no gap between two of them
        return [first, *entries]

    def reachable(self, roots: list[Section]) -> list[Section]:
        """The sections that can be reached, in their own order."""
        live: set[int] = set()
        waiting = list(roots)
        while waiting:
            section = waiting.pop()
            if id(section) not in live:
                live.add(id(section))
                waiting += [r.sym.section for r in section.reloc if hasattr(r.sym, "section")]
        return [s for s in self.sections if id(s) in live]

    def fold(self, sections: list[Section]) -> None:
        """Of sections with the same content, all symbols go to the first one."""
        while True:
            first: dict[Any, Section] = {}
            same: dict[int, Section] = {}
            for section in sections:
                kept = first.setdefault(_content(section), section)
                if kept is not section:
                    kept.alignment = max(kept.alignment, section.alignment)
                    same[id(section)] = kept
            if not same:
                return
            for symbol in self.symbols:
                if hasattr(symbol, "section"):
                    symbol.section = same.get(id(symbol.section), symbol.section)
            sections = [s for s in sections if id(s) not in same]

    def _write(self, sections: list[Section], tables: list[list[Section]], linker: ModuleType) -> Module:
        """Lays out and relocates what is left, and writes the file."""
        sizes = tuple((section.name, len(section.data)) for section in sections)
        for i, section in enumerate(sections):  # mpy_ld.py goes by names of sections, too
            section.name = section.filename = f"{section.name}@{i}"
        env = linker.LinkEnv(self.architecture)
        env.sections = [s for s in sections if not s.name.startswith(".literal")]
        env.literal_sections = [s for s in sections if s.name.startswith(".literal")]
        env.known_syms = self.defined
        undefined = {id(r.sym): r.sym for s in sections for r in s.reloc if not hasattr(r.sym, "section")}
        env.unresolved_syms = list(undefined.values())
        calls = list(_take_calls(env.sections)) if env.arch.name == "EM_XTENSA" else []
        out = _Output()
        linker.open = lambda name, mode: out  # type: ignore[attr-defined]
        try:
            linker.link_objects(env, len(self.qstrs))
            for section, r in calls:
                target = r.sym.section.addr + r.sym["st_value"] + r["r_addend"]
                at = section.addr + r["r_offset"]
                env.full_text[at : at + 3] = call_between(env.full_text[at : at + 3], at, target)
            linker.build_mpy(env, env.find_addr(_INIT), FILE, self.qstrs)
        except linker.LinkError as e:
            raise UserError(f"the native module for {self.architecture} cannot be linked: {e}") from e
        for first, *entries in tables:
            size = len(first.data)
            assert [s.addr for s in entries] == [first.addr + size * i for i in range(1, len(entries) + 1)]
        ram = len(env.full_text) + len(env.full_rodata) + len(env.full_bss)
        return Module(out.getvalue(), ram, sizes)


def _content(section: Section) -> tuple[Any, ...]:
    """What two sections have in common that are the same."""
    kind = section.name.split(".")[1]
    return (
        kind,
        section.data,
        tuple((r["r_offset"], r["r_info_type"], _place(r, section)) for r in section.reloc),
    )


def _place(r: Relocation, within: Section | None = None) -> Any:
    """What a relocation refers to: a place in a section, a symbol of MicroPython, a literal's value."""
    addend = r.get("r_addend", 0)
    if not hasattr(r.sym, "section"):
        return r.sym.name, addend
    section, offset = r.sym.section, r.sym["st_value"] + addend
    if section.name.startswith(".literal"):
        (value,) = struct.unpack_from("<I", section.data, offset)
        return value, *(_place(x) for x in section.reloc if x["r_offset"] == offset)
    return None if section is within else id(section), offset


# Calls between an Xtensa's sections.


def _take_calls(sections: list[Section]) -> Iterator[tuple[Section, Relocation]]:
    """The relocations that mpy_ld.py would leave out, for it takes a call to be in place already."""
    for section in sections:
        kept = []
        for r in section.reloc:
            target = r.sym.section if r["r_info_type"] == _XTENSA_SLOT0_OP else section
            if target is not section and target.name.startswith(".text"):
                yield section, r
            else:
                kept.append(r)
        section.reloc = kept


def call_between(instruction: bytes, at: int, target: int) -> bytes:
    """A CALL0 … CALL12 (it counts words, from the one that it lies in) or a J that reaches its target."""
    code = int.from_bytes(instruction, "little")
    if code & 15 == 5 and target % 4 == 0:
        distance = (target - (at & ~3) - 4) >> 2
    elif code & 63 == 6:
        distance = target - at - 4
    else:
        raise UserError(f"the instruction {code:#08x} of an Xtensa cannot reach into another section")
    if not -(1 << 17) <= distance < 1 << 17:
        raise UserError("the native module is too large: a call goes too far")
    return (code & 63 | (distance & 0x3FFFF) << 6).to_bytes(3, "little")


class _Output(io.BytesIO):
    """A file that can be read after it was closed."""

    def close(self) -> None:
        pass
