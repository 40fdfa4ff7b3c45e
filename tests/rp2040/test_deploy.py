# SPDX-License-Identifier: MIT
"""`hognose deploy` onto an emulated Pico with stock firmware, by the real mpremote and by ampy."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import serial

import hognose
from hognose_tools import cli
from hognose_tools.analysis.oracle import Oracle
from hognose_tools.board import connection, install
from hognose_tools.board.examine import examine
from hognose_tools.board.link import available
from hognose_tools.compiler import compile_tflite
from hognose_tools.errors import UserError
from hognose_tools.runners.pico import CYCLES, ROOT, USERMOD, Pico, missing
from test_compiler import dense_chain
from tflite_builder import Builder

pytestmark = pytest.mark.skipif(
    missing() is not None or not available("armv6m"), reason=f"no emulated Pico or no module: {missing()}"
)

GESTURE = ROOT / "examples" / "gesture"
LABELS = ["Standing", "Walking", "Running", "Badminton"]
CUTS = 64


def gesture_hog() -> bytes:
    """The gesture example's network, trained if `make demo` has run, else with random weights."""
    trained = ROOT / ".build" / "gesture" / "gesture.hog"
    if trained.exists() and trained.read_bytes()[:4] == b"HOGN":
        return trained.read_bytes()
    chance = np.random.default_rng(3)
    b = Builder()
    x = b.tensor((1, 50, 6), "int8", scale=0.2, zero_point=3)
    flat = b.tensor((1, 300), "int8", scale=0.2, zero_point=3)
    b.op("RESHAPE", [x], flat, new_shape=np.array([1, 300], np.int32))
    w = b.const(chance.integers(-127, 128, (4, 300), np.int8), scale=0.004)
    y = b.tensor((1, 4), "int8", scale=0.3)
    b.op("FULLY_CONNECTED", [flat, w, None], y)
    scores = b.tensor((1, 4), "int8", scale=1 / 256, zero_point=-128)
    b.op("SOFTMAX", [y], scores, beta=1.0)
    return compile_tflite(b.build([x], [scores]), labels=LABELS, name="gesture").hog


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The gesture example with recorded samples behind its sensor, as `make demo` has it."""
    folder = tmp_path / "app"
    folder.mkdir()
    shutil.copy(GESTURE / "main.py", folder)
    shutil.copy(GESTURE / "replay" / "sensor.py", folder)
    (folder / "gesture.hog").write_bytes(gesture_hog())
    motion = np.random.default_rng(4).normal(0, 3, (200, 6)).astype("<f4")
    (folder / "samples.bin").write_bytes(motion.tobytes())
    return folder


@pytest.fixture
def pico(tmp_path: Path) -> Iterator[Pico]:
    with Pico(flash=tmp_path / "flash.img") as running:
        yield running


def deploy(pico: Pico, app: Path, *options: str) -> int:
    files = ["--main", str(app / "main.py"), "--add", str(app / "samples.bin")]
    return cli.main(["deploy", str(app / "gesture.hog"), "--port", pico.url, *files, *options])


def boot(pico: Pico) -> list[str]:
    """What main.py on the board prints until it ends, at a soft reset."""
    with serial.serial_for_url(pico.url, timeout=120) as line:
        line.write(b"\r\x03\x03\x02")
        line.read_until(b">>> ")
        line.write(b"\x04")
        line.read_until(b"soft reboot\r\n")
        said = line.read_until(b"\r\nMicroPython").decode()
    return said.splitlines()[:-1]


def predictions(pico: Pico) -> list[str]:
    return [line.partition(", so ")[0] for line in boot(pico)]


def expected_lines(app: Path) -> list[str]:
    """The same on this machine: each window of 50 samples, ten apart."""
    model = hognose.Model(str(app / "gesture.hog"), engine="native")
    motion = np.frombuffer((app / "samples.bin").read_bytes(), "<f4").reshape(-1, 6)
    lines = []
    for at in range(0, len(motion) - 49, 10):
        scores = model.predict(motion[at : at + 50].copy())
        best = int(np.argmax(scores))
        lines.append(f"{model.labels[best]} {scores[best]:.2f}")
    return lines


@pytest.mark.parametrize("tool", ["mpremote", "ampy"])
def test_gesture_example(capsys, pico, app, tool):
    assert deploy(pico, app, "--tool", tool) == 0
    assert "Raspberry Pi Pico with RP2040" in capsys.readouterr().out
    expected = expected_lines(app)
    assert predictions(pico) == expected and len(expected) == 16
    pico.mpremote("reset")
    pico.wait_for("reset")
    assert predictions(pico) == expected
    assert deploy(pico, app, "--tool", tool) == 0
    assert " 0 files copied (0 bytes)" in capsys.readouterr().out


def test_it_runs_from_flash_after_power_off(tmp_path, app):
    with Pico(flash=tmp_path / "flash.img") as pico:
        assert deploy(pico, app) == 0
    with Pico(flash=tmp_path / "flash.img") as pico:
        assert predictions(pico) == expected_lines(app)
        listing = pico.mpremote("fs", "ls", ":lib/hognose")
        assert re.search(r"\bmodel\.py", listing) and "reference" not in listing


def test_same_bytes_as_here(tmp_path, pico, app):
    """`run --on board`, on random raw windows."""
    hog = app / "gesture.hog"
    x = np.random.default_rng(5).integers(-128, 128, (20, 1, 50, 6), np.int8)
    np.savez(tmp_path / "in.npz", **{"0": x})
    common = ["run", str(hog), "--inputs", str(tmp_path / "in.npz"), "--raw"]
    assert cli.main([*common, "--outputs", str(tmp_path / "here.npz")]) == 0
    for engine in ("native", "reference"):
        there = ["--outputs", str(tmp_path / "there.npz"), "--on", f"board:{pico.url}", "--engine", engine]
        assert cli.main([*common, *there]) == 0
        here, board = (np.load(tmp_path / f"{n}.npz")["0"] for n in ("here", "there"))
        assert here.dtype == board.dtype == np.int8 and np.array_equal(here, board)


def test_too_big_for_the_ram(capsys, pico, app, tmp_path):
    w = np.random.default_rng(1).integers(-127, 128, (400, 600), np.int8)
    b = Builder()
    x = b.tensor((1, 600), "int8", scale=0.2)
    y = b.tensor((1, 400), "int8", scale=0.3)
    b.op("FULLY_CONNECTED", [x, b.const(w, scale=0.01), None], y)
    (app / "gesture.hog").write_bytes(compile_tflite(b.build([x], [y])).hog)
    assert deploy(pico, app) == 2
    assert "bytes of RAM" in capsys.readouterr().err
    assert pico.mpremote("fs", "ls").strip() == "ls :"


def test_engine_in_the_firmware(capsys, tmp_path, app):
    if missing(USERMOD):
        pytest.skip(f"no firmware with the engine: {missing(USERMOD)}")
    with Pico(USERMOD, flash=tmp_path / "flash.img") as pico:
        assert deploy(pico, app) == 0
        assert "built in" in capsys.readouterr().out
        assert predictions(pico) == expected_lines(app)
        assert "lib" not in pico.mpremote("fs", "ls")


def test_boards(capsys, pico):
    assert cli.main(["boards", "--port", pico.url, "--json"]) == 0
    (board,) = json.loads(capsys.readouterr().out)
    assert board["architecture"] == "armv6m" and board["board"] == "Raspberry Pi Pico with RP2040"
    assert 200_000 < board["ram_free"] < 264_000 and 1_000_000 < board["flash_free"] < 1_500_000


def test_cable_pulled(pico):
    """Power goes away at many moments on the way from one app to another: it is always one, whole."""
    outcomes: Counter[str] = Counter()
    put(pico, version(0))
    now = 0
    for i in range(1, CUTS + 1):
        pico.cut_power(**({"after_flash": 1 + i // 2} if i % 4 else {"after_bytes": 4_500 + 60 * i}))
        try:
            put(pico, version(i))
            outcomes["done"] += 1
        except UserError:
            outcomes["cut short"] += 1
        pico.cut_power(after_flash=1 << 30, after_bytes=1 << 30)  # no more
        (said,) = boot(pico)
        assert said.split() in ([str(now)] * 3, [str(i)] * 3)
        outcomes["old" if said.split()[0] == str(now) else "new"] += 1
        now = int(said.split()[0])
    put(pico, version(CUTS + 1))
    assert boot(pico)[0].split() == [str(CUTS + 1)] * 3
    assert outcomes["cut short"] >= 50 and outcomes["old"] >= 10 and outcomes["new"] >= 10, outcomes


def version(n: int) -> dict[str, bytes]:
    """An app whose three files say which version they are of."""
    return {
        "/main.py": b"import helper\nprint(%d, helper.N, open('data').read(4).strip())" % n,
        "/helper.py": b"N = %d" % n,
        "/data": b"%-4d" % n * 500,
    }


def put(pico: Pico, files: dict[str, bytes]) -> None:
    """`hognose deploy` without library and model."""
    with connection.until_done(connection.Connection(pico.url)) as link:
        deployment = install.Deployment(link, examine(link), files)
        deployment.prepare()
        deployment.copy(lambda n: None)
        deployment.commit()


CRASHES = "import machine, time\ntime.sleep_ms({})\nmachine.reset()\n"


def test_crash_loop(capsys, app, tmp_path):
    """An app that resets the board at once leaves no moment to listen; any such moment is enough."""
    for pause, code in ((0, 2), (200, 0)):
        with Pico() as pico:
            (tmp_path / "crash.py").write_text(CRASHES.format(pause))
            pico.mpremote("fs", "cp", str(tmp_path / "crash.py"), ":main.py")
            with serial.serial_for_url(pico.url) as line:
                line.write(b"\r\x03\x02\x04")
                pico.wait_for("reset")
            assert deploy(pico, app) == code
            assert ("a crash loop" in capsys.readouterr().err) == bool(code)
            if not code:
                assert predictions(pico) == expected_lines(app)


# A model that is larger than the Pico's RAM.

STREAMING = """
import binascii, gc, json
from machine import mem32
import hognose

