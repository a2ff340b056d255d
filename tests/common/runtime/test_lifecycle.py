"""Signals, the lifeline and exit codes, in separate processes."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.runtime.lifecycle import DO_NOT_RESTART, Exit, Stop, describe_exit

ROOT = Path(__file__).parents[3]
WITHIN_S = 20.0
Running = subprocess.Popen[str]

WAITING = """
import sys, threading, time
from common.runtime.lifecycle import Lifecycle
called = threading.Event()
def callback():
    called.set()
    # the rest of a callback
lifecycle = Lifecycle(int(sys.argv[1]) if len(sys.argv) > 1 else None)
lifecycle.on_stop(callback)
print("ready", flush=True)
lifecycle.stop.wait()
called.wait()
print("stopping", flush=True)
"""
STUCK = WAITING + "time.sleep(60)\n"


@contextlib.contextmanager
def process(code: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> Iterator[Running]:
    """Run this code in a Python process, and wait until it is ready."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=pass_fds,
    ) as running:
        try:
            assert line_of(running) == "ready"
            yield running
        finally:
            running.kill()


def line_of(running: Running) -> str:
    assert running.stdout is not None
    assert select.select([running.stdout], [], [], WITHIN_S)[0], "no output"
    return running.stdout.readline().rstrip("\n")


def result_of(running: Running) -> tuple[int, list[str]]:
    output, _ = running.communicate(timeout=WITHIN_S)
    return running.returncode, output.split()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_shuts_down_cleanly(number: signal.Signals) -> None:
    with process(WAITING) as running:
        running.send_signal(number)
        assert result_of(running) == (Exit.OK, ["stopping"])


def signal_until_exit(running: Running, number: signal.Signals) -> int:
    """Repeat the signal, as an impatient person does, and return the exit code."""
    while running.poll() is None:
        running.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(0.1)
    return running.returncode


def test_two_signals_at_the_same_moment_count_as_one() -> None:
    """``timeout make fr_hub`` signals the group, and make passes its signal on."""
    with process(WAITING.replace("called.wait()", "time.sleep(1)")) as running:
        running.send_signal(signal.SIGTERM)
        running.send_signal(signal.SIGINT)
        assert result_of(running) == (Exit.OK, ["stopping"])


def test_a_second_signal_exits_immediately() -> None:
    with process(STUCK) as running:
        running.send_signal(signal.SIGTERM)
        assert line_of(running) == "stopping"
        assert signal_until_exit(running, signal.SIGINT) == Exit.FORCED


def test_a_second_signal_ends_a_process_whose_callback_hangs() -> None:
    with process(STUCK.replace("# the rest of a callback", "time.sleep(60)")) as running:
        running.send_signal(signal.SIGTERM)
        assert line_of(running) == "stopping"
        assert signal_until_exit(running, signal.SIGTERM) == Exit.FORCED


def test_a_closed_lifeline_shuts_down_cleanly() -> None:
    read_end, write_end = os.pipe()
    with process(WAITING, str(read_end), pass_fds=(read_end,)) as running:
        os.close(read_end)
        assert running.poll() is None
        os.close(write_end)
        assert result_of(running) == (Exit.OK, ["stopping"])


def test_child_processes_do_not_inherit_the_lifeline() -> None:
    read_end, write_end = os.pipe()
    code = WAITING + "import os\nprint(os.get_inheritable(int(sys.argv[1])))\n"
    with process(code, str(read_end), pass_fds=(read_end,)) as running:
        os.close(read_end)
        os.close(write_end)
        assert "False" in result_of(running)[1]


def test_ctrl_c_reaches_the_unit_and_not_the_make_that_started_it() -> None:
    """A Python process that leads the terminal's session stands in for ``make``."""
    make = f"""
import os, subprocess, sys
unit = subprocess.run([sys.executable, "-c", {WAITING!r}])
print("unit", unit.returncode, "terminal back", os.tcgetpgrp(0) == os.getpgrp(), flush=True)
"""
    pid, terminal = _fork_in_terminal([sys.executable, "-c", make])
    try:
        shown = _until(terminal, b"ready")
        os.write(terminal, b"\x03")
        shown += _until(terminal, b"terminal back")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    assert b"unit 0 terminal back True" in shown


def _fork_in_terminal(command: list[str]) -> tuple[int, int]:
    """Run a command in a new terminal; return its pid and the other end of the terminal."""
    ours, theirs = os.openpty()
    starter = (
        "import fcntl, os, sys, termios\n"
        "os.setsid()\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    actions = [(os.POSIX_SPAWN_DUP2, theirs, fd) for fd in (0, 1, 2)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", starter, *command],
        environment,
        file_actions=actions,
    )
    os.close(theirs)
    return pid, ours


def _until(terminal: int, wanted: bytes) -> bytes:
    shown = b""
    while wanted not in shown or not shown.endswith(b"\n"):
        assert select.select([terminal], [], [], WITHIN_S)[0], f"no {wanted!r} in {shown!r}"
        shown += os.read(terminal, 4096)
    return shown


# --- without signals ---------------------------------------------------------------------------


def test_each_callback_runs_once() -> None:
    stopping, calls = Stop(), []
    stopping.on_stop(lambda: calls.append(1))
    stopping.on_stop(lambda: calls.append(2))
    assert not stopping.stop.is_set()
    stopping.request_stop()
    stopping.request_stop()
    assert stopping.stop.is_set()
    assert calls == [1, 2]


def test_after_the_stop_a_callback_runs_immediately() -> None:
    stopping, calls = Stop(), []
    stopping.request_stop()
    stopping.on_stop(lambda: calls.append(1))
    assert calls == [1]


def test_a_callback_may_request_the_stop() -> None:
    stopping, calls = Stop(), []
    stopping.on_stop(stopping.request_stop)
    stopping.on_stop(lambda: stopping.on_stop(lambda: calls.append(1)))
    stopping.request_stop()
    assert calls == [1]


def test_callbacks_added_during_the_stop_run_once_each() -> None:
    stopping, calls = Stop(), []
    gate = threading.Barrier(9)

    def add() -> None:
        gate.wait()
        for _ in range(100):
            stopping.on_stop(lambda: calls.append(1))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.wait()
    stopping.request_stop()
    for thread in threads:
        thread.join()
    assert len(calls) == 800


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit 0"),
        (Exit.TAKEN, "exit 3"),
        (130, "exit 130"),
        (-9, "killed by SIGKILL"),
        (-15, "killed by SIGTERM"),
        (-200, "killed by signal 200"),
    ],
)
def test_an_exit_is_described(code: int, words: str) -> None:
    assert describe_exit(code) == words


def test_exit_codes_that_a_restart_cannot_fix() -> None:
    assert {Exit.USAGE, Exit.TAKEN, Exit.UNUSABLE} == DO_NOT_RESTART
    assert len({int(code) for code in Exit}) == len(Exit)


FULL = """
import fcntl, os, sys, time
from common.runtime import output
from common.runtime.lifecycle import Lifecycle
lifecycle = Lifecycle()
output.start(str)
print("ready", flush=True)
lifecycle.stop.wait()
for _ in range(200):
    output.write_line(sys.stdout, "x" * 4000 + chr(10))
sys.stderr.write("stopping" + chr(10))
time.sleep(60)
"""


def test_a_second_signal_ends_a_process_whose_log_nobody_reads() -> None:
    """The pipe is full and stays so: the lines that wait must not keep the process."""
    with process(FULL) as running:
        assert signal_until_exit(running, signal.SIGTERM) == Exit.FORCED
