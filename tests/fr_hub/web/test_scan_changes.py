"""What becomes of each scan that an operator changes."""

from collections.abc import Callable

import pytest

from common.domain.audit_events import Kind
from common.domain.scan import Priority
from common.domain.tenant import tenants_of
from common.store.db_manager import DBManager
from common.store.unit_parts import WebStore, web_parts
from fr_hub.web import scan_changes
from fr_hub.web.scan_changes import Outcomes, Scans, ScansOfAnalyzer, ScansWithPriority
from tests.factories import (
    document_of,
    inside,
    make_claimable,
    make_failed,
    make_reports,
    state_of,
)
from tests.recorders import Recording

TENANTS = tenants_of({"north": ("mr-1",)})
HERE = TENANTS["default"]
ABSENT = "absent@pacs-1"


@pytest.fixture
def recorder() -> Recording:
    return Recording()


@pytest.fixture
def parts(store: DBManager, recorder: Recording) -> WebStore:
    return web_parts(store.recorded_by(recorder))


def outcomes(found: Outcomes) -> dict[str, str]:
    return {one.id: one.outcome for one in found.outcomes}


def test_failed_scans_are_requeued_once(
    store: DBManager, parts: WebStore, recorder: Recording
) -> None:
    failed, gone = make_failed(store, 2)
    inside(store).update_one({"_id": gone}, {"$unset": {"voxels": 1}})
    [foreign] = make_failed(store, 1, pacs="mr-1")
    [done] = make_reports(store, 1)
    ids = [failed, gone, foreign, done.key, ABSENT, failed]
    expected = {gone: "refused", foreign: "unknown", done.key: "unchanged", ABSENT: "unknown"}
    dry = scan_changes.requeue(parts, HERE, Scans(ids=ids, dry_run=True), "ada")
    assert outcomes(dry) == {failed: "would", **expected}
    assert (dry.dry_run, recorder.events) == (True, [])
    found = scan_changes.requeue(parts, HERE, Scans(ids=ids), "ada")
    assert outcomes(found) == {failed: "done", **expected}
    assert [one.id for one in found.outcomes] == ids[:-1]
    assert state_of(store, failed) == "To Do"
    assert state_of(store, foreign) == "Error"
    assert {one["by"] for one in recorder.events} == {"ada"}
    again = scan_changes.requeue(parts, HERE, Scans(ids=[failed]), "ada")
    assert outcomes(again) == {failed: "unchanged"}
    foreign_and_absent = found.outcomes[2].reason, found.outcomes[4].reason
    assert len(set(foreign_and_absent)) == 1


def test_a_scan_that_lost_its_report_is_requeued(store: DBManager, parts: WebStore) -> None:
    lost, whole = (report.key for report in make_reports(store, 2))
    store.connection.reports.delete_one({"_id": lost})
    wanted = Scans(ids=[lost, whole], dry_run=True)
    expected = {lost: "would", whole: "unchanged"}
    assert outcomes(scan_changes.requeue(parts, HERE, wanted, "ada")) == expected
    found = scan_changes.requeue(parts, HERE, Scans(ids=[lost, whole]), "ada")
    assert outcomes(found) == {lost: "done", whole: "unchanged"}
    assert state_of(store, lost) == "To Do"


def test_scans_with_a_report_are_analysed_again(
    store: DBManager, parts: WebStore, recorder: Recording
) -> None:
    first, gone, other = (report.key for report in make_reports(store, 3))
    inside(store).update_one({"_id": gone}, {"$unset": {"voxels": 1}})
    store.connection.reports.update_one({"_id": other}, {"$set": {"report.analyzer.name": "old"}})
    [failed] = make_failed(store, 1)
    [waiting] = make_claimable(store, 1)
    wanted = ScansOfAnalyzer(ids=[first, gone, other, failed, waiting.key], analyzer="grid 1")
    found = scan_changes.reanalyze(parts, HERE, wanted, "ada")
    assert outcomes(found) == {
        first: "done",
        gone: "refused",
        other: "refused",
        failed: "refused",
        waiting.key: "unchanged",
    }
    assert recorder.events[0]["by"] == "ada"
    assert (state_of(store, first), document_of(store, first)["revision"]) == ("To Do", 2)
    again = scan_changes.reanalyze(parts, HERE, ScansOfAnalyzer(ids=[first, other]), "ada")
    assert outcomes(again) == {first: "unchanged", other: "done"}


def test_the_priority_is_changed_of_what_waits(store: DBManager, parts: WebStore) -> None:
    [failed] = make_failed(store, 1)
    stat, routine = (make_claimable(store, 1, priority=one)[0].key for one in ("stat", "routine"))
    wanted = ScansWithPriority(ids=[failed, stat, routine], priority=Priority.STAT)
    expected = {failed: "refused", stat: "unchanged", routine: "done"}
    assert outcomes(scan_changes.prioritize(parts, HERE, wanted, "ada")) == expected
    expected[routine] = "unchanged"
    assert outcomes(scan_changes.prioritize(parts, HERE, wanted, "ada")) == expected


def test_scans_are_erased_in_any_state(
    store: DBManager, parts: WebStore, recorder: Recording
) -> None:
    [failed] = make_failed(store, 1)
    [foreign] = make_failed(store, 1, pacs="mr-1")
    [report] = make_reports(store, 1)
    wanted = Scans(ids=[failed, foreign, report.key])
    found = scan_changes.erase(parts, HERE, wanted, "ada")
    assert outcomes(found) == {failed: "done", foreign: "unknown", report.key: "done"}
    assert recorder.ids(Kind.ERASE)[:2] == sorted([failed, report.key])
    assert recorder.events[0]["by"] == "ada"
    assert state_of(store, foreign) == "Error"
    assert document_of(store, report.key)["report_generated"] == "Erased"
    again = scan_changes.erase(parts, HERE, wanted, "ada")
    assert outcomes(again) == {failed: "unchanged", foreign: "unknown", report.key: "unchanged"}


@pytest.mark.parametrize("change", [scan_changes.requeue, scan_changes.erase])
def test_a_scan_of_another_tenant_makes_the_same_queries_as_none(
    store: DBManager, parts: WebStore, change: Callable[..., Outcomes]
) -> None:
    [foreign] = make_failed(store, 1, pacs="mr-1")
    for key in (foreign, ABSENT):
        [one] = change(parts, HERE, Scans(ids=[key]), "ada").outcomes
        reason = "there is no such scan; check its key, <scan_id>@<pacs>"
        assert (one.outcome, one.reason) == ("unknown", reason)
