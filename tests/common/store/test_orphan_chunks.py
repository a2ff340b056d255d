"""Chunks that nobody refers to: found, marked after their grace, and deleted by the next sweep."""

from datetime import timedelta

import pytest
from bson import MaxKey, ObjectId

from common.domain.types import Document, utc_now
from common.errors import UploadLost
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.uploads import SWEEP_GRACE_S
from tests.common.store.upload_helpers import end, left
from tests.factories import chunks_of, inside, make_upload
from tests.profiling import examined


def created_ago(seconds: float) -> ObjectId:
    """A blob of this age; two are never the same."""
    time = ObjectId.from_datetime(utc_now() - timedelta(seconds=seconds))
    return ObjectId(time.binary[:4] + ObjectId().binary[4:])


def orphan(store: DBManager, age_s: float = 10 * SWEEP_GRACE_S, chunks: int = 2) -> ObjectId:
    blob = created_ago(age_s)
    store.uploads.add_chunks(blob, 0, [b"x"] * chunks)
    return blob


def stored_large(store: DBManager, blob: ObjectId) -> None:
    """A large scan whose record was removed long ago, as it is sealed."""
    new, _ = make_upload(store)
    store.scans.add([new])
    end(store, new)
    for document in inside(store, Collection.CHUNKS).find({"_id.blob": new.blob}):
        moved = {**document, "_id": {"blob": blob, "n": document["_id"]["n"]}}
        inside(store, Collection.CHUNKS).insert_one(moved)
    inside(store, Collection.CHUNKS).delete_many({"_id.blob": new.blob})
    inside(store).update_one({"_id": new.scan.key}, {"$set": {"blob": blob}})
    inside(store, Collection.UPLOADS).delete_many({"_id": new.blob})


def test_chunks_that_nobody_refers_to_are_found_and_those_under_way_are_not(
    store: DBManager,
) -> None:
    found = [orphan(store), orphan(store, age_s=0)]
    store.uploads.add_chunks(store.uploads.begin(), 0, [b"under way"])
    stored_large(store, created_ago(5 * SWEEP_GRACE_S))
    assert set(store.orphan_chunks.all()) == set(found)


def test_orphans_are_deleted_after_their_grace_and_nothing_else(store: DBManager) -> None:
    old, young = orphan(store), orphan(store, age_s=SWEEP_GRACE_S / 2)
    kept = created_ago(10 * SWEEP_GRACE_S)
    stored_large(store, kept)
    slow = store.uploads.begin(created_ago(10 * SWEEP_GRACE_S))  # its record is young
    store.uploads.add_chunks(slow, 0, [b"under way"])
    assert store.uploads.sweep() == 0  # no record leads to them
    assert store.orphan_chunks.mark() == 1
    assert store.uploads.sweep() == 1
    assert [chunks_of(store, blob) for blob in (old, young, kept, slow)] == [0, 2, 3, 1]
    assert store.orphan_chunks.mark() == 0
    assert list(store.orphan_chunks.all()) == [young]


def test_a_scan_that_comes_after_the_mark_is_not_acknowledged_without_its_voxels(
    store: DBManager,
) -> None:
    """Its upload was swept, and its Fr-HUB wrote on."""
    new, _ = make_upload(store)
    assert new.blob is not None
    assert store.uploads.sweep(grace_s=-1) == 1
    store.uploads.add_chunks(new.blob, 1, [b"late"])
    assert store.orphan_chunks.mark(grace_s=-1) == 1
    store.scans.add([new])
    with pytest.raises(UploadLost):
        end(store, new)
    store.uploads.sweep(grace_s=-1)
    assert left(store) == (0, 0, 0)


def test_a_scan_that_was_stored_meanwhile_keeps_its_chunks(store: DBManager) -> None:
    """The sweep looks for references once more, so a wrong mark deletes nothing."""
    kept = created_ago(10 * SWEEP_GRACE_S)
    stored_large(store, kept)
    inside(store, Collection.UPLOADS).insert_one(
        {"_id": kept, "started_at": kept.generation_time, "swept": True}
    )
    assert store.uploads.sweep() == 0
    assert chunks_of(store, kept) == 3


def test_the_work_of_a_call_is_bounded_and_the_next_one_continues(store: DBManager) -> None:
    blobs = sorted(orphan(store, age_s=10 * SWEEP_GRACE_S + n, chunks=5) for n in range(7))
    found = []
    for _ in range(4):
        with examined(store, Collection.CHUNKS) as cost:
            found.append(store.orphan_chunks.mark(limit=3))
        assert (cost.keys <= 2 * 3 + 1, cost.documents) == (True, 0)
    assert found == [3, 3, 1, 0]
    records = inside(store, Collection.UPLOADS).find(sort=[("_id", 1)])
    assert [record["_id"] for record in records] == blobs
    assert store.uploads.sweep() == 7
    assert left(store) == (0, 0, 0)


def test_chunks_with_foreign_ids_stop_nothing(store: DBManager) -> None:
    chunks = inside(store, Collection.CHUNKS)
    chunks.insert_many([{"_id": "text"}, {"_id": {"blob": 1, "n": 0}}, {"_id": {"x": ObjectId()}}])
    blob = orphan(store)
    assert store.orphan_chunks.mark() == 1
    assert list(store.orphan_chunks.all()) == []
    assert store.uploads.sweep() == 1
    assert chunks_of(store, blob) == 0


@pytest.mark.parametrize("more", [{"n": "x"}, {"n": 2**40}, {"n": 0, "z": 1}, {"z": MaxKey()}, {}])
def test_a_chunk_with_a_damaged_id_hides_no_orphan(store: DBManager, more: Document) -> None:
    chunks = inside(store, Collection.CHUNKS)
    damaged, other = sorted([ObjectId(), ObjectId()])
    chunks.insert_many([{"_id": {"blob": damaged, **more}}, {"_id": {"blob": other, "n": 0}}])
    assert other in list(store.orphan_chunks.all())
    store.orphan_chunks.mark(-60)
    assert inside(store, Collection.UPLOADS).find_one({"_id": other}) is not None
