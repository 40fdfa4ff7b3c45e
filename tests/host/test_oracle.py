# SPDX-License-Identifier: MIT
"""The judge itself: its errors in words, intermediate tensors, scalars, its arena, and how it dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from hognose_tools.analysis import oracle_process
from hognose_tools.analysis.oracle import Oracle, OracleDied, OracleError
from hognose_tools.compiler.strip import strip
from tflite_builder import Builder, count_up


def _two_adds(shape: tuple[int, ...]) -> bytes:
    b = Builder()
    x, y, z = (b.tensor(shape) for _ in range(3))
    b.op("ADD", [x, x], y, activation="NONE")
    b.op("ADD", [y, x], z, activation="NONE")
    return b.build([x], [z])


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_intermediate_tensor(shape) -> None:
    oracle = Oracle(_two_adds(shape), keep_all=True)
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1
    (result,) = oracle.run([x])
    assert result.shape == shape and np.array_equal(result, 3 * x)
    assert np.array_equal(oracle.tensor(1), 2 * x)
    with pytest.raises(OracleError, match="no tensor 3"):
        oracle.tensor(3)


def test_intermediate_tensor_needs_keep_all() -> None:
    with pytest.raises(OracleError, match="keep_all"):
        Oracle(_two_adds((1,))).tensor(1)


def test_refusal_is_tflms_own_text() -> None:
    b = Builder()
    x = b.tensor((1, 4), "int8", scale=0.1)
    y = b.tensor((1, 4), "int8", scale=0.1)
    b.op("SOFTMAX", [x], y, beta=1.0)
    with pytest.raises(OracleError, match=r"softmax_common.*Node SOFTMAX \(number 0\)"):
        Oracle(b.build([x], [y]))


def test_what_was_said_before_is_forgotten() -> None:
    """More in all than the log may hold."""
    oracle = Oracle(_two_adds((10,)))
    used = {oracle.arena_used for _ in range(1600)}
    assert len(used) == 1 and used.pop() > 0
    test_refusal_is_tflms_own_text()


@pytest.mark.parametrize("data", [b"", b"nonsense" * 9, _two_adds((1,))[:60]])
def test_not_a_model(data: bytes) -> None:
    with pytest.raises(OracleError):
        Oracle(data)


def test_wrong_inputs() -> None:
    oracle = Oracle(_two_adds((2, 3)))
    for given, message in (
        ([], "1 inputs, not 0"),
        ([np.zeros((2, 3), np.int8)], "float32, not int8"),
        ([np.zeros(5, np.float32)], r"shape \(2, 3\)"),
    ):
        with pytest.raises(OracleError, match=message):
            oracle.run(given)


def test_arena_used() -> None:
    small, large = Oracle(_two_adds((10,))), Oracle(_two_adds((1000,)))
    assert 0 < small.arena_used < large.arena_used
    assert large.arena_used - small.arena_used >= 2 * 990 * 4  # two tensors at a time at least


# --- What TFLM does not survive ----------------------------------------------------------------------------


def aborts() -> bytes:
    """What all-zero examples make of a model: a scale so small that TFLM's SOFTMAX gives up."""
    b = Builder()
    x = b.tensor((1, 4), "int8", scale=7.8e-9)
    y = b.tensor((1, 4), "int8", scale=1 / 256, zero_point=-128)
    b.op("SOFTMAX", [x], y, beta=1.0)
    return b.build([x], [y])


def endless() -> bytes:
    """WHILE x < 100: x = x + 0."""
    b = Builder()
    x, y = count_up(b, 0)
    return b.build([x], [y])


ONE = [np.ones((1,), np.float32)]


def test_an_abort_is_an_error() -> None:
    with pytest.raises(OracleDied, match=r"^TensorFlow Lite Micro stopped with SIGABRT on this file"):
        Oracle(aborts())
    assert Oracle(_two_adds((1,))).run(ONE)[0] == 3


def test_a_signal_has_a_name() -> None:
    oracle = Oracle(endless())
    threading.Timer(0.3, os.kill, (oracle._process._child.pid, signal.SIGSEGV)).start()
    with pytest.raises(OracleDied, match=r"stopped with SIGSEGV on this file$"):
        oracle.run(ONE)


def test_a_loop_without_end_is_stopped() -> None:
    oracle = Oracle(endless(), seconds=0.5)
    start = time.monotonic()
    with pytest.raises(OracleDied, match=r"not done with this file after 0\.5 s.*--timeout"):
        oracle.run(ONE)
    assert time.monotonic() - start < 5


def test_other_models_do_not_go_on_as_if_nothing_had_happened() -> None:
    """One that has run has lost its variables, until a reset; one that has not begins anew by itself."""
    used, unused = Oracle(_two_adds((1,))), Oracle(_two_adds((1,)))
    used.run(ONE)
    with pytest.raises(OracleDied):
        Oracle(aborts())
    with pytest.raises(OracleDied, match=r"has ended: reset\(\) begins anew"):
        used.run(ONE)
    assert unused.run(ONE)[0] == 3
    used.reset()
    assert used.run(ONE)[0] == 3


def test_the_process_is_one_and_forgets_models() -> None:
    """Each open model takes 80 MB of addresses: thousands of them would not fit."""
    pid = oracle_process.current()._child.pid

    def pages() -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[0])

    before = pages()
    for _ in range(20):
        Oracle(_two_adds((1,))).run(ONE)
    assert oracle_process.current()._child.pid == pid
    assert (pages() - before) * os.sysconf("SC_PAGESIZE") < 5 * 80 << 20


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_oracle import ONE, Oracle, endless
oracle = Oracle(endless(), seconds=100)
print(oracle._process._child.pid, flush=True)
oracle.run(ONE)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_its_parent(how: signal.Signals) -> None:
    """In the middle of a loop without end, too."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, os.path.dirname(__file__)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    child = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.send_signal(how)
    parent.wait(20)
    end = time.monotonic() + 20
    while _state(child) not in ("", "Z"):
        assert time.monotonic() < end, f"process {child} is alive"
        time.sleep(0.05)


def _state(process: int) -> str:
    """One letter (Z: only its parent's interest is left), or nothing."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def uncalled() -> bytes:
    """Two sums, of which no operator calls the second one: TFLM does not survive it."""
    b = Builder()

    def sum_of() -> list[list]:
        x, y = b.tensor((1,), "int8", scale=0.05), b.tensor((), "int8", scale=0.05)
        b.op("SUM", [x, b.const(np.int32([0]))], y, keep_dims=False)
        return [[x], [y]]

    b.end_subgraph(*sum_of())
    return b.build(*sum_of())


def test_a_subgraph_that_nobody_calls() -> None:
    """Named as the cause; stripped, the model runs."""
    with pytest.raises(OracleDied, match=r"SIGSEGV on this file: it has a subgraph that no operator calls"):
        Oracle(uncalled())
    assert Oracle(strip(uncalled())).run([np.array([7], np.int8)])[0] == 7


def test_nothing_reaches_the_terminal(capfd) -> None:
    with pytest.raises(OracleDied):
        Oracle(aborts())
    assert capfd.readouterr() == ("", "")
