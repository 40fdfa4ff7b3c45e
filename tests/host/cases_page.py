# SPDX-License-Identifier: MIT
"""Tables of the cases that each engine ran of each operator and type: for a run of the tests, for a page."""

from collections.abc import Mapping

from hognose_tools.analysis.operators import markdown, operators
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

What can be packed, by the element type of the first data input; `hognose ops` prints it, too. Constants
that TFLM keeps compressed (TFLM_DECODE) are unpacked when the model is packed. Weights of 4 bits (CONV_2D,
DEPTHWISE_CONV_2D, FULLY_CONNECTED) keep 4 bits in the file.
"""

CASES = """
## Cases compared with TFLM

Random models of one operator each, as `.tflite` files, whose outputs were compared with TFLM's (PyPI
`tflite-micro`): integers byte by byte, float32 to 1e-6. `make operators` ran them and wrote how many there
were; `make test` runs the same ones, `HOGNOSE_EXAMPLES=1000` asks for more. QEMU's are those of all boards
together: Cortex-M0, M3, M4F, M7F, M33F, RV32IMC, Xtensa.
"""

TAIL = """
These pairs are packed and run too, but TFLM refuses them, so that there is nothing to compare with:
"""


def page(counts: Mapping[tuple[str, str, str], int]) -> str:
    """native_module/OPERATORS.md; `counts`: by operator, type and engine."""
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
    return "\n".join([head(), CASES, *rows, TAIL, *refused, ""])


def head() -> str:
    """What no test has to run for."""
    return "\n".join([HEAD, *markdown()])


def table(counts: Mapping[tuple[str, str, str], int]) -> str:
    """Each engine and board by itself, as a Markdown table; `counts`: by operator, type and engine."""
    engines = sorted({engine for _, _, engine in counts})
    rows = ["| operator | type | " + " | ".join(engines) + " |", "|---|---|" + "--:|" * len(engines)]
    for name, dtype in sorted({key[:2] for key in counts}):
        cells = (f"{counts[name, dtype, e]:,}" if (name, dtype, e) in counts else "" for e in engines)
        rows.append(f"| {name} | {dtype} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"
