"""Throughput and latency from events."""

from common.domain.states import ReportGenerated
from common.store.feed_documents import Step, scans_changed
from fr_hub.web.live.ring import Batch
from fr_hub.web.live.statistics import KEPT_US, Rates, Statistics

S = 1_000_000


def counted() -> Statistics:
    statistics = Statistics()
    new, done = ReportGenerated.TO_DO, ReportGenerated.DONE
    keys = [f"scan-{n}@pacs-1" for n in range(4)]
    for at, change in (
        (10, scans_changed(keys, new, Step.NEW, fence=0)),
        (11, scans_changed(["x@pacs-2"], new, Step.NEW, fence=0)),
        (12, scans_changed(keys[:2], done, Step.ENDED, fence=1)),
        (20, scans_changed(keys[2:3], done, Step.ENDED, fence=1)),
        (21, scans_changed(keys[3:], ReportGenerated.ERROR, Step.ENDED, fence=1)),
    ):
        statistics.take(Batch(at, at - 1, at * S, [change]))
    return statistics


def test_what_was_received_and_done_is_counted_by_pacs() -> None:
    statistics = counted()
    mine = statistics.since(0, lambda pacs: pacs == "pacs-1")
    assert mine == Rates(received=4, done=3, failed=1, p50_s=2.0, p95_s=2.0)
    assert statistics.since(0, lambda pacs: pacs == "pacs-2").received == 1
    assert statistics.since(15 * S, lambda _: True) == Rates(0, 1, 1, 10.0, 10.0)


def test_what_is_old_is_forgotten() -> None:
    statistics = counted()
    later = scans_changed(["y@pacs-1"], ReportGenerated.DONE, Step.ENDED, fence=1)
    statistics.take(Batch(99, 98, 30 * S + KEPT_US, [later]))
    assert statistics.since(0, lambda _: True) == Rates(0, 1, 0, None, None)
    statistics.clear()
    assert statistics.since(0, lambda _: True) == Rates(0, 0, 0, None, None)
