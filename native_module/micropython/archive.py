#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Packs an architecture's objects for the linker of the host tools: archive.py OUT.zip CONFIG_H OBJECT …

The same objects make the same bytes. Objects keep their names without folders, which must differ.
"""

import re
import sys
import zipfile
from pathlib import Path

QSTR = re.compile(r"#define MP_QSTR_(\w+) \(mp_native_qstr_table")


def main() -> None:
    out, config, *objects = map(Path, sys.argv[1:])
    content = {"qstrs": "\n".join(QSTR.findall(config.read_text())).encode()}
    for path in objects:
        if path.name in content:
            sys.exit(f"{path}: another object has this name")
        content[path.name] = path.read_bytes()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in sorted(content.items()):
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main()
