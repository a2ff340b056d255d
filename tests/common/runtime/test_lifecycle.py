"""Signals, the lifeline and exit codes, in processes of their own."""

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

from common.runtime.lifecycle import NO_USE_TO_RESTART, Exit, Stop, describe_exit

ROOT = Path(__file__).parents[3]
WITHIN_S = 20.0
Running = subprocess.Popen[str]

WAITING = """
import sys, threading, time
from common.runtime.lifecycle import Lifecycle
told = threading.Event()
def tell():
    told.set()
    # the rest of a callback
lifecycle = Lifecycle(int(sys.argv[1]) if len(sys.argv) > 1 else None)
lifecycle.on_stop(tell)
print("ready", flush=True)
lifecycle.stop.wait()
told.wait()
print("stopping", flush=True)
"""
STUCK = WAITING + "time.sleep(60)\n"


@contextlib.contextmanager
def process(code: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> Iterator[Running]:
    """Python that runs this code, ready."""
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
    assert select.select([running.stdout], [], [], WITHIN_S)[0], "it says nothing"
    return running.stdout.readline().rstrip("\n")


def ends_of(running: Running) -> tuple[int, list[str]]:
    output, _ = running.communicate(timeout=WITHIN_S)
    return running.returncode, output.split()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_stops_in_order(number: signal.Signals) -> None:
    with process(WAITING) as running:
        running.send_signal(number)
        assert ends_of(running) == (Exit.OK, ["stopping"])


def insist(running: Running, number: signal.Signals) -> int:
    """Signal again and again, as an impatient person does; the exit code."""
    while running.poll() is None:
        running.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(0.1)
    return running.returncode


def test_a_signal_that_comes_twice_at_the_same_moment_is_one() -> None:
    """``timeout make fr_hub`` signals the group, and make passes its signal on."""
    with process(WAITING.replace("told.wait()", "time.sleep(1)")) as running:
        running.send_signal(signal.SIGTERM)
        running.send_signal(signal.SIGINT)
        assert ends_of(running) == (Exit.OK, ["stopping"])


def test_a_second_signal_ends_at_once() -> None:
    with process(STUCK) as running:
        running.send_signal(signal.SIGTERM)
        assert line_of(running) == "stopping"
        assert insist(running, signal.SIGINT) == Exit.FORCED


def test_a_second_signal_ends_a_process_whose_callback_hangs() -> None:
    with process(STUCK.replace("# the rest of a callback", "time.sleep(60)")) as running:
        running.send_signal(signal.SIGTERM)
        assert line_of(running) == "stopping"
        assert insist(running, signal.SIGTERM) == Exit.FORCED


def test_the_end_of_the_lifeline_stops_in_order() -> None:
    read_end, write_end = os.pipe()
    with process(WAITING, str(read_end), pass_fds=(read_end,)) as running:
        os.close(read_end)
        assert running.poll() is None
        os.close(write_end)
        assert ends_of(running) == (Exit.OK, ["stopping"])


def test_the_lifeline_is_not_handed_on() -> None:
    read_end, write_end = os.pipe()
    code = WAITING + "import os\nprint(os.get_inheritable(int(sys.argv[1])))\n"
    with process(code, str(read_end), pass_fds=(read_end,)) as running:
        os.close(read_end)
        os.close(write_end)
        assert "False" in ends_of(running)[1]


def test_ctrl_c_reaches_the_unit_and_not_the_make_that_started_it() -> None:
    """``make`` is played by a Python that leads the terminal's session."""
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
    """Run this with a terminal of its own: its process, the terminal's other end."""
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


def test_what_is_to_be_called_is_called_once() -> None:
    stopping, calls = Stop(), []
    stopping.on_stop(lambda: calls.append(1))
    stopping.on_stop(lambda: calls.append(2))
    assert not stopping.stop.is_set()
    stopping.request_stop()
    stopping.request_stop()
    assert stopping.stop.is_set()
    assert calls == [1, 2]


def test_after_the_stop_it_is_called_at_once() -> None:
    stopping, calls = Stop(), []
    stopping.request_stop()
    stopping.on_stop(lambda: calls.append(1))
    assert calls == [1]


def test_a_callback_may_ask_for_the_stop_itself() -> None:
    stopping, calls = Stop(), []
    stopping.on_stop(stopping.request_stop)
    stopping.on_stop(lambda: stopping.on_stop(lambda: calls.append(1)))
    stopping.request_stop()
    assert calls == [1]


def test_of_many_that_come_while_it_stops_each_is_called_once() -> None:
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


def test_what_no_restart_can_mend_is_not_restarted() -> None:
    assert {Exit.USAGE, Exit.TAKEN, Exit.UNUSABLE} == NO_USE_TO_RESTART
    assert len({int(code) for code in Exit}) == len(Exit)
