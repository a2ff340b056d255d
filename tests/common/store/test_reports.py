"""Reports: one for each scan, and later revisions that replace it."""

import pytest

from common.domain.report import BrainReport
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.labels import LabelWriter
from common.store.reports import Reports
from tests.common.store.damage_kinds import KINDS, damage_each, states
from tests.factories import (
    document_of,
    inside,
    make_report,
    make_reports,
    make_scan,
    together,
)

KEY = "scan@pacs-1"


def revision(n: int, scan_id: str = "scan") -> BrainReport:
    return make_report(make_scan(scan_id=scan_id)[0], revision=n)


def history(store: DBManager) -> list[int]:
    found = inside(store, Collection.HISTORY).find({"scan_id": KEY}, sort=[("_id", 1)])
    return [one["_id"]["revision"] for one in found]


def current(store: DBManager) -> int:
    return int(document_of(store, KEY, Collection.REPORTS)["revision"])


def test_the_first_report_of_a_scan_stays(store: DBManager) -> None:
    reports = Reports(store.connection, LabelWriter(store.connection))
    reports.write([revision(1), revision(1, "other")])
    before = document_of(store, KEY, Collection.REPORTS)
    reports.write([revision(1), revision(1, "third")])
    assert document_of(store, KEY, Collection.REPORTS) == before
    assert store.queries.count_reports() == {True: 0, False: 3}


def test_a_later_revision_replaces_the_report_and_keeps_it_as_history(store: DBManager) -> None:
    reports = Reports(store.connection, LabelWriter(store.connection))
    for n in (1, 2, 3):
        reports.write([revision(n)])
        reports.write([revision(n)])  # repeatable
    assert (current(store), history(store)) == (3, [1, 2])


def test_an_earlier_revision_changes_nothing(store: DBManager) -> None:
    reports = Reports(store.connection, LabelWriter(store.connection))
    reports.write([revision(1)])
    reports.write([revision(3)])
    before = document_of(store, KEY, Collection.REPORTS)
    reports.write([revision(2)])
    assert document_of(store, KEY, Collection.REPORTS) == before


def test_a_later_revision_is_written_where_no_report_exists(store: DBManager) -> None:
    Reports(store.connection, LabelWriter(store.connection)).write([revision(2)])
    assert (current(store), history(store)) == (2, [])


def test_a_report_of_an_older_release_has_no_revision_and_is_replaced(store: DBManager) -> None:
    reports = Reports(store.connection, LabelWriter(store.connection))
    reports.write([revision(1)])
    inside(store, Collection.REPORTS).update_one({"_id": KEY}, {"$unset": {"revision": ""}})
    reports.write([revision(2)])
    assert (current(store), history(store)) == (2, [1])


def test_owners_that_write_the_same_revision_at_once_leave_one_report(store: DBManager) -> None:
    Reports(store.connection, LabelWriter(store.connection)).write([revision(1)])
    together(
        4, lambda _: Reports(store.connection, LabelWriter(store.connection)).write([revision(2)])
    )
    assert (current(store), history(store)) == (2, [1])
    assert store.queries.count_reports() == {True: 0, False: 1}


def test_nothing_to_write_is_no_error(store: DBManager) -> None:
    Reports(store.connection, LabelWriter(store.connection)).write([])
    assert store.queries.count_reports() == {True: 0, False: 0}


FIELDS = (
    *("schema", "pacs", "revision", "status", "created_at", "next_try_at", "tries", "report"),
    *("report.note", "report.scan_id"),
)


@pytest.mark.sample(5)
@pytest.mark.parametrize("kind", KINDS)
def test_beside_damaged_reports_of_any_kind_all_are_replaced(store: DBManager, kind: str) -> None:
    keys = [report.key for report in make_reports(store, len(FIELDS) + 1)]
    assert store.revisions.schedule_reanalysis(keys, 1) == len(keys)
    damage_each(store, keys[1:], FIELDS, kind, Collection.REPORTS)
    claims = store.claims.claim("a", len(keys), 60)
    done = [(claim, make_report(claim.scan, revision=claim.revision)) for claim in claims]
    assert store.claims.complete(done) == set()
    found = inside(store, Collection.REPORTS).find({}, {"revision": 1})
    too_late = {"a large number", "infinite", "a decimal"}  # as another owner's is
    wrong = {one["_id"] for one in found if one["revision"] != 2}
    assert wrong == ({keys[1 + FIELDS.index("revision")]} if kind in too_late else set())
    assert set(states(store)) == {"Done"}
    kept = inside(store, Collection.HISTORY).find({}, {"scan_id": 1, "_id": 0})
    assert sorted(one["scan_id"] for one in kept) == sorted(set(keys) - wrong)
