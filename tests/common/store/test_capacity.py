"""Waiting scans and free disk space."""

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from common.errors import StoreError
from common.store.db_manager import DBManager
from tests.factories import (
    edit,
    make_claimable,
    make_failed,
    make_reports,
)
from tests.profiling import examined


def test_only_scans_to_do_are_counted_and_no_more_than_asked_for(store: DBManager) -> None:
    make_reports(store, 2)
    make_failed(store, 1)
    make_claimable(store, 5)
    store.claims.claim("a", 1, 60)
    assert store.capacity.count_to_do(100) == 4
    assert store.capacity.count_to_do(3) == 3


def test_scans_are_counted_by_pacs_and_reanalyses_apart(store: DBManager) -> None:
    make_claimable(store, 3)
    [retried] = make_claimable(store, 1)
    edit(store, retried.key, attempts=2)
    make_claimable(store, 2, pacs="pacs-2", scan_type="volume")
    make_claimable(store, 1, pacs="pacs-2", priority="stat")
    again = make_claimable(store, 2, pacs="pacs-3")
    for scan in again:
        edit(store, scan.key, report_generated="Done")
    assert store.revisions.schedule_reanalysis([scan.key for scan in again], 1) == 2
    assert store.capacity.count_to_do_by_pacs(100) == {"pacs-1": 4, "pacs-2": 3}
    assert store.capacity.count_to_do_by_pacs(2) == {"pacs-1": 2, "pacs-2": 2}
    assert store.capacity.count_reanalyses(100) == 2
    assert store.capacity.count_reanalyses(1) == 1
    assert store.capacity.count_to_do(100) == 9


def test_counting_reads_keys_and_no_documents(store: DBManager) -> None:
    make_claimable(store, 20)
    make_claimable(store, 5, pacs="pacs-2")
    with examined(store) as read:
        assert store.capacity.count_to_do(100) == 25
        assert store.capacity.count_to_do_by_pacs(100) == {"pacs-1": 20, "pacs-2": 5}
        assert store.capacity.count_reanalyses(100) == 0
    assert read.commands == 7
    assert read.documents == 0


def answering(answer: Any) -> Any:
    def command(name: str) -> Any:
        assert name == "dbStats"
        if isinstance(answer, Exception):
            raise answer
        return answer

    return command


@pytest.mark.parametrize(
    ("answer", "free"),
    [
        ({"fsTotalSize": 100.0, "fsUsedSize": 60.0}, 40),
        (
            {
                "raw": {
                    "a": {"fsTotalSize": 9, "fsUsedSize": 1},
                    "b": {"fsTotalSize": 9, "fsUsedSize": 7},
                }
            },
            2,
        ),
        ({"fsTotalSize": 0, "fsUsedSize": 0}, None),
        ({}, None),
        (OperationFailure("not authorized", 13), None),
    ],
    ids=["one server", "the fullest shard", "in memory", "no answer", "no privilege"],
)
def test_the_free_bytes_are_those_that_mongodb_reports(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, answer: Any, free: int | None
) -> None:
    monkeypatch.setattr(store.connection.database, "command", answering(answer), raising=False)
    assert store.capacity.disk_free() == free


def test_any_other_failure_is_raised(store: DBManager, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = answering(OperationFailure("boom", 8))
    monkeypatch.setattr(store.connection.database, "command", failure, raising=False)
    with pytest.raises(StoreError, match="boom"):
        store.capacity.disk_free()
