# SPDX-License-Identifier: MIT
"""What the device tests share. `start` says what is tested, `run` runs a test."""

import gc
import os
import sys
from array import array

import hognose

MICROPYTHON = sys.implementation.name == "micropython"
PC = sys.platform not in ("qemu", "rp2")  # not a board
ROUNDS = 600 if PC else 36  # of what is tried on many random things


# The words with which an engine refuses what is not in it.
ABSENT = ("is not in this _hognose.mpy", "is unknown")


class Skip(Exception):
    pass


class _Here:
    """`engine`: which to test; `folder`: what device_models.py has written.

    `full`: the engine runs all models in the folder; `complete`: it has all operators.
    """

    engine = folder = full = complete = None


here = _Here()


def start(engine, folder, module):
    """`module`: the native one is "small", "full", or "linked" for the models in the folder."""
    here.engine, here.folder = engine, folder
    here.full, here.complete = module != "small", module == "full"


def run(test):
    """Runs the test MODULE.NAME and prints "ok", or "skip: why". Only one module at a time lies in memory."""
    module, name = test.split(".")
    package = __name__.split(".")[0]
    loaded = sys.modules[package]
    for other in [key for key in sys.modules if key.startswith(package + ".")]:
        if other not in (__name__, package + "." + module):
            del sys.modules[other]
            if hasattr(loaded, other.split(".")[1]):
                delattr(loaded, other.split(".")[1])
    gc.collect()
    __import__(package + "." + module)
    try:
        getattr(sys.modules[package + "." + module], "test_" + name)()
        print("ok")
    except Skip as e:
        print("skip:", e)


def path(name):
    return here.folder + "/" + name


def content(name):
    with open(path(name), "rb") as f:
        return f.read()


def numbers(name):
    """A file of float32 as an array."""
    return array("f", content(name))


def model(name, **options):
    return hognose.Model(path(name + ".hog"), engine=here.engine, **options)


def models_with(suffix):
    """The names of the models that have a file NAME.suffix; of those that this engine runs."""
    names = sorted([n[: -len(suffix) - 1] for n in os.listdir(here.folder) if n.endswith("." + suffix)])
    assert names
    return [n for n in names if here.full or n not in ("types", "regression")]


def refused_by_the_small_engine(name):
    """Whether this engine is the small one, which then has to refuse the model in words."""
    if here.full:
        return False
    raises(ValueError, ABSENT[0], model, name)
    return True


def raises(error, words, function, *args, **options):
    """Calls the function, which must raise `error` with all the words in its text."""
    try:
        function(*args, **options)
    except error as e:
        for word in words.split():
            assert word in str(e), "%r lacks %r" % (str(e), word)
        return
    raise AssertionError("no %s" % (error,))


def same_floats(a, b):
    """As many, within 1e-6, NaN where NaN is expected."""
    if len(a) != len(b):
        return False
    return all([x == y or abs(x - y) <= 1e-6 * abs(y) + 1.2e-38 or (x != x and y != y) for x, y in zip(a, b)])
