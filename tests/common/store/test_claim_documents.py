"""Which scans may be claimed together, and the claims that documents become."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.store.claim_documents import (
    claim_filters,
    claim_from,
    claimable_together,
    failed_update,
    failure,
)
from common.store.documents import NewScan, scan_document
from tests.factories import LONG_AGO as NOW
from tests.factories import make_scan


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
    with pytest.raises(ValidationError):
        claim_from(document, "me")


def test_a_failure_ends_the_lease_and_names_the_owner() -> None:
    error = failure("no brain in it")
    assert error == {
        "cause": "no brain in it",
        "at": "$$NOW",
        "worker": {"$ifNull": ["$owner", None]},
    }
    notice = {"due_at": "$$NOW", "tries": 0}
    assert failed_update("Error", error) == [
        {"$set": {"report_generated": "Error", "error": error, "notice": notice}},
        {"$unset": "lease_until"},
    ]
    # It will be tried again, so nobody is told.
    assert failed_update("To Do", error)[0] == {
        "$set": {"report_generated": "To Do", "error": error}
    }
