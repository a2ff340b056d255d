"""Every promise is recorded, durably, before the store makes it."""

from collections.abc import Callable

import pytest

from common.domain.audit_events import Kind
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.recording import UNRECORDED
from tests.common.store.delivered import make_old
from tests.factories import (
    document_of,
    inside,
    make_claimable,
    make_failed,
    make_report,
    make_reports,
    state_of,
)
from tests.recorders import Recording

Promise = Callable[[DBManager, DBManager], tuple[str, str]]
"""Prepares a scan in the store, makes a promise with the recorded one; its id and collection."""


def report(store: DBManager, recorded: DBManager) -> tuple[str, str]:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    recorded.claims.complete([(claim, make_report(claim.scan))])
    return claim.scan.key, Collection.SCANS


def send(store: DBManager, recorded: DBManager) -> tuple[str, str]:
    [made] = make_reports(store, 1)
    recorded.outbox.mark_sent([made.key], peer="pacs-1")
    return made.key, Collection.REPORTS


def fail(store: DBManager, recorded: DBManager) -> tuple[str, str]:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    recorded.claims.fail(claim, "no brain in it", 1)
    return claim.scan.key, Collection.SCANS


def requeue(store: DBManager, recorded: DBManager) -> tuple[str, str]:
    [scan_id] = make_failed(store, 1)
    recorded.failed_scans.requeue([scan_id])
    return scan_id, Collection.SCANS


def reanalyze(store: DBManager, recorded: DBManager) -> tuple[str, str]:
    [made] = make_reports(store, 1)
    recorded.revisions.schedule_reanalysis([made.key], 1)
    return made.key, Collection.SCANS


def purge(store: DBManager, recorded: DBManager) -> tuple[str, str]:
    [scan_id] = make_old(store, 1)
    list(recorded.retention.purge(30, include_report=False))
    return scan_id, Collection.SCANS


@pytest.mark.parametrize(
    ("promise", "kind", "state", "after"),
    [
        (report, Kind.REPORT, "report_generated", "Done"),
        (send, Kind.SEND, "status", True),
        (fail, Kind.ERROR, "report_generated", "Error"),
        (requeue, Kind.REQUEUE, "report_generated", "To Do"),
        (reanalyze, Kind.SCHEDULE_REANALYSIS, "report_generated", "To Do"),
        (purge, Kind.RETENTION, "voxels", None),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_promise_is_recorded_before_it_is_made(
    store: DBManager, promise: Promise, kind: Kind, state: str, after: object
) -> None:
    seen: list[object] = []

    def look() -> None:
        [event] = [event for event in recorder.events if event["kind"] == kind]
        [scan_id] = event["ids"]
        name = Collection.REPORTS if kind is Kind.SEND else Collection.SCANS
        seen.append(document_of(store, scan_id, name).get(state))

    recorder = Recording(look)
    scan_id, collection = promise(store, store.recorded_by(recorder))
    [before] = seen
    assert before != after
    assert document_of(store, scan_id, Collection(collection)).get(state) == after


@pytest.mark.parametrize(("count", "reports_at_flush"), [(1, []), (2, [0])])
def test_only_several_reports_are_recorded_while_they_are_written(
    store: DBManager, count: int, reports_at_flush: list[int]
) -> None:
    seen: list[int] = []

    class Flushed(Recording):
        def flush(self) -> None:
            seen.append(inside(store, Collection.REPORTS).count_documents({}))

    recorded = store.recorded_by(Flushed())
    make_claimable(store, count)
    claims = store.claims.claim("a", count, 60)
    assert len(claims) == count
    recorded.claims.complete([(claim, make_report(claim.scan)) for claim in claims])
    assert seen == reports_at_flush
    assert [state_of(store, claim.key) for claim in claims] == ["Done"] * count


def test_what_cannot_be_recorded_is_not_done(store: DBManager) -> None:
    def unavailable() -> None:
        raise RuntimeError("the trail cannot be written")

    with pytest.raises(RuntimeError):
        requeue(store, store.recorded_by(Recording(unavailable)))
    assert store.queries.count_states()["Error"] == 1


def test_the_store_itself_stays_unrecorded(store: DBManager) -> None:
    recorder = Recording()
    recorded = store.recorded_by(recorder)
    assert recorded.connection is store.connection
    make_failed(store, 1)
    assert recorder.events == []
    make_failed(recorded, 1)
    assert recorder.ids(Kind.ERROR)


def test_without_a_recorder_nothing_is_written() -> None:
    UNRECORDED.note(Kind.SEND, ["a"])
    UNRECORDED.flush()
    UNRECORDED.wait_durable()


def test_a_recorder_of_nothing_leaves_the_trail_empty(store: DBManager) -> None:
    make_reports(store, 1)
    assert inside(store, Collection.AUDIT).count_documents({}) == 0
