# SPDX-License-Identifier: MIT
"""Makes MicroPython's unix port a board (see fake_board.py): python raw_repl.py IMAGE SETTINGS

SETTINGS, JSON: blocks (of 4096 bytes), fs ("lfs2" or "fat"), raw (boot into the raw REPL), readonly,
app (false: main.py does not run), cut (the power goes away in the middle of that write to the flash),
implementation ([name, version, _mpy]), sha256 (false: there is none), restarts (true: main.py's end
restarts the board).
"""

import json
import sys

import vfs

RAW, FRIENDLY, POWER_CUT = 40, 41, 42


class PowerCut(BaseException):
    pass


class Flash:
    def __init__(self, path, blocks, size, cut):
        self.file = open(path, "r+b")  # noqa: SIM115 (as long as the board lives)
        self.blocks, self.size, self.cut = blocks, size, cut

    def empty(self):
        return self.file.read(512) == b"\xff" * 512

    def readblocks(self, block, buffer, offset=0):
        self.file.seek(block * self.size + offset)
        self.file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        if self.cut <= 0:
            raise PowerCut
        self.cut -= 1
        self.file.seek(block * self.size + offset)
        # Sectors of a FAT's medium are written whole or not at all.
        self.file.write(buffer if self.cut or self.size == 512 else buffer[: len(buffer) // 2])
        if not self.cut:
            raise PowerCut

    def ioctl(self, operation, _):
        return {4: self.blocks, 5: self.size}.get(operation, 0)


class Implementation:
    def __init__(self, name, version, mpy):
        self.name, self.version, self._mpy, self._machine = name, tuple(version), mpy, "fake board"


class Sys:
    """The module sys of another implementation."""

    def __init__(self, implementation):
        self.implementation = implementation

    def __getattr__(self, name):
        return getattr(sys, name)


def mount(path, settings):
    fat = settings["fs"] == "fat"
    make = vfs.VfsFat if fat else vfs.VfsLfs2
    size = 512 if fat else 4096
    flash = Flash(path, settings["blocks"] * 4096 // size, size, settings.get("cut", 1 << 30))
    if flash.empty():
        make.mkfs(flash)
    vfs.umount("/")
    vfs.mount(make(flash), "/", readonly=settings.get("readonly", False))
    sys.path[:] = ["", ".frozen", "/lib"]


def run_app():
    try:
        with open("/main.py") as f:
            source = f.read()
    except OSError:
        return
    try:
        exec(compile(source, "main.py", "exec"), {"__name__": "__main__"})
    except SystemExit:
        sys.exit(FRIENDLY)
    except Exception as e:
        sys.print_exception(e)


def paste(stdin, out):
    """What comes until Ctrl-D; after every 256 bytes the host may send 256 more."""
    code = bytearray()
    while True:
        c = stdin.read(1)
        if c == b"\x04":
            out("\x04")
            return bytes(code)
        code.extend(c)
        if len(code) % 256 == 0:
            out("\x01")


def execute(code, scope, out):
    try:
        exec(code, scope)
        out("\x04")
    except Exception as e:
        out("\x04")
        sys.print_exception(e)
    out("\x04>")


def repl(raw, greet):
    stdin, out = sys.stdin.buffer, sys.stdout.write
    scope = {"__name__": "__main__"}
    code = b""
    out(greet)
    while True:
        c = stdin.read(1)
        if not c:
            sys.exit(0)
        elif raw and code + c == b"\x05A\x01":
            out("R\x01\x00\x01")
            execute(paste(stdin, out), scope, out)
            code = b""
        elif c == b"\x01":
            raw, code = True, b""
            out("raw REPL; CTRL-B to exit\r\n>")
        elif c == b"\x02":
            raw, code = False, b""
            out("\r\nMicroPython\r\n>>> ")
        elif c == b"\x03":
            code = b""
        elif c == b"\x04" and not code:
            out("OK\r\nMPY: soft reboot\r\n" if raw else "MPY: soft reboot\r\n")
            sys.exit(RAW if raw else FRIENDLY)
        elif c == b"\x04" and raw:
            out("OK")
            execute(code, scope, out)
            code = b""
        elif raw:
            code += c


def main(path, settings):
    settings = json.loads(settings)
    mount(path, settings)
    if not settings.get("sha256", True):
        sys.modules["hashlib"] = object()
    if "implementation" in settings:
        sys.modules["sys"] = Sys(Implementation(*settings["implementation"]))
    if settings["raw"]:
        repl(True, "raw REPL; CTRL-B to exit\r\n>")
    if settings.get("app", True):
        run_app()
    if settings.get("restarts"):
        sys.exit(POWER_CUT)
    repl(False, "MicroPython\r\n>>> ")


try:
    main(*sys.argv[1:])
except PowerCut:
    sys.exit(POWER_CUT)
