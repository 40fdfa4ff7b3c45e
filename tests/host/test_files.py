# SPDX-License-Identifier: MIT
"""Files of the user's are safe: what may be overwritten, what stays of an old file, what stays behind."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hognose_tools import cli, files, signals
from hognose_tools.compiler import compile_tflite
from hognose_tools.errors import UserError
from tflite_builder import Builder

STALE = "hognose-tmp-0123456789abcdef"


@pytest.fixture(scope="module")
def tflite() -> bytes:
    b = Builder()
    x, y = b.tensor((1, 3)), b.tensor((1, 3))
    b.op("NEG", [x], y)
    return b.build([x], [y])


@pytest.fixture
def folder(tflite: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file of each kind."""
    monkeypatch.chdir(tmp_path)
    Path("m.tflite").write_bytes(tflite)
    Path("m.hog").write_bytes(compile_tflite(tflite).hog)
    np.savez("in.npz", **{"0": np.ones((2, 3), np.float32)})
    np.savez("data.npz", x=np.ones((4, 20, 1)), y=np.arange(4) % 2)
    Path("m.keras").write_bytes(b"PK\3\4 not read before the output is checked")
    Path("notes").write_text("mine")
    return tmp_path


def refused(command: str, capsys: pytest.CaptureFixture) -> str:
    """The one line of a command that must not write, and does not."""
    before = {p: p.read_bytes() for p in Path().iterdir() if p.is_file()}
    assert cli.main(command.split()) == 2
    assert {p: p.read_bytes() for p in Path().iterdir() if p.is_file()} == before
    said = capsys.readouterr().err
    assert said.startswith("hognose: ") and len(said.splitlines()) == 1
    return said


# A command, what it reads, and a file that is not of the kind that it writes.
COMMANDS = [
    ("pack m.tflite -o {}", "m.tflite", "in.npz"),
    ("run m.hog --inputs in.npz --outputs {}", "in.npz", "m.tflite"),
    ("run m.hog --inputs in.npz --outputs {}", "m.hog", "notes"),
    ("debug m.tflite --html {}", "m.tflite", "notes"),
    ("train data.npz -o {}", "data.npz", "m.tflite"),
    ("quantize m.keras -o {}", "m.keras", "in.npz"),
    ("quantize m.keras --representative data.npz -o {}", "data.npz", "m.hog"),
]


@pytest.mark.parametrize(("command", "source", "_"), COMMANDS)
def test_no_command_overwrites_what_it_reads(command: str, source: str, _: str, folder: Path, capsys) -> None:
    Path("sub").mkdir()
    Path("symlink.keras").symlink_to(folder / source)
    os.link(source, "hard.keras")
    for name in (source, str(folder / source), f"sub/../{source}", "symlink.keras", "hard.keras"):
        said = refused(command.format(name), capsys)
        assert "is what the command reads" in said and "--force" in said


@pytest.mark.parametrize(("command", "_", "other"), COMMANDS)
def test_no_command_overwrites_another_kind(command: str, _: str, other: str, folder: Path, capsys) -> None:
    Path("there.keras").write_bytes(Path(other).read_bytes())
    assert "exists and is no ." in refused(command.format("there.keras"), capsys)


def test_force_and_files_of_the_kind(folder: Path, tflite: bytes, capsys) -> None:
    hog = compile_tflite(tflite, name="m").hog
    Path("old.hog").write_bytes(Path("m.hog").read_bytes())
    Path("empty").touch()
    for command in ("-o new", "-o old.hog", "-o empty", "-o notes --force", "-o m.tflite --force"):
        assert cli.main(["pack", "m.tflite", *command.split()]) == 0, command
        assert Path(command.split()[1]).read_bytes() == hog
    Path("m.tflite").write_bytes(tflite)
    written = ["pack m.tflite -o /dev/null"]
    written += 2 * ["run m.hog --inputs in.npz --outputs out.npz", "debug m.tflite --html new.html"]
    assert [cli.main(command.split()) for command in written] == [0] * 5


def test_keras_files_are_told_from_other_archives(tmp_path: Path) -> None:
    import zipfile

    for name, member, kind in (("a", "config.json", ".keras"), ("b", "x.npy", ".npz"), ("c", "text", "")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, "")
        for wanted in (".keras", ".npz", ".tflite", ".hog", ".html"):
            if wanted == kind:
                files.check(tmp_path / name, wanted)
            else:
                with pytest.raises(UserError, match="exists and is no"):
                    files.check(tmp_path / name, wanted)


# What stays of an old file


def test_permissions_stay(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for mode in (0o600, 0o640, 0o444 | stat.S_IWUSR, 0o777):
        path.write_bytes(b"old")
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, 1234, 4321)
        files.write(path, b"new")
        found = path.stat()
        assert path.read_bytes() == b"new" and stat.S_IMODE(found.st_mode) == mode
        if os.geteuid() == 0:
            assert (found.st_uid, found.st_gid) == (1234, 4321)
    umask = os.umask(0o027)
    files.write(tmp_path / "fresh", b"new")
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "fresh"]


