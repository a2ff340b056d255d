"""Lines reach a pipe that is read, and never block on one that is not."""

import contextlib
import fcntl
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.runtime.output import LINE_BYTES, OutputQueue
from tests.running import until

ROOT = Path(__file__).parents[3]
PROCESSES, LINES = 4, 200

WRITER = f"""
import sys
from common.runtime import output

output.start(lambda count: f"{{count}} dropped" + chr(10))
sys.stdin.readline()
for n in range({LINES}):
    output.write_line(sys.stdout, sys.argv[1] * {LINE_BYTES - 1} + chr(10))
output.flush()
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        with contextlib.suppress(OSError):
            os.close(fd)


def dropped(count: int) -> str:
    return f"{count} lines dropped\n"


@pytest.mark.parametrize("kind", ["pipe", "terminal", "file"])
def test_lines_of_several_processes_stay_whole(kind: str, tmp_path: Path) -> None:
    if kind == "pipe":
        read, write = os.pipe()
    elif kind == "terminal":
        read, write = pty.openpty()
    else:
        path = tmp_path / "log"
        write = os.open(path, os.O_CREAT | os.O_WRONLY)
        read = os.open(path, os.O_RDONLY)
    letters = "abcdefgh"[:PROCESSES]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, letter], cwd=ROOT, stdin=subprocess.PIPE, stdout=write
        )
        for letter in letters
    ]
    if kind != "terminal":  # closing it would hang up before all is read
        os.close(write)
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    if kind == "file":
        assert [writer.wait(120) for writer in writers] == [0] * PROCESSES
    shown, expected = bytearray(), PROCESSES * LINES
    with os.fdopen(read, "rb", buffering=0) as stream:
        while shown.count(b"\n") < expected and (chunk := stream.read(1 << 16)):
            shown += chunk
    for writer in writers:
        assert writer.wait(60) == 0
    found = sorted(line.strip() for line in bytes(shown).splitlines())
    assert found == sorted(
        letter.encode() * (LINE_BYTES - 1) for letter in letters for _ in range(LINES)
    )


def test_a_stalled_reader_blocks_nobody_and_hears_how_much_it_missed(pipe: tuple[int, int]) -> None:
    read, write = pipe
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, LINE_BYTES)
    queue = OutputQueue(dropped, limit=10_000)
    line = "x" * 999 + "\n"
    began = time.monotonic()
    for _ in range(500):
        queue.put(write, line)
    assert not queue.flush(0.1), "nobody reads"
    assert time.monotonic() - began < 10
    read_all = threading.Thread(target=lambda: shown.extend(lines_of(read, "dropped")))
    shown: list[str] = []
    read_all.start()
    read_all.join(60)
    whole = shown.count(line)
    assert shown[-1] == dropped(500 - whole)
    assert 0 < whole < 500
    queue.put(write, "after\n")
    assert queue.flush()
    assert os.read(read, 100) == b"after\n"


def lines_of(fd: int, last: str) -> Iterator[str]:
    """The lines of a pipe up to one that contains ``last``."""
    with os.fdopen(os.dup(fd)) as stream:
        for line in stream:
            yield line
            if last in line:
                return


def test_a_dead_reader_loses_its_lines_and_blocks_nobody(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.close(read)
    queue = OutputQueue(dropped)
    for _ in range(5000):
        queue.put(write, "x" * 999 + "\n")
    assert queue.flush(30)


def test_lines_lost_to_a_full_disk_are_reported_when_there_is_room(tmp_path: Path) -> None:
    queue = OutputQueue(dropped)
    full = os.open("/dev/full", os.O_WRONLY)
    queue.put(full, "lost\n")
    assert queue.flush()
    free = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    os.dup2(free, full)
    queue.put(full, "kept\n")
    assert queue.flush()
    assert (tmp_path / "log").read_text() == "kept\n" + dropped(1)
    os.close(free)
    os.close(full)


def test_a_stream_that_does_not_block_is_tried_again(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.set_blocking(write, False)
    queue = OutputQueue(dropped)
    for _ in range(100):
        queue.put(write, "x" * 4095 + "\n")
    got = b""
    while len(got) < 100 * 4096:
        got += os.read(read, 1 << 16)
    assert queue.flush()
    assert got == (b"x" * 4095 + b"\n") * 100


def test_a_forked_child_starts_anew(pipe: tuple[int, int]) -> None:
    read, write = pipe
    queue = OutputQueue(dropped)
    queue.put(write, "parent\n")
    assert queue.flush()
    child = os.fork()
    if child == 0:
        queue.put(write, "child\n")
        os._exit(0 if queue.flush() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 100) == b"parent\nchild\n"


LOGGER = """
import os, sys, threading
from common.runtime.logger import configure, get_log
from common.runtime.entry_point import run_unit

def main():
    configure("info", "json", "fr-hub")
    log = get_log()
    for n in range(20_000):
        log.info("a line", n=n, text="x" * 500)
    os.write(int(sys.argv[1]), b"went on")
    return 0

sys.exit(run_unit("fr hub", main))
"""


@pytest.mark.parametrize("reader", ["stalled", "dead"])
def test_a_unit_goes_on_and_stops_whatever_happens_to_the_reader_of_its_log(
    reader: str, pipe: tuple[int, int]
) -> None:
    read, write = pipe
    logs_read, logs_write = os.pipe()
    unit = subprocess.Popen(
        [sys.executable, "-c", LOGGER, str(write)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=logs_write,
        stderr=logs_write,
        pass_fds=[write],
    )
    os.close(logs_write)
    if reader == "dead":
        os.close(logs_read)
    assert os.read(read, 100) == b"went on"
    assert unit.wait(60) == 0
    if reader == "stalled":
        os.close(logs_read)


def test_each_line_is_written_at_once(tmp_path: Path) -> None:
    log = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    queue = OutputQueue(dropped)
    for n in range(50):
        queue.put(log, f"{n}\n")
        until(lambda: (tmp_path / "log").read_text().endswith(f"{n}\n"))  # noqa: B023
    os.close(log)
