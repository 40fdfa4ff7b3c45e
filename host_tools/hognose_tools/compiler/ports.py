# SPDX-License-Identifier: MIT
"""A model's inputs and outputs as numpy has them."""

from dataclasses import dataclass
from math import prod

import numpy as np

from .records import TYPECODE

NUMPY: dict[str, np.dtype] = {code: np.dtype(name).newbyteorder("<") for name, code in TYPECODE.items()}


@dataclass
class Port:
    """An input or output of a model: what a sample of it looks like."""

    name: str
    shape: tuple[int, ...]
    type: str  # struct typecode
    scale: float
    zero_point: int

    @property
    def dtype(self) -> np.dtype:
        return NUMPY[self.type]

    @property
    def size(self) -> int:
        """Elements of one sample."""
        return prod(self.shape)
