"""The scan that a processor works on, in memory that its supervisor shares.

A thread cannot end a hang in another thread's C code, so the supervisor watches from outside.
Writing a few bytes of shared memory needs no system call, however many scans a second there are,
and they can still be read after the processor has died.
"""

import contextlib
import ctypes
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from typing import Any

from common.domain.installed_analyzer import InstalledAnalyzer, packed, unpacked
from common.domain.report import AnalyzerId

TYPES_BYTES = 8192


class SharedRecord(ctypes.Structure):
    """The layout of the shared memory. ``sequence`` is odd while a write is under way (a seqlock,
    so that neither side ever waits for the other)."""

    _fields_ = (
        ("sequence", ctypes.c_uint64),
        ("fence", ctypes.c_int64),
        ("began", ctypes.c_double),  # of the analysis, time.monotonic(); 0: not begun
        ("key", ctypes.c_char * 130),
        ("analyzer", ctypes.c_char * 257),  # UTF-8
        ("version", ctypes.c_char * 129),
        ("types", ctypes.c_char * TYPES_BYTES),
        ("analyzers", ctypes.c_char * TYPES_BYTES),
        ("ended_with", ctypes.c_int64),  # an exit code and 1; 0: none
    )


@dataclass(frozen=True, slots=True)
class ScanInProgress:
    """A scan that a processor works on."""

    key: str
    fence: int
    analyzer: str  # name and version; empty while the voxels are being fetched
    began: float  # time.monotonic() when the analyzer was called; 0 if it was not


class CurrentScan:
    """The shared record: written by one processor, read by its supervisor."""

    def __init__(self, record: Any) -> None:
        self._record = record

    @classmethod
    def shared(cls, context: SpawnContext) -> "CurrentScan":
        """One that can be passed to a new process."""
        return cls(context.RawValue(SharedRecord))

    @contextlib.contextmanager
    def working_on(self, key: str, fence: int) -> Iterator[None]:
        """The processor works on this scan. If the process dies, the record keeps it."""
        # Field by field, without a helper: this runs several times for each scan.
        record = self._record
        record.sequence += 1
        record.key = key.encode()
        record.fence = fence
        record.began = 0.0
        record.analyzer = record.version = b""
        record.sequence += 1
        try:
            yield
        finally:
            record.sequence += 1
            record.key = b""
            record.began = 0.0
            record.sequence += 1

    @contextlib.contextmanager
    def analysing(self, analyzer: AnalyzerId) -> Iterator[None]:
        """The analyzer runs on the current scan, and its time limit with it."""
        record = self._record
        record.sequence += 1
        record.analyzer = analyzer.name.encode()
        record.version = analyzer.version.encode()
        record.began = time.monotonic()
        record.sequence += 1
        try:
            yield
        finally:
            record.sequence += 1
            record.began = 0.0
            record.sequence += 1

    def reads(self, types: Iterable[str]) -> None:
        """The processor's analyzers read these types of scan. Said once, before its first scan."""
        names = ",".join(sorted(types)).encode()
        if len(names) < TYPES_BYTES:  # else the supervisor takes it that all types are read
            self._record.types = names

    def types(self) -> frozenset[str] | None:
        """The types of scan that the processor's analyzers read; None if that is not known."""
        names = self._record.types.decode(errors="replace")
        return frozenset(names.split(",")) if names else None

    def has(self, analyzers: Iterable[InstalledAnalyzer]) -> None:
        """The processor has these analyzers. Said once, before its first scan."""
        text = packed(analyzers)
        if len(text) < TYPES_BYTES:  # else nobody can choose one of them
            self._record.analyzers = text

    def analyzers(self) -> tuple[InstalledAnalyzer, ...]:
        """The analyzers that the processor has; none while that is not known."""
        return unpacked(self._record.analyzers)

    def ends_with(self, code: int) -> None:
        """The processor ends with this exit code, which it has chosen."""
        self._record.ended_with = code + 1

    def chose(self, code: int) -> bool:
        """Whether the processor has chosen this exit code. An analyzer can end the process with any
        code, which then means nothing."""
        return bool(self._record.ended_with == code + 1)

    @property
    def ever_set(self) -> bool:
        """Whether the processor has ever worked on a scan."""
        return bool(self._record.sequence)

    def read(self) -> ScanInProgress | None:
        """The current scan; None if there is none, or the record is being written just now."""
        record = self._record
        sequence = record.sequence
        # Read in the middle of a write, a name may end between the bytes of a character.
        key, *analyzer = (
            name.decode(errors="replace") for name in (record.key, record.analyzer, record.version)
        )
        found = ScanInProgress(key, record.fence, " ".join(filter(None, analyzer)), record.began)
        unchanged = sequence % 2 == 0 and sequence == record.sequence
        return found if found.key and unchanged else None
