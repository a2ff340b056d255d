"""Scans on their way to a report: who may work on them, until when, and how that ends."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from common.const import Collection, ReportGenerated
from common.db_manager import DBManager
from common.documents import Claim
from common.errors import ClaimLost
from tests.factories import (
    document_of,
    edit,
    expire,
    inside,
    make_claimable,
    make_report,
    opened,
    together,
)

TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    with opened(mongodb_uri, database) as store:
        yield store


def ids(claims: list[Claim]) -> list[str]:
    return [claim.scan.scan_id for claim in claims]


def state_of(store: DBManager, scan_id: str) -> str:
    return str(document_of(store, scan_id)["report_generated"])


def taken_over(store: DBManager) -> tuple[Claim, Claim]:
    """A claim whose owner was away for too long, and that of the owner since then."""
    make_claimable(store, 1)
    [old] = store.claim("old", 1, 60)
    expire(store, old.scan.scan_id)
    [new] = store.claim_expired("new", 60)
    return old, new


# --- claim ---------------------------------------------------------------------------------------


def test_the_oldest_scans_are_claimed_first_and_no_more_than_asked_for(store: DBManager) -> None:
    scans = [scan.scan_id for scan in make_claimable(store, 5)]
    edit(store, scans[4], received_at=document_of(store, scans[0])["received_at"].replace(year=1999))
    claims = store.claim("a", 3, 60)
    assert ids(claims) == [scans[4], scans[0], scans[1]]
    assert ids(store.claim("b", 3, 60)) == scans[2:4]
    assert store.claim("c", 3, 60) == []


def test_a_claim_says_who_holds_it_and_until_when(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claim("a", 1, 60)
    stored = document_of(store, claim.scan.scan_id)
    assert stored["report_generated"] == IN_PROGRESS
    assert (stored["owner"], stored["fence"], stored["attempts"]) == ("a", 1, 1)
    assert (claim.owner, claim.fence, claim.attempts) == ("a", 1, 1)
    assert (stored["lease_until"] - stored["claimed_at"]).total_seconds() == 60


def test_a_scan_that_was_claimed_before_comes_alone(store: DBManager) -> None:
    scans = [scan.scan_id for scan in make_claimable(store, 4)]
    for again in (scans[1], scans[2]):
        edit(store, again, attempts=1)
    claimed = [ids(store.claim("a", 10, 60)) for _ in range(4)]
    assert claimed == [[scans[0]], [scans[1]], [scans[2]], [scans[3]]]


def test_owners_that_claim_at_once_never_share_a_scan(store: DBManager) -> None:
    scans = {scan.scan_id for scan in make_claimable(store, 200)}

    def work(i: int) -> list[Claim]:
        mine: list[Claim] = []
        while claims := store.claim(f"owner-{i}", 7, 60):
            mine += claims
        return mine

    claimed = together(8, work)
    counts = Counter(scan_id for mine in claimed for scan_id in ids(mine))
    assert set(counts.values()) == {1}
    assert counts.keys() <= scans
    for i, mine in enumerate(claimed):
        assert store.renew(mine, 60) == set()
        assert {document_of(store, scan_id)["owner"] for scan_id in ids(mine)} <= {f"owner-{i}"}
    # A claim that found all its scans taken came back empty: what is left is claimable.
    left = ids(store.claim("late", 200, 60))
    assert counts.keys() | set(left) == scans


def test_owners_that_look_for_an_ended_claim_at_once_never_share_it(store: DBManager) -> None:
    make_claimable(store, 1)
    [old] = store.claim("old", 1, 60)
    for turn in range(10):
        expire(store, old.scan.scan_id)
        found = together(4, lambda i, turn=turn: store.claim_expired(f"o-{turn}-{i}", 60))
        assert sum(len(claims) for claims in found) == 1
        assert document_of(store, old.scan.scan_id)["fence"] == turn + 2


# --- the lease -----------------------------------------------------------------------------------


def test_a_claim_that_has_not_ended_is_nobody_elses(store: DBManager) -> None:
    make_claimable(store, 1)
    store.claim("a", 1, 60)
    assert store.claim_expired("b", 60) == []


def test_an_ended_claim_is_taken_over_with_the_next_fence(store: DBManager) -> None:
    old, new = taken_over(store)
    assert new.scan == old.scan
    assert (new.owner, new.fence, new.attempts) == ("new", old.fence + 1, 2)
    assert document_of(store, new.scan.scan_id)["fence"] == 2


def test_a_lease_ends_by_itself(store: DBManager) -> None:
    make_claimable(store, 1)
    store.claim("a", 1, lease_s=0.001)
    for _ in range(100):
        if claims := store.claim_expired("b", 60):
            break
    assert claims[0].fence == 2


def test_the_claim_that_ended_longest_ago_is_taken_over_first(store: DBManager) -> None:
    make_claimable(store, 3)
    claims = store.claim("a", 3, 60)
    for claim, year in zip(claims, (2003, 2001, 2002), strict=True):
        until = document_of(store, claim.scan.scan_id)["lease_until"].replace(year=year)
        edit(store, claim.scan.scan_id, lease_until=until)
    found = [ids(store.claim_expired("b", 60))[0] for _ in range(3)]
    assert found == [ids(claims)[i] for i in (1, 2, 0)]


def test_a_renewed_claim_does_not_end(store: DBManager) -> None:
    make_claimable(store, 2)
    claims = store.claim("a", 2, 60)
    expire(store, *ids(claims))
    assert store.renew(claims, 60) == set()
    assert store.claim_expired("b", 60) == []
    assert store.renew([], 60) == set()


def test_renewing_tells_which_claims_were_lost(store: DBManager) -> None:
    make_claimable(store, 3)
    claims = store.claim("a", 3, 60)
    expire(store, claims[1].scan.scan_id)
    [other] = store.claim_expired("b", 60)
    store.complete([(claims[2], make_report(claims[2].scan))])
    before = document_of(store, other.scan.scan_id)
    assert store.renew(claims, 3600) == {claims[1].scan.scan_id, claims[2].scan.scan_id}
    assert document_of(store, other.scan.scan_id) == before


# --- complete ------------------------------------------------------------------------------------


def test_a_completed_scan_is_done_and_its_report_waits_to_be_sent(store: DBManager) -> None:
    make_claimable(store, 2)
    claims = store.claim("a", 2, 60)
    reports = [make_report(claim.scan) for claim in claims]
    assert store.complete(list(zip(claims, reports, strict=True))) == set()
    for report in reports:
        assert state_of(store, report.scan_id) == DONE
        assert "lease_until" not in document_of(store, report.scan_id)
        assert document_of(store, report.scan_id, Collection.REPORTS)["status"] is False
    assert {out.report.scan_id for out in store.lease_reports("pacs-1", 9, 60)} == set(ids(claims))


def test_completing_again_after_a_lost_answer_is_no_loss(store: DBManager) -> None:
    make_claimable(store, 2)
    claims = store.claim("a", 2, 60)
    done = [(claim, make_report(claim.scan)) for claim in claims]
    store.complete(done[:1])  # all that got through of the first try
    assert store.complete(done) == set()
    assert store.complete(done) == set()
    assert store.count_reports() == {True: 0, False: 2}
    assert store.count_states()[DONE] == 2


def test_completing_nothing_loses_nothing(store: DBManager) -> None:
    assert store.complete([]) == set()


def test_after_another_took_over_completing_is_lost(store: DBManager) -> None:
    old, new = taken_over(store)
    before = document_of(store, old.scan.scan_id)
    assert store.complete([(old, make_report(old.scan))]) == {old.scan.scan_id}
    assert document_of(store, old.scan.scan_id) == before
    assert store.complete([(new, make_report(new.scan))]) == set()
    assert store.count_reports() == {True: 0, False: 1}


def test_after_anothers_completion_the_first_report_stands(store: DBManager) -> None:
    old, new = taken_over(store)
    store.complete([(new, make_report(new.scan, run_time_ms=1))])
    before = document_of(store, new.scan.scan_id, Collection.REPORTS)
    assert store.complete([(old, make_report(old.scan, run_time_ms=2))]) == {old.scan.scan_id}
    assert document_of(store, new.scan.scan_id, Collection.REPORTS) == before
    assert state_of(store, new.scan.scan_id) == DONE


def test_a_lost_claim_takes_no_other_of_its_batch_along(store: DBManager) -> None:
    make_claimable(store, 3)
    claims = store.claim("a", 3, 60)
    expire(store, claims[0].scan.scan_id)
    store.claim_expired("b", 60)
    lost = store.complete([(claim, make_report(claim.scan)) for claim in claims])
    assert lost == {claims[0].scan.scan_id}
    assert store.count_states() == {TO_DO: 0, IN_PROGRESS: 1, DONE: 2, ERROR: 0}


def test_of_two_that_complete_one_scan_at_once_one_report_stands(store: DBManager) -> None:
    for _ in range(10):
        old, new = taken_over(store)
        claims = (old, new)
        outcomes = together(
            2,
            lambda i, claims=claims: store.complete([(claims[i], make_report(claims[i].scan))]),
        )
        assert outcomes == [{old.scan.scan_id}, set()]
    assert store.count_reports() == {True: 0, False: 10}


# --- fail ----------------------------------------------------------------------------------------


def test_a_failed_scan_is_to_do_again_with_its_cause(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claim("a", 1, 60)
    assert store.fail(claim, "no brain in it", 2) == TO_DO
    stored = document_of(store, claim.scan.scan_id)
    assert stored["report_generated"] == TO_DO
    assert stored["error"]["cause"] == "no brain in it"
    assert stored["attempts"] == 1
    [again] = store.claim("b", 1, 60)
    assert (again.fence, again.attempts) == (2, 2)
    store.complete([(again, make_report(again.scan))])
    assert "error" not in document_of(store, claim.scan.scan_id)


@pytest.mark.parametrize("allowed", [1, 0])
def test_a_scan_that_fails_in_its_last_attempt_is_set_aside(store: DBManager, allowed: int) -> None:
    make_claimable(store, 1)
    [claim] = store.claim("a", 1, 60)
    assert store.fail(claim, "damaged", allowed) == ERROR
    [(scan_id, cause, at)] = store.errors()
    assert (scan_id, cause) == (claim.scan.scan_id, "damaged")
    assert at.tzinfo is not None
    assert store.claim("b", 1, 60) == []
    assert store.claim_expired("b", 60) == []


def test_failing_again_after_a_lost_answer_is_no_loss(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claim("a", 1, 60)
    store.fail(claim, "once", 5)
    before = document_of(store, claim.scan.scan_id)
    assert store.fail(claim, "once", 5) == TO_DO
    assert document_of(store, claim.scan.scan_id) == before


def test_after_another_took_over_failing_says_that_the_claim_was_lost(store: DBManager) -> None:
    old, new = taken_over(store)
    before = document_of(store, new.scan.scan_id)
    for allowed in (0, 5):
        with pytest.raises(ClaimLost):
            store.fail(old, "too late", allowed)
    assert document_of(store, new.scan.scan_id) == before


# --- release and give up -------------------------------------------------------------------------


def test_a_released_scan_that_was_not_begun_loses_no_attempt(store: DBManager) -> None:
    make_claimable(store, 2)
    claims = store.claim("a", 2, 60)
    assert store.release("a", unused=claims[1:]) == 1
    assert store.release("a", unused=claims[1:]) == 0
    assert state_of(store, claims[0].scan.scan_id) == IN_PROGRESS
    stored = document_of(store, claims[1].scan.scan_id)
    assert (stored["report_generated"], stored["attempts"], stored["fence"]) == (TO_DO, 0, 1)
    assert store.complete([(claims[1], make_report(claims[1].scan))]) == {claims[1].scan.scan_id}


def test_what_was_taken_over_is_not_released(store: DBManager) -> None:
    old, new = taken_over(store)
    assert store.release("old", unused=[old]) == 0
    assert store.release("old") == 0
    assert store.renew([new], 60) == set()


def test_the_scans_of_a_dead_owner_are_to_do_again_and_their_attempt_counts(
    store: DBManager,
) -> None:
    make_claimable(store, 4)
    dead = store.claim("dead", 2, 60)
    alive = store.claim("alive", 2, 60)
    store.complete([(dead[0], make_report(dead[0].scan))])
    assert store.release("dead") == 1
    assert state_of(store, dead[0].scan.scan_id) == DONE
    stored = document_of(store, dead[1].scan.scan_id)
    assert (stored["report_generated"], stored["attempts"]) == (TO_DO, 1)
    assert store.renew(alive, 60) == set()


def test_given_up_is_what_used_up_its_attempts_and_nobody_works_on(store: DBManager) -> None:
    make_claimable(store, 5)
    waiting, over, failed, working, fresh = ids(store.claim("a", 5, 60))
    for scan_id in (waiting, over, failed, working):
        edit(store, scan_id, attempts=5)
    edit(store, waiting, report_generated=TO_DO)
    edit(store, failed, error={"cause": "seen before"})
    expire(store, over, failed, fresh)
    assert store.give_up(5) == 3
    assert store.give_up(5) == 0
    assert (state_of(store, working), state_of(store, fresh)) == (IN_PROGRESS, IN_PROGRESS)
    causes = {scan_id: cause for scan_id, cause, _ in store.errors()}
    assert causes.keys() == {waiting, over, failed}
    assert causes[failed] == "seen before"
    assert "stopped answering" in causes[over]


def test_a_scan_that_kills_each_processor_is_set_aside_and_the_others_flow(
    store: DBManager,
) -> None:
    scans = [scan.scan_id for scan in make_claimable(store, 3)]
    poison, done = scans[0], set()
    for turn in range(20):
        owner = f"owner-{turn}"
        store.give_up(3)
        for claim in store.claim(owner, 10, 60):
            if claim.scan.scan_id == poison:
                store.release(owner)  # by the supervisor, when the process was killed
                break
            store.complete([(claim, make_report(claim.scan))])
            done.add(claim.scan.scan_id)
    assert done == set(scans[1:])
    assert document_of(store, poison)["attempts"] == 3
    assert state_of(store, poison) == ERROR
    assert inside(store, Collection.REPORTS).count_documents({}) == 2


def test_many_owners_that_do_all_of_it_at_once_finish_each_scan_once(store: DBManager) -> None:
    scans = {scan.scan_id for scan in make_claimable(store, 60)}
    finished: Counter[str] = Counter()
    lock = threading.Lock()

    def work(i: int) -> None:
        steps: list[Callable[[list[Claim]], object]] = [
            lambda claims: store.release(f"o-{i}", unused=claims),
            lambda claims: [store.fail(claim, "again", 1000) for claim in claims],
            lambda claims: expire(store, *ids(claims)),
        ]
        for turn in range(1000):
            claims = store.claim(f"o-{i}", 5, 60) or store.claim_expired(f"o-{i}", 60)
            if not claims and store.count_states()[DONE] == len(scans):
                return
            if turn % 4 < 3 and turn < 12:
                steps[(turn + i) % 3](claims)
                continue
            lost = store.complete([(claim, make_report(claim.scan)) for claim in claims])
            with lock:
                finished.update(set(ids(claims)) - lost)
        raise AssertionError(f"they do not come to an end: {list(inside(store).find({'report_generated': {'$ne': 'Done'}}, {'owner':1,'fence':1,'attempts':1,'report_generated':1,'lease_until':1}))}")

    together(6, work)
    assert finished == dict.fromkeys(scans, 1)
    assert store.count_reports() == {True: 0, False: len(scans)}
