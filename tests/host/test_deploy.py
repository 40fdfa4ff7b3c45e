# SPDX-License-Identifier: MIT
"""`hognose deploy` and `hognose boards` on a board that is a process (see fake_board.py)."""

import itertools
import json
import os
import pty
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import serial

import hognose
from fake_board import ROOT, FakeBoard, PipeLink, Server
from hognose_tools import cli
from hognose_tools.board import connection, install, link
from hognose_tools.board.examine import examine
from hognose_tools.compiler import compile_tflite
from hognose_tools.compiler.disassemble import disassemble, needs
from hognose_tools.errors import UserError
from tflite_builder import Builder

STOCK = ROOT / ".build" / "unix-stock" / "micropython"
pytestmark = pytest.mark.skipif(
    not STOCK.exists() or not link.available("x64"), reason="make unix natmod has built nothing yet"
)

MAIN = """\
import hognose
import helper

model = hognose.Model("dense.hog")
print(helper.NAME, model.engine, *["%.2f" % y for y in model.predict([1, 2, 3, 4])])
"""
CIRCUITPYTHON = ["circuitpython", [9, 2, 1], 0]


def dense(columns: int = 4, rows: int = 3, seed: int = 5) -> bytes:
    """A dense layer as a `.hog`."""
    b = Builder()
    x = b.tensor((1, columns), "int8", scale=0.05, zero_point=-5)
    w = b.const(np.random.default_rng(seed).integers(-127, 128, (rows, columns), np.int8), scale=0.01)
    y = b.tensor((1, rows), "int8", scale=0.1, zero_point=4)
    b.op("FULLY_CONNECTED", [x, w, None], y)
    return compile_tflite(b.build([x], [y]), name="dense").hog


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A model, and an app that needs a module and a data file beside it."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "dense.hog").write_bytes(dense())
    (folder / "main.py").write_text(MAIN)
    (folder / "helper.py").write_text("NAME = 'first'\n")
    (folder / "notes.txt").write_text("not asked for\n")
    (folder / "data.bin").write_bytes(bytes(range(256)))
    return folder


@pytest.fixture
def board(tmp_path: Path) -> FakeBoard:
    return FakeBoard(tmp_path)


def deploy(capsys, board: FakeBoard, app: Path, *options: str, code: int = 0) -> str:
    """What the command says on stdout, or on stderr where it is to fail."""
    with Server(board) as server:
        arguments = ["deploy", str(app / "dense.hog"), "--port", server.port, *options]
        assert cli.main(arguments) == code
    out, err = capsys.readouterr()
    if code:
        assert err.count("\n") == 1 and err.startswith("hognose: "), err
        return err
    return out


def with_main(app: Path) -> list[str]:
    return ["--main", str(app / "main.py"), "--add", str(app / "data.bin")]


# What arrives.


@pytest.mark.parametrize("tool", ["mpremote", "ampy"])
def test_everything_arrives_and_runs(capsys, board, app, tool):
    said = deploy(capsys, board, app, *with_main(app), "--tool", tool)
    files = board.files()
    for name in ("dense.hog", "main.py", "helper.py", "data.bin"):
        assert files[f"/{name}"] == (app / name).read_bytes()
    package = Path(hognose.__file__).parent
    for name in ("__init__.py", "model.py", "hogfile.py", "window.py"):
        assert files[f"/lib/hognose/{name}"] == (package / name).read_bytes()
    assert files["/lib/_hognose.mpy"] == link.link("x64", needs(disassemble(dense()))).mpy
    assert not any("reference" in path or "notes" in path or ".hognose" in path for path in files)
    assert f"{len(files)} files copied" in said and "linked for dense.hog" in said
    numbers = " ".join(f"{y:.2f}" for y in hognose.Model(dense()).predict([1, 2, 3, 4]))
    assert board.output().startswith(f"first native {numbers}\n")


def test_only_what_changed_is_copied(capsys, board, app):
    deploy(capsys, board, app, *with_main(app))
    assert "0 files copied (0 bytes)" in deploy(capsys, board, app, *with_main(app))
    (app / "dense.hog").write_bytes(dense(seed=6))
    assert "1 files copied" in deploy(capsys, board, app)
    (app / "helper.py").write_text("NAME = 'second'\n")
    (app / "data.bin").write_bytes(b"")
    assert "2 files copied (16 bytes)" in deploy(capsys, board, app, *with_main(app))
    assert board.output().startswith("second native ")
    assert board.files()["/data.bin"] == b"" and board.files()["/dense.hog"] == dense(seed=6)


