# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
"""The engine as a CPython extension; everything else is in pyproject.toml."""

from glob import glob

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "_hognose",
            sources=sorted(
                glob("native_module/cpython/*.c")
                + glob("native_module/engine/*.c")
                + glob("native_module/engine/kernels/*.c")
            ),
            depends=sorted(glob("native_module/engine/**/*.h", recursive=True)),
            include_dirs=["native_module/engine"],
            # One rounding per operation, as on a board: no fused multiply-add.
            extra_compile_args=["-std=c99", "-O2", "-ffp-contract=off"],
        )
    ]
)
