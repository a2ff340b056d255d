"""The voxels of stored scans: counted and hashed."""

from typing import Any

import pytest
from bson import ObjectId

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.common.store.damaged import not_utf8
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


@pytest.mark.parametrize(
    "damage",
    [
        {"scan": "round"},
        {"scan.voxels_bytes": "x"},
        {"packing": "x"},
        {"packing": {"bytes": [], "hash": 5}},
    ],
)
def test_a_damaged_header_hides_no_other_scan(store: DBManager, damage: dict[str, Any]) -> None:
    damaged, lost, sound = stored_large(store), stored_large(store), stored_large(store)
    edit(store, damaged[0], **damage)
    inside(store, Collection.CHUNKS).delete_many({"_id.blob": lost[1]})
    missing = set(store.voxels.missing())
    assert lost[0] in missing <= {lost[0], damaged[0]}
    assert dict(store.voxels.damaged())[sound[0]] is False


@pytest.mark.parametrize(
    "change",
    [{"$set": {"voxels": None}}, {"$set": {"voxels": 3}}, {"$unset": {"voxels": True}}],
)
def test_chunks_without_data_are_found(store: DBManager, change: dict[str, Any]) -> None:
    first, later, sound = stored_large(store), stored_large(store), stored_large(store)
    chunks = inside(store, Collection.CHUNKS)
    chunks.update_one({"_id": {"blob": first[1], "n": 0}}, change)
    chunks.update_one({"_id": {"blob": later[1], "n": 1}}, change)
    assert list(store.voxels.missing()) == [first[0]]  # the others are only counted
    assert dict(store.voxels.damaged()) == {first[0]: True, later[0]: True, sound[0]: False}


def test_a_chunk_that_cannot_be_decoded_is_found(store: DBManager) -> None:
    key, blob = stored_large(store)
    sound, _ = stored_large(store)
    chunks = inside(store, Collection.CHUNKS)
    chunks.delete_one({"_id": {"blob": blob, "n": 1}})
    chunks.insert_one(not_utf8({"_id": {"blob": blob, "n": 1}, "voxels": "to-be-damaged"}))
    assert list(store.voxels.missing()) == []
    assert dict(store.voxels.damaged()) == {key: True, sound: False}


@pytest.mark.parametrize("voxels", [3, "x", None])
def test_voxels_of_another_type_are_found(store: DBManager, voxels: object) -> None:
    damaged, sound = (scan.key for scan in make_claimable(store, 2))
    edit(store, damaged, voxels=voxels)
    assert list(store.voxels.missing()) == [damaged]
    assert dict(store.voxels.damaged()) == {damaged: True, sound: False}


def test_blobs_of_another_type_are_missing(store: DBManager) -> None:
    one, _ = stored_large(store)
    two, blob = stored_large(store)
    edit(store, one, blob="x")
    edit(store, two, blob=[blob])
    assert sorted(store.voxels.missing()) == sorted([one, two])


def test_headers_and_ids_that_cannot_be_decoded_hide_no_other(store: DBManager) -> None:
    [sound] = (scan.key for scan in make_claimable(store, 1))
    voxels = b"voxels"
    wrong = {"voxels": voxels, "scan": {"voxels_hash": "to-be-damaged"}}
    inside(store).insert_many(
        [not_utf8({"_id": "to-be-damaged", **wrong}), not_utf8({"_id": "zto-be-damaged"})]
    )
    inside(store).insert_many([{"_id": 5, "voxels": voxels}, {"_id": None}])
    assert dict(store.voxels.damaged()) == {"\ufffd\ufffdobe-damaged": True, sound: False}
    assert list(store.voxels.missing()) == []