def test_app_starts_afterwards(capsys, board, app):
    with Server(board) as server:
        assert cli.main(["deploy", str(app / "dense.hog"), "--port", server.port, *with_main(app)]) == 0
        for _ in range(100):
            if b"first native" in server.said:
                return
            connection.time.sleep(0.05)
    pytest.fail("main.py did not start")


def test_main_that_names_another_model(capsys, board, app):
    (app / "other.hog").write_bytes(dense())
    with Server(board) as server:
        assert cli.main(["deploy", str(app / "other.hog"), "--port", server.port, *with_main(app)]) == 0
    assert "does not name other.hog" in capsys.readouterr().err


def test_an_app_that_runs_is_interrupted(capsys, board, app):
    board.write("/main.py", "import time\nwhile True:\n    time.sleep(1)\n")
    deploy(capsys, board, app, *with_main(app))
    assert board.output().startswith("first native ")


def test_engine_in_the_firmware(capsys, tmp_path, app):
    if not (ROOT / ".build" / "unix" / "micropython").exists():
        pytest.skip("make unix has built nothing yet")
    board = FakeBoard(tmp_path, program="unix")
    assert "native engine, built in" in deploy(capsys, board, app, *with_main(app))
    assert "/lib/_hognose.mpy" not in board.files()
    assert board.output().startswith("first native ")


def test_circuitpython_gets_the_reference_engine(capsys, tmp_path, app):
    board = FakeBoard(tmp_path, implementation=CIRCUITPYTHON, fs="fat", sha256=False)
    said = deploy(capsys, board, app, *with_main(app))
    assert "CircuitPython 9.2.1" in said and "reference engine" in said
    files = board.files()
    assert files["/code.py"] == MAIN.encode()
    assert "/lib/hognose/reference/load.py" in files and "/main.py" not in files
    assert not any(path.endswith(".mpy") for path in files)
    assert "0 files copied" in deploy(capsys, board, app, *with_main(app))
    # The unix port runs main.py, not code.py.
    board.write("/main.py", MAIN)
    assert board.output().startswith("first reference ")


def test_board_without_sha256(capsys, tmp_path, app):
    board = FakeBoard(tmp_path, sha256=False)
    deploy(capsys, board, app, *with_main(app))
    assert "0 files copied" in deploy(capsys, board, app, *with_main(app))


# The native module.

BOTH = """\
import hognose

for name in ("dense.hog", "sine.hog"):
    model = hognose.Model(name)
    print(model.engine, len(model.predict([1, 2, 3, 4])))
"""


@pytest.fixture
def sine(app: Path) -> Path:
    """Another model, of an operator that the first one does not have."""
    b = Builder()
    x, y = b.tensor((4,)), b.tensor((4,))
    b.op("SIN", [x], y)
    (app / "sine.hog").write_bytes(compile_tflite(b.build([x], [y]), name="sine").hog)
    return app / "sine.hog"


def linked(*hogs: bytes) -> bytes:
    return link.link("x64", set().union(*(needs(disassemble(hog)) for hog in hogs))).mpy


def test_module_for_another_model_too(capsys, board, app, sine):
    (app / "main.py").write_text(BOTH)
    said = deploy(capsys, board, app, "--main", str(app / "main.py"), "--also", str(sine))
    assert "linked for dense.hog, sine.hog" in said
    assert board.files()["/lib/_hognose.mpy"] == linked(dense(), sine.read_bytes())
    assert board.files()["/sine.hog"] == sine.read_bytes()
    assert board.output().startswith("native 3\nnative 4\n")


