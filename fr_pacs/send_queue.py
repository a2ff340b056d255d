"""The send queue of one client thread: every scan that Fr-HUB has not acknowledged yet."""

import itertools
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.wire.constants import INLINE_VOXELS_MAX
from fr_pacs.sources.base import LoadedScan

OVERHEAD_BYTES = 4096
"""Memory that a pending scan takes beyond its voxels."""


@dataclass(slots=True)
class PendingScan:
    """A scan that Fr-HUB has not acknowledged."""

    label: str
    loaded: LoadedScan
    sent: bool = False
    """Whether its first bytes went out, on any connection."""
    number: int = 0
    """Its place among the scans of its thread: lower numbers are older."""
    refusals: int = 0
    not_before: float = 0.0
    """Time (``time.monotonic``) before which it is not sent again."""

    @property
    def scan_id(self) -> str:
        """The id of the scan."""
        return self.loaded.scan.scan_id

    @property
    def size(self) -> int:
        """Bytes of memory that it takes."""
        return len(self.loaded.voxels) + OVERHEAD_BYTES

    @property
    def is_small(self) -> bool:
        """Whether its voxels travel inside the scan message."""
        return self.loaded.scan.voxels_bytes <= INLINE_VOXELS_MAX


@dataclass(slots=True)
class SendQueue:
    """Pending scans in three places: waiting to be sent, postponed, or in flight.

    A queue belongs to one thread and is not locked.
    """

    waiting: deque[PendingScan] = field(default_factory=deque)
    postponed: list[PendingScan] = field(default_factory=list)
    in_flight: dict[str, PendingScan] = field(default_factory=dict)
    bytes: int = 0
    """Memory of all pending scans."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __len__(self) -> int:
        return len(self.waiting) + len(self.postponed) + len(self.in_flight)

    def pending(self) -> list[PendingScan]:
        """All pending scans, in no order."""
        return [*self.in_flight.values(), *self.waiting, *self.postponed]

    def add(self, label: str, loaded: LoadedScan) -> PendingScan:
        """Append a scan to those that wait to be sent."""
        scan = PendingScan(label, loaded, number=next(self._numbers))
        self.waiting.append(scan)
        self.bytes += scan.size
        return scan

    def next_batch(self, limit: int) -> list[PendingScan]:
        """The next scans to send in one write: up to ``limit`` small ones, or one large one."""
        first = list(itertools.islice(self.waiting, limit))
        return list(itertools.takewhile(lambda scan: scan.is_small, first)) or first[:1]

    def start(self, batch: Sequence[PendingScan]) -> list[PendingScan]:
        """Move the next ``batch`` to in flight; those that are sent for the first time.

        Called before the first byte is written, because an answer may come at once.
        """
        new = [scan for scan in batch if not scan.sent]
        for scan in batch:
            self.waiting.popleft()
            self.in_flight[scan.scan_id] = scan
            scan.sent = True
        return new

    def remove(self, scan_ids: Sequence[str]) -> list[PendingScan]:
        """Drop scans that are in flight; ids that are not in flight are ignored."""
        removed = [scan for key in scan_ids if (scan := self.in_flight.pop(key, None))]
        self.bytes -= sum(scan.size for scan in removed)
        return removed

    def postpone(self, scan_id: str, delay_s: float) -> None:
        """Send a scan that is in flight again, ``delay_s`` seconds from now or later."""
        scan = self.in_flight.pop(scan_id, None)
        if scan is not None:
            scan.not_before = time.monotonic() + delay_s
            self.postponed.append(scan)

    def requeue_due(self) -> None:
        """Return postponed scans that are due to the waiting ones, the oldest scan first.

        Sorting by age keeps a scan from being overtaken for ever.
        """
        now = time.monotonic()
        due = [scan for scan in self.postponed if scan.not_before <= now]
        if due:
            self.postponed = [scan for scan in self.postponed if scan.not_before > now]
            self.waiting = deque(sorted([*due, *self.waiting], key=lambda scan: scan.number))

    def requeue_in_flight(self) -> None:
        """Return scans in flight to the front, in order: the connection that they were on is lost,
        and nobody knows which of them arrived."""
        self.waiting.extendleft(reversed(self.in_flight.values()))
        self.in_flight.clear()

    def due_in(self) -> float | None:
        """Seconds until the next postponed scan is due; None if none is postponed."""
        if not self.postponed:
            return None
        return max(0.0, min(scan.not_before for scan in self.postponed) - time.monotonic())
