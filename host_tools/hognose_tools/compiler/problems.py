# SPDX-License-Identifier: MIT
"""Says why a model cannot be packed, in one line of bounded length."""

from ..errors import UserError
from ..text import clipped, listed
from .graph import Graph, Operator
from .lower import ASK_TYPE, LOWER

_FOR_PROBLEMS = 480  # characters of a message
# Words in problems that come from shapes which the model computes.
_SIGNS_OF_SHAPES = ("damaged model", "no usable scale", "REDUCE_PROD")
# A model whose other layers are quantized was converted already: asking for that would lead in circles.
_QUANTIZED = (
    "the model is quantized already, but neither TFLM nor hognose has that there: replace the layer, or "
    "convert the model as float32 (`hognose quantize --type float32`)"
)
# Custom operators that stand for a part of the model, or for all of it, which only their processor can run.
_COMPILED = {"custom ethos-u": "an Arm Ethos-U (by Vela)", "custom edgetpu-custom-op": "an Edge TPU"}


def refusal(graph: Graph, problems: dict[str, list[str]]) -> UserError:
    """The error for a model that has these problems, each with the operators or tensors that have it."""
    said = [f"{listed(places)}: {_advised(graph, problem)}" for problem, places in problems.items()]
    first = any_batch(graph) if any(word in p for p in said for word in _SIGNS_OF_SHAPES) else ""
    count = next((i for i in range(1, len(said)) if sum(map(len, said[: i + 1])) > _FOR_PROBLEMS), len(said))
    if count < len(said):
        said[count:] = [f"and {len(said) - count} more problems"]
    unknown = any(op.kind not in LOWER for op in graph.operators)
    hint = ". What is supported: `hognose ops`" if unknown else ""
    return UserError(clipped(first + clipped("; ".join(said), _FOR_PROBLEMS) + hint + _any_size(graph)))


def _advised(graph: Graph, problem: str) -> str:
    quantized = any(t.data is None and len(t.scales) for t in graph.tensors)
    return problem.replace(ASK_TYPE, _QUANTIZED) if quantized else problem


def check_whole(graph: Graph) -> None:
    """UserError where one sentence says why nothing of the model can be packed."""
    kinds = {op.kind for op in graph.operators}
    for kind, processor in _COMPILED.items():
        if kind in kinds:
            raise UserError(
                f"the model was compiled for {processor}: take the original .tflite, from before that"
            )
    flex = sorted(kind.removeprefix("custom ") for kind in kinds if kind.startswith("custom Flex"))
    if flex:
        raise UserError(
            f"{listed(flex)}: TensorFlow's own operators, which no microcontroller has: convert the model "
            "without SELECT_TF_OPS, or replace these layers"
        )
    hybrid = [op for op in graph.operators if _is_hybrid(op)]
    if hybrid:
        raise UserError(
            f"dynamic-range quantization (float32 values, int8 weights: {len(hybrid)} layers) is in neither "
            "TFLM nor hognose: convert the model to full int8 with `hognose quantize`, or as float32"
        )


def _is_hybrid(op: Operator) -> bool:
    """What converters make of a float model that is asked to be small."""
    inputs = [t for t in op.inputs if t is not None]
    values = any(t.dtype == "float32" and t.data is None for t in inputs)
    return values and any(t.dtype == "int8" and t.data is not None and len(t.scales) for t in inputs)


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
