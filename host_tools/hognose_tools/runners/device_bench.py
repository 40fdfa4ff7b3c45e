# SPDX-License-Identifier: MIT
"""Measures a model on a board, for `hognose bench`."""

import gc

import _hognose  # noqa: F401  (its own loading is not the model's)

from hognose import Model, hogfile


def measure(hog, clock, quiet, loud, layers):
    """A dict: ticks of `clock()` for loading and for one invoke, and bytes that the model takes.

    `hog`: the file's bytes; `clock`: returns a 32-bit count; from `state = quiet()` to `loud(state)` there
    are no interrupts; `layers`: also ticks of each operator.
    """
    gc.collect()
    start = clock()
    nothing = clock() - start & 0xFFFFFFFF  # what reading the clock takes
    before = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0
    start = clock()
    model = Model(hog, engine="native")
    load = (clock() - start & 0xFFFFFFFF) - nothing
    gc.collect()
    heap = (gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0) - before
    inputs = [bytearray(t.nbytes()) for t in model._inputs]
    outputs = [bytearray(t.nbytes()) for t in model._outputs]
    given = inputs if len(inputs) > 1 else inputs[0]
    taken = outputs if len(outputs) > 1 else outputs[0]
    counts = []
    for _ in range(3):  # the first one still fills caches and qstrs
        model.reset()  # what a model keeps may change how long a run takes
        gc.collect()
        state = quiet()
        start = clock()
        model.invoke(given, taken)
        end = clock()
        loud(state)
        counts.append((end - start & 0xFFFFFFFF) - nothing)
    result = {
        "invoke": counts[1],
        "again": counts[2],
        "load": load,
        "arena": model.arena_size,
        "state": len(model._state),
        "heap": heap,
    }
    if layers:
        result["layers"] = []
        run, model_state, arena = model._engine.run, model._state, model._arena
        names = hogfile.operators(model._file)
        for i in range(len(names)):
            if i < model._initial:
                result["layers"].append(0)
                continue
            state = quiet()
            start = clock()
            run(model_state, arena, i, i)  # the way there and back
            between = clock()
            run(model_state, arena, i, i + 1)
            end = clock()
            loud(state)
            result["layers"].append((end - between & 0xFFFFFFFF) - (between - start & 0xFFFFFFFF))
    return result
