"""Counts and lists of what is stored."""

from common.domain.states import ReportGenerated
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import edit, inside, make_claimable, make_failed, make_reports


def test_scans_are_counted_in_every_state(store: DBManager) -> None:
    assert store.queries.count_states() == dict.fromkeys(map(str, ReportGenerated), 0)
    make_reports(store, 2)
    make_failed(store, 1)
    make_claimable(store, 3)
    store.claims.claim("a", 1, 60)
    assert store.queries.count_states() == {"To Do": 2, "In Progress": 1, "Done": 2, "Error": 1}


def test_reports_are_counted_by_whether_they_were_sent(store: DBManager) -> None:
    assert store.queries.count_reports() == {True: 0, False: 0}
    first, *_ = make_reports(store, 3)
    store.outbox.mark_sent([first.scan_id])
    assert store.queries.count_reports() == {True: 1, False: 2}


def test_states_are_listed_in_order_of_the_ids_across_pages(store: DBManager) -> None:
    count = 20_001  # one more than a page
    names = [f"s{n:05}" for n in range(count)]
    inside(store).insert_many([{"_id": name, "report_generated": "Done"} for name in names])
    inside(store, Collection.REPORTS).insert_many(
        [{"_id": name, "status": n == 0} for n, name in enumerate(names[:2])]
    )
    assert list(store.queries.scan_states()) == [(name, "Done") for name in names]
    assert list(store.queries.report_states()) == [(names[0], True), (names[1], False)]


def test_states_of_given_ids_include_those_that_are_missing(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    [scan] = make_claimable(store, 1)
    inside(store, Collection.REPORTS).insert_one({"_id": "orphan", "status": True})
    assert store.queries.states_of([report.scan_id, scan.scan_id, "orphan", "none"]) == {
        report.scan_id: ("Done", False),
        scan.scan_id: ("To Do", None),
        "orphan": (None, True),
        "none": (None, None),
    }


def test_errors_have_their_cause_and_time_and_are_limited(store: DBManager) -> None:
    ids = make_failed(store, 3, "no brain in it")
    found = store.queries.errors()
    assert {scan_id for scan_id, _, _ in found} == set(ids)
    assert {cause for _, cause, _ in found} == {"no brain in it"}
    assert all(at.tzinfo is not None for _, _, at in found)
    assert len(store.queries.errors(limit=2)) == 2


def test_an_unknown_state_is_counted_too(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    edit(store, scan.scan_id, report_generated="Purged")
    assert store.queries.count_states()["Purged"] == 1