try:
    hognose.Model("large.hog")
except MemoryError as e:
    print(e)
model = hognose.Model("large.hog", stream=True)
window = bytes([i * 7 & 255 for i in range(600)])
out = bytearray(10)
model.invoke(window, out)
gc.collect()
free = gc.mem_free()
start = mem32[{cycles:#x}]
model.invoke(window, out)
cycles = mem32[{cycles:#x}] - start & 0xFFFFFFFF
print(json.dumps([binascii.hexlify(out).decode(), model.ram, model.len, cycles, free - gc.mem_free()]))
"""


def test_300_kb_of_weights_run_on_a_pico(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tflite = dense_chain([600, 400, 150, 10])
    compiled = compile_tflite(tflite, name="large")
    (tmp_path / "large.hog").write_bytes(compiled.hog)
    main = tmp_path / "main.py"
    with Pico(flash=tmp_path / "flash.img") as pico:
        arguments = ["deploy", str(tmp_path / "large.hog"), "--port", pico.url, "--main", str(main)]
        main.write_text("import hognose\nmodel = hognose.Model('large.hog')\n")
        assert cli.main(arguments) == 2
        assert "Model(..., stream=True)" in capsys.readouterr().err
        main.write_text(STREAMING.format(cycles=CYCLES))
        assert cli.main(arguments) == 0
        refused, facts = boot(pico)
    assert "needs" in refused and "stream=True" in refused
    out, ram, size, cycles, _ = json.loads(facts)
    window = np.array([i * 7 & 255 for i in range(600)], np.uint8).view(np.int8).reshape(1, 600)
    (expected,) = Oracle(tflite).run([window])
    assert bytes.fromhex(out) == expected.tobytes()
    assert size == len(compiled.hog) > 300_000 > 6 * ram
    print(f"{size:,} bytes, {ram:,} of RAM, {cycles:,} cycles, {cycles / size:.1f} a byte")
