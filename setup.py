# SPDX-License-Identifier: MIT
"""The engine as a CPython extension; everything else is in pyproject.toml."""

import shutil
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

NATMOD = Path(".build", "natmod")


class BuildPy(build_py):
    """A wheel carries what `make natmod` has built to link native modules from, and MicroPython's linker."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "hognose_tools", "board", "natmod")
        target.mkdir(parents=True, exist_ok=True)
        for path in (*NATMOD.glob("*.zip"), *NATMOD.glob("mpy_ld.py")):
            shutil.copy(path, target)


setup(
    cmdclass={"build_py": BuildPy},
    ext_modules=[
        Extension(
            "_hognose",
            sources=sorted(
                glob("native_module/cpython/*.c")
                + glob("native_module/engine/*.c")
                + glob("native_module/engine/ops/*.c")
            ),
            depends=sorted(glob("native_module/engine/**/*.h", recursive=True)),
            include_dirs=["native_module/engine"],
            # One rounding per operation, as on a board: no fused multiply-add.
            extra_compile_args=["-std=c99", "-O2", "-ffp-contract=off"],
        )
    ],
)
