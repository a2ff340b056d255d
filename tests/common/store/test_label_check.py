"""``make verify`` finds label maps that are missing or damaged."""

from typing import Any

import pytest

from common.commands.verify import verify
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside, make_reports
from tests.label_maps import analyse_again, labels_of, make_labelled, packed


@pytest.fixture
def key(store: DBManager, monkeypatch: pytest.MonkeyPatch) -> str:
    """A scan with two revisions, each with label maps in several chunks; another without."""
    monkeypatch.setattr("common.store.labels.CHUNK_BYTES", 16)
    make_reports(store, 1)
    report, *_ = make_labelled(store)
    claim, _ = store.revisions.reported(report.key)  # type: ignore[misc]
    analyse_again(store, report.key, packed(a=labels_of(claim.scan, 3), b=labels_of(claim.scan)))
    return report.key


def test_whole_label_maps_are_no_gap(store: DBManager, key: str) -> None:
    verdict = verify(store, deep=True)
    assert verdict.gaps == 0
    assert [name for name, _ in store.label_check.damaged()] == [key, f"{key} revision 1"]


def test_missing_chunks_are_gaps_of_their_report_or_revision(store: DBManager, key: str) -> None:
    chunks = inside(store, Collection.LABELS)
    chunks.delete_one({"_id": {"scan": key, "fence": 1, "n": 1}})
    assert verify(store).labels_missing == (f"{key} revision 1",)
    chunks.delete_many({"_id.fence": 2})
    assert set(verify(store).labels_missing) == {key, f"{key} revision 1"}


@pytest.mark.parametrize("change", [{"$set": {"labels": b"x" * 16}}, {"$set": {"labels": 3}}])
def test_damaged_chunks_are_gaps_when_they_are_read(
    store: DBManager, key: str, change: Any
) -> None:
    chunks = inside(store, Collection.LABELS)
    chunks.update_one({"_id": {"scan": key, "fence": 2, "n": 2}}, change)
    assert verify(store).gaps == 0
    assert verify(store, deep=True).labels_damaged == (key,)


def test_a_damaged_description_is_a_gap(store: DBManager, key: str) -> None:
    reports = inside(store, Collection.REPORTS)
    reports.update_one({"_id": key}, {"$set": {"labels.maps.1.offset": 3}})
    assert verify(store).labels_missing == (key,)
    reports.update_one({"_id": key}, {"$set": {"labels": 3}})
    assert verify(store).labels_missing == (key,)
