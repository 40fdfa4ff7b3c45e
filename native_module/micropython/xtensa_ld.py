# SPDX-License-Identifier: MIT
"""MicroPython's linker for Xtensa objects: each section gets a name of its own.

    xtensa_ld.py MPY_LD.PY ARGUMENTS…

Code on Xtensa finds constants through a table of addresses. mpy_ld.py calls an entry "section+offset", without
the file, so that ".rodata+0x0" of two files was one entry: one of them got the other one's constant.
"""

import importlib
import sys
from pathlib import Path


def main() -> None:
    del sys.argv[0]
    path = Path(sys.argv[0])
    sys.path.insert(0, str(path.parent))
    linker = importlib.import_module(path.stem)
    linker.load_object_file = with_own_names(linker.load_object_file)
    linker.main()


def with_own_names(load):
    count = 0

    def load_object_file(env, *args):
        nonlocal count
        load(env, *args)
        for section in env.sections + env.literal_sections:
            if "@" not in section.name:
                section.name += f"@{count}"
                count += 1

    return load_object_file


if __name__ == "__main__":
    main()
