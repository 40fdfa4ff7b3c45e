# SPDX-License-Identifier: MIT
"""native_module/tables.py: what it reads in the engine's headers, and what it makes of a mistake."""

from __future__ import annotations

import importlib.util
import re
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hognose import errors, hogfile, stream
from hognose.reference import load
from hognose_tools.compiler import layouts

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "native_module" / "engine"
REFERENCE = ROOT / "device_lib" / "hognose" / "reference"
OPERATORS_H, ERRORS_H = ((ENGINE / name).read_text() for name in ("operators.h", "errors.h"))


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "native_module" / "tables.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = tool()
FORMAT = tables.Format(OPERATORS_H, ERRORS_H)


def run_tool(*arguments: str, root: Path = ROOT) -> subprocess.CompletedProcess:
    command = [sys.executable, root / "native_module" / "tables.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the tool reads and writes."""
    for folder in ("native_module/engine", "device_lib/hognose", "host_tools/hognose_tools/compiler"):
        (tmp_path / folder).mkdir(parents=True)
    for path in (
        ROOT / "native_module" / "tables.py",
        *ENGINE.glob("*.h"),
        *(ROOT / "device_lib" / "hognose").rglob("*.py"),
        ROOT / "host_tools" / "hognose_tools" / "compiler" / "layouts.py",
    ):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text())
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_nothing_is_stale() -> None:
    assert run_tool("--check").stdout == ""


def test_a_changed_header_is_seen(checkout: Path) -> None:
    header = checkout / "native_module" / "engine" / "operators.h"
    replace(header, "    uint16_t tile; ", "    uint16_t piece;")
    done = run_tool("--check", root=checkout)
    assert done.returncode == 1
    assert "host_tools/hognose_tools/compiler/layouts.py is stale" in done.stdout
    # The reference engine's own text still says `_TILE`: a name that nothing defines any more.
    assert run_tool(root=checkout).returncode == 0
    assert run_tool("--check", root=checkout).returncode == 0
    conv = (checkout / "device_lib" / "hognose" / "reference" / "conv.py").read_text()
    assert "op[_TILE]" in conv and "_TILE = const" not in conv


def test_an_edited_part_is_seen_and_restored(checkout: Path) -> None:
    conv = checkout / "device_lib" / "hognose" / "reference" / "conv.py"
    good = conv.read_text()
    replace(conv, "_OUT_C = const(8)", "_OUT_C = const(9)")
    assert run_tool("--check", root=checkout).stdout.startswith("device_lib/hognose/reference/conv.py")
    run_tool(root=checkout)
    assert conv.read_text() == good


def test_a_misspelt_field_is_an_error(checkout: Path) -> None:
    """On the device a name that is not in the struct is defined nowhere."""
    resize = checkout / "device_lib" / "hognose" / "reference" / "resize.py"
    replace(resize, "op[_HALF_PIXEL] > 1", "op[_HALF_PIXLE] > 1")
    run_tool(root=checkout)
    script = "import hognose.reference.resize as r; r.check(None, (29, 'b') + (1,) * 20, [])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=checkout / "device_lib", capture_output=True, text=True
    )
    assert "NameError: name '_HALF_PIXLE' is not defined" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("uint32_t in_c;  ", "uint16_t in_c;  ", "not aligned"),
        ("    uint16_t scales;            // multipliers: 1 or outputs\n", "", "not aligned"),
        ("    int8_t state_zp;            // int8: zero point of the state\n", "", "not whole words"),
        ("hog_ref_t table;            // in DATA; 256", "uint32_t table;            // 256", "a ref"),
        ("uint32_t boxes;             // candidates", "uint32_t boxes             // candidates", "a field"),
    ],
)
def test_layouts_that_are_refused(old: str, new: str, words: str) -> None:
    assert old in OPERATORS_H
    with pytest.raises(tables.FormatError, match=words):
        tables.Format(OPERATORS_H.replace(old, new, 1), ERRORS_H)


def test_a_name_of_the_format_is_not_used_for_something_else(checkout: Path) -> None:
    dense = checkout / "device_lib" / "hognose" / "reference" / "dense.py"
    replace(dense, "_BLOCK = const", "_OUTPUTS = const")
    done = run_tool(root=checkout)
    assert done.returncode == 1 and "_OUTPUTS" in done.stderr


