# SPDX-License-Identifier: MIT
"""The board's half of a deployment: what the host defines there first and then calls (see install.py)."""

import gc
import os
import struct
import sys
from binascii import a2b_base64 as a2b_base64  # the host sends binary data so

MARK = "# hognose: the end of a deployment"


class _Crc:
    """Stands in where there is no SHA-256."""

    def __init__(self):
        self._crc = 0

    def update(self, data):
        from binascii import crc32

        self._crc = crc32(data, self._crc)

    def digest(self):
        return self._crc.to_bytes(4, "big")


def _hash():
    try:
        import hashlib

        # CircuitPython has no constructors by name.
        return "sha256", (hashlib.sha256() if hasattr(hashlib, "sha256") else hashlib.new("sha256"))
    except (ImportError, AttributeError, ValueError):
        return "crc32", _Crc()


def digest(path):
    """A file's hash as (algorithm, bytes), or None where no such file can be read."""
    name, state = _hash()
    buffer = memoryview(bytearray(512))
    try:
        with open(path, "rb") as file:
            while True:
                n = file.readinto(buffer)
                if not n:
                    return name, state.digest()
                state.update(buffer[:n])
    except OSError:
        return None


def facts():
    """What the host has to know, as a dict of literals. To be called right after a soft reset."""
    gc.collect()
    ram = gc.mem_free() if hasattr(gc, "mem_free") else None
    me = sys.implementation
    base = os.getcwd()
    blocks = os.statvfs(base)
    machine = getattr(me, "_machine", None)
    if machine is None:
        machine = os.uname()[4] if hasattr(os, "uname") else sys.platform
    if base.endswith("/"):
        base = base[:-1]
    # What lies here is found before what is in /lib.
    hiding = [base + "/" + name for name in ("hognose", "hognose.py", "hognose.mpy", "_hognose.mpy")]
    frozen = _module("hognose", [".frozen"])
    return {
        "implementation": me.name,
        "version": tuple(me.version[:3]),
        "machine": machine,
        "mpy": getattr(me, "_mpy", 0),
        "base": base,
        "ram_free": ram,
        "flash_free": blocks[1] * blocks[4],
        "flash_block": blocks[0],
        "hiding": [path for path in hiding if exists(path)],
        "builtin_engine": _module("_hognose", []) is not None,
        "tflm": _module("tflm", []) is not None,
        "frozen_library": frozen and getattr(frozen, "__version__", "?"),
    }


def _module(name, path):
    """The module, imported from `path` alone, or None: an empty path has what is part of the firmware."""
    saved = sys.path[:]
    sys.path[:] = path
    try:
        return __import__(name)
    except (ImportError, ValueError, OSError):
        return None
    finally:
        sys.path[:] = saved


def exists(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def models(folder):
    """What each `.hog` in a folder needs: operators and their types, types of inputs and outputs."""
    found = {}
    for name in os.listdir(folder or "/"):
        if name.endswith(".hog"):
            try:
                with open(folder + "/" + name, "rb") as file:
                    found[name] = _needs(file)
            except (OSError, ValueError):  # a folder, damaged, of another version
                pass
    return found


def _needs(file):
    def read(form, at):
        file.seek(at)
        return struct.unpack(form, file.read(struct.calcsize(form)))

    magic, version, sections = read("<4sHH", 0)
    places = [read("<4sI", 32 + 12 * i) for i in range(sections)] if magic == b"HOGN" and version == 2 else []
    (at,) = [at for tag, at in places if tag == b"PLAN"]
    inputs, outputs, count, _ = read("<4H", at)
    at += 8
    ports, operators = set(), set()
    for _ in range(inputs + outputs):
        _, kind, rank = read("<IBB", at)
        ports.add(kind)
        at += 16 + 4 * rank
    for _ in range(count):
        code, kind, words = read("<BBH", at)
        operators.add((code, kind))
        at += 4 * words
    return list(operators), list(ports)


def prepare(staging, keep, folders, paths):
    """Makes the folders; of what an earlier deployment left in `staging`, only `keep` stays."""
    for path in paths:
        if exists(path) and not digest(path):
            os.remove(path)  # damaged: its blocks must not become another file's, too
    for folder in folders:
        if not exists(folder):
            os.mkdir(folder)
    if not exists(staging):
        os.mkdir(staging)
    for name in os.listdir(staging):
        if name not in keep:
            os.remove(staging + "/" + name)


def copy(source, target):
    buffer = memoryview(bytearray(512))
    with open(source, "rb") as f, open(target, "wb") as g:
        while True:
            n = f.readinto(buffer)
            if not n:
                return
            g.write(buffer[:n])


def replace(old, new):
    try:
        os.rename(old, new)
    except OSError:  # a file system that renames to no existing name
        os.remove(new)
        os.rename(old, new)


def finish(main):
    """Ends a deployment that was cut short after the point of no return; True where there was one."""
    try:
        with open(main) as f:
            if f.readline().strip() != MARK:
                return False
            f.seek(0)
            program = f.read()
    except OSError:
        return False
    exec(program, {"__name__": "hognose"})
    return True


def clean(staging):
    if exists(staging):
        for name in os.listdir(staging):
            os.remove(staging + "/" + name)
        os.rmdir(staging)
