"""What became of each scan: the counts of a run, thread-safe, in bounded memory."""

import itertools
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence

import numpy as np

from common.runtime.logger import RateLimitedLog
from common.runtime.run_totals import Failure, Latency, Totals
from fr_pacs.ledger import Ledger, news_key

LATENCIES_KEPT = 100_000
AWAITED_KEPT = 1_000_000
"""Scans whose report is awaited: in an endless run without Fr-BRAIN they would grow for ever."""
SEEN_KEPT = 100_000
FAILURES_KEPT = 20


class Tally:
    """Counts scans from sending to report.

    Args:
        total: scans of this run; None: endless.
    """

    def __init__(self, total: int | None, ledger: Ledger, limited_log: RateLimitedLog) -> None:
        self._total = total
        self._ledger = ledger
        self._limited_log = limited_log
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._sent = self._acknowledged = self._delivered = self._failed = 0
        self._bytes = 0
        self._failures: list[Failure] = []
        # Since when, and the scan's label.
        self._awaited: OrderedDict[str, tuple[float, str | None]] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict.fromkeys(ledger.reported)
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._first: float | None = None
        self._last = 0.0
        self._exhausted = False

    def sent(self, scan_ids: Sequence[str], labels: Sequence[str] = ()) -> None:
        """The first bytes of these scans go out; ``labels`` name them in the log."""
        if not scan_ids:
            return
        now = time.monotonic()
        with self._lock:
            self._sent += len(scan_ids)
            self._first = self._first or now
            for scan_id, label in itertools.zip_longest(scan_ids, labels):
                self._awaited[scan_id] = (now, label)
            while len(self._awaited) > AWAITED_KEPT:
                self._awaited.popitem(last=False)
        self._ledger.write("sent", scan_ids)

    def acknowledged(self, scan_ids: Sequence[str], voxels_bytes: int) -> None:
        """Fr-HUB has these durably; ``voxels_bytes`` of them all."""
        with self._changed:
            self._acknowledged += len(scan_ids)
            self._bytes += voxels_bytes
            self._last = time.monotonic()
            self._changed.notify_all()
        self._ledger.write("acknowledged", scan_ids)
        self._limited_log.debug_each("scan acknowledged", scan_ids)

    def failed(self, what: str, reason: str, scan_id: str | None = None) -> None:
        """A scan that gets no report: unreadable, refused, no room, or not acknowledged."""
        with self._changed:
            self._failed += 1
            if len(self._failures) < FAILURES_KEPT:
                self._failures.append(Failure(what=what, reason=reason))
            if scan_id is not None:
                self._awaited.pop(scan_id, None)
            self._changed.notify_all()
        self._ledger.write("refused" if scan_id else "failed", [scan_id or what], reason=reason)
        self._limited_log.warning("scan failed", what=what, reason=reason)

    def delivered(self, scan_id: str, revision: int = 1, **findings: object) -> bool:
        """A report came; False if this revision of it came before. ``findings`` are logged."""
        now = time.monotonic()
        key = news_key(scan_id, revision)
        took_s = label = None
        with self._changed:
            if key in self._seen:
                return False
            self._seen[key] = None
            if len(self._seen) > SEEN_KEPT:
                self._seen.popitem(last=False)
            if scan_id in self._awaited:  # else it belongs to an earlier run
                began, label = self._awaited.pop(scan_id)
                took_s = now - began
                self._delivered += 1
                self._latencies.append(took_s)
                self._last = now
                self._changed.notify_all()
        fields = {"revision": str(revision)} if revision > 1 else {}
        self._ledger.write("reported", [scan_id], **fields)
        facts = {"label": label, **findings, "ms": took_s and round(took_s * 1000)}
        known = {name: value for name, value in facts.items() if value is not None}
        self._limited_log.info("report received", **known, scan_id=scan_id)
        return True

    def exhausted(self) -> None:
        """Nothing more will be sent."""
        with self._changed:
            self._exhausted = True
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until each scan has its report or failed, ``timeout_s`` at most; whether so."""
        with self._changed:
            return self._changed.wait_for(self._done, timeout_s)

    def _done(self) -> bool:
        return self._exhausted and not self._awaited

    def give_up(self) -> int:
        """The reports still awaited count as failed; how many."""
        with self._lock:
            missing = list(self._awaited)
        for scan_id in missing:
            self.failed(scan_id, "no report came", scan_id)
        return len(missing)

    def totals(self, *, latency_too: bool = True) -> Totals:
        """The counts so far; the latency costs a sort."""
        with self._lock:
            latency = None
            if latency_too and self._latencies:
                p50, p95, p99 = np.percentile(np.array(self._latencies) * 1000, (50, 95, 99))
                latency = Latency(p50=round(p50, 1), p95=round(p95, 1), p99=round(p99, 1))
            return Totals(
                total=self._total,
                sent=self._sent,
                acknowledged=self._acknowledged,
                delivered=self._delivered,
                failed=self._failed,
                failures=tuple(self._failures),
                seconds=max(0.0, self._last - self._first) if self._first else 0.0,
                megabytes=self._bytes / 1e6,
                latency_ms=latency,
            )
