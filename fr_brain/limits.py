"""Limits of an analyzer: what it has in hand, for how long, and how much memory it may have.

A thread cannot end a hang in another one's C code, so the supervisor watches from outside. A
processor tells it what it has in hand through a few bytes of shared memory: a write costs no call,
however many scans a second there are, and is there to be read after the processor's death.
"""

import contextlib
import ctypes
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

from common.domain.report import AnalyzerId

MIB = 2**20
_LEAST_MIB = 512
_SHARE = 0.75
"""Of the machine's memory, for all processors together, where no limit is set."""

_CGROUPS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class Record(ctypes.Structure):
    """What a processor has in hand, in shared memory. ``turn`` is odd while it is written."""

    _fields_ = (
        ("turn", ctypes.c_uint64),
        ("fence", ctypes.c_int64),
        ("began", ctypes.c_double),  # of the analysis, time.monotonic(); 0: not begun
        ("scan_id", ctypes.c_char * 65),
        ("analyzer", ctypes.c_char * 257),  # UTF-8
        ("version", ctypes.c_char * 129),
    )


@dataclass(frozen=True, slots=True)
class InHand:
    """A scan that a processor works on."""

    scan_id: str
    fence: int
    analyzer: str  # name and version; empty: its voxels are still being fetched
    began: float  # time.monotonic() when the analyzer was called; 0: it was not


class Hand:
    """The shared record: written by one processor, read by its supervisor."""

    def __init__(self, record: Any) -> None:
        self._record = record

    @classmethod
    def shared(cls, context: SpawnContext) -> "Hand":
        """One that can be given to a new process."""
        return cls(context.RawValue(Record))

    @contextlib.contextmanager
    def holding(self, scan_id: str, fence: int) -> Iterator[None]:
        """This scan is in hand. An exception that ends the process leaves the record as it is."""
        self._write(scan_id=scan_id.encode(), fence=fence, began=0.0, analyzer=b"", version=b"")
        try:
            yield
        finally:
            self._write(scan_id=b"", began=0.0)

    @contextlib.contextmanager
    def analysing(self, analyzer: AnalyzerId) -> Iterator[None]:
        """The analyzer has the scan in hand: its time runs."""
        self._write(
            analyzer=analyzer.name.encode(),
            version=analyzer.version.encode(),
            began=time.monotonic(),
        )
        try:
            yield
        finally:
            self._write(began=0.0)

    def _write(self, **fields: Any) -> None:
        record = self._record
        record.turn += 1
        for name, value in fields.items():
            setattr(record, name, value)
        record.turn += 1

    @property
    def used(self) -> bool:
        """Whether there was ever a scan in hand."""
        return bool(self._record.turn)

    def read(self) -> InHand | None:
        """What is in hand; None: nothing, or it was being written at this moment."""
        record = self._record
        turn = record.turn
        names = [record.scan_id.decode(), record.analyzer.decode(), record.version.decode()]
        found = InHand(names[0], record.fence, " ".join(filter(None, names[1:])), record.began)
        return found if found.scan_id and turn % 2 == 0 and turn == record.turn else None


# --- memory ------------------------------------------------------------------------------------


def memory_limit_mib(wanted: int | None, processes: int) -> int:
    """The limit of one processor: the wanted one, else its share of this machine (or of its
    container), so that all of them together leave a quarter to the others."""
    if wanted is not None:
        return wanted
    return max(_LEAST_MIB, int(_machine_bytes() * _SHARE / processes) // MIB)


def _machine_bytes() -> int:
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # none here, or "max"
            sizes.append(int(path.read_text()))
    return min(sizes)


def limit_memory(limit_mib: int) -> None:
    """Let no more than this be allocated by this process, from now on: then Python and NumPy
    raise MemoryError, and code that does not expect it ends the process.

    It is the data segment that is limited (heap, anonymous mappings, stacks) and not the address
    space, of which libraries reserve far more than they use.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (limit_mib * MIB, limit_mib * MIB))


def resident_mib(pid: int) -> float:
    """Memory of a process that no file backs, shared memory and what is swapped out included:
    what its own limit does not count as well. 0 where it is gone."""
    total = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")):
                total += int(line.split()[1])
    return total / 1024


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped this process (SIGSTOP, a debugger)."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    return False
