"""A scan that comes again while its stored document is damaged has an outcome, and so have the
others of its batch."""

from typing import Any

import pytest
from bson import ObjectId

from common.domain.audit_events import Kind
from common.domain.states import PURGED
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan
from common.store.schema import OLD_TOMBSTONES, SCHEMA
from tests.common.store.damaged import DAMAGE, MISSING, UNDECODABLE, spoil
from tests.factories import chunks_of, document_of, edit, inside, make_scan, make_upload
from tests.recorders import Recording

SCANS = Collection.SCANS
OF_THE_HEADER = ("scan", "scan.scan_id", "scan.subject", "scan.shape", "scan.voxels_hash")
BESIDE_IT = ("report_generated", "voxels_hash", "blob")
GOOD = {Added.STORED, Added.KNOWN}


def stored_large(store: DBManager) -> NewScan:
    new, _ = make_upload(store)
    store.scans.add([new])
    store.uploads.end(new.scan.key, new.blob)  # type: ignore[arg-type]
    return new


@pytest.mark.sample(12)
@pytest.mark.parametrize("field", [*OF_THE_HEADER, *BESIDE_IT])
@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_it_is_refused_if_its_content_cannot_be_known(
    store: DBManager, field: str, damage: Any
) -> None:
    small = [NewScan(*make_scan(subject="p-1", voxels=bytes([n] * 100))) for n in range(2)]
    store.scans.add(small[:1])
    large = stored_large(store)
    for key in (small[0].scan.key, large.scan.key):
        spoil(store, SCANS, key, field, damage)
    conflict = {Added.CONFLICT}
    is_content = field in OF_THE_HEADER and field != "scan.subject"
    expected = conflict if is_content or damage == UNDECODABLE else GOOD
    first, second = store.scans.add(small)
    assert first in expected
    assert second is Added.STORED
    again = NewScan(large.scan, blob=store.uploads.begin())
    [outcome] = store.scans.add([again])
    assert outcome in expected
    assert store.scans.known(large.scan) is outcome


def test_a_refusal_is_recorded_as_a_conflict(store: DBManager) -> None:
    new = NewScan(*make_scan(subject="p-1"))
    store.scans.add([new])
    spoil(store, SCANS, new.scan.key, "scan.subject", UNDECODABLE)
    recorder = Recording()
    assert store.recorded_by(recorder).scans.add([new]) == [Added.CONFLICT]
    assert recorder.ids(Kind.CONFLICT) == [new.scan.key]


def test_the_chunks_of_a_damaged_scan_stay_though_its_answer_was_lost(store: DBManager) -> None:
    """The same write comes once more; if it were refused, its chunks would be deleted."""
    new, _ = make_upload(store)
    store.scans.add([new])
    spoil(store, SCANS, new.scan.key, "scan.subject", UNDECODABLE)
    assert store.scans.add([new]) == [Added.STORED]
    assert chunks_of(store, new.blob) == 3


@pytest.mark.parametrize("blob", [MISSING, "text", 5, None, {"a": 1}])
def test_an_upload_that_lost_its_blob_is_refused(store: DBManager, blob: Any) -> None:
    new, _ = make_upload(store)
    store.scans.add([new])
    spoil(store, SCANS, new.scan.key, "blob", blob)
    assert store.scans.add([NewScan(new.scan, blob=ObjectId())]) == [Added.CONFLICT]


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_a_damaged_tombstone_of_an_earlier_release_hides_no_other(
    store: DBManager, damage: Any
) -> None:
    new = [NewScan(*make_scan(voxels=bytes([n] * 100))) for n in range(3)]
    for one in new[:2]:
        inside(store).insert_one(
            {
                "_id": one.scan.scan_id,
                "report_generated": PURGED,
                "voxels_hash": one.scan.voxels_hash,
            }
        )
    spoil(store, SCANS, new[0].scan.scan_id, "voxels_hash", damage)
    inside(store, Collection.META).update_one({"_id": SCHEMA}, {"$set": {OLD_TOMBSTONES: True}})
    assert store.scans.add(new) == [Added.STORED, Added.PURGED, Added.STORED]
    assert document_of(store, new[1].scan.key)["report_generated"] == PURGED


def test_a_tombstone_is_known_by_its_hash_alone(store: DBManager) -> None:
    new = NewScan(*make_scan())
    store.scans.add([new])
    edit(store, new.scan.key, report_generated=PURGED, voxels_hash=new.scan.voxels_hash)
    spoil(store, SCANS, new.scan.key, "scan", MISSING)
    assert store.scans.add([new]) == [Added.PURGED]
    spoil(store, SCANS, new.scan.key, "voxels_hash", {"a": 1})
    assert store.scans.add([new]) == [Added.CONFLICT]
