"""The voxels of stored scans: counted and hashed."""

import pytest
from bson import ObjectId

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import LONG_AGO, edit, inside, make_claimable, make_scan, make_upload


def stored_large(store: DBManager) -> tuple[str, ObjectId]:
    new, _ = make_upload(store)
    assert new.blob is not None
    store.scans.add([new])
    store.uploads.end(new.scan.key, new.blob)
    return new.scan.key, new.blob


def test_complete_voxels_have_no_gap(store: DBManager) -> None:
    key, _ = stored_large(store)
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    assert list(store.voxels.missing()) == []
    assert dict(store.voxels.damaged()) == {key: False, scan.key: False}


def test_a_missing_chunk_is_found_wherever_it_was(store: DBManager) -> None:
    lost = []
    for n in range(3):
        key, blob = stored_large(store)
        inside(store, Collection.CHUNKS).delete_one({"_id": {"blob": blob, "n": n}})
        lost.append(key)
    key, blob = stored_large(store)
    inside(store, Collection.CHUNKS).delete_many({"_id.blob": blob})
    stored_large(store)
    assert set(store.voxels.missing()) == {*lost, key}


def test_changed_voxels_are_found_by_their_hash(store: DBManager) -> None:
    large, blob = stored_large(store)
    chunk = inside(store, Collection.CHUNKS).find_one({"_id": {"blob": blob, "n": 1}})
    assert chunk is not None
    changed = bytes(reversed(chunk["voxels"]))
    inside(store, Collection.CHUNKS).update_one(
        {"_id": chunk["_id"]}, {"$set": {"voxels": changed}}
    )
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    edit(store, scan.key, voxels=voxels[::-1])
    assert list(store.voxels.missing()) == []
    assert dict(store.voxels.damaged()) == {large: True, scan.key: True}


def test_voxels_that_retention_is_removing_are_not_missing(store: DBManager) -> None:
    key, blob = stored_large(store)
    inside(store, Collection.CHUNKS).delete_many({"_id.blob": blob})
    assert list(store.voxels.missing()) == [key]
    edit(store, key, report_generated="Done", purging_since=LONG_AGO)
    assert list(store.voxels.missing()) == []
    assert dict(store.voxels.damaged()) == {}


@pytest.mark.parametrize("state", ["To Do", "In Progress"])
def test_a_scan_to_be_analysed_without_any_voxels_is_found(store: DBManager, state: str) -> None:
    make_claimable(store, 2)
    stored_large(store)
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    inside(store).update_one(
        {"_id": scan.key}, {"$unset": {"voxels": True}, "$set": {"report_generated": state}}
    )
    assert list(store.voxels.missing()) == [scan.key]
    edit(store, scan.key, report_generated="Done")  # retention keeps the others
    assert list(store.voxels.missing()) == []
