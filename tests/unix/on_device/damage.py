# SPDX-License-Identifier: MIT
"""Damaged files: every one is refused with words, or runs; the same everywhere."""

import struct
from binascii import crc32, hexlify

import hognose
from hognose import hogfile

from .common import ABSENT, ROUNDS, content, here

MODELS = ("gestures", "branches")


class Random:
    """The same numbers everywhere."""

    def __init__(self, seed):
        self._x = seed

    def below(self, n):
        self._x = (self._x * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._x >> 8) % n


_WORDS = (0, 1, 2, 0xFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC)


def mutant(hog, rnd):
    """A damaged copy with the right checksum, so that the damage gets through to the inner checks."""
    hog = bytearray(hog)
    plan = hogfile.section(hog, b"PLAN")
    for _ in range(1 + rnd.below(3)):
        at = plan[0] + rnd.below(plan[1]) if rnd.below(5) else 16 + rnd.below(len(hog) - 20)
        how = rnd.below(4)
        if how == 0:
            hog[at] = rnd.below(256)
        elif how == 1:
            hog[at] ^= 1 << rnd.below(8)
        elif how == 2:
            struct.pack_into("<I", hog, at & ~3, _WORDS[rnd.below(len(_WORDS))])
        else:
            struct.pack_into("<H", hog, at & ~1, (0, 1, 2, 255, 0x8000, 0xFFFF)[rnd.below(6)])
    struct.pack_into("<I", hog, 12, crc32(memoryview(hog)[16:]) & 0xFFFFFFFF)
    return bytes(hog)


def plan(hog):
    at, size = hogfile.section(hog, b"PLAN")
    return bytes(memoryview(hog)[at : at + size])


def outcomes(hogs, count, engine):
    """What becomes of each damaged file: the words that refuse it, or what it makes of zeros.

    Only where the plan is as it was: with another one an operator may read what none has written, such as
    a scratch buffer.
    """
    rnd = Random(42)
    arena = bytearray(5000)
    for i in range(count):
        hog = mutant(hogs[i % len(hogs)], rnd)
        for k in range(len(arena)):
            arena[k] = 0
        try:
            m = hognose.Model(hog, engine=engine, arena=arena)
        except ValueError as e:
            yield "refused: " + str(e)
            continue
        outputs = [bytearray(t.nbytes()) for t in m._outputs]
        m.invoke([bytes(t.nbytes()) for t in m._inputs], outputs)
        same = plan(hog) == plan(hogs[i % len(hogs)])
        yield "ran: " + (hexlify(b"".join(outputs)).decode() if same else "")


def test_damaged_files():
    """The words, or the bytes, are those of the engine on the host."""
    hogs = [content(name + ".hog") for name in MODELS]
    expected = content("damaged.txt").decode().split("\n")
    refused = ran = absent = 0
    for i, line in enumerate(outcomes(hogs, ROUNDS, here.engine)):
        refused += line.startswith("refused: ")
        ran += line.startswith("ran: ")
        if not here.complete and (ABSENT[0] in line or ABSENT[1] in line):
            absent += 1
        else:
            assert line == expected[i], (i, line, expected[i])
    assert refused > ROUNDS // 6 and ran > ROUNDS // 30 and absent < ROUNDS // 4, (refused, ran, absent)
