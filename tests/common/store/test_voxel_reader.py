"""Voxels of stored scans, in whole and in part, and what happens to damaged ones."""

import pytest
from bson import ObjectId

from common.domain.tenant import tenants_of
from common.domain.voxel_compression import pack
from common.errors import VoxelsDamaged
from common.store import voxel_reader
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import inside, make_claimable, make_scan, make_upload

TENANTS = tenants_of({"north": ("mr-1",)})
HERE, NORTH = TENANTS["default"], TENANTS["north"]


def add_packed(store: DBManager) -> tuple[str, bytes, ObjectId]:
    """A large scan whose payload has several chunks."""
    voxels = bytes(n * n % 251 for n in range(1000)) * 6000
    scan, _ = make_scan(voxels=voxels, shape=(1000, 6000))
    packed = pack(voxels, 1)
    assert packed is not None
    payload, packing = packed
    blob = store.uploads.begin()
    store.uploads.add_chunks(blob, 0, [payload[:1000], payload[1000:2000], payload[2000:3000]])
    rest = [payload[at : at + 1000] for at in range(3000, len(payload), 1000)]
    store.uploads.add_chunks(blob, 3, rest)
    store.scans.add([NewScan(scan, blob=blob, packing=packing)])
    return scan.key, voxels, blob


def read(store: DBManager, key: str, start: int = 0, end: int | None = None) -> bytes:
    found = store.voxel_reader.find(HERE, key)
    assert found is not None
    return b"".join(store.voxel_reader.read(found, start, end))


def test_small_large_and_compressed_voxels_are_read(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voxel_reader, "CHUNKS_AT_ONCE", 4)
    [small] = make_claimable(store, 1)
    large, voxels = make_upload(store, chunks=10)
    store.scans.add([large])
    packed, unpacked, _ = add_packed(store)
    for key, whole in (
        (small.key, bytes(range(100))),
        (large.scan.key, voxels),
        (packed, unpacked),
    ):
        size = len(whole)
        for start, end in ((0, None), (7, 9), (size // 2, size - 1), (size - 1, size)):
            assert read(store, key, start, end) == whole[start:end]


def test_what_is_another_tenants_or_gone_is_not_there(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    assert store.voxel_reader.find(NORTH, scan.key) is None
    assert store.voxel_reader.find(HERE, "absent@pacs-1") is None
    store.erasure.erase([scan.key])
    assert store.voxel_reader.find(HERE, scan.key) is None


def test_damage_is_found_before_anything_is_decompressed(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _, blob = add_packed(store)
    chunks = inside(store, Collection.CHUNKS)
    third = {"_id": {"blob": blob, "n": 2}}
    good = chunks.find_one(third)
    assert good is not None
    chunks.update_one(third, {"$set": {"voxels": bytes(1000)}})
    with pytest.raises(VoxelsDamaged, match="hash"):
        read(store, key, 0, 1)
    chunks.replace_one(third, good)
    read(store, key)  # for a while, its hash is known to be right
    chunks.update_one(third, {"$set": {"voxels": bytes(1000)}})
    monkeypatch.setattr(voxel_reader, "_CHECKED_S", 0.0)
    with pytest.raises(VoxelsDamaged, match="hash"):
        read(store, key, 0, 1)
    monkeypatch.undo()
    chunks.update_one(third, {"$set": {"voxels": bytes(999)}})
    with pytest.raises(VoxelsDamaged, match="wrong size"):
        read(store, key)
    chunks.delete_one(third)
    with pytest.raises(VoxelsDamaged, match="missing"):
        read(store, key)
    chunks.delete_many({})
    with pytest.raises(VoxelsDamaged, match="missing"):
        store.voxel_reader.find(HERE, key)


def test_a_damaged_header_or_inline_payload_is_damage(store: DBManager) -> None:
    first, second = make_claimable(store, 2)
    inside(store).update_one({"_id": first.key}, {"$set": {"scan.shape": 3}})
    with pytest.raises(VoxelsDamaged, match="header"):
        store.voxel_reader.find(HERE, first.key)
    inside(store).update_one({"_id": second.key}, {"$set": {"voxels": b"short"}})
    with pytest.raises(VoxelsDamaged, match="size"):
        read(store, second.key)
