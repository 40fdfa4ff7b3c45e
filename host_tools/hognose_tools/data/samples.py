# SPDX-License-Identifier: MIT
"""Samples for a model in .npz files: arrays keyed "0", "1", … or by input names, a sample axis first."""

from pathlib import Path

import numpy as np

from .. import files
from ..compiler.ports import Port
from ..errors import UserError
from ..text import listed

MAX_RANDOM = 1 << 30  # bytes


def load(path: str | Path, ports: list[Port]) -> list[np.ndarray]:
    """The inputs in an .npz, each [samples, *shape]; a batch axis of 1 may be missing."""
    arrays = files.read_npz(path)
    wanted = [str(i) for i in range(len(ports))]
    names = [port.name for port in ports]
    if len(set(names)) == len(ports) and sorted(arrays) == sorted(names):
        wanted = names
    if sorted(arrays) != sorted(wanted):
        raise UserError(
            f"{path} has the arrays {listed(sorted(arrays), 9) or 'none'}; the model's inputs are "
            f"{', '.join(wanted)}, so name them that: numpy.savez(path, **{{'0': array}})"
        )
    loaded = [
        _shaped(arrays[key], port, f"{path}, input {key}") for key, port in zip(wanted, ports, strict=True)
    ]
    if len({len(a) for a in loaded}) > 1:
        raise UserError(f"{path}: the inputs have different numbers of samples: {[len(a) for a in loaded]}")
    if not len(loaded[0]):
        raise UserError(f"{path} holds no samples")
    return loaded


def _shaped(array: np.ndarray, port: Port, where: str) -> np.ndarray:
    if array.dtype.kind not in "iufb":
        raise UserError(f"{where}: {array.dtype} is no numeric type")
    shapes = [port.shape, port.shape[1:]] if port.shape[:1] == (1,) else [port.shape]
    if array.ndim == 0 or array.shape[1:] not in shapes:
        raise UserError(
            f"{where}: shape {list(array.shape)}, expected [samples, {', '.join(map(str, port.shape))}]"
        )
    return array.reshape(len(array), *port.shape)


def raw(array: np.ndarray, port: Port, where: str) -> np.ndarray:
    """`array`, which must hold raw elements already, as the input's type. UserError where it does not."""
    if array.dtype.kind != port.dtype.kind:
        raise UserError(f"{where}: {array.dtype} where raw {port.dtype} values are expected")
    result = array.astype(port.dtype)
    if port.dtype.kind in "iu" and not np.array_equal(result, array):
        raise UserError(f"{where}: values beyond {port.dtype}; raw values are the quantized integers")
    return result


def float32(array: np.ndarray) -> np.ndarray:
    """Numbers as the board takes them; values too large for float32 become infinity."""
    with np.errstate(over="ignore"):
        return array.astype("<f4")


def quantized(array: np.ndarray, port: Port) -> np.ndarray:
    """Numbers as the model's elements: a float32 division, rounded half away from zero, clamped."""
    array = float32(array)
    if port.type == "f":
        return array
    with np.errstate(over="ignore"):
        ratio = array / np.float32(port.scale or 1)
    rounded = np.trunc(ratio.astype(np.float64) + np.copysign(0.5, ratio))
    if port.type == "?":
        return array.astype(bool)
    bounds = np.iinfo(port.dtype)
    return np.clip(rounded + port.zero_point, bounds.min, bounds.max).astype(port.dtype)


def elements(array: np.ndarray, port: Port, where: str) -> np.ndarray:
    """Raw elements: an array of the input's type is raw already, any other is quantized as on the board."""
    if array.dtype == port.dtype:
        return array
    if port.type != "f" and array.dtype.kind == "f" and np.isnan(array).any():
        raise UserError(f"{where}: NaN cannot be quantized; remove such samples")
    return quantized(array, port)


def random(ports: list[Port], count: int, seed: int = 0) -> list[np.ndarray]:
    """Random raw samples over the whole range of each input, the same for the same seed."""
    size = count * sum(p.size * p.dtype.itemsize for p in ports)
    if size > MAX_RANDOM:
        raise UserError(f"{count} random samples of this model take {size:,} bytes; ask for fewer")
    chance = np.random.default_rng(seed)
    arrays = []
    for port in ports:
        shape = (count, *port.shape)
        if port.type == "f":
            arrays.append(chance.standard_normal(shape, np.float32))
        elif port.type == "?":
            arrays.append(chance.integers(0, 2, shape).astype(bool))
        else:
            bounds = np.iinfo(port.dtype)
            arrays.append(chance.integers(bounds.min, bounds.max, shape, port.dtype, endpoint=True))
    return arrays


def save(path: str | Path, arrays: list[np.ndarray]) -> None:
    """Writes outputs, each [samples, *shape], keyed by their index."""
    files.write(path, files.npz({str(i): a for i, a in enumerate(arrays)}))
