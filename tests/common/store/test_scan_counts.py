"""Counts of scans: right, of one tenant alone, and at a bounded cost."""

from common.domain.scan import Priority
from common.domain.tenant import tenants_of
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.scan_counts import ScanCounts
from common.store.scan_pages import Asked
from tests.factories import LONG_AGO, make_claimable, make_failed, make_reports
from tests.profiling import examined

TENANTS = tenants_of({"north": ("mr-1",)})
HERE, NORTH = TENANTS["default"], TENANTS["north"]


def test_scans_are_counted_by_state_pacs_and_priority(store: DBManager) -> None:
    [erased, *_] = make_failed(store, 3)
    store.erasure.erase([erased])
    make_reports(store, 1, pacs="mr-1")
    make_claimable(store, 2, priority=Priority.STAT)
    [_, other] = make_claimable(store, 2, pacs="pacs-2", subject="sub-1")
    counts = ScanCounts(store.connection, store.scan_pages)
    mine = counts.of(Asked(HERE))
    assert mine.complete
    assert mine.states == {"Error": 2, "Erased": 1, "To Do": 4}
    assert mine.pacs == {"pacs-1": 5, "pacs-2": 2}
    assert counts.of(Asked(HERE, pacs=("pacs-2", "mr-1"))).states == {"To Do": 2}
    assert counts.of(Asked(HERE, states=("Error",))).pacs == {"pacs-1": 2}
    assert counts.of(Asked(HERE, subjects=("sub-1",), text=other.scan_id)).states == {"To Do": 1}
    assert counts.of(Asked(NORTH)).states == {"Done": 1}
    assert counts.by_state() == {"Done": 1, "Error": 2, "Erased": 1, "To Do": 4}
    waiting = counts.waiting(HERE)
    assert (waiting.oldest_at, waiting.complete) == (LONG_AGO, True)
    assert waiting.priorities == {"stat": 2, "routine": 2}
    assert counts.waiting(NORTH).oldest_at is None
    assert counts.oldest_waiting_at() == LONG_AGO


def test_all_are_counted_once_for_all_who_ask_and_from_the_index(store: DBManager) -> None:
    make_failed(store, 3)
    counts = ScanCounts(store.connection, store.scan_pages)
    with examined(store, *Collection) as read:
        for _ in range(5):
            counts.of(Asked(HERE))
    assert (read.commands, read.documents) == (1, 0)
