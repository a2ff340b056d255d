"""What a sweep of uploads deletes, and what it never touches."""

import pytest
from bson import ObjectId

from common.errors import StoreUnavailable, UploadLost
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.store.upload_helpers import end, left
from tests.factories import (
    LONG_AGO,
    chunks_of,
    document_of,
    inside,
    make_claimable,
    make_upload,
    together,
)


def test_a_sweep_takes_old_uploads_that_were_cut_and_nothing_else(store: DBManager) -> None:
    make_claimable(store, 1)
    unsealed, _ = make_upload(store)  # its hub was killed before it could end it
    store.scans.add([unsealed])
    cut, _ = make_upload(store)
    assert store.uploads.sweep() == 0  # all are young
    assert store.uploads.sweep(grace_s=-1) == 1
    assert chunks_of(store, cut.blob) == 0
    assert chunks_of(store, unsealed.blob) == 3
    assert left(store) == (2, 3, 1)


def began_long_ago(store: DBManager, blob: ObjectId | None) -> None:
    inside(store, Collection.UPLOADS).update_one(
        {"_id": blob}, {"$set": {"started_at": LONG_AGO, "written_at": LONG_AGO}}
    )


def test_an_upload_that_is_still_being_written_is_not_swept_however_long_ago_it_began(
    store: DBManager,
) -> None:
    slow, _ = make_upload(store)
    assert slow.blob is not None
    began_long_ago(store, slow.blob)
    store.uploads.touch(slow.blob)
    assert store.uploads.sweep() == 0
    store.scans.add([slow])
    end(store, slow)
    assert chunks_of(store, slow.blob) == 3
    assert store.uploads.sweep(grace_s=-1) == 0


def test_an_upload_that_a_sweep_took_learns_it_at_its_next_write(store: DBManager) -> None:
    cut, _ = make_upload(store)
    assert cut.blob is not None
    began_long_ago(store, cut.blob)
    assert store.uploads.sweep() == 1
    with pytest.raises(UploadLost):
        store.uploads.touch(cut.blob)


def test_a_sweep_goes_by_the_servers_clock(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 0.0)
    make_upload(store)
    assert store.uploads.sweep() == 0
    [record] = inside(store, Collection.UPLOADS).find()
    assert record["started_at"].year > 2020


def test_a_sweep_that_is_cut_is_finished_by_the_next(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_upload(store)

    def cut(_: ObjectId) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(store.uploads, "_delete_blob", cut)
        with pytest.raises(StoreUnavailable):
            store.uploads.sweep(grace_s=-1)
    assert store.uploads.sweep(grace_s=-1) == 1
    assert left(store) == (0, 0, 0)


def test_a_sweep_looks_for_references_with_an_index(store: DBManager) -> None:
    found = inside(store).find({"blob": ObjectId()}, {"_id": 1}).explain()
    assert '"COLLSCAN"' not in str(found).replace("'", '"')


def test_sweeps_and_ends_at_once_never_leave_a_scan_without_its_chunks(store: DBManager) -> None:
    made = [make_upload(store, chunks=1)[0] for _ in range(40)]

    def work(i: int) -> list[str]:
        if i % 2:
            store.uploads.sweep(grace_s=-1)
            return []
        kept = []
        for new in made[i // 2 :: 2]:
            store.scans.add([new])
            try:
                end(store, new)
            except UploadLost:
                continue
            kept.append(new.scan.key)
        return kept

    kept = [scan_id for ids in together(4, work) for scan_id in ids]
    for new in made:
        if new.scan.key in kept:
            assert chunks_of(store, new.blob) == 1
            assert document_of(store, new.scan.key)["blob"] == new.blob
        else:
            assert document_of(store, new.scan.key) is None
            assert chunks_of(store, new.blob) == 0


def test_an_abandoned_upload_leaves_nothing(store: DBManager) -> None:
    new, _ = make_upload(store)
    other, _ = make_upload(store)
    assert new.blob is not None
    store.uploads.abandon(new.blob)
    store.uploads.abandon(new.blob)
    assert chunks_of(store, new.blob) == 0
    assert chunks_of(store, other.blob) == 3
    assert left(store) == (0, 3, 1)
