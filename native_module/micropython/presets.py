#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Links the modules that mip installs, small and full, from the archives in a folder: presets.py OUT ARCH …

They are OUT/<arch>_6.3/_hognose.mpy and OUT/full/<arch>_6.3/_hognose.mpy, each with a package.json.
It prints their sizes.
"""

import sys
from pathlib import Path

from hognose_tools.board import link
from hognose_tools.board.architectures import BY_NAME
from hognose_tools.errors import UserError

PACKAGE = Path(__file__).with_name("package.json").read_bytes()


def write(path: Path, data: bytes) -> None:
    """A file that has this content already keeps its age."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)


def main() -> None:
    out = Path(sys.argv[1])
    print(f"{'architecture':14}{'objects':>10}{'small':>8}{'in RAM':>8}{'full':>8}{'in RAM':>8}")
    for architecture in sys.argv[2:]:
        folder = BY_NAME[architecture].folder
        row = f"{architecture:14}{(out / f'{folder}.zip').stat().st_size:10}"
        for preset in link.PRESETS:
            module = link.link(architecture, preset, [out])
            place = out / ("full" if preset == "full" else "") / folder
            write(place / link.FILE, module.mpy)
            write(place / "package.json", PACKAGE)
            row += f"{len(module.mpy):8}{module.ram:8}"
        print(row)


if __name__ == "__main__":
    try:
        main()
    except UserError as e:
        sys.exit(str(e))
