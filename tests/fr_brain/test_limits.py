"""Memory limits, and what is read about a process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fr_brain import limits
from fr_brain.limits import is_stopped, memory_limit_mib, resident_mib
from tests.running import until


def test_the_limit_is_the_configured_one_or_a_share_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory_limit_mib(300, 4) == 300
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    monkeypatch.setattr(limits, "_CGROUPS", (tmp_path / "none",))
    assert memory_limit_mib(None, 1) == int(machine * 0.75)
    assert memory_limit_mib(None, 10_000) == 512  # the least that is useful
    container = tmp_path / "memory.max"
    monkeypatch.setattr(limits, "_CGROUPS", (container,))
    container.write_text("max\n")
    assert memory_limit_mib(None, 1) == int(machine * 0.75)
    container.write_text(f"{2**30}\n")
    assert memory_limit_mib(None, 1) == 768


def test_the_memory_of_a_process_is_measured_and_is_0_once_it_has_ended() -> None:
    code = "x = bytearray(200 * 2**20); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 200 < resident_mib(process.pid) < 260
        process.kill()
    assert resident_mib(process.pid) == 0


def test_a_suspended_process_is_seen() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not is_stopped(process.pid)
        process.send_signal(signal.SIGSTOP)
        until(lambda: is_stopped(process.pid))
        process.kill()
    assert not is_stopped(process.pid)
