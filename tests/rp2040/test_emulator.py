# SPDX-License-Identifier: MIT
"""The emulated Pico itself: serial line, flash that persists, cycle counts, power cuts."""

import hashlib
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hognose_tools.runners.pico import CYCLES, EMULATOR, STOCK, USERMOD, Pico, missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no emulated Pico: {missing()}")

WORK = f"""
import machine
def work(n):
    total = 0.0
    for i in range(n):
        total += (i * 7 % 13) / 3
    return total, sum(hash(str(i)) for i in range(n // 10)), (-n << 40) // 7
start = machine.mem32[{CYCLES:#x}]
result = work(COUNT)
print((machine.mem32[{CYCLES:#x}] - start) & 0xffffffff, result)
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Pico]:
    with Pico(flash=tmp_path / "flash.img") as running:
        yield running


def test_exec(board: Pico) -> None:
    assert board.mpremote("exec", "import sys; print(sys.platform, 6 * 7)") == "rp2 42\n"


def test_file_survives_reset_and_power_off(tmp_path: Path) -> None:
    source, flash = tmp_path / "source.bin", tmp_path / "flash.img"
    source.write_bytes(random.Random(1).randbytes(5_000))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    with Pico(flash=flash) as board:
        board.mpremote("fs", "cp", str(source), ":copy.bin")
        board.mpremote("reset")
        board.wait_for("reset")
        assert digest in board.mpremote("fs", "sha256sum", ":copy.bin")
    with Pico(flash=flash) as board:
        assert digest in board.mpremote("fs", "sha256sum", ":copy.bin")


def test_script_runs_at_boot(board: Pico, tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text("value = 'from main.py'\n")
    board.mpremote("fs", "cp", str(main), ":main.py")
    board.mpremote("reset")
    board.wait_for("reset")
    assert board.mpremote("resume", "exec", "print(value)") == "from main.py\n"


def test_translated_instructions_do_what_rp2040js_does() -> None:
    done = subprocess.run(["node", str(EMULATOR / "core_check.mjs"), "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split()[0]) > 40_000


def test_cycles_repeat_and_are_those_of_rp2040js() -> None:
    counts = []
    for interpret in (False, False, True):
        with Pico(interpret=interpret) as board:
            counts.append(board.mpremote("exec", WORK.replace("COUNT", "2000")))
    assert counts[0] == counts[1] == counts[2]
    assert int(counts[0].split()[0]) > 100_000


def test_new_code_in_ram_replaces_translated_code(board: Pico) -> None:
    # Each viper function is compiled into the heap where the one before it was, and runs often enough
    # to be translated.
    script = """
import gc
for k in range(20):
    space = {}
    exec('@micropython.viper\\ndef f(x: int) -> int:\\n    return x * %d + %d\\n' % (k + 2, k), space)
    f = space['f']
    assert all(f(x) == x * (k + 2) + k for x in range(200)), k
    del f, space
    gc.collect()
print('done')
"""
    assert board.mpremote("exec", script) == "done\n"


CUTS = [{"after_bytes": 3000}, {"after_flash": 1}, {"after_flash": 4}, {"after_flash": 9}]


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_power_cut_leaves_old_file(board: Pico, tmp_path: Path, cut: dict[str, int]) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(random.Random(2).randbytes(6_000))
    board.mpremote("exec", "with open('kept.txt', 'w') as f: f.write('kept')")
    board.cut_power(**cut)
    with pytest.raises(subprocess.CalledProcessError):
        board.mpremote("fs", "cp", str(source), ":new.bin")
    board.wait_for("cut")
    assert board.mpremote("exec", "print(open('kept.txt').read())") == "kept\n"
    board.mpremote("fs", "cp", str(source), ":new.bin")
    assert hashlib.sha256(source.read_bytes()).hexdigest() in board.mpremote("fs", "sha256sum", ":new.bin")


def test_idle_board_takes_no_processor_time(board: Pico) -> None:
    assert board._process is not None
    stat = Path(f"/proc/{board._process.pid}/stat")
    if not stat.exists():
        pytest.skip("no /proc here")

    def ticks() -> int:
        return sum(int(field) for field in stat.read_text().rsplit(")", 1)[1].split()[11:13])

    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 20  # of 10 ms, in 200


def test_ends_with_its_parent() -> None:
    board = Pico().start()
    process = board._process
    assert process is not None and process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=20) == 0


@pytest.mark.skipif(missing(USERMOD) is not None, reason=f"no firmware with the engine: {missing(USERMOD)}")
def test_usermod_firmware_has_the_engine_built_in() -> None:
    with Pico(USERMOD) as board:
        built_in = "import hognose, _hognose; print(hasattr(_hognose, '__file__'))"
        assert board.mpremote("exec", built_in) == "False\n"


def test_stock_firmware_has_none_of_our_code() -> None:
    assert b"hognose" not in STOCK.read_bytes()
