"""The priority of a waiting scan, and with it its turn."""

from common.domain.audit_events import Kind
from common.domain.scan import Priority
from common.store.db_manager import DBManager
from common.store.documents import HEAD_START
from tests.factories import (
    LONG_AGO,
    document_of,
    edit,
    make_claimable,
    make_failed,
    make_reports,
)
from tests.recorders import Recording


def test_a_scan_that_becomes_urgent_overtakes_the_others(store: DBManager) -> None:
    first, second, third = (scan.key for scan in make_claimable(store, 3))
    recorder = Recording()
    recorded = store.recorded_by(recorder)
    assert recorded.priorities.change([third, "absent@pacs-1"], Priority.URGENT, "ada") == {third}
    [event] = recorder.events
    assert event["kind"] is Kind.PRIORITY
    assert (event["ids"], event["outcome"], event["by"]) == ([third], "urgent", "ada")
    assert store.priorities.change([third], Priority.URGENT) == set()
    assert store.priorities.change([first], Priority.BACKGROUND) == {first}
    turns = {key: document_of(store, key)["turn_at"] for key in (first, second, third)}
    assert turns[third] < turns[second] < turns[first]
    assert store.priorities.change([second], Priority.STAT) == {second}
    [claim] = store.claims.claim("worker-1", 1, 60)
    assert (claim.key, claim.scan.priority) == (second, Priority.STAT)


def test_only_waiting_scans_are_changed(store: DBManager) -> None:
    [failed] = make_failed(store, 1)
    [report] = make_reports(store, 1)
    [held] = make_claimable(store, 1)
    store.claims.claim("worker-1", 1, 60)
    assert store.priorities.change([failed, report.key, held.key], Priority.STAT) == set()


def test_a_reanalysis_takes_its_turn_from_when_it_was_scheduled(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    store.revisions.schedule_reanalysis([report.key], 1)
    assert store.priorities.change([report.key], Priority.URGENT) == {report.key}
    document = document_of(store, report.key)
    assert document["turn_at"] == document["put_back_at"] - HEAD_START[Priority.URGENT]


def test_a_damaged_time_leaves_the_turn(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    edit(store, scan.key, received_at="then")
    assert store.priorities.change([scan.key], Priority.STAT) == {scan.key}
    assert document_of(store, scan.key)["turn_at"] == LONG_AGO
