"""Analyzers by the reports that they made."""

from datetime import timedelta
from typing import Any

from common.domain.tenant import tenants_of
from common.store.analyzer_list import AnalyzerList
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import LONG_AGO, make_reports
from tests.profiling import examined

TENANTS = tenants_of({"north": ("mr-1",)})
HERE, NORTH = TENANTS["default"], TENANTS["north"]


def change(store: DBManager, key: str, **fields: Any) -> None:
    store.connection.reports.update_one({"_id": key}, {"$set": fields})


def prepared(store: DBManager) -> list[str]:
    """Two reports by version 1 of 'grid' and three by version 2, in order of time."""
    keys = [report.key for report in make_reports(store, 4)]
    keys += [report.key for report in make_reports(store, 1, pacs="pacs-2")]
    for n, key in enumerate(keys):
        version = "1" if n < 2 else "2"
        at = LONG_AGO + timedelta(seconds=n // 2)
        parameters = {"limit": float(n)}
        change(
            store,
            key,
            created_at=at,
            **{"report.analyzer.version": version, "report.findings.parameters": parameters},
        )
    return keys


def test_each_version_is_listed_with_its_scans(store: DBManager) -> None:
    keys = prepared(store)
    make_reports(store, 1, pacs="mr-1")
    analyzers = AnalyzerList(store.connection)
    found = [(one.name, one.version, one.scans) for one in analyzers.versions(HERE)]
    assert found == [("grid", "2", 3), ("grid", "1", 2)]
    assert [one.scans for one in analyzers.versions(NORTH)] == [1]
    assert analyzers.parameters(HERE, "grid", "2") == {"limit": 4.0}
    assert analyzers.parameters(HERE, "grid", "3") == {}
    walked: list[str] = []
    after = None
    while True:
        some, after = analyzers.scans(HERE, "grid", "2", 1, after)
        walked += some
        if after is None:
            break
    assert walked == [keys[4], *sorted(keys[2:4], reverse=True)]
    assert analyzers.scans(NORTH, "grid", "2", 10) == ([], None)


def test_reports_are_counted_from_the_index_and_once(store: DBManager) -> None:
    prepared(store)
    analyzers = AnalyzerList(store.connection)
    with examined(store, *Collection) as read:
        for _ in range(3):
            analyzers.versions(HERE)
    assert (read.commands, read.documents) == (1, 0)


def test_a_damaged_report_is_left_out(store: DBManager) -> None:
    first, second = make_reports(store, 2)
    change(store, first.key, report=5)
    [one] = AnalyzerList(store.connection).versions(HERE)
    assert one.scans == 1
    change(store, second.key, **{"report.analyzer.name": 5})
    assert AnalyzerList(store.connection).versions(HERE) == []
