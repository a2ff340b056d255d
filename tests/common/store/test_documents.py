"""What is stored, and the filters that hold a transition to its state, owner and fence."""

from datetime import UTC, datetime, timedelta, timezone

import bson
import pytest
from bson import ObjectId
from bson.codec_options import CodecOptions

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.domain.states import PURGED
from common.domain.types import Document
from common.errors import StoreError
from common.store.documents import (
    Added,
    Claim,
    NewScan,
    all_of,
    compare,
    expired,
    held,
    other_identifiers,
    report_document,
    scan_document,
    without_id,
)
from tests.factories import LONG_AGO as NOW
from tests.factories import make_report, make_scan

AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)
AFFINE = ((0.1, 0, 0, -1e-3), (0, 0.2, 0, 0), (0, 0, 0.3, 1 / 3))


def stored(document: Document) -> Document:
    """As it comes back from MongoDB."""
    return bson.decode(bson.encode(document), AWARE)


def claim_of(owner: str, fence: int) -> Claim:
    scan, voxels = make_scan()
    return Claim(scan, owner, fence, attempts=1, voxels=voxels, blob=None)


def test_a_scan_comes_back_from_its_document_as_it_was() -> None:
    scan, voxels = make_scan(subject="s-1", affine=AFFINE)
    document = stored(scan_document(NewScan(scan, voxels), NOW))
    assert BrainScan.model_validate(document["scan"]) == scan
    assert (document["_id"], document["voxels"]) == (scan.key, voxels)
    assert (document["report_generated"], document["fence"], document["attempts"]) == (
        "To Do",
        0,
        0,
    )


def test_a_large_scan_has_its_blob_in_place_of_voxels() -> None:
    blob = ObjectId()
    document = scan_document(NewScan(make_scan()[0], blob=blob), NOW)
    assert document["blob"] == blob
    assert "voxels" not in document


def test_a_report_comes_back_from_its_document_as_it_was_and_is_due_at_once() -> None:
    report = make_report(make_scan(affine=AFFINE)[0])
    document = stored(report_document(report))
    assert BrainReport.model_validate(document["report"]) == report
    assert (document["_id"], document["pacs"]) == (report.key, "pacs-1")
    assert (document["status"], document["tries"]) == (False, 0)
    assert document["next_try_at"] == datetime(1970, 1, 1, tzinfo=UTC)


def test_what_an_upsert_sets_has_no_id() -> None:
    document = {"_id": 1, "a": 2}
    assert without_id(document) == {"a": 2}
    assert document == {"_id": 1, "a": 2}


@pytest.mark.parametrize(
    "acquired_at",
    [
        datetime(2024, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
        datetime(2024, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC),
        datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=9))),
    ],
    ids=["as stored", "more precise", "another time zone"],
)
def test_a_scan_is_the_same_as_its_stored_self(acquired_at: datetime) -> None:
    mine = scan_document(NewScan(*make_scan(acquired_at=acquired_at, affine=AFFINE)), NOW)
    assert compare(mine, stored(mine)) is Added.KNOWN


def test_the_same_scan_in_another_blob_was_known() -> None:
    scan, voxels = make_scan()
    inline = scan_document(NewScan(scan, voxels), NOW)
    one, other = (scan_document(NewScan(scan, blob=ObjectId()), NOW) for _ in range(2))
    assert compare(one, stored(one)) is Added.STORED
    assert compare(one, stored(other)) is Added.KNOWN
    assert compare(one, stored(inline)) is Added.KNOWN
    assert compare(inline, stored(one)) is Added.KNOWN


def test_a_purged_scan_is_told_by_its_voxels() -> None:
    mine = scan_document(NewScan(*make_scan()), NOW)
    tombstone = {"report_generated": PURGED, "voxels_hash": mine["scan"]["voxels_hash"]}
    assert compare(mine, tombstone) is Added.PURGED
    assert compare(mine, {**tombstone, "voxels_hash": "0" * 64}) is Added.CONFLICT


def test_other_identifiers_of_a_known_scan_are_told_once() -> None:
    scan, voxels = make_scan(subject="p-1", study="1" * 16)
    first = stored(scan_document(NewScan(scan, voxels), NOW))

    def again(**attributes: str) -> Document:
        return scan_document(
            NewScan(scan.model_copy(update={"subject": None, "study": None, **attributes}), voxels),
            NOW,
        )

    assert other_identifiers(again(), first) is None
    assert other_identifiers(again(subject="p-1"), first) is None
    came = other_identifiers(again(subject="p-1", study="2" * 16), first)
    assert came == {"subject": "p-1", "study": "2" * 16}
    assert (
        other_identifiers(again(subject="p-1", study="2" * 16), {**first, "also": [came]}) is None
    )
    assert other_identifiers(again(session="ses-1"), first) == {"session": "ses-1"}


def test_another_header_is_a_conflict_whatever_the_blob() -> None:
    scan, voxels = make_scan()
    mine = scan_document(NewScan(scan, voxels), NOW)
    other = scan_document(NewScan(scan.model_copy(update={"pacs": "pacs-2"}), voxels), NOW)
    assert compare(mine, stored(other)) is Added.CONFLICT


def test_a_scan_that_was_stored_and_is_not_there_is_an_error() -> None:
    with pytest.raises(StoreError):
        compare(scan_document(NewScan(*make_scan()), NOW), None)


def test_the_chunks_of_a_blob_are_a_range_of_ids_that_holds_no_others() -> None:
    blob = ObjectId()
    low, high = all_of(blob)["$gte"], all_of(blob)["$lte"]
    assert (low, high) == ({"blob": blob, "n": 0}, {"blob": blob, "n": 2**31 - 1})
    assert list(low) == ["blob", "n"]  # MongoDB compares in this order


def test_an_ended_claim_is_one_in_progress_by_the_servers_clock() -> None:
    assert expired() == {
        "report_generated": "In Progress",
        "$expr": {"$lt": ["$lease_until", "$$NOW"]},
    }


def test_claims_are_held_by_owner_and_fence_and_state() -> None:
    claims = [claim_of("a", 1), claim_of("a", 1), claim_of("a", 2), claim_of("b", 1)]
    ids = [claim.scan.key for claim in claims]
    expected = [("a", 1, ids[:2]), ("a", 2, ids[2:3]), ("b", 1, ids[3:])]
    assert list(held(claims)) == [
        {"_id": {"$in": i}, "owner": owner, "fence": fence, "report_generated": "In Progress"}
        for owner, fence, i in expected
    ]
    assert list(held([])) == []


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"scan.later_field": 1}, Added.KNOWN),  # by a later release
        ({"scan.priority": "whatever"}, Added.KNOWN),
        ({"scan.subject": "another"}, Added.KNOWN),  # an attribute
        ({"scan.acquired_at": NOW}, Added.KNOWN),
        ({"scan.shape": [10, 11]}, Added.CONFLICT),
        ({"scan.voxels_hash": "0" * 64}, Added.CONFLICT),
        ({"scan.voxels_hash": 17}, Added.CONFLICT),
        ({"scan": "round"}, Added.CONFLICT),
    ],
)
def test_a_stored_header_that_is_not_valid_here_still_has_an_outcome(
    change: Document, outcome: Added
) -> None:
    new = scan_document(NewScan(*make_scan()), NOW)
    old = stored({**new, "blob": ObjectId()})
    for path, value in change.items():
        *folders, name = path.split(".")
        target = old[folders[0]] if folders else old
        target[name] = value
    assert compare(new, old) is outcome
