"""The interface of a source: where scans come from."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import uuid4

from blake3 import blake3

from common.domain.scan import BrainScan, Packing, Priority


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an image came from, for its people. It never leaves this Fr-PACS."""

    file: str
    """The path of the file, of a series that of its first one, relative to ``folder``; printable
    and not cut."""
    volume: str = ""
    """Which of the volumes in it, such as ``volume 2``; empty if there is one."""
    folder: str = ""
    """The absolute path of SOURCE, or of its folder if it is a file."""


@dataclass(frozen=True, slots=True)
class LoadedScan:
    """A scan in memory."""

    scan: BrainScan
    voxels: bytes | memoryview
    """``scan.voxels_bytes`` bytes, Fortran order, little-endian (a flat view of format ``B``); or,
    if compressed, the payload that ``packing`` describes."""
    packing: Packing | None = None
    """How the voxels are compressed; set by the sender."""
    origin: Origin | None = None
    """The file that it was read from; None: it is synthetic."""


def with_priority(loaded: LoadedScan, priority: Priority) -> LoadedScan:
    """The scan, sent with this priority."""
    if loaded.scan.priority == priority:
        return loaded
    return replace(loaded, scan=loaded.scan.model_copy(update={"priority": priority}))


def synthetic_scan_id(run: str | None, *what: object) -> str:
    """The id of a synthetic scan: random, or in a run with a name derived from what it is.

    Args:
        run: name of the run; None: it has none.
        what: sender, kind, seed, index, shape and whatever else the voxels depend on.
    """
    if run is None:
        return uuid4().hex
    return blake3(repr((run, *what)).encode()).hexdigest()[:32]


class ScanTask(Protocol):
    """A scan that can be loaded. It is cheap to make and to keep; the sending thread calls
    ``load``, which does the work."""

    @property
    def label(self) -> str:
        """Names the scan to the user and in logs (file and volume, or series): no patient data."""

    def load(self) -> LoadedScan:
        """Read or make the scan.

        Raises:
            SourceError: it cannot become a scan; the text tells the user why, and what to do.
        """


class Source(Protocol):
    """Scans to send, in order. A file that cannot be read is a task whose ``load`` raises."""

    @property
    def total(self) -> int | None:
        """The number of tasks; None: endless."""

    @property
    def waits(self) -> bool:
        """Whether tasks wait while Fr-HUB is unreachable and the buffer is full (files), or count
        as failed after a while (synthetic scans, which keep coming as from a scanner)."""

    def __iter__(self) -> Iterator[ScanTask]:
        """The tasks, once."""
