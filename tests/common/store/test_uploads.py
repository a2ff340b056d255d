"""Large scans: uploads in chunks, and how they are sealed."""

from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from common.domain.types import hash_voxels
from common.errors import StoreError, UploadLost, VoxelsDamaged
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added, Claim, NewScan
from common.wire.constants import CHUNK_BYTES
from tests.common.store.upload_helpers import end, left
from tests.factories import (
    chunks_of,
    document_of,
    inside,
    make_scan,
    make_upload,
    pieces_of,
    together,
)


@pytest.fixture
def claim(store: DBManager) -> Claim:
    """The claim of a scan of three chunks."""
    new, _ = make_upload(store, chunks=3)
    store.scans.add([new])
    end(store, new)
    [claim] = store.claims.claim("a", 1, 60)
    return claim


def test_chunks_come_compressed_and_the_store_does_not_compress_them_again(
    store: DBManager,
) -> None:
    chunks = inside(store, Collection.CHUNKS)
    made = chunks.database.command("collStats", chunks.name)["wiredTiger"]["creationString"]
    assert "block_compressor=none" in made


# --- there and back ------------------------------------------------------------------------------


def test_a_large_scan_goes_in_and_comes_back(store: DBManager) -> None:
    new, voxels = make_upload(store, chunks=4)
    assert store.claims.claim("a", 1, 60) == []  # nobody sees half a scan
    assert store.scans.add([new]) == [Added.STORED]
    end(store, new)
    [claim] = store.claims.claim("a", 1, 60)
    assert claim.voxels is None
    assert store.claims.fetch_voxels(claim) == voxels
    assert hash_voxels(store.claims.fetch_voxels(claim)) == claim.scan.voxels_hash


def test_chunks_come_in_any_pieces_of_the_upload(store: DBManager) -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 4000, shape=(1000, 1000))
    pieces = pieces_of(voxels)
    blob = store.uploads.begin()
    store.uploads.add_chunks(blob, 2, [memoryview(piece) for piece in pieces[2:]])
    store.uploads.add_chunks(blob, 0, pieces[:2])
    store.scans.add([NewScan(scan, blob=blob)])
    [claim] = store.claims.claim("a", 1, 60)
    assert store.claims.fetch_voxels(claim) == voxels


def test_chunks_that_come_again_add_nothing(store: DBManager) -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 4000, shape=(1000, 1000))
    pieces = pieces_of(voxels)
    blob = store.uploads.begin()
    store.uploads.add_chunks(
        blob, 0, pieces[:1]
    )  # all that got through of the next call's first try
    store.uploads.add_chunks(blob, 0, pieces)
    store.uploads.add_chunks(blob, 0, pieces)
    store.uploads.add_chunks(blob, len(pieces), [])
    assert chunks_of(store, blob) == len(pieces)
    store.scans.add([NewScan(scan, blob=blob)])
    [claim] = store.claims.claim("a", 1, 60)
    assert store.claims.fetch_voxels(claim) == voxels


def test_the_voxels_of_one_scan_are_not_anothers(store: DBManager) -> None:
    made = [make_upload(store, chunks) for chunks in (2, 3, 1)]
    for new, _ in made:
        store.scans.add([new])
    found = {
        claim.scan.key: store.claims.fetch_voxels(claim) for claim in store.claims.claim("a", 3, 60)
    }
    assert found == {new.scan.key: voxels for new, voxels in made}


Damage = Callable[[Any, ObjectId], object]


@pytest.mark.parametrize(
    "damage",
    [
        lambda chunks, blob: chunks.delete_one({"_id": {"blob": blob, "n": 0}}),
        lambda chunks, blob: chunks.delete_one({"_id": {"blob": blob, "n": 1}}),
        lambda chunks, blob: chunks.delete_one({"_id": {"blob": blob, "n": 2}}),
        lambda chunks, _: chunks.delete_many({}),
        lambda chunks, blob: chunks.insert_one({"_id": {"blob": blob, "n": 3}, "voxels": b"more"}),
        lambda chunks, blob: chunks.update_one(
            {"_id": {"blob": blob, "n": 2}}, {"$set": {"voxels": bytes(1001)}}
        ),
        lambda chunks, blob: chunks.update_one(
            {"_id": {"blob": blob, "n": 1}}, {"$set": {"voxels": bytes(CHUNK_BYTES - 1)}}
        ),
        lambda chunks, blob: chunks.update_one(
            {"_id": {"blob": blob, "n": 0}}, {"$set": {"voxels": bytes(8_000_000)}}
        ),
    ],
    ids=["first", "middle", "last", "all", "one more", "too long", "too short", "far too long"],
)
def test_chunks_that_are_missing_or_of_a_wrong_size_are_damage(
    store: DBManager, claim: Claim, damage: Damage
) -> None:
    assert claim.blob is not None
    damage(inside(store, Collection.CHUNKS), claim.blob)
    with pytest.raises(VoxelsDamaged):
        store.claims.fetch_voxels(claim)


def test_a_chunk_that_was_altered_shows_in_the_hash(store: DBManager, claim: Claim) -> None:
    chunks = inside(store, Collection.CHUNKS)
    which = {"_id": {"blob": claim.blob, "n": 1}}
    [chunk] = chunks.find(which)
    voxels = bytearray(chunk["voxels"])
    voxels[1234] ^= 1
    chunks.update_one(which, {"$set": {"voxels": bytes(voxels)}})
    assert hash_voxels(store.claims.fetch_voxels(claim)) != claim.scan.voxels_hash


