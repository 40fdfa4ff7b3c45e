# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""native_module/OPERATORS.md: the cases of each operator and type that each engine ran (`make operators`)."""

from collections.abc import Mapping

from hognose_tools.analysis.operators import operators
from hognose_tools.compiler.lower import LOWER

# Heads of columns, and which engines or boards of the tests count there.
COLUMNS = {
    "native, CPython": ("native",),
    "reference, CPython": ("reference",),
    "native, unix port": ("unix-native", "stock-mpy"),
    "reference, unix port": ("stock-reference",),
    "native, QEMU": ("M0", "M3", "M4F", "M7F", "M33F", "RV32", "XTENSA"),
    "native, Armv6-M simulator": ("armv6m",),
    "TFLM, unix port": ("tflm",),
}

HEAD = """# Operators, types and engines

Random models of one operator each, as `.tflite` files, whose outputs were compared with TFLM's (PyPI
`tflite-micro`): integers byte by byte, float32 to 1e-6. `make operators` ran them and wrote how many there
were; `make test` runs the same ones, `HOGNOSE_EXAMPLES=1000` asks for more. QEMU's are those of all boards
together: Cortex-M0, M3, M4F, M7F, M33F, RV32IMC, Xtensa.

"""

TAIL = """
These pairs are packed and run too, but TFLM refuses them, so that there is nothing to compare with:

"""


def page(counts: Mapping[tuple[str, str, str], int]) -> str:
    """The page; `counts`: by operator, type and engine."""
    pairs = sorted({key[:2] for key in counts if key[0] in LOWER})
    rows = ["| operator | type | " + " | ".join(COLUMNS) + " |", "|---|---|" + "--:|" * len(COLUMNS)]
    for name, dtype in pairs:
        totals = [sum(counts.get((name, dtype, e), 0) for e in engines) for engines in COLUMNS.values()]
        cells = [f"{n:,}" if n else "" for n in totals]
        rows.append(f"| {name} | {dtype} | " + " | ".join(cells) + " |")
    rest: dict[str, list[str]] = {}
    for name, types in operators().items():
        for dtype in sorted(set(types) - {t for n, t in pairs if n == name}):
            rest.setdefault(name, []).append(dtype)
    refused = [f"- {name}: {', '.join(types)}" for name, types in rest.items()]
    return HEAD + "\n".join(rows) + "\n" + TAIL + "\n".join(refused) + "\n"
