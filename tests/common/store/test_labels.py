"""Label maps are written before their reports, and read by revision, for one tenant alone."""

from typing import Any

import pytest

from common.domain.states import ReportGenerated
from common.domain.tenant import tenants_of
from common.errors import StoreUnavailable, VoxelsDamaged
from common.store import labels as label_store
from common.store import reports as report_store
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside, make_report, make_reports, state_of, taken_over
from tests.label_maps import (
    Labels,
    analyse_again,
    complete,
    labels_of,
    make_labelled,
    packed,
)

TENANTS = tenants_of({"north": ("mr-1",)})
HERE, NORTH = TENANTS["default"], TENANTS["north"]


def read(store: DBManager, key: str, name: str, revision: int | None = None) -> bytes:
    found = store.labels.find(HERE, key, revision)
    assert found is not None
    one = found.named(name)
    assert one is not None
    return b"".join(store.labels.read(found, one))


def raw(labels: Labels) -> bytes:
    return labels.tobytes(order="F")


def test_the_maps_of_a_report_are_read_in_whole_and_in_part(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_store, "CHUNK_BYTES", 7)  # the maps share chunks
    report, lesions, tissues = make_labelled(store)
    assert inside(store, Collection.LABELS).count_documents({}) > 8
    assert read(store, report.key, "lesions") == raw(lesions)
    assert read(store, report.key, "tissues", 1) == raw(tissues)
    found = store.labels.find(HERE, report.key)
    assert found is not None
    assert found.named("brain") is None
    one = found.named("tissues")
    assert one is not None
    assert [value.voxels for value in one.values] == [(tissues == n).sum() for n in (1, 2, 3)]
    assert b"".join(store.labels.read(found, one, 30, 42)) == raw(tissues)[30:42]


def test_each_revision_has_its_own(store: DBManager) -> None:
    report, lesions, _ = make_labelled(store)
    again = labels_of(store.labels.find(HERE, report.key).scan, 5)  # type: ignore[union-attr]
    analyse_again(store, report.key, packed(lesions=again))
    assert read(store, report.key, "lesions") == read(store, report.key, "lesions", 2) == raw(again)
    assert read(store, report.key, "lesions", 1) == raw(lesions)
    assert store.labels.find(HERE, report.key, 3) is None


def test_a_report_without_maps_has_none_and_another_tenants_is_not_there(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    found = store.labels.find(HERE, report.key)
    assert found is not None
    assert found.maps == ()
    labelled, *_ = make_labelled(store)
    for revision in (None, 1, 2):
        assert store.labels.find(NORTH, labelled.key, revision) is None
    assert store.labels._earlier(NORTH, labelled.key, 1) is None


def test_a_kill_after_the_maps_leaves_no_report_and_the_next_try_writes_both(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, claim = taken_over(store)
    labels = labels_of(claim.scan)
    maps = packed(lesions=labels)

    def killed(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(report_store, "_document", killed)
        with pytest.raises(StoreUnavailable):
            store.claims.complete([(claim, make_report(claim.scan))], labels={claim.key: maps})
    assert inside(store, Collection.LABELS).count_documents({"scan_id": claim.key}) == 1
    assert inside(store, Collection.REPORTS).count_documents({}) == 0
    complete(store, claim, maps)
    assert read(store, claim.key, "lesions") == raw(labels)
    assert state_of(store, claim.key) == ReportGenerated.DONE


def test_a_lost_claim_leaves_the_maps_of_its_successor_alone(store: DBManager) -> None:
    old, new = taken_over(store)
    mine, theirs = labels_of(new.scan, 1), labels_of(new.scan, 2)
    complete(store, new, packed(lesions=mine))
    late = packed(lesions=theirs)
    lost = store.claims.complete(
        [(old, make_report(old.scan))], labels={old.key: late}, verify_first=False
    )
    assert lost == {old.key}
    assert read(store, new.key, "lesions") == raw(mine)


@pytest.mark.parametrize(
    "damage",
    [
        {"$set": {"labels": b"x"}},
        {"$set": {"labels": 5}},
        {"$unset": {"labels": 1}},
    ],
)
def test_damaged_maps_are_not_unpacked(store: DBManager, damage: Any) -> None:
    report, *_ = make_labelled(store)
    inside(store, Collection.LABELS).update_one({}, damage)
    with pytest.raises(VoxelsDamaged, match="label maps"):
        read(store, report.key, "lesions")


@pytest.mark.parametrize("held", [0, 8 * 1024 * 1024])
def test_maps_are_checked_each_time(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(label_store, "_HELD_BYTES", held)
    report, lesions, _ = make_labelled(store)
    assert read(store, report.key, "lesions") == raw(lesions)
    stored = inside(store, Collection.LABELS)
    chunk = stored.find_one()
    assert chunk is not None
    damaged = bytes(byte ^ 1 for byte in chunk["labels"])
    stored.update_one({"_id": chunk["_id"]}, {"$set": {"labels": damaged}})
    with pytest.raises(VoxelsDamaged, match="label maps"):
        read(store, report.key, "lesions")


@pytest.mark.parametrize(
    "field", ["labels", "labels.fence", "labels.chunk_bytes", "labels.maps", "labels.maps.0.name"]
)
def test_a_damaged_description_is_said(store: DBManager, field: str) -> None:
    report, *_ = make_labelled(store)
    inside(store, Collection.REPORTS).update_one({"_id": report.key}, {"$set": {field: True}})
    with pytest.raises(VoxelsDamaged, match="about the label maps"):
        store.labels.find(HERE, report.key)
