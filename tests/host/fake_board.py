# SPDX-License-Identifier: MIT
"""A board that is a process: MicroPython's unix port behind a TCP port, or directly behind a Link.

raw_repl.py makes it behave as a board: raw REPL, boot, soft reset, a flash that is an image file and keeps
what was written when the power goes away.
"""

import contextlib
import json
import select
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

from hognose_tools.board.connection import BoardError, lost

ROOT = Path(__file__).parents[2]
RAW, FRIENDLY, POWER_CUT = 40, 41, 42  # exit codes of raw_repl.py: how to go on


class FakeBoard:
    """`settings`: see raw_repl.py. `heap`: its RAM; `blocks`: its flash, of 4096 bytes."""

    def __init__(
        self,
        folder: Path,
        *,
        program: str = "unix-stock",
        heap: str = "400k",
        blocks: int = 256,
        **settings: Any,
    ):
        self.program = ROOT / ".build" / program / "micropython"
        self.heap = heap
        self.image = folder / "flash.img"
        self.settings = {"blocks": blocks, "fs": "lfs2", **settings}
        if not self.image.exists():
            self.image.write_bytes(b"\xff" * 4096 * blocks)

    def boot(self, raw: bool = False, **settings: Any) -> subprocess.Popen:
        settings = {**self.settings, "raw": raw, **settings}
        command = [self.program, "-X", f"heapsize={self.heap}", Path(__file__).with_name("raw_repl.py")]
        return subprocess.Popen(
            [*command, self.image, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={"MICROPYPATH": ":.frozen:/lib"},
        )

    def output(self) -> str:
        """What the board says from power-on until its app has ended."""
        said = ""
        while True:
            process = self.boot()
            out, _ = process.communicate(timeout=60)  # the end of stdin ends its REPL
            said += out.decode()
            if process.returncode != FRIENDLY:
                return said.replace("\r", "")

    def run(self, code: str) -> str:
        """What code prints on the board, its app not running."""
        link = PipeLink(self)
        link.restart()
        try:
            return link.exec(code).decode()
        finally:
            link.close()

    def files(self, folder: str = "/") -> dict[str, bytes]:
        code = (
            "import os\ndef walk(p):\n for e in os.ilistdir(p):\n  q = p.rstrip('/') + '/' + e[0]\n"
            "  if e[1] == 0x4000: walk(q)\n  else: print(repr((q, open(q, 'rb').read())))\n"
            f"walk({folder!r})"
        )
        return dict(eval(line) for line in self.run(code).splitlines())

    def write(self, path: str, data: str) -> None:
        self.run(f"f = open({path!r}, 'w')\nf.write({data!r})\nf.close()")


class PipeLink:
    """A Link without a serial port between: fast enough to try every moment."""

    port = "pipe"

    def __init__(self, board: FakeBoard, **settings: Any):
        self._board, self._settings = board, settings
        self._process: subprocess.Popen | None = None

    def restart(self) -> None:
        self.close()
        self._process = self._board.boot(raw=True, **self._settings)
        self._until(b">")

    def exec(self, code: str) -> bytes:
        assert self._process and self._process.stdin
        try:
            self._process.stdin.write(code.encode() + b"\x04")
        except BrokenPipeError as e:
            raise lost(self.port) from e
        self._until(b"OK")
        out, error = self._until(b"\x04"), self._until(b"\x04")
        self._until(b">")
        if error:
            raise BoardError(error.decode())
        return out

    def _until(self, end: bytes) -> bytes:
        assert self._process and self._process.stdout
        data = b""
        while not data.endswith(end):
            byte = self._process.stdout.read(1)
            if not byte:
                raise lost(self.port) from OSError("the board has gone")
            data += byte
        return data[: -len(end)]

    def start(self) -> None:
        self.close()

    def close(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()


class Server:
    """The board's serial port as a TCP port; the first connection switches the board on."""

    def __init__(self, board: FakeBoard, bytes_until_cut: int | None = None):
        self.board = board
        self.left = bytes_until_cut  # from the host, until somebody pulls the cable
        self.boots = 0
        self.said = b""  # since the last boot
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = f"socket://127.0.0.1:{self._socket.getsockname()[1]}"
        self._client: socket.socket | None = None
        self._process: subprocess.Popen | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._power_off()
        self._socket.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            sources = [self._client or self._socket]
            if self._process:
                sources.append(self._process.stdout)  # type: ignore[arg-type]
            for source in select.select(sources, [], [], 0.05)[0]:
                if source is self._socket:
                    self._client = self._socket.accept()[0]
                    self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if not self._process:
                        self._boot()
                elif source is self._client:
                    self._from_host()
                elif self._process:
                    self._from_board()

    def _boot(self, **settings: Any) -> None:
        self._process = self.board.boot(**settings)
        self.boots += 1
        self.said = b""

    def _from_board(self) -> None:
        assert self._process and self._process.stdout
        data = self._process.stdout.read(4096)
        self.said += data
        if data:
            with contextlib.suppress(OSError):
                if self._client:
                    self._client.sendall(data)
            return
        code = self._process.wait()
        self._process = None
        if code in (RAW, FRIENDLY):
            self._boot(raw=code == RAW)
        else:
            self._power_off()

    def _from_host(self) -> None:
        assert self._client
        try:
            data = self._client.recv(4096)
        except OSError:
            data = b""
        if not data:  # the board stays on
            self._client.close()
            self._client = None
            return
        if self.left is not None:
            data = data[: self.left]
            self.left -= len(data)
            if not self.left:
                self.left = None
                return self._power_off()
        assert self._process and self._process.stdin
        if data.startswith(b"\r\x03") and self._app_runs():
            self._kill()
            self._boot(app=False)
        with contextlib.suppress(BrokenPipeError):  # it restarts: on a board, too, these bytes are lost
            self._process.stdin.write(data)

    def _app_runs(self) -> bool:
        """Whether Ctrl-C has something to interrupt: until the app ends there is no prompt."""
        return b">" not in self.said and not self.board.settings.get("restarts")

    def _kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _power_off(self) -> None:
        self._kill()
        if self._client:
            self._client.close()
            self._client = None
