"""Throughput and latency of the last minutes, from the events of the feed."""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from common.domain.scan_key import pacs_of
from common.store.feed_documents import ChangeKind, Step
from fr_hub.web.live.ring import Batch

KEPT_US = 15 * 60 * 1_000_000
_ENDED_MAX = 100_000
_ARRIVED_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Of a span of time.

    Args:
        received: scans that arrived.
        done: scans that got their report.
        failed: scans that failed.
        p50_s: from arrival to report, half of the scans took at most so long, seconds; None: of no
            scan both are known.
        p95_s: as ``p50_s``, of 95 %.
    """

    received: int
    done: int
    failed: int
    p50_s: float | None
    p95_s: float | None


class Statistics:
    """Counts what events tell."""

    def __init__(self) -> None:
        self._arrived: OrderedDict[str, int] = OrderedDict()
        self._seen: deque[tuple[int, str, str, float | None]] = deque(maxlen=_ENDED_MAX)

    def clear(self) -> None:
        """Forget everything."""
        self._arrived.clear()
        self._seen.clear()

    def take(self, batch: Batch) -> None:
        """Count a batch."""
        for change in batch.changes:
            if change.kind is not ChangeKind.SCAN:
                continue
            state, step = change.facts.get("state"), change.facts.get("step")
            if state == "waiting" and step == Step.NEW:
                for key in change.keys:
                    self._arrived[key] = batch.at_us
                    self._seen.append((batch.at_us, pacs_of(key) or "", "received", None))
            elif state in ("done", "failed") and step == Step.ENDED:
                for key in change.keys:
                    arrived = self._arrived.pop(key, None)
                    took = None if arrived is None else max(0.0, (batch.at_us - arrived) / 1e6)
                    self._seen.append((batch.at_us, pacs_of(key) or "", str(state), took))
        while len(self._arrived) > _ARRIVED_MAX:
            self._arrived.popitem(last=False)
        while self._seen and self._seen[0][0] < batch.at_us - KEPT_US:
            self._seen.popleft()

    def since(self, at_us: int, owns: Callable[[str], bool]) -> Rates:
        """What happened since a time, of the Fr-PACS that ``owns`` accepts."""
        numbers = {"received": 0, "done": 0, "failed": 0}
        took: list[float] = []
        for at, pacs, what, seconds in reversed(self._seen):
            if at < at_us:
                break
            if owns(pacs):
                numbers[what] += 1
                if what == "done" and seconds is not None:
                    took.append(seconds)
        took.sort()

        def quantile(share: float) -> float | None:
            return round(took[int(share * (len(took) - 1))], 3) if took else None

        return Rates(**numbers, p50_s=quantile(0.5), p95_s=quantile(0.95))
