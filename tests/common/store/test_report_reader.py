"""Reports and their earlier revisions, of one tenant alone."""

import pytest

from common.domain.report import BrainReport
from common.domain.tenant import tenants_of
from common.domain.types import hash_voxels
from common.errors import StoreError
from common.store.db_manager import DBManager
from tests.factories import make_report, make_reports

TENANTS = tenants_of({"north": ("mr-1",)})
HERE, NORTH = TENANTS["default"], TENANTS["north"]


def second_revision(store: DBManager, first: BrainReport) -> BrainReport:
    """The report after a reanalysis."""
    store.revisions.schedule_reanalysis([first.key], 1)
    [claim] = store.claims.claim("worker-1", 1, 60)
    report = make_report(claim.scan, revision=2)
    store.claims.complete([(claim, report)])
    return report


def test_each_revision_of_a_report_is_read(store: DBManager) -> None:
    [first] = make_reports(store, 1)
    second = second_revision(store, first)
    reader = store.report_reader
    assert reader.get(HERE, first.key) == reader.get(HERE, first.key, 2) == second
    assert reader.get(HERE, first.key, 1) == first
    assert reader.get(HERE, first.key, 3) is None
    found = reader.revisions(HERE, first.key)
    assert [(one.revision, one.analyzer, one.verdict) for one in found] == [
        (2, "grid", "pass"),
        (1, "grid", "pass"),
    ]
    assert reader.of(HERE, ["absent@pacs-1", first.key]) == [second]


def test_another_tenants_report_is_not_there(store: DBManager) -> None:
    [first] = make_reports(store, 1)
    second_revision(store, first)
    reader = store.report_reader
    for revision in (None, 1, 2):
        assert reader.get(NORTH, first.key, revision) is None
        assert reader.picture(NORTH, first.key, revision) is None
    assert reader._earlier(NORTH, first.key, 1) is None
    assert reader.revisions(NORTH, first.key) == []
    assert reader.of(NORTH, [first.key]) == []


def test_a_damaged_report_hides_no_others(store: DBManager) -> None:
    first, second = make_reports(store, 2)
    store.connection.reports.update_one({"_id": first.key}, {"$set": {"report.findings": 5}})
    with pytest.raises(StoreError, match="damaged"):
        store.report_reader.get(HERE, first.key)
    assert store.report_reader.of(HERE, [first.key, second.key]) == [second]
    [shown] = store.report_reader.revisions(HERE, first.key)
    assert shown.verdict is None


def test_a_picture_is_that_of_the_report(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    assert store.report_reader.picture(HERE, report.key) is None
    png = b"\x89PNG"
    name = hash_voxels(png)
    store.connection.reports.update_one(
        {"_id": report.key}, {"$set": {"report.picture_hash": name}}
    )
    assert store.report_reader.picture(HERE, report.key) is None
    store.pictures.add(report.key, name, png)
    assert store.report_reader.picture(HERE, report.key) == png
