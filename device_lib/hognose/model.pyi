from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, Protocol

from typing_extensions import Buffer, Self

class _Array(Protocol):
    """An array of type f: array.array, numpy or ulab."""
    def __len__(self) -> int: ...
    def __setitem__(self, i: int, x: float, /) -> None: ...

_Numbers = float | Buffer | Sequence[Any]

class Model:
    arena_size: int
    engine: str
    input_dtype: list[str]
    input_scale: list[float]
    input_shape: list[tuple[int, ...]]
    input_zero_point: list[int]
    len: int
    output_dtype: list[str]
    output_scale: list[float]
    output_shape: list[tuple[int, ...]]
    output_zero_point: list[int]
    ram: int
    work: int
    def __init__(
        self,
        source: str | PathLike[str] | Buffer,
        engine: Literal["native", "reference"] | None = None,
        arena: Buffer | None = None,
        stream: bool = False,
        max_work: int = ...,
    ) -> None: ...
    @property
    def labels(self) -> list[str] | None: ...
    @property
    def input_names(self) -> list[str] | None: ...
    @property
    def output_names(self) -> list[str] | None: ...
    @property
    def meta(self) -> dict[str, Any]: ...
    @property
    def name(self) -> str: ...
    def predict(self, window: _Numbers | Sequence[_Numbers], out: Any = None) -> Any: ...
    def invoke(
        self,
        raw_in: Buffer | Sequence[Buffer] | None = None,
        raw_out: Buffer | Sequence[Buffer] | None = None,
    ) -> None: ...
    def reset(self) -> None: ...
    def profile(self) -> list[tuple[str, int]]: ...
    def summary(self) -> str: ...
    def deinit(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
