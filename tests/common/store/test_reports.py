"""Reports: one for each scan, and later revisions that replace it."""

from common.domain.report import BrainReport
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.reports import Reports
from tests.factories import document_of, inside, make_report, make_scan, together

KEY = "scan@pacs-1"


def revision(n: int, scan_id: str = "scan") -> BrainReport:
    return make_report(make_scan(scan_id=scan_id)[0], revision=n)


def history(store: DBManager) -> list[int]:
    found = inside(store, Collection.HISTORY).find({"scan_id": KEY}, sort=[("_id", 1)])
    return [one["_id"]["revision"] for one in found]


def current(store: DBManager) -> int:
    return int(document_of(store, KEY, Collection.REPORTS)["revision"])


def test_the_first_report_of_a_scan_stays(store: DBManager) -> None:
    reports = Reports(store.connection)
    reports.write([revision(1), revision(1, "other")])
    before = document_of(store, KEY, Collection.REPORTS)
    reports.write([revision(1), revision(1, "third")])
    assert document_of(store, KEY, Collection.REPORTS) == before
    assert store.queries.count_reports() == {True: 0, False: 3}


def test_a_later_revision_replaces_the_report_and_keeps_it_as_history(store: DBManager) -> None:
    reports = Reports(store.connection)
    for n in (1, 2, 3):
        reports.write([revision(n)])
        reports.write([revision(n)])  # repeatable
    assert (current(store), history(store)) == (3, [1, 2])


def test_an_earlier_revision_changes_nothing(store: DBManager) -> None:
    reports = Reports(store.connection)
    reports.write([revision(1)])
    reports.write([revision(3)])
    before = document_of(store, KEY, Collection.REPORTS)
    reports.write([revision(2)])
    assert document_of(store, KEY, Collection.REPORTS) == before


def test_a_later_revision_is_written_where_no_report_exists(store: DBManager) -> None:
    Reports(store.connection).write([revision(2)])
    assert (current(store), history(store)) == (2, [])


def test_a_report_of_an_older_release_has_no_revision_and_is_replaced(store: DBManager) -> None:
    reports = Reports(store.connection)
    reports.write([revision(1)])
    inside(store, Collection.REPORTS).update_one({"_id": KEY}, {"$unset": {"revision": ""}})
    reports.write([revision(2)])
    assert (current(store), history(store)) == (2, [1])


def test_owners_that_write_the_same_revision_at_once_leave_one_report(store: DBManager) -> None:
    Reports(store.connection).write([revision(1)])
    together(4, lambda _: Reports(store.connection).write([revision(2)]))
    assert (current(store), history(store)) == (2, [1])
    assert store.queries.count_reports() == {True: 0, False: 1}


def test_nothing_to_write_is_no_error(store: DBManager) -> None:
    Reports(store.connection).write([])
    assert store.queries.count_reports() == {True: 0, False: 0}
