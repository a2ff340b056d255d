"""Damaged scans are erased like others, and keep no other from it."""

from typing import Any

import pytest

from common.domain.states import ERASED
from common.store import erasure
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import report_document
from tests.common.store.damaged import DAMAGE, MISSING, UNDECODABLE, spoil
from tests.common.store.delivered import make_old_upload
from tests.factories import document_of, inside, make_claimable, make_report, make_upload

SCANS = Collection.SCANS
FIELDS = ("scan", "scan.subject", "fence", "blob", "report_generated", "attempts", "voxels")


def stored(store: DBManager, count: int) -> list[str]:
    return [scan.key for scan in make_claimable(store, count, subject="p-1")]


@pytest.mark.parametrize("field", FIELDS)
def test_damaged_scans_are_erased_with_the_others(store: DBManager, field: str) -> None:
    keys = stored(store, 1 + len(DAMAGE))
    large, _ = make_old_upload(store)
    for key, damage in zip(keys[1:], DAMAGE, strict=True):
        spoil(store, SCANS, key, field, damage)
    everything = [*keys, large.scan.key]
    assert {one.key for one in store.erasure.erasable(everything)} == set(everything)
    assert store.erasure.erase(everything) == len(everything)
    for key in everything:
        assert document_of(store, key)["report_generated"] == ERASED
        assert isinstance(document_of(store, key)["fence"], int)
        assert "erasing" not in document_of(store, key)
    assert inside(store, Collection.CHUNKS).count_documents({}) == 0


@pytest.mark.parametrize("field", ["scan", "scan.subject"])
def test_the_scans_of_a_subject_are_found_beside_damaged_ones(store: DBManager, field: str) -> None:
    keys = stored(store, 2 + len(DAMAGE))
    for key, damage in zip(keys[2:], DAMAGE, strict=True):
        spoil(store, SCANS, key, field, damage)
    damaged: list[str] = []
    assert set(store.erasure.of_subject("p-1", damaged.append)) == set(keys[:2])
    # The others may be the subject's, unless they are another's, or have none.
    fine = (MISSING, None, "text") if field == "scan.subject" else ({"a": 1},)
    readable = {key for key, one in zip(keys[2:], DAMAGE, strict=True) if one in fine}
    assert set(damaged) == set(keys[2:]) - readable


def test_a_tombstone_is_nobodys_and_not_damaged(store: DBManager) -> None:
    store.erasure.erase(stored(store, 1))
    damaged: list[str] = []
    assert list(store.erasure.of_subject("p-1", damaged.append)) == []
    assert damaged == []


def test_they_are_found_beside_one_whose_key_cannot_be_decoded(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "_SUBJECTS_PAGE", 1)
    good, bad = stored(store, 2)
    spoil(store, SCANS, bad, "_id", UNDECODABLE)
    damaged: list[str] = []
    assert list(store.erasure.of_subject("p-1", damaged.append)) == [good]
    assert len(damaged) == 1


@pytest.mark.parametrize("blob", [{"$exists": True}, {"$gt": None}])
def test_a_damaged_blob_deletes_no_other_upload(store: DBManager, blob: Any) -> None:
    [key] = stored(store, 1)
    make_upload(store)
    inside(store).update_one({"_id": key}, [{"$set": {"blob": {"$literal": blob}}}])
    store.erasure.erase([key])
    assert inside(store, Collection.UPLOADS).count_documents({}) == 1


def test_interrupted_erasures_are_completed_beside_damaged_ones(store: DBManager) -> None:
    keys = stored(store, 1 + len(DAMAGE))
    store.erasure._bury(keys)
    for key, damage in zip(keys[1:], DAMAGE, strict=True):
        spoil(store, SCANS, key, "blob", damage)
    [odd] = stored(store, 1)
    store.erasure._bury([odd])
    spoil(store, SCANS, odd, "_id", UNDECODABLE)
    inside(store).insert_one({"_id": 5, "report_generated": ERASED, "erasing": True})
    assert store.erasure.resume() == len(keys)
    assert store.erasure.resume() == 0


# --- late reports --------------------------------------------------------------------------------


def test_late_reports_are_swept_in_pages_of_the_same_time(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scans that were erased together have one time."""
    scans = make_claimable(store, 7)
    store.erasure.erase([scan.key for scan in scans])
    late = [report_document(make_report(scan)) for scan in scans]
    inside(store, Collection.REPORTS).insert_many(late)
    monkeypatch.setattr(erasure, "_PAGE", 2)
    store.erasure.sweep()
    assert inside(store, Collection.REPORTS).count_documents({}) == 0


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_late_reports_are_swept_beside_a_damaged_tombstone(store: DBManager, damage: Any) -> None:
    good, bad = make_claimable(store, 2)
    store.erasure.erase([good.key, bad.key])
    spoil(store, SCANS, bad.key, "erased_at", damage)
    inside(store, Collection.REPORTS).insert_one(report_document(make_report(good)))
    store.erasure.sweep()
    assert inside(store, Collection.REPORTS).count_documents({}) == 0