def test_module_serves_models_that_stay(capsys, board, app, sine):
    """Not those that are replaced, nor what is no model of ours."""
    board.write("/sine.hog", sine.read_bytes())
    board.write("/dense.hog", dense().replace(b"HOGN\2", b"HOGN\1"))
    board.write("/short.hog", sine.read_bytes()[:50])
    board.write("/empty.hog", b"")
    board.write("/text.hog", b"HOGN".ljust(64))
    (app / "main.py").write_text(BOTH)
    said = deploy(capsys, board, app, "--main", str(app / "main.py"))
    assert "linked for dense.hog, sine.hog" in said
    assert board.files()["/lib/_hognose.mpy"] == linked(dense(), sine.read_bytes())
    assert board.output().startswith("native 3\nnative 4\n")


@pytest.mark.parametrize("preset", link.PRESETS)
def test_module_of_a_kind(capsys, board, app, preset):
    said = deploy(capsys, board, app, *with_main(app), "--module", preset)
    assert "linked for" not in said
    assert board.files()["/lib/_hognose.mpy"] == link.link("x64", preset).mpy
    assert board.output().startswith("first native ")


def test_module_without_what_a_model_needs(capsys, board, app, sine):
    (app / "dense.hog").write_bytes(sine.read_bytes())
    refused(
        capsys, board, app, "--module", "small", words=("dense.hog needs APPLY of float32", "--module full")
    )


def test_module_from_a_file(capsys, board, app, tmp_path):
    (tmp_path / "mine.mpy").write_bytes(linked(dense()))
    deploy(capsys, board, app, *with_main(app), "--module", str(tmp_path / "mine.mpy"))
    assert board.output().startswith("first native ")
    (tmp_path / "mine.mpy").write_bytes(b"M\6\0\37" + bytes(100))
    refused(capsys, board, app, "--module", str(tmp_path / "mine.mpy"), words=("bytecode",))
    (tmp_path / "mine.mpy").write_bytes(b"M\6" + bytes([4 << 2 | 3, 31]) + bytes(100))
    refused(capsys, board, app, "--module", str(tmp_path / "mine.mpy"), words=("for x64", "is for armv6m"))
    (tmp_path / "mine.mpy").write_bytes(b"nothing of the kind")
    refused(capsys, board, app, "--module", str(tmp_path / "mine.mpy"), words=("no native module",))


FOREIGN = """\
import hognose

for name in ("softmax.hog", "sine.hog"):
    try:
        hognose.Model(name, engine="native")
    except ValueError as e:
        print(e)
"""


def test_module_that_lacks_an_operator(capsys, board, app, sine):
    """What the board says: which operator, and what to do."""
    deploy(capsys, board, app, *with_main(app))
    b = Builder()
    x, y = (b.tensor((1, 4), "int8", scale=1 / 256, zero_point=-128) for _ in range(2))
    b.op("SOFTMAX", [x], y, beta=1.0)
    board.write("/softmax.hog", compile_tflite(b.build([x], [y])).hog)
    board.write("/sine.hog", sine.read_bytes())
    board.write("/main.py", FOREIGN)
    first, second = board.output().splitlines()[:2]
    assert first.startswith("softmax.hog: operator 0 (SOFTMAX int8) is not in this _hognose.mpy: ")
    assert second.startswith("sine.hog: a type of its inputs or outputs is not in this _hognose.mpy: ")
    assert all("`hognose deploy … --also" in line for line in (first, second))


# What is refused, before anything is copied.


def refused(capsys, board: FakeBoard, app: Path, *options: str, words: tuple[str, ...]) -> None:
    before = board.files()
    error = deploy(capsys, board, app, *with_main(app), *options, code=2)
    for word in words:
        assert word in error
    assert board.files() == before


def test_too_big_for_the_flash(capsys, tmp_path, app):
    board = FakeBoard(tmp_path, blocks=24)
    refused(capsys, board, app, words=("flash has", "are needed", "delete files"))


def test_too_big_for_the_ram(capsys, tmp_path, app):
    (app / "dense.hog").write_bytes(dense(1000, 400))
    board = FakeBoard(tmp_path)
    refused(capsys, board, app, words=("bytes of RAM", "file 4", "free"))


def test_no_native_modules(capsys, tmp_path, app):
    board = FakeBoard(tmp_path, implementation=["micropython", [1, 25, 0], 6])
    refused(capsys, board, app, words=("cannot load native modules", "--engine reference"))
    deploy(capsys, board, app, *with_main(app), "--engine", "reference")
    assert "/lib/hognose/reference/load.py" in board.files()


