# SPDX-License-Identifier: MIT
"""Says why a model cannot be packed, in one line of bounded length."""

from ..errors import UserError
from .graph import Graph
from .lower import LOWER

LIMIT = 599  # characters of a message
_FOR_PROBLEMS = 400  # of these
_PLACES = 3  # that are named for each problem
# Words in problems that come from shapes which the model computes.
_SIGNS_OF_SHAPES = ("damaged model", "no usable scale", "REDUCE_PROD")


def refusal(graph: Graph, problems: dict[str, list[str]]) -> UserError:
    """The error for a model that has these problems, each with the operators or tensors that have it."""
    said = [f"{_listed(places)}: {problem}" for problem, places in problems.items()]
    first = any_batch(graph) if any(word in p for p in said for word in _SIGNS_OF_SHAPES) else ""
    count = next((i for i in range(1, len(said)) if sum(map(len, said[: i + 1])) > _FOR_PROBLEMS), len(said))
    if count < len(said):
        said[count:] = [f"and {len(said) - count} more problems"]
    unknown = any(op.kind not in LOWER for op in graph.operators)
    hint = ". What is supported: `hognose ops`" if unknown else ""
    return UserError(clipped(first + clipped("; ".join(said), _FOR_PROBLEMS) + hint + _any_size(graph)))


def _listed(places: list[str]) -> str:
    more = len(places) - _PLACES
    return ", ".join(places[:_PLACES]) + (f" and {more} more" if more > 0 else "")


def clipped(text: str, limit: int = LIMIT) -> str:
    """At most `limit` characters: names and shapes come from the file and may be of any length."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def any_batch(graph: Graph) -> str:
    """A hint where a refused model computes shapes from the batch size."""
    if not any(t.any_batch for t in graph.inputs) or not any(t.any_batch for t in graph.outputs):
        return ""
    return (
        "the model was converted for any batch size, which may be the cause: convert it for 1, as in "
        "keras.Input(batch_size=1); now: "
    )


def _any_size(graph: Graph) -> str:
    """A hint where the sizes in the file are only examples."""
    inputs = [t for t in graph.inputs if t.any_size]
    if not inputs:
        return ""
    size = list(inputs[0].shape)
    return f". The input {inputs[0].label} may have any size, here {size}: convert the model for one"
