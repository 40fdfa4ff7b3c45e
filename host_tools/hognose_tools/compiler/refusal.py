# SPDX-License-Identifier: MIT
"""Why a model cannot be packed, in a few lines: one cause after another, each with where it is."""

from ..text import LONGEST, shortened, some_of
from .graph import Graph, Operator
from .lower import ASK_TYPE, LOWER

# What problems say where the model computes shapes, and they are not known.
_SIGNS_OF_SHAPES = ("damaged model", "no usable scale", "REDUCE_PROD")
# A model whose other layers are quantized was converted already: asking for that would lead in circles.
_QUANTIZED = (
    "the model is quantized already, but neither TFLM nor hognose has that there: replace the layer, or "
    "convert the model as float32 (`hognose quantize --type float32`)"
)
# Custom operators that stand for a part of the model, or for all of it, which only their processor can run.
_COMPILED = {"custom ethos-u": "an Arm Ethos-U (by Vela)", "custom edgetpu-custom-op": "an Edge TPU"}
_MORE = "; and {} more"


def whole(graph: Graph) -> str:
    """Why nothing of the model can be packed, where one sentence says it; "" where none does."""
    kinds = {op.kind for op in graph.operators}
    for kind, processor in _COMPILED.items():
        if kind in kinds:
            return f"the model was compiled for {processor}: take the original .tflite, from before that"
    flex = sorted(kind.removeprefix("custom ") for kind in kinds if kind.startswith("custom Flex"))
    if flex:
        return (
            f"{some_of(flex)}: TensorFlow's own operators, which no microcontroller has: convert the model "
            "without SELECT_TF_OPS, or replace these layers"
        )
    hybrid = [op for op in graph.operators if _is_hybrid(op)]
    if hybrid:
        return (
            f"dynamic-range quantization (float32 values, int8 weights: {len(hybrid)} layers) is in neither "
            "TFLM nor hognose: convert the model to full int8 with `hognose quantize`, or as float32"
        )
    return ""


def _is_hybrid(op: Operator) -> bool:
    """What converters make of a float model that is asked to be small."""
    inputs = [t for t in op.inputs if t is not None]
    values = any(t.dtype == "float32" and t.data is None for t in inputs)
    weights = any(t.dtype == "int8" and t.data is not None and len(t.scales) for t in inputs)
    return values and weights


def text(graph: Graph, problems: dict[str, list[str]]) -> str:
    """`problems`: what is wrong, and where. As many of them as a message has room for, at least one."""
    causes = [_cause(graph, problem, places) for problem, places in problems.items()]
    unknown = any(op.kind not in LOWER for op in graph.operators)
    end = (". What is supported: `hognose ops`" if unknown else "") + _any_size(graph)
    shapes = any(word in problem for problem in problems for word in _SIGNS_OF_SHAPES)
    start = any_batch(graph) if shapes else ""
    room = LONGEST - len(start) - len(end) - len(_MORE)
    said = shortened(causes[0], room)
    for told, cause in enumerate(causes[1:], 1):
        if len(said) + len(cause) + 2 > room:
            said += _MORE.format(len(causes) - told)
            break
        said += f"; {cause}"
    return start + said + end


def _cause(graph: Graph, problem: str, places: list[str]) -> str:
    if _is_quantized(graph):
        problem = problem.replace(ASK_TYPE, _QUANTIZED)
    return f"{some_of(places)}: {problem}"


def _is_quantized(graph: Graph) -> bool:
    """Whether some of what it computes with is quantized."""
    return any(t.data is None and len(t.scales) for t in graph.tensors)


def any_batch(graph: Graph) -> str:
    """A hint where a model that fails leaves shapes to be computed from the size of the batch."""
    if not any(t.any_batch for t in graph.inputs) or not any(t.any_batch for t in graph.outputs):
        return ""
    return (
        "the model was converted for any batch size, which may be the cause: convert it for 1, as in "
        "keras.Input(batch_size=1); now: "
    )


def _any_size(graph: Graph) -> str:
    """A hint where the sizes in the file are only those of an example."""
    inputs = [t for t in graph.inputs if t.any_size]
    if not inputs:
        return ""
    size = list(inputs[0].shape)
    return f". The input {inputs[0].label} may have any size, here {size}: convert the model for one"
