"""The voxels of stored scans: counted, hashed, and what nobody refers to any more."""

from bson import ObjectId

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import edit, inside, make_scan, make_upload


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
    assert list(store.voxels.orphans()) == []
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


def test_chunks_that_nobody_refers_to_are_found_and_those_under_way_are_not(
    store: DBManager,
) -> None:
    orphan = ObjectId()
    store.uploads.add_chunks(orphan, 0, [b"a", b"b"])
    store.uploads.add_chunks(store.uploads.begin(), 0, [b"under way"])
    stored_large(store)
    assert list(store.voxels.orphans()) == [orphan]
