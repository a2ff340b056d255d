"""The outbox: reports are leased, sent and marked."""

from collections import Counter
from typing import Any

import pytest

from common.domain.audit_events import Kind
from common.domain.report import BrainReport
from common.domain.states import ERASED, ReportGenerated
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import OutgoingReport
from common.store.outbox import READABLE, Outbox
from common.store.schema import SCHEMA_VERSION
from tests.factories import (
    LONG_AGO,
    document_of,
    inside,
    make_claimable,
    make_report,
    make_reports,
    together,
)
from tests.recorders import Recording
from tests.running import until


def ids(leased: list[OutgoingReport]) -> list[str]:
    return [out.key for out in leased]


def lease_ends(store: DBManager, scan_id: str) -> None:
    inside(store, Collection.REPORTS).update_one(
        {"_id": scan_id}, {"$set": {"next_try_at": LONG_AGO}}
    )


def test_the_trail_says_how_a_report_was_delivered(store: DBManager) -> None:
    [report] = make_reports(store, 1, pacs="web")
    recording = Recording()
    store.recorded_by(recording).outbox.mark_sent([report.key], peer="web", outcome=READABLE)
    [event] = recording.events
    assert (event["kind"], event["ids"], event["outcome"]) == (Kind.SEND, [report.key], READABLE)


# --- lease ---------------------------------------------------------------------------------------