@pytest.mark.parametrize(
    ("mpy", "words"),
    [
        (2 << 10 | 2 << 8 | 6, "install MicroPython 1.23 or later"),
        (9 << 10 | 3 << 8 | 6, "no native module for xtensa"),
        (0xABC << 16 | 2 << 10 | 2 << 8 | 6, "install MicroPython 1.23"),  # newer versions have bits above
    ],
)
def test_module_that_does_not_fit(capsys, tmp_path, app, mpy, words):
    refused(capsys, FakeBoard(tmp_path, implementation=["micropython", [1, 22, 2], mpy]), app, words=(words,))


def test_module_that_is_not_built(capsys, monkeypatch, tmp_path, board, app):
    monkeypatch.setattr(link, "PLACES", (tmp_path / "nowhere",))
    refused(capsys, board, app, words=("make natmod ARCH=x64",))


def test_library_that_is_hidden(capsys, board, app):
    board.write("/_hognose.mpy", "an older one")
    refused(capsys, board, app, words=("/_hognose.mpy on the board hides",))


@pytest.mark.parametrize("implementation", [None, CIRCUITPYTHON])
def test_read_only_file_system(capsys, tmp_path, app, implementation):
    settings = {"implementation": implementation} if implementation else {}
    board = FakeBoard(tmp_path, **settings)
    board.files()  # makes the file system
    board.settings["readonly"] = True
    refused(capsys, board, app, words=("read-only", "storage.remount"))


def test_file_system_that_becomes_full(capsys, monkeypatch, tmp_path, app):
    board = FakeBoard(tmp_path, blocks=24)
    board.write("/main.py", "print('old')")
    monkeypatch.setattr(install, "_check_flash", lambda *_: None)
    refused(capsys, board, app, words=("is full", "as it was"))
    assert board.output().startswith("old")


def test_app_that_is_no_python(capsys, board, app):
    (app / "helper.py").write_text("NAME = \n")
    refused(capsys, board, app, words=("helper.py, line 1",))


def test_file_that_is_no_model(capsys, board, app):
    (app / "dense.hog").write_bytes(b"nothing of the kind")
    deploy(capsys, board, app, code=2)


def test_model_for_tflm(capsys, board, app, tmp_path):
    b = Builder()
    x = b.tensor((1, 4), "int8", scale=0.05)
    y = b.tensor((1, 4), "int8", scale=0.1)
    b.op("ADD", [x, x], y)
    (tmp_path / "m.tflite").write_bytes(b.build([x], [y]))
    packed = ["pack", str(tmp_path / "m.tflite"), "-o", str(app / "dense.hog"), "--engine", "tflm"]
    assert cli.main(packed) == 0
    refused(capsys, board, app, words=("firmware with TensorFlow Lite Micro",))


# Ports.


