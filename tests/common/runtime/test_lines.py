"""Lines of several processes that share a stream do not interleave."""

import fcntl
import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.runtime import lines
from common.runtime.lines import write_line

ROOT = Path(__file__).parents[3]
PROCESSES, LINES, LENGTH = 4, 60, 20_000
"""Each line is five times as long as an atomic write to a pipe."""

WRITER = f"""
import sys
from common.runtime.lines import write_line

sys.stdin.readline()
for n in range({LINES}):
    write_line(sys.stdout, sys.argv[1] * {LENGTH} + chr(10))
"""


def start(letter: str, out: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", WRITER, letter]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=out)


@pytest.mark.parametrize("kind", ["pipe", "terminal", "file"])
def test_long_lines_of_several_processes_stay_whole(kind: str, tmp_path: Path) -> None:
    if kind == "pipe":
        read, write = os.pipe()
    elif kind == "terminal":
        read, write = pty.openpty()
    else:
        path = tmp_path / "log"
        write = os.open(path, os.O_CREAT | os.O_WRONLY)
        read = os.open(path, os.O_RDONLY)
    letters = "abcdefgh"[:PROCESSES]
    writers = [start(letter, write) for letter in letters]
    if kind != "terminal":  # closing it would hang up before all is read
        os.close(write)
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    if kind == "file":
        assert [writer.wait(60) for writer in writers] == [0] * PROCESSES
    shown, expected = bytearray(), PROCESSES * LINES
    with os.fdopen(read, "rb", buffering=0) as stream:
        while shown.count(b"\n") < expected and (chunk := stream.read(1 << 16)):
            shown += chunk
    for writer in writers:
        assert writer.wait(60) == 0
    found = sorted(line.strip() for line in bytes(shown).splitlines())
    assert found == sorted(letter.encode() * LENGTH for letter in letters for _ in range(LINES))


def test_a_stream_in_memory_needs_no_lock() -> None:
    stream = io.StringIO()
    write_line(stream, "hello\n")
    assert stream.getvalue() == "hello\n"


def test_a_process_that_holds_the_lock_delays_others_without_silencing_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LOCK_WAIT_S", 0.2)
    path = tmp_path / "log"
    path.touch()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys\nfile = open(sys.argv[1], 'a')\nfcntl.lockf(file, fcntl.LOCK_EX)\n"
            "print('held', flush=True)\nsys.stdin.read()",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with path.open("a") as stream:
        began = time.monotonic()
        write_line(stream, "hello\n")
        assert time.monotonic() - began >= 0.2
    assert path.read_text() == "hello\n"
    holder.communicate()


def test_the_lock_is_released(tmp_path: Path) -> None:
    with (tmp_path / "log").open("a") as stream:
        write_line(stream, "hello\n")
        child = (
            "import fcntl, sys\nfcntl.lockf(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        )
        subprocess.run([sys.executable, "-c", child, stream.name], check=True, timeout=30)


def test_shared_devices_are_not_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise AssertionError("locked")

    monkeypatch.setattr(fcntl, "lockf", locked)
    with Path(os.devnull).open("w") as stream:
        write_line(stream, "hello\n")