# --- the end of an upload ------------------------------------------------------------------------


def test_an_upload_that_ended_is_never_swept(store: DBManager) -> None:
    new, _ = make_upload(store)
    store.scans.add([new])
    end(store, new)
    assert store.uploads.sweep(grace_s=-1) == 0
    assert left(store) == (1, 3, 0)


def test_ending_an_upload_again_after_a_lost_answer_is_no_loss(store: DBManager) -> None:
    new, _ = make_upload(store)
    store.scans.add([new])
    end(store, new)
    end(store, new)
    assert left(store)[:2] == (1, 3)


def test_an_upload_that_a_sweep_had_is_lost_and_its_scan_taken_back(store: DBManager) -> None:
    new, _ = make_upload(store)
    assert store.uploads.sweep(grace_s=-1) == 1
    store.scans.add([new])
    with pytest.raises(UploadLost):
        end(store, new)
    assert left(store) == (0, 0, 0)


def test_a_scan_stored_during_its_sweep_is_removed_completely(
    store: DBManager,
) -> None:
    new, _ = make_upload(store)
    being_swept(store, new)
    store.scans.add([new])
    with pytest.raises(UploadLost):  # once marked by a sweep, no upload is acknowledged
        end(store, new)
    assert left(store) == (0, 0, 1)
    store.uploads.sweep(grace_s=-1)
    assert left(store) == (0, 0, 0)


def test_a_sweep_seals_what_is_stored_for_a_hub_that_was_killed_or_is_slow(
    store: DBManager,
) -> None:
    new, _ = make_upload(store)
    store.scans.add([new])
    assert store.uploads.sweep(grace_s=-1) == 0
    assert store.uploads.sweep(grace_s=-1) == 0
    end(store, new)
    assert left(store) == (1, 3, 0)
    assert "unsealed" not in document_of(store, new.scan.key)


def test_a_lost_upload_takes_back_no_scan_of_another_blob(store: DBManager) -> None:
    new, _ = make_upload(store)
    store.scans.add([new])
    end(store, new)
    late = store.uploads.begin()
    store.uploads.sweep(grace_s=-1)
    with pytest.raises(UploadLost):
        store.uploads.end(new.scan.key, late)
    assert left(store) == (1, 3, 0)


# --- the same scan from two senders --------------------------------------------------------------


def again_from_another(store: DBManager, first: NewScan) -> NewScan:
    """The same scan from another sender, whose chunks are stored under another blob."""
    blob = store.uploads.begin()
    voxels = (bytes(range(251)) * (first.scan.voxels_bytes // 251 + 1))[: first.scan.voxels_bytes]
    store.uploads.add_chunks(blob, 0, pieces_of(voxels))
    return NewScan(first.scan, blob=blob)


def being_swept(store: DBManager, new: NewScan) -> None:
    """Mark this upload as a sweep does before it looks for the upload's scan."""
    marked = {"$set": {"swept": True}}
    inside(store, Collection.UPLOADS).update_one({"_id": new.blob}, marked)


def is_whole(store: DBManager, new: NewScan) -> bool:
    """Whether the scan is stored with the right voxels, and a sweep removes nothing of it."""
    store.uploads.sweep(grace_s=-1)
    [claim] = store.claims.claim("somebody", 1, 60)
    return (
        claim.scan == new.scan
        and hash_voxels(store.claims.fetch_voxels(claim)) == new.scan.voxels_hash
    )


def test_what_was_acknowledged_to_a_second_sender_is_not_taken_back_by_the_first(
    store: DBManager,
) -> None:
    first, _ = make_upload(store)
    second = again_from_another(store, first)
    assert store.scans.add([first]) == [Added.STORED]
    assert store.scans.add([second]) == [Added.KNOWN]  # so it is acknowledged
    store.uploads.sweep(grace_s=-1)
    end(store, first)
    assert is_whole(store, first)


def test_a_second_sender_takes_the_place_of_a_scan_that_will_be_taken_back(
    store: DBManager,
) -> None:
    first, _ = make_upload(store)
    second = again_from_another(store, first)
    being_swept(store, first)
    store.scans.add([first])
    assert store.scans.add([second]) == [Added.STORED]
    end(store, second)
    with pytest.raises(UploadLost):
        end(store, first)
    assert is_whole(store, second)
    assert chunks_of(store, first.blob) == 0


def test_a_scan_that_was_sealed_long_ago_is_known(store: DBManager) -> None:
    first, _ = make_upload(store)
    store.scans.add([first])
    end(store, first)
    store.uploads.sweep(grace_s=-1)  # removes the record
    assert store.scans.add([again_from_another(store, first)]) == [Added.KNOWN]
    end(store, first)  # a call that slept for as long
    assert is_whole(store, first)


def test_senders_of_the_same_scan_and_sweeps_at_once_take_no_acknowledgement_back(
    store: DBManager,
) -> None:
    for _ in range(8):
        first, _ = make_upload(store, chunks=1)
        uploads = [first, *(again_from_another(store, first) for _ in range(2))]

        def work(i: int, uploads: list[NewScan] = uploads) -> bool:
            """Whether a sender got an acknowledgement."""
            if i >= len(uploads):
                store.uploads.sweep(grace_s=-1)
                return False
            try:
                [outcome] = store.scans.add([uploads[i]])
                if outcome is Added.STORED:
                    end(store, uploads[i])
            except StoreError:  # it is told to come again
                return False
            return True

        if any(together(5, work)):
            assert is_whole(store, first)
