# SPDX-License-Identifier: MIT
"""A file with several models: makes the chosen one the first, which is what TFLM runs."""

import struct

from ..errors import UserError
from ..text import clipped, listed
from .reader import DAMAGE, reading
from .strip import CALLS, Source

# Fields of a model, a subgraph, an operator, a signature (schema.fbs).
_SUBGRAPHS, _SIGNATURES, _OPERATORS, _OPTIONS_TYPE, _OPTIONS, _KEY, _SUBGRAPH = 2, 7, 3, 3, 4, 2, 4


def names(tflite: bytes) -> list[str]:
    """The names of the model's signatures; none where it has none or is damaged."""
    try:
        return [name for name, _ in _signatures(Source(bytes(tflite)))]
    except DAMAGE:
        return []


def choose(tflite: bytes, name: str | None) -> bytes:
    """The file with the signature `name` as its first subgraph, or as it is for None. UserError: no such."""
    if name is None:
        return tflite
    data = bytearray(tflite)
    with reading(tflite):
        signatures = dict(_signatures(Source(bytes(tflite))))
        if name not in signatures:
            found = f"it has {listed(list(signatures), 9)}" if signatures else "it has none"
            raise UserError(clipped(f"the model has no signature {name}: {found}"))
        if signatures[name]:
            _exchange(data, signatures[name])
    return bytes(data)


def _signatures(source: Source) -> list[tuple[str, int]]:
    found = []
    for at in source.children(source.target(0), _SIGNATURES):
        key = source.vector(at, _KEY, 1)
        found.append((key[2].decode("utf-8", "replace") if key else "", source.integer(at, _SUBGRAPH, "I")))
    return found


def _exchange(data: bytearray, chosen: int) -> None:
    """Exchanges subgraphs 0 and `chosen`, and their numbers in the operators that call them.

    Other signatures are removed: that of subgraph 0 may leave out its number, which cannot be changed then.
    """
    source = Source(bytes(data))
    root = source.target(0)
    _leave_only(data, source, root, chosen)
    graphs, entries = source.children(root, _SUBGRAPHS), source.child(root, _SUBGRAPHS)
    if chosen >= len(graphs) or entries is None:
        raise ValueError(f"subgraph {chosen} of {len(graphs)}")
    for place, graph in ((0, graphs[chosen]), (chosen, graphs[0])):
        at = entries + 4 + 4 * place
        struct.pack_into("<I", data, at, graph - at)
    other = {0: chosen, chosen: 0}
    for at in _calls(source, graphs):
        number = source.number(at, "i")
        struct.pack_into("<i", data, at, other.get(number, number))


def _leave_only(data: bytearray, source: Source, root: int, chosen: int) -> None:
    """The signature of subgraph `chosen` becomes the only one, of subgraph 0."""
    entries = source.child(root, _SIGNATURES)
    for signature in source.children(root, _SIGNATURES):
        number = source.field(signature, _SUBGRAPH)
        if entries is not None and number is not None and source.number(number, "I") == chosen:
            struct.pack_into("<I", data, number, 0)
            struct.pack_into("<II", data, entries, 1, signature - (entries + 4))
            return


def _calls(source: Source, graphs: list[int]) -> set[int]:
    """Positions of the subgraph numbers in operators; an absent number is 0, which nothing calls."""
    found = set()
    for graph in set(graphs):
        for operator in set(source.children(graph, _OPERATORS)):
            options = source.child(operator, _OPTIONS)
            for i in range(CALLS.get(source.integer(operator, _OPTIONS_TYPE, "B"), 0) if options else 0):
                at = source.field(options, i)
                found |= {at} if at else set()
    return found