def port_error(capsys, port: str, app: Path, *options: str) -> str:
    assert cli.main(["deploy", str(app / "dense.hog"), "--port", port, *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("tool", ["mpremote", "ampy"])
def test_no_such_port(capsys, app, tool):
    assert "there is no port /dev/nosuch" in port_error(capsys, "/dev/nosuch", app, "--tool", tool)
    assert "cannot open socket://127.0.0.1:1" in port_error(
        capsys, "socket://127.0.0.1:1", app, "--tool", tool
    )
    assert "is not a port" in port_error(capsys, "smoke://signals", app, "--tool", tool)


@pytest.mark.parametrize("tool", ["mpremote", "ampy"])
def test_busy_port(capsys, app, tool):
    master, slave = pty.openpty()
    try:
        with serial.Serial(os.ttyname(slave), exclusive=True):
            assert "is busy: close what uses it" in port_error(capsys, os.ttyname(slave), app, "--tool", tool)
    finally:
        os.close(master)
        os.close(slave)


def test_no_board(capsys, monkeypatch, app):
    monkeypatch.setattr(connection, "usb_ports", list)
    assert cli.main(["deploy", str(app / "dense.hog")]) == 2
    assert "no board is plugged in" in capsys.readouterr().err
    monkeypatch.setattr(connection, "usb_ports", lambda: ["/dev/a", "/dev/b"])
    assert cli.main(["deploy", str(app / "dense.hog")]) == 2
    assert "choose one with --port: /dev/a, /dev/b" in capsys.readouterr().err


def test_something_else_on_the_port(capsys, monkeypatch, app):
    monkeypatch.setattr(connection, "PATIENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and says nothing
        port = f"socket://127.0.0.1:{silent.getsockname()[1]}"
        assert "no MicroPython answers" in port_error(capsys, port, app)


def test_board_in_a_crash_loop(capsys, monkeypatch, board, app):
    monkeypatch.setattr(connection, "PATIENCE", 1)
    board.write("/main.py", "print('boom')")
    board.settings["restarts"] = True
    with Server(board) as server:
        assert "a crash loop" in port_error(capsys, server.port, app)
        assert server.boots > 2
    board.settings["restarts"] = False
    assert board.output().startswith("boom")


def test_board_that_stops_crashing(capsys, monkeypatch, board, app):
    """The command is patient: it catches the board between two restarts."""
    board.write("/main.py", "1 / 0")
    board.settings["restarts"] = True
    with Server(board) as server:
        connection.serial.serial_for_url(server.port).close()
        board.settings["restarts"] = False
        assert cli.main(["deploy", str(app / "dense.hog"), "--port", server.port, *with_main(app)]) == 0
    assert board.output().startswith("first native ")


# The cable is pulled.

OLD = {
    "/main.py": b"import a, b\nprint(1, a.N, b.N)\n",
    "/a.py": b"N = 1",
    "/b.py": b"N = 1",
    "/c.txt": b"same",
}
NEW = {
    "/main.py": b"import a, b\nprint(2, a.N, b.N)\n",
    "/a.py": b"N = 2",
    "/b.py": b"N = 2",
    "/c.txt": b"same",
}
NEW["/lib/x/large.py"] = b"# padding\n" * 900
NEW_BUT_MAIN = {**NEW, "/main.py": OLD["/main.py"]}


def put(link: PipeLink, files: dict[str, bytes]) -> None:
    """A deployment without command line and model."""
    deployment = install.Deployment(link, examine(link), files)
    deployment.prepare()
    deployment.copy(lambda n: None)
    deployment.commit()


def power_cuts(tmp_path: Path, fs: str, new: dict[str, bytes]) -> Iterator[tuple[FakeBoard, str]]:
    """The board after a deployment cut short at its first, second, … write to the flash; what it boots to."""
    board = FakeBoard(tmp_path, fs=fs, blocks=128)
    put(link := PipeLink(board), OLD)
    link.close()
    before = board.image.read_bytes()
    for cut in itertools.count(1):
        board.image.write_bytes(before)
        link = PipeLink(board, cut=cut)
        try:
            put(link, new)
            return
        except UserError:
            yield board, board.output().splitlines()[0]
        finally:
            link.close()


@pytest.mark.parametrize("new", [NEW, NEW_BUT_MAIN], ids=["all new", "main.py stays"])
def test_power_cut_at_each_write_to_the_flash(tmp_path, new):
    """The board boots the old app or the new one, whole; and the next deployment gets through."""
    after = "1 2 2" if new is NEW_BUT_MAIN else "2 2 2"
    seen = Counter()
    for board, said in power_cuts(tmp_path, "lfs2", new):
        seen[said] += 1
        put(link := PipeLink(board), new)
        link.close()
        assert board.output().splitlines()[0] == after
        assert board.files() == new
    assert set(seen) == {"1 1 1", after} and seen.total() >= 50, seen


def test_power_cut_on_fat(tmp_path):
    """FAT cannot replace a file in one step (see install.py): for a moment there is no main.py."""
    seen = Counter()
    for board, said in power_cuts(tmp_path, "fat", NEW):
        seen[said] += 1
        for _ in range(3):
            link = PipeLink(board)
            try:
                put(link, NEW)
                break
            except UserError as e:
                assert "run the command again" in str(e)
            finally:
                link.close()
        assert board.output().splitlines()[0] == "2 2 2"
        link = PipeLink(board)
        assert not install.Deployment(link, examine(link), NEW).files  # nothing is lacking
        link.close()
    assert set(seen) == {"1 1 1", "2 2 2", "MicroPython"} and seen.total() >= 50, seen
    assert seen["MicroPython"] <= 5


@pytest.mark.parametrize("at", [200, 6_000, 12_000, 20_000, 40_000])
def test_cable_pulled_on_the_way(capsys, board, app, at):
    """Through mpremote's transport, after so many bytes."""
    deploy(capsys, board, app, *with_main(app))
    (app / "dense.hog").write_bytes(dense(rows=40, columns=400))
    (app / "helper.py").write_text("NAME = 'second'\n" + "# padding\n" * 3000)
    (app / "main.py").write_text(MAIN.replace("[1, 2, 3, 4]", "[1] * 400"))
    with Server(board, bytes_until_cut=at) as server:
        assert cli.main(["deploy", str(app / "dense.hog"), "--port", server.port, *with_main(app)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "broke" in error or "crash loop" in error
    assert board.output().startswith("first native ")
    deploy(capsys, board, app, *with_main(app))
    assert board.output().startswith("second native ")


def test_an_interrupted_copy_goes_on_where_it_was(tmp_path):
    board = FakeBoard(tmp_path)
    files = {f"/{i}.bin": bytes([i]) * 5000 for i in range(4)}

    def fail_after(count):
        def progress(n):
            nonlocal count
            count -= n
            if count <= 0:
                raise KeyboardInterrupt

        return progress

    link = PipeLink(board)
    first = install.Deployment(link, examine(link), files)
    first.prepare()
    with pytest.raises(KeyboardInterrupt):
        first.copy(fail_after(12_000))
    link.close()
    second = install.Deployment(link := PipeLink(board), examine(link), files)
    second.prepare()
    steps = []
    second.copy(steps.append)
    assert steps[:2] == [5000, 5000] and max(steps[2:]) < 5000
    second.commit()
    link.close()
    assert board.files() == files


# Boards and models on them.


def test_boards(capsys, board):
    with Server(board) as server:
        assert cli.main(["boards", "--port", server.port, "--port", "/dev/nosuch", "--json"]) == 0
        found, missing = json.loads(capsys.readouterr().out)
        assert found["port"] == server.port and found["architecture"] == "x64"
        assert found["implementation"] == "micropython" and found["version"].count(".") == 2
        assert 100_000 < found["ram_free"] < 500_000 and 900_000 < found["flash_free"] <= 1 << 20
        assert "there is no port" in missing["error"]
        assert cli.main(["boards", "--port", server.port]) == 0
        header, row = capsys.readouterr().out.splitlines()
        assert header.split()[:2] == ["port", "board"] and row.startswith(server.port) and "x64" in row


def test_boards_without_any(capsys, monkeypatch):
    monkeypatch.setattr(connection, "usb_ports", list)
    assert cli.main(["boards"]) == 0
    assert capsys.readouterr().out == "no board is plugged in\n"
    assert cli.main(["boards", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("raw", [True, False])
def test_run_on_board(capsys, board, app, tmp_path, engine, raw):
    x = np.random.default_rng(1).integers(-100, 100, (5, 1, 4)).astype(np.int8 if raw else np.float32)
    np.savez(tmp_path / "in.npz", **{"0": x})
    common = [
        "run",
        str(app / "dense.hog"),
        "--inputs",
        str(tmp_path / "in.npz"),
        *(["--raw"] if raw else []),
    ]
    before = board.files()
    with Server(board) as server:
        on = ["--outputs", str(tmp_path / "board.npz"), "--on", f"board:{server.port}", "--engine", engine]
        assert cli.main([*common, *on]) == 0
    assert cli.main([*common, "--outputs", str(tmp_path / "here.npz")]) == 0
    there, here = np.load(tmp_path / "board.npz")["0"], np.load(tmp_path / "here.npz")["0"]
    assert there.dtype == here.dtype and there.tobytes() == here.tobytes()
    assert board.files() == before, "nothing is written to the board"


def test_unknown_rung(capsys, app, tmp_path):
    np.savez(tmp_path / "in.npz", **{"0": np.zeros((1, 4), np.float32)})
    arguments = ["run", str(app / "dense.hog"), "--inputs", str(tmp_path / "in.npz"), "--outputs", "x.npz"]
    for on in ("moon", "unix:1"):
        assert cli.main([*arguments, "--on", on]) == 2
        assert "choose from board, cpython" in capsys.readouterr().err
