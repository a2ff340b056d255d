"""Fr-BRAIN as real processes, with an analyzer from a package that is installed for the test."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from common.store.db_manager import DBManager
from tests.processes import start, stop
from tests.running import until

ANALYZER = """
import os, signal, time
from pathlib import Path
from fr_brain.analyzers.grid import GridAnalyzer

FOLDER = Path({folder!r})

class Planted(GridAnalyzer):
    name = "planted"
    priority = 1

    def analyse(self, scan, voxels):
        (FOLDER / "begun").touch()
        if scan.subject == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        while scan.subject == "slow" and not (FOLDER / "go on").exists():
            time.sleep(0.01)
        return super().analyse(scan, voxels)
"""

HARMFUL_ANALYZER = """
import mmap, os, re, signal, time
from pathlib import Path
import numpy as np
from fr_brain.analyzers.grid import GridAnalyzer

FOLDER = Path({folder!r})
kept = []

def hang_in_python():
    while True:
        pass

def hang_asleep():
    time.sleep(1000)

def hang_in_numpy():
    rows = np.ones((400, 400))
    while True:
        rows @ rows

def hang_holding_the_interpreter():
    re.match("(a+)+$", "a" * 60 + "b")

def eat():
    eaten = []
    while True:
        eaten.append(np.ones(2**22))

def eat_and_keep():
    while True:
        kept.append(np.ones(2**22))

def eat_shared():
    while True:
        piece = mmap.mmap(-1, 2**25)
        piece.write(bytes(2**25))
        kept.append(piece)
        time.sleep(0.02)

def fail():
    raise ValueError("JANE-DOE-1970")

def leave():
    os._exit(7)

def leave_politely():
    raise SystemExit(2)

def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)

def crash():
    os.abort()

class Planted(GridAnalyzer):
    name = "planted"
    version = "7"
    priority = 1

    def analyse(self, scan, voxels):
        (FOLDER / "begun").touch()
        if scan.subject in globals():
            globals()[scan.subject]()
        return super().analyse(scan, voxels)
"""
"""Does to its processor what a scan's subject names."""

BEGIN_S = 60.0
"""Time for a processor to start: on a busy machine its imports take a while."""


class Brain:
    """Fr-BRAIN on the store of a test."""

    def __init__(self, store: DBManager, folder: Path, code: str, **given: str) -> None:
        self._folder = folder
        self._log = folder / "log"
        self.process = start(
            "fr_brain",
            self._log,
            MONGODB_URI=store.connection.uri,
            MONGODB_DATABASE=store.connection.name,
            PYTHONPATH=str(package(folder, code)),
            **{"BRAIN_PROCESSES": "1", "BRAIN_LEASE_S": "300", **given},
        )
        self.seen: set[int] = set()
        """The ids of all processors so far."""

    def log(self) -> str:
        """Its log so far."""
        return self._log.read_text()

    def processors(self, count: int = 1) -> list[int]:
        """Wait until it has this many processors; returns their process ids."""

        def found() -> list[int]:
            now = [pid for pid in children_of(self.process.pid) if is_processor(pid)]
            return now if len(now) == count else []

        pids: list[int] = until(found, BEGIN_S)
        self.seen.update(pids)
        return pids

    def wait_for_an_analysis(self) -> None:
        """Wait until an analyzer has begun."""
        until((self._folder / "begun").exists, BEGIN_S)

    def go_on(self) -> None:
        """Let slow scans finish."""
        (self._folder / "go on").touch()


def package(folder: Path, code: str) -> Path:
    """Install an analyzer package; returns the folder for ``PYTHONPATH``."""
    site = folder / "site"
    about = site / "planted-1.dist-info"
    about.mkdir(parents=True)
    (site / "planted.py").write_text(code.format(folder=str(folder)))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[fr_brain.analyzers]\nplanted = planted:Planted\n")
    return site


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    with contextlib.suppress(OSError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def is_processor(pid: int) -> bool:
    """Whether a process was spawned as a processor."""
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


@contextlib.contextmanager
def brain(store: DBManager, folder: Path, code: str = ANALYZER, **given: str) -> Iterator[Brain]:
    """A running Fr-BRAIN; whatever is left of it at the end is killed."""
    running = Brain(store, folder, code, **given)
    try:
        yield running
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.go_on()
            stop(running.process)
        running.process.kill()
        running.process.wait(10)
        for pid in running.seen:
            with contextlib.suppress(ProcessLookupError):
                if is_processor(pid):
                    os.kill(pid, signal.SIGKILL)