def test_sizes_are_those_of_c(tmp_path: Path) -> None:
    """A C compiler agrees about each struct and the place of each field."""
    checks = []
    for record in sorted({row.record for row in FORMAT.operators}):
        at = 0
        for field in FORMAT.structs[record]:
            checks.append(f"_Static_assert(offsetof({record}, {field.name}) == {at}, \"\");")
            at += FORMAT.size(field.type) * (1 if field.count is None else field.count)
        checks.append(f"_Static_assert(sizeof({record}) == {at}, \"\");")
    source = tmp_path / "sizes.c"
    source.write_text('#include <stddef.h>\n#include "operators.h"\n' + "\n".join(checks))
    command = ["gcc", "-std=c11", "-fsyntax-only", f"-I{ENGINE}", source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_row_is_read() -> None:
    rows = re.findall(r"^    (?:ONE|TWO|THREE)\((\w+), (\d+)", OPERATORS_H, re.M)
    assert {(row.name, str(row.code)) for row in FORMAT.operators} == set(rows)
    texts = re.findall(r'X\(\w+, "(.+)"\)', ERRORS_H)
    assert list(layouts.ERRORS.values())[1:] == [text for _, text in errors.ERRORS] == texts


def test_host_and_device_agree() -> None:
    names = hogfile.NAMES.split(" ")
    assert len(hogfile._TYPES) == len(names) == len(stream._REFS)
    for name, operator in layouts.OPERATORS.items():
        assert names[operator.code] == name
        known = load.Operator(operator.code)
        assert known.nest == operator.nest
        for kind in hogfile.SIZES:
            assert hogfile.has_kernel(operator.code, kind) == (kind in operator.types)
        for kinds, fields in layouts.FIELDS[operator.record].items():
            assert known.size == 4 + struct.calcsize("<" + "".join(code for _, code in fields))
            for kind in set(kinds) & set(operator.types):
                values = [n % 100 + 1 for n in range(len(fields))]
                record = struct.pack("<4x" + "".join(code for _, code in fields), *values)
                op = known.record(record, 0, operator.code, kind)
                by_name = dict(zip([field for field, _ in fields], values, strict=True))
                for field, value in by_name.items():
                    place = vars(known.module).get(f"_{field.upper()}")
                    if place is not None and field.upper() not in layouts.OPERATORS:
                        assert op[place] == value, (name, kind, field)


def test_refs_into_data() -> None:
    """Streaming moves the words that these bits name."""
    for name, bits in (("CONV", 0b1100), ("MOVE", 0b1), ("FILL", 0), ("MATMUL", 0b1011), ("DETECT", 0b100)):
        assert stream._REFS[layouts.OPERATORS[name].code] == bits, name


def test_each_operator_has_a_module_of_the_engine() -> None:
    """The reference engine's files have the names of those with the same operator's check."""
    checks = {}
    definition = re.compile(r"^hog_error_t (hog_check_\w+)\(hog_t \*h, const void \*record\) \{", re.M)
    for path in (ENGINE / "ops").glob("*.c"):
        checks |= dict.fromkeys(definition.findall(path.read_text()), path.stem)
    modules = load._MODULES.split(" ")
    rows = re.findall(r"^    (?:ONE|TWO|THREE)\((\w+), (\d+), \w+, \d, (\w+),", OPERATORS_H, re.M)
    for name, code, check in rows:
        ours, theirs = modules[int(code)], checks[check]
        assert ours == {"DEPTHWISE": "depthwise", "DEPTHWISE_TILED": "depthwise", "COMBINE": "combine"}.get(
            name, theirs
        ), "these three are checked in another operator's file"


def test_names_of_errors() -> None:
    """A misspelt one would be seen only when it is raised."""
    used = set()
    for path in REFERENCE.glob("*.py"):
        used |= set(re.findall(r"fail\(\s*\"(\w+)\"", path.read_text()))
        used |= set(re.findall(r"\"([A-Z_]+)\" if i == \d", path.read_text())) | {"STATE"}
    names = {name for name, _ in errors.ERRORS}
    assert used <= names
    assert names - used == {"ADDRESS", "IO_ABSENT"}, "what only the native engine says"


PAGE = """\
# Format

<!-- fields hog_move_t -->
old
<!-- /fields -->

<!-- functions DENSE -->
<!-- /functions -->

<!-- operators -->
<!-- /operators -->

<!-- errors -->
<!-- /errors -->
"""


def test_the_page() -> None:
    page = tables.page(FORMAT, PAGE)
    assert "old" not in page
    assert "| 12 | u32 | `run` | bytes of a run |" in page
    assert "| 20 | hog_loop_t[] | `loop` |" in page
    assert "| 2 | MIXED |" in page
    assert "| 36 | CONV_TILED | int8 | `hog_conv_t` |  |" in page
    assert "| TILE | tile out of range |" in page
    assert tables.page(FORMAT, page) == page
    assert max(map(len, page.splitlines())) <= 140


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(tables.FormatError, match="hog_moove_t"):
        tables.page(FORMAT, "<!-- fields hog_moove_t -->\n<!-- /fields -->")
