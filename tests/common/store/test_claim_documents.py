"""Which scans may be claimed together, and the claims that documents become."""

from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pydantic import ValidationError

from common.domain.scan import BrainScan
from common.domain.types import utc_now
from common.store.claim_documents import (
    ScanDamaged,
    claim_filters,
    claim_from,
    claimable_together,
    failed_for_good,
    failure,
    host_of,
    retry_update,
)
from common.store.damage import decoded
from common.store.documents import NewScan, scan_document
from tests.factories import LONG_AGO as NOW
from tests.factories import make_scan

AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


def waiting(*attempts: int) -> list[dict[str, Any]]:
    return [{"_id": str(n), "attempts": count} for n, count in enumerate(attempts)]


@pytest.mark.parametrize(
    ("attempts", "max_retried", "count"),
    [
        ((), 1, 0),
        ((0, 0, 0), 1, 3),
        ((0, 0, 1, 0), 1, 2),
        ((1, 1, 1), 1, 1),
        ((1, 1, 1), 2, 2),
        ((1, 0, 0), 5, 1),
        ((2, 2, 2), 5, 1),
        ((7, 0), 5, 1),
    ],
)
def test_scans_are_claimed_with_those_that_were_claimed_as_often(
    attempts: tuple[int, ...], max_retried: int, count: int
) -> None:
    found = waiting(*attempts)
    assert claimable_together(found, max_retried) == found[:count]


@pytest.mark.parametrize("wrong", [None, "many", float("nan"), -1, 2**60, [1], {"a": 1}])
def test_damaged_attempts_come_too_and_decide_nothing(wrong: Any) -> None:
    found = [{"_id": "a", "attempts": wrong}, {"_id": "b"}, *waiting(1, 1, 1)]
    assert claimable_together(found, 2) == found[:4]
    assert claimable_together(found[:2], 2) == found[:2]


@pytest.mark.parametrize(
    ("owner", "host"),
    [("host-1-2-a0", "host"), ("fr-brain-0-1-2-a0", "fr-brain-0"), ("host", "host")],
)
def test_an_owner_names_its_host(owner: str, host: str) -> None:
    assert host_of(owner) == host


def test_a_filter_for_each_fence_keeps_the_condition() -> None:
    found = [{"_id": "a", "fence": 0}, {"_id": "b", "fence": 3}, {"_id": "c", "fence": 0}]
    filters = {one["fence"]: one for one in claim_filters(found, {"report_generated": "To Do"})}
    assert filters == {
        0: {"_id": {"$in": ["a", "c"]}, "fence": 0, "report_generated": "To Do"},
        3: {"_id": {"$in": ["b"]}, "fence": 3, "report_generated": "To Do"},
    }


def test_a_claim_has_the_next_fence_and_attempt() -> None:
    scan, voxels = make_scan()
    document = {**scan_document(NewScan(scan, voxels), NOW), "fence": 4, "attempts": 2}
    claim = claim_from(document, "me")
    assert (claim.owner, claim.fence, claim.attempts, claim.revision) == ("me", 5, 3, 1)
    assert (claim.scan, claim.voxels, claim.blob, claim.packing) == (scan, voxels, None, None)


def test_a_damaged_header_is_an_error() -> None:
    scan, voxels = make_scan()
    document = {**scan_document(NewScan(scan, voxels), NOW), "scan": {"shape": "unknown"}}
    with pytest.raises(ScanDamaged, match="header is not valid"):
        claim_from(document, "me")


def test_a_failure_ends_the_lease_and_names_the_owner() -> None:
    error = failure("no brain in it")
    assert error == {
        "cause": "no brain in it",
        "at": "$$NOW",
        "worker": {"$ifNull": ["$owner", None]},
    }
    for update in (failed_for_good(error), retry_update(error, 1.0)):
        assert str(error) in str(update[0]["$set"]["error"])
        assert update[1] == {"$unset": "lease_until"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"fence": "first"},
        {"fence": -1},
        {"fence": True},
        {"attempts": None},
        {"attempts": 1.5},
        {"blob": "blob"},
        {"voxels": 3},
        {"revision": "one"},
        {"packing": {"codec": "unknown"}},
        {"scan": None},
        {"_id": "another@pacs-1"},
    ],
)
def test_a_field_of_a_wrong_type_is_damage_and_its_value_is_not_told(wrong: dict[str, Any]) -> None:
    scan, voxels = make_scan()
    document = {**scan_document(NewScan(scan, voxels), NOW), **wrong}
    with pytest.raises(ScanDamaged, match=f"damaged.*{next(iter(wrong))}|header") as caught:
        claim_from(document, "me")
    assert "another" not in str(caught.value)


def test_what_cannot_be_decoded_is_decoded_as_far_as_it_can_be_and_marked() -> None:
    scan, voxels = make_scan(subject="s-1234")
    good = bson.encode(scan_document(NewScan(scan, voxels), NOW))
    assert decoded(RawBSONDocument(good)) == bson.decode(good, AWARE)
    damaged = decoded(RawBSONDocument(good.replace(b"s-1234", b"s-\xff\xfe34")))
    assert damaged["_id"] == scan.key
    with pytest.raises(ScanDamaged, match="cannot be decoded"):
        claim_from(damaged, "me")


def test_a_subject_that_an_earlier_release_accepted_is_no_damage() -> None:
    scan, voxels = make_scan()
    document = scan_document(NewScan(scan, voxels), utc_now())
    document["scan"]["subject"] = "DOE 1"  # the wire refuses it now
    assert claim_from(document, "owner").scan.subject == "DOE 1"
    with pytest.raises(ValidationError, match="must be a pseudonym"):
        BrainScan.model_validate(document["scan"])
