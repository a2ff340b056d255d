"""The T1 scan of a FLAIR scan's study is found with its report and label maps."""

from common.store.db_manager import DBManager
from tests.common.store.studies import BY, GRID, done, scan_of


def test_the_t1_scan_of_the_study_is_found(store: DBManager) -> None:
    t1 = done(store, "t1", "t1")
    done(store, "other", "t1", study="f" * 16)
    [found] = store.study_scans.t1_scans_for(scan_of("flair"), BY)
    assert found.scan == t1
    assert found.report.scan_id == "t1"
    assert store.study_scans.labels(found, ("cells",)) == {"cells": GRID.tobytes(order="F")}


def test_there_is_none_in_another_study_or_without_one(store: DBManager) -> None:
    done(store, "t1", "t1")
    done(store, "flair-1", "flair")
    assert store.study_scans.t1_scans_for(scan_of("flair", study="f" * 16), BY) == []
    assert store.study_scans.t1_scans_for(scan_of("flair", study=None), BY) == []
    later = BY.model_copy(update={"version": "11"})
    assert store.study_scans.t1_scans_for(scan_of("flair"), later) == []


def test_several_come_in_the_order_of_their_quality(store: DBManager) -> None:
    for name in ("d", "b", "a", "c"):
        done(store, name, "t1")
    found = store.study_scans.t1_scans_for(scan_of("flair"), BY)
    assert [one.scan.scan_id for one in found] == ["a", "b", "c"]