def test_links_stay(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(b"a longer old content")
    (tmp_path / "symlink").symlink_to("sub/file")
    os.link(tmp_path / "sub" / "file", tmp_path / "hard")
    files.write(tmp_path / "symlink", b"new")
    assert (tmp_path / "symlink").is_symlink()
    assert (tmp_path / "hard").read_bytes() == (tmp_path / "sub" / "file").read_bytes() == b"new"
    (tmp_path / "ahead").symlink_to("not yet")
    files.write(tmp_path / "ahead", b"new")
    assert (tmp_path / "not yet").read_bytes() == b"new"
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(UserError, match="a link to itself"):
        files.check(tmp_path / "round")
    assert [p for p in tmp_path.rglob("*hognose-tmp*")] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to anything")
def test_a_read_only_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(UserError, match="read-only"):
        files.check(path)


# What stays behind


def test_what_is_left_behind_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / STALE / "sub").mkdir(parents=True)
    (tmp_path / ("." + STALE)).write_bytes(b"half a file")
    mine = [tmp_path / name for name in ("hognose-tmp-notes", STALE + "0", ".hognose-tmp-", "hognose")]
    for path in mine:
        path.mkdir()
    with files.temporary_folder() as folder:
        (folder / "file").write_bytes(b"content")
        assert not (tmp_path / STALE).exists()
        held = folder
        with files.temporary_folder() as other:
            assert held.exists() and other != held
    files.write(tmp_path / "file", b"new")
    assert sorted(tmp_path.iterdir()) == sorted([*mine, tmp_path / "file"])


def test_what_another_process_works_on_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        "from hognose_tools import files\nwith files.temporary_folder() as f:\n print(f, flush=True); input()"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin and process.stdout
        theirs = Path(process.stdout.readline().strip())
        with files.temporary_folder():
            assert theirs.is_dir()
        process.kill()
        process.wait()
        assert theirs.is_dir()
        with files.temporary_folder():
            assert not theirs.exists()


def test_a_folder_that_was_taken_for_left_behind_is_made_again(tmp_path: Path, monkeypatch) -> None:
    """Between the moments when it is made and when it is locked."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    real, removed = fcntl.flock, []

    def flock(fd: int, how: int) -> None:
        if not removed:
            removed.append([p.rmdir() for p in tmp_path.iterdir()])
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with files.temporary_folder() as folder:
        assert removed and folder.is_dir()
    assert not folder.exists()


def started(arguments: list[str], temporary: Path) -> subprocess.Popen:
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "hognose_tools", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )


def until(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


def children(process: subprocess.Popen) -> list[int]:
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def keras_file(tmp_path: Path) -> list[str]:
    """A command that works for seconds in a temporary folder, with a child: on no model, to be stopped."""
    import zipfile

    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    return ["quantize", str(path), "--type", "float32", "-o", str(tmp_path / "m.tflite")]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")
@pytest.mark.parametrize("number", signals.SIGNALS)
def test_signals_leave_nothing(number: int, keras_file: list[str], tmp_path: Path) -> None:
    process = started(keras_file, tmp_path / "tmp")
    until(lambda: children(process))
    (child,) = children(process)
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said.splitlines()[-1].startswith("hognose: stopped (")
    assert "Traceback" not in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.keras", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []
    until(lambda: not alive(child))


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")
def test_kill_leaves_one_folder_and_the_next_run_removes_it(keras_file: list[str], tmp_path: Path) -> None:
    first = started(keras_file, tmp_path / "tmp")
    until(lambda: children(first))
    (child,) = children(first)
    first.kill()
    first.communicate()
    left = list((tmp_path / "tmp").iterdir())
    assert len(left) == 1
    until(lambda: not alive(child))
    second = started(keras_file, tmp_path / "tmp")
    until(lambda: children(second))
    now = list((tmp_path / "tmp").iterdir())
    assert len(now) == 1 and now != left
    second.terminate()
    second.communicate()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_signal_amid_the_removal_is_made_good_at_the_end(tmp_path: Path) -> None:
    """A program whose clean-up is interrupted: what is left goes when it exits."""
    code = f"""
import os, shutil, signal, sys
from hognose_tools import files, signals
def interrupted(*_, **__):
    shutil.rmtree = real
    os.kill(os.getpid(), signal.SIGTERM)
real, shutil.rmtree = shutil.rmtree, interrupted
try:
    with signals.raised(), files.temporary_folder() as folder:
        (folder / "file").write_bytes(b"content")
except signals.Stopped as e:
    print(len(os.listdir({str(tmp_path)!r})))
    sys.exit(e.code)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGTERM, "1\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_is_ignored_stays_so() -> None:
    code = """
import os, signal
from hognose_tools import signals
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with signals.raised():
    os.kill(os.getpid(), signal.SIGHUP)
print("went on")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "went on\n")
