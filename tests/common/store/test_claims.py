"""Claims: which scans a processor gets, for how long, and how a claim ends."""

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from common.domain.report import BrainReport
from common.domain.states import ReportGenerated
from common.errors import ClaimLost, VoxelsDamaged
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Claim
from tests.common.store.damage_kinds import KINDS, damage
from tests.factories import (
    LONG_AGO,
    document_of,
    edit,
    expire,
    ids_of,
    inside,
    make_claimable,
    make_report,
    make_upload,
    state_of,
    taken_over,
    together,
)

TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated


# --- claim ---------------------------------------------------------------------------------------


def test_the_oldest_scans_are_claimed_first_and_no_more_than_asked_for(store: DBManager) -> None:
    scans = [scan.key for scan in make_claimable(store, 5)]
    edit(store, scans[4], turn_at=document_of(store, scans[0])["turn_at"].replace(year=1999))
    claims = store.claims.claim("a", 3, 60)
    assert ids_of(claims) == [scans[4], scans[0], scans[1]]
    assert ids_of(store.claims.claim("b", 3, 60)) == scans[2:4]
    assert store.claims.claim("c", 3, 60) == []


def test_a_claim_says_who_holds_it_and_until_when(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    stored = document_of(store, claim.scan.key)
    assert stored["report_generated"] == IN_PROGRESS
    assert (stored["owner"], stored["fence"], stored["attempts"]) == ("a", 1, 1)
    assert (claim.owner, claim.fence, claim.attempts) == ("a", 1, 1)
    assert (stored["lease_until"] - stored["claimed_at"]).total_seconds() == 60


def test_a_scan_that_was_claimed_before_comes_alone_after_fresh_ones(store: DBManager) -> None:
    scans = [scan.key for scan in make_claimable(store, 4)]
    for again in (scans[1], scans[2]):
        edit(store, again, attempts=1)
    claimed = [ids_of(store.claims.claim("a", 10, 60)) for _ in range(3)]
    assert claimed == [[scans[0], scans[3]], [scans[1]], [scans[2]]]


def test_scans_that_were_claimed_once_come_a_few_together_and_by_themselves(
    store: DBManager,
) -> None:
    scans = [scan.key for scan in make_claimable(store, 8)]
    edit(store, scans[0], attempts=2)
    edit(store, scans[1], attempts=2)
    for again in scans[2:7]:
        edit(store, again, attempts=1)
    claimed = [ids_of(store.claims.claim("a", 10, 60, max_retried=3)) for _ in range(5)]
    assert claimed == [[scans[7]], [scans[0]], [scans[1]], scans[2:5], scans[5:7]]


def test_a_claim_says_whether_more_was_waiting(store: DBManager) -> None:
    assert not store.claims.claim("a", 1, 60).more
    scans = [scan.key for scan in make_claimable(store, 7)]
    for again in scans[5:]:
        edit(store, again, attempts=1)
    found = [store.claims.claim("a", limit, 60, max_retried=2) for limit in (2, 2, 2, 3)]
    assert [(ids_of(claims), claims.more) for claims in found] == [
        (scans[:2], True),
        (scans[2:4], True),
        (scans[4:5], True),  # the next ones were claimed once before
        (scans[5:], False),
    ]
    assert store.claims.claim("a", 1, 60) == []


def test_of_ended_claims_those_that_were_claimed_once_come_a_few_together(
    store: DBManager,
) -> None:
    scans = [scan.key for scan in make_claimable(store, 6)]
    assert len(store.claims.claim("dead", 6, 60)) == 6
    for n, scan_id in enumerate(scans):
        edit(store, scan_id, lease_until=LONG_AGO + timedelta(seconds=n))
    edit(store, scans[4], attempts=2)
    claimed = [ids_of(store.claims.claim_expired("a", 60, max_retried=3)) for _ in range(5)]
    assert claimed == [scans[:3], [scans[3]], [scans[4]], [scans[5]], []]


def test_owners_that_claim_at_once_never_share_a_scan(store: DBManager) -> None:
    scans = {scan.key for scan in make_claimable(store, 200)}

    def work(i: int) -> list[Claim]:
        mine: list[Claim] = []
        while claims := store.claims.claim(f"owner-{i}", 7, 60):
            mine += claims
        return mine

    claimed = together(8, work)
    counts = Counter(scan_id for mine in claimed for scan_id in ids_of(mine))
    assert set(counts.values()) == {1}
    assert counts.keys() <= scans
    for i, mine in enumerate(claimed):
        assert store.claims.renew(mine, 60) == set()
        assert {document_of(store, scan_id)["owner"] for scan_id in ids_of(mine)} <= {f"owner-{i}"}
    # A claim that found all its scans taken came back empty: what is left is claimable.
    left = ids_of(store.claims.claim("late", 200, 60))
    assert counts.keys() | set(left) == scans


def test_owners_that_look_for_an_ended_claim_at_once_never_share_it(store: DBManager) -> None:
    make_claimable(store, 1)
    [old] = store.claims.claim("old", 1, 60)

    def work(i: int) -> list[Claim]:
        return store.claims.claim_expired(f"owner-{i}", 60)

    for turn in range(10):
        expire(store, old.scan.key)
        found = together(4, work)
        assert sum(len(claims) for claims in found) == 1
        assert document_of(store, old.scan.key)["fence"] == turn + 2


# --- the lease -----------------------------------------------------------------------------------


def test_a_claim_that_has_not_expired_cannot_be_taken_over(store: DBManager) -> None:
    make_claimable(store, 1)
    store.claims.claim("a", 1, 60)
    assert store.claims.claim_expired("b", 60) == []


def test_an_ended_claim_is_taken_over_with_the_next_fence(store: DBManager) -> None:
    old, new = taken_over(store)
    assert new.scan == old.scan
    assert (new.owner, new.fence, new.attempts) == ("new", old.fence + 1, 2)
    assert document_of(store, new.scan.key)["fence"] == 2


def test_a_lease_ends_by_itself(store: DBManager) -> None:
    make_claimable(store, 1)
    store.claims.claim("a", 1, lease_s=0.001)
    for _ in range(100):
        if claims := store.claims.claim_expired("b", 60):
            break
    assert claims[0].fence == 2


def test_the_claim_that_ended_longest_ago_is_taken_over_first(store: DBManager) -> None:
    make_claimable(store, 3)
    claims = store.claims.claim("a", 3, 60)
    for claim, year in zip(claims, (2003, 2001, 2002), strict=True):
        until = document_of(store, claim.scan.key)["lease_until"].replace(year=year)
        edit(store, claim.scan.key, lease_until=until)
    found = [ids_of(store.claims.claim_expired("b", 60))[0] for _ in range(3)]
    assert found == [ids_of(claims)[i] for i in (1, 2, 0)]


def test_a_renewed_claim_does_not_end(store: DBManager) -> None:
    make_claimable(store, 2)
    claims = store.claims.claim("a", 2, 60)
    expire(store, *ids_of(claims))
    assert store.claims.renew(claims, 60) == set()
    assert store.claims.claim_expired("b", 60) == []
    assert store.claims.renew([], 60) == set()


def test_renewing_tells_which_claims_were_lost(store: DBManager) -> None:
    make_claimable(store, 3)
    claims = store.claims.claim("a", 3, 60)
    expire(store, claims[1].scan.key)
    [other] = store.claims.claim_expired("b", 60)
    store.claims.complete([(claims[2], make_report(claims[2].scan))])
    before = document_of(store, other.scan.key)
    assert store.claims.renew(claims, 3600) == {claims[1].scan.key, claims[2].scan.key}
    assert document_of(store, other.scan.key) == before


def test_an_owners_own_earlier_claim_is_lost_to_it_too(store: DBManager) -> None:
    make_claimable(store, 1)
    [old] = store.claims.claim("a", 1, 60)
    expire(store, old.scan.key)
    [new] = store.claims.claim_expired("a", 60)
    before = document_of(store, new.scan.key)
    assert store.claims.renew([old], 3600) == {old.scan.key}
    assert store.claims.release("a", never_started=[old]) == 0
    with pytest.raises(ClaimLost):
        store.claims.fail(old, "too late", 0)
    assert store.claims.complete([(old, make_report(old.scan))]) == {old.scan.key}
    assert document_of(store, new.scan.key) == before


# --- complete ------------------------------------------------------------------------------------


def test_a_completed_scan_is_done_and_its_report_waits_to_be_sent(store: DBManager) -> None:
    make_claimable(store, 2)
    claims = store.claims.claim("a", 2, 60)
    reports = [make_report(claim.scan) for claim in claims]
    assert store.claims.complete(list(zip(claims, reports, strict=True))) == set()
    for report in reports:
        assert state_of(store, report.key) == DONE
        assert "lease_until" not in document_of(store, report.key)
        assert document_of(store, report.key, Collection.REPORTS)["status"] is False
    assert {out.key for out in store.outbox.lease("pacs-1", 9, 60)} == set(ids_of(claims))


def test_completing_again_after_a_lost_answer_is_no_loss(store: DBManager) -> None:
    make_claimable(store, 2)
    claims = store.claims.claim("a", 2, 60)
    done = [(claim, make_report(claim.scan)) for claim in claims]
    store.claims.complete(done[:1])  # all that got through of the first try
    assert store.claims.complete(done) == set()
    assert store.claims.complete(done) == set()
    assert store.queries.count_reports() == {True: 0, False: 2}
    assert store.queries.count_states()[DONE] == 2


def test_completing_nothing_loses_nothing(store: DBManager) -> None:
    assert store.claims.complete([]) == set()


def test_after_another_took_over_completing_is_lost(store: DBManager) -> None:
    old, new = taken_over(store)
    before = document_of(store, old.scan.key)
    assert store.claims.complete([(old, make_report(old.scan))]) == {old.scan.key}
    assert document_of(store, old.scan.key) == before
    assert store.claims.complete([(new, make_report(new.scan))]) == set()
    assert store.queries.count_reports() == {True: 0, False: 1}


def test_after_anothers_completion_the_first_report_stands(store: DBManager) -> None:
    old, new = taken_over(store)
    store.claims.complete([(new, make_report(new.scan, run_time_ms=1))])
    before = document_of(store, new.scan.key, Collection.REPORTS)
    assert store.claims.complete([(old, make_report(old.scan, run_time_ms=2))]) == {old.scan.key}
    assert document_of(store, new.scan.key, Collection.REPORTS) == before
    assert state_of(store, new.scan.key) == DONE


def test_a_lost_claim_takes_no_other_of_its_batch_along(store: DBManager) -> None:
    make_claimable(store, 3)
    claims = store.claims.claim("a", 3, 60)
    expire(store, claims[0].scan.key)
    store.claims.claim_expired("b", 60)
    lost = store.claims.complete([(claim, make_report(claim.scan)) for claim in claims])
    assert lost == {claims[0].scan.key}
    assert store.queries.count_states() == {TO_DO: 0, IN_PROGRESS: 1, DONE: 2, ERROR: 0}


def test_unverified_a_late_report_is_the_scans_and_the_new_owner_keeps_its_claim(
    store: DBManager,
) -> None:
    old, new = taken_over(store)
    before = document_of(store, old.scan.key)
    late = [(old, make_report(old.scan, run_time_ms=1))]
    assert store.claims.complete(late, verify_first=False) == {old.scan.key}
    assert document_of(store, old.scan.key) == before
    assert store.claims.complete([(new, make_report(new.scan, run_time_ms=2))]) == set()
    report = document_of(store, old.scan.key, Collection.REPORTS)["report"]
    assert report["run_time_ms"] == 1
    assert store.queries.count_reports() == {True: 0, False: 1}


def test_unverified_a_released_scan_is_done_with_its_late_report(
    store: DBManager,
) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.release("a")
    done = [(claim, make_report(claim.scan))]
    assert store.claims.complete(done, verify_first=False) == {claim.scan.key}
    assert state_of(store, claim.scan.key) == DONE
    assert store.claims.claim("b", 1, 60) == []


def test_of_two_that_complete_one_scan_at_once_one_report_stands(store: DBManager) -> None:
    def complete(done: list[list[tuple[Claim, BrainReport]]], i: int) -> set[str]:
        return store.claims.complete(done[i])

    for _ in range(10):
        old, new = taken_over(store)
        done = [[(claim, make_report(claim.scan))] for claim in (old, new)]
        assert together(2, partial(complete, done)) == [{old.scan.key}, set()]
    assert store.queries.count_reports() == {True: 0, False: 10}


def test_a_slower_processor_gets_another_batch_immediately(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_claimable(store, 40)
    take = store.claims._claim_found
    raced = False

    def late(*arguments: Any) -> list[Claim]:
        nonlocal raced
        if not raced:
            raced = True
            assert (
                len(store.claims.claim("faster", 4, 60)) == 4
            )  # the very ones that were looked at
        return take(*arguments)

    monkeypatch.setattr(store.claims, "_claim_found", late)
    assert 1 <= len(store.claims.claim("slower", 4, 60)) <= 4


def test_concurrent_claims_take_each_scan_once_and_each_gets_some(
    store: DBManager,
) -> None:
    scans = make_claimable(store, 300)
    claimed = together(6, lambda n: [store.claims.claim(f"owner-{n}", 5, 60) for _ in range(5)])
    batches = [batch for mine in claimed for batch in mine]
    assert all(batches)
    ids = ids_of(claim for batch in batches for claim in batch)
    assert len(ids) == len(set(ids))
    assert set(ids) <= {scan.key for scan in scans}


@pytest.mark.sample(8)
@pytest.mark.parametrize("field", ["voxels", "_id.n"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_chunk_of_any_kind_is_damage_of_the_voxels(
    store: DBManager, kind: str, field: str
) -> None:
    item, _ = make_upload(store)
    assert item.blob is not None
    store.scans.add([item])
    store.uploads.end(item.scan.key, item.blob)
    [claim] = store.claims.claim("a", 1, 60)
    chunks = inside(store, Collection.CHUNKS)
    [first] = chunks.find({"_id.n": 0})
    damage(store, first["_id"], field, kind, Collection.CHUNKS)
    with pytest.raises(VoxelsDamaged):
        store.claims.fetch_voxels(claim)