def test_a_report_comes_out_as_it_went_in(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    [out] = store.outbox.lease("pacs-1", 10, 60)
    assert BrainReport.model_validate(out.content) == report
    assert out.tries == 1


def test_reports_go_to_the_pacs_that_their_scan_came_from(store: DBManager) -> None:
    first = make_reports(store, 2)
    [second] = make_reports(store, 1, pacs="pacs-2")
    assert ids(store.outbox.lease("pacs-2", 10, 60)) == [second.key]
    assert store.outbox.lease("pacs-3", 10, 60) == []
    assert set(ids(store.outbox.lease("pacs-1", 10, 60))) == {r.key for r in first}


def test_the_oldest_reports_go_first_and_no_more_than_asked_for(store: DBManager) -> None:
    reports = [report.key for report in make_reports(store, 4)]
    for age, scan_id in enumerate(reversed(reports)):
        inside(store, Collection.REPORTS).update_one(
            {"_id": scan_id}, {"$set": {"created_at": LONG_AGO.replace(second=age)}}
        )
    assert ids(store.outbox.lease("pacs-1", 3, 60)) == reports[:0:-1]
    assert ids(store.outbox.lease("pacs-1", 3, 60)) == reports[:1]


def test_a_leased_report_is_not_given_twice(store: DBManager) -> None:
    make_reports(store, 2)
    assert len(store.outbox.lease("pacs-1", 10, 60)) == 2
    assert store.outbox.lease("pacs-1", 10, 60) == []


def test_hubs_that_lease_at_once_never_share_a_report(store: DBManager) -> None:
    reports = {report.key for report in make_reports(store, 150)}

    def work(_: int) -> list[str]:
        mine: list[str] = []
        while leased := store.outbox.lease("pacs-1", 7, 60):
            mine += ids(leased)
        return mine

    counts = Counter(scan_id for mine in together(6, work) for scan_id in mine)
    assert set(counts.values()) == {1}
    counts.update(ids(store.outbox.lease("pacs-1", 150, 60)))  # what a raced lease left
    assert counts == dict.fromkeys(reports, 1)


def test_a_report_that_was_not_marked_is_due_again_after_its_lease(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    store.outbox.lease("pacs-1", 1, 60)
    lease_ends(store, report.key)
    [out] = store.outbox.lease("pacs-1", 1, 60)
    assert (out.key, out.tries) == (report.key, 2)


def test_a_lease_of_a_report_ends_by_itself(store: DBManager) -> None:
    make_reports(store, 1)
    store.outbox.lease("pacs-1", 1, lease_s=0.001)
    for _ in range(100):
        if leased := store.outbox.lease("pacs-1", 1, 60):
            break
    assert leased[0].tries == 2


# --- mark and postpone ---------------------------------------------------------------------------


def test_a_marked_report_is_sent_and_never_due_again(store: DBManager) -> None:
    first, second = (report.key for report in make_reports(store, 2))
    store.outbox.lease("pacs-1", 2, 60)
    store.outbox.mark_sent([first])
    for scan_id in (first, second):
        lease_ends(store, scan_id)
    assert ids(store.outbox.lease("pacs-1", 2, 60)) == [second]
    assert store.queries.count_reports() == {True: 1, False: 1}
    stored = document_of(store, first, Collection.REPORTS)
    assert stored["status"] is True
    assert stored["sent_at"] > LONG_AGO


def test_marking_again_changes_nothing(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    store.outbox.mark_sent([report.key])
    before = document_of(store, report.key, Collection.REPORTS)
    store.outbox.mark_sent([report.key, "unknown"])
    store.outbox.mark_sent([])
    assert document_of(store, report.key, Collection.REPORTS) == before
    assert store.queries.count_reports() == {True: 1, False: 0}


def test_completing_again_does_not_send_a_report_again(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    report = make_report(claim.scan)
    store.claims.complete([(claim, report)])
    store.outbox.mark_sent([report.key])
    store.claims.complete([(claim, report)])
    assert store.outbox.lease("pacs-1", 1, 60) == []


def test_a_postponed_report_is_due_when_its_delay_is_over(store: DBManager) -> None:
    now, later = (report.key for report in make_reports(store, 2))
    store.outbox.lease("pacs-1", 2, 60)
    store.outbox.postpone([now], delay_s=0)
    store.outbox.postpone([later], delay_s=60)
    assert ids(store.outbox.lease("pacs-1", 2, 60)) == [now]


def test_postponing_a_report_that_was_sent_changes_nothing(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    store.outbox.mark_sent([report.key])
    before = document_of(store, report.key, Collection.REPORTS)
    store.outbox.postpone([report.key], delay_s=0)
    assert document_of(store, report.key, Collection.REPORTS) == before


# --- counts and lists ----------------------------------------------------------------------------


def test_an_empty_store_counts_nothing(store: DBManager) -> None:
    assert store.queries.count_states() == dict.fromkeys(map(str, ReportGenerated), 0)
    assert store.queries.count_reports() == {True: 0, False: 0}
    assert (list(store.queries.scan_states()), list(store.queries.report_states())) == ([], [])
    assert store.queries.errors() == []


def test_scans_and_reports_are_counted_and_listed_by_state(store: DBManager) -> None:
    [sent, waiting] = (report.key for report in make_reports(store, 2))
    store.outbox.mark_sent([sent])
    [held, to_do] = (scan.key for scan in make_claimable(store, 2))
    assert [claim.scan.key for claim in store.claims.claim("a", 1, 60)] == [held]
    assert store.queries.count_states() == {"To Do": 1, "In Progress": 1, "Done": 2, "Error": 0}
    assert store.queries.count_reports() == {True: 1, False: 1}
    assert store.queries.states_of([sent, waiting, held, to_do, "unknown"]) == {
        sent: ("Done", True),
        waiting: ("Done", False),
        held: ("In Progress", None),
        to_do: ("To Do", None),
        "unknown": (None, None),
    }
    states = {sent: "Done", waiting: "Done", held: "In Progress", to_do: "To Do"}
    assert list(store.queries.scan_states()) == sorted(states.items())
    assert list(store.queries.report_states()) == sorted({sent: True, waiting: False}.items())


def test_a_list_longer_than_a_page_is_complete_and_in_order(store: DBManager) -> None:
    n = 20_001
    names = [f"scan-{i:05}" for i in range(n)]
    documents = [{"_id": name, "report_generated": "Done", "status": True} for name in names]
    for name in (Collection.SCANS, Collection.REPORTS):
        inside(store, name).insert_many(reversed(documents), ordered=False)
    assert [scan_id for scan_id, _ in store.queries.scan_states()] == names
    assert [scan_id for scan_id, _ in store.queries.report_states()] == names


def test_of_many_errors_as_many_are_listed_as_asked_for(store: DBManager) -> None:
    make_claimable(store, 3)
    for claim in store.claims.claim("a", 3, 60):
        store.claims.fail(claim, f"cause of {claim.scan.key}", 0)
    assert len(store.queries.errors(limit=2)) == 2
    assert all(cause == f"cause of {scan_id}" for scan_id, cause, _ in store.queries.errors())


def test_one_hub_changes_no_lease_of_another(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    one, other = (store.recorded_by(Recording()).outbox for _ in range(2))
    assert one.lease("pacs-1", 10, 0.001)  # it ends at once
    until(lambda: other.lease("pacs-1", 10, 60))
    before = document_of(store, report.key, Collection.REPORTS)
    one.release([report.key])
    one.postpone([report.key], 3600)
    assert document_of(store, report.key, Collection.REPORTS) == before
    other.release([report.key])
    assert one.lease("pacs-1", 10, 60)


def replaced_while_read(
    store: DBManager, report: BrainReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next lease reads this report, and its scan is reported anew before it is leased."""
    read = Outbox._read
    left = [report]

    def reading(self: Outbox, *args: Any) -> Any:
        found = read(self, *args)
        for old in left:
            store.revisions.schedule_reanalysis([old.key], 1)
            [claim] = store.claims.claim("me", 1, 60)
            store.claims.complete([(claim, make_report(claim.scan, revision=2))])
        left.clear()
        return found

    monkeypatch.setattr(Outbox, "_read", reading)


def test_a_report_that_is_replaced_while_it_is_leased_is_not_sent(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    [report] = make_reports(store, 1)
    replaced_while_read(store, report, monkeypatch)
    assert store.outbox.lease("pacs-1", 10, 60) == []
    assert [leased.revision for leased in store.outbox.lease("pacs-1", 10, 60)] == [2]


def test_a_damaged_report_that_is_replaced_meanwhile_does_not_take_the_new_one_along(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    [report] = make_reports(store, 1)
    inside(store, Collection.REPORTS).update_one({"_id": report.key}, {"$set": {"report": "x"}})
    replaced_while_read(store, report, monkeypatch)
    store.outbox.lease("pacs-1", 10, 60)
    assert list(store.undeliverable.all()) == []
    assert [leased.revision for leased in store.outbox.lease("pacs-1", 10, 60)] == [2]


# --- a report that a notification named -----------------------------------------------------------

SIZES = (1024 * 1024, 1024 * 1024)


def test_a_named_report_is_leased_as_a_search_would_lease_it(store: DBManager) -> None:
    first, second = make_reports(store, 2)
    leased = store.outbox.lease_named("pacs-1", second.key, 60, *SIZES)
    assert not leased.more
    [out] = leased
    assert BrainReport.model_validate(out.content) == second
    assert (out.tries, out.revision) == (1, 1)
    assert ids(store.outbox.lease("pacs-1", 10, 60)) == [first.key]
    store.outbox.mark_sent([second.key])
    assert document_of(store, second.key, Collection.REPORTS)["status"]


def test_a_named_report_is_leased_by_one_hub_and_can_be_given_back(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    one, other = (store.recorded_by(Recording()).outbox for _ in range(2))
    assert one.lease_named("pacs-1", report.key, 60, *SIZES)
    again = other.lease_named("pacs-1", report.key, 60, *SIZES)
    assert (again, again.more) == ([], True)
    one.release([report.key])
    assert ids(other.lease("pacs-1", 10, 60)) == [report.key]


def test_the_lease_of_a_named_report_ends_by_itself(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    assert store.outbox.lease_named("pacs-1", report.key, 0.01, *SIZES)
    [again] = until(lambda: store.outbox.lease("pacs-1", 10, 60))
    assert (again.key, again.tries) == (report.key, 2)


NOT_TO_SEND: dict[str, dict[str, Any]] = {
    "sent": {"status": True},
    "of another Fr-PACS": {"pacs": "pacs-2"},
    "undeliverable": {"undeliverable": {"at": LONG_AGO, "cause": "x"}},
    "tried before": {"tries": 1},
    "a later revision": {"revision": 2},
    "of a newer release": {"schema": SCHEMA_VERSION + 1},
    "due later": {"next_try_at": LONG_AGO.replace(year=2999)},
}


@pytest.mark.parametrize("fields", NOT_TO_SEND.values(), ids=NOT_TO_SEND)
def test_a_named_report_that_may_not_be_sent_is_left_as_it_is(
    store: DBManager, fields: dict[str, Any]
) -> None:
    [report] = make_reports(store, 1)
    inside(store, Collection.REPORTS).update_one({"_id": report.key}, {"$set": fields})
    before = document_of(store, report.key, Collection.REPORTS)
    leased = store.outbox.lease_named("pacs-1", report.key, 60, *SIZES)
    assert (leased, leased.more) == ([], True)
    assert document_of(store, report.key, Collection.REPORTS) == before


def test_a_named_report_of_an_erased_scan_is_deleted_and_not_sent(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    inside(store).update_one({"_id": report.key}, {"$set": {"report_generated": ERASED}})
    assert store.outbox.lease_named("pacs-1", report.key, 60, *SIZES) == []
    assert inside(store, Collection.REPORTS).find_one({"_id": report.key}) is None


@pytest.mark.parametrize(
    ("change", "largest"), [({"report.notice": "x" * 100}, 50), ({"report": "x"}, 10_000)]
)
def test_a_named_report_that_can_never_be_sent_is_given_up(
    store: DBManager, change: dict[str, Any], largest: int
) -> None:
    [report] = make_reports(store, 1)
    inside(store, Collection.REPORTS).update_one({"_id": report.key}, {"$set": change})
    assert store.outbox.lease_named("pacs-1", report.key, 60, 10_000, largest) == []
    assert [one.key for one in store.undeliverable.all()] == [report.key]
