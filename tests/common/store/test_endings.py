"""Claims that end without a report: failed, released, given up; also concurrently."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from common.domain.states import TRANSITIONS, ReportGenerated
from common.errors import ClaimLost
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Claim
from tests.common.store.damage_kinds import KINDS, damage, states
from tests.factories import (
    LONG_AGO,
    document_of,
    edit,
    expire,
    ids_of,
    inside,
    make_claimable,
    make_report,
    state_of,
    taken_over,
    together,
)

TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated


# --- fail ----------------------------------------------------------------------------------------


def test_a_failed_scan_is_to_do_again_with_its_cause(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    assert store.claims.fail(claim, "no brain in it", 2) == TO_DO
    stored = document_of(store, claim.scan.key)
    assert stored["report_generated"] == TO_DO
    assert stored["error"]["cause"] == "no brain in it"
    assert stored["attempts"] == 1
    [again] = store.claims.claim("b", 1, 60)
    assert (again.fence, again.attempts) == (2, 2)
    store.claims.complete([(again, make_report(again.scan))])
    assert "error" not in document_of(store, claim.scan.key)


@pytest.mark.parametrize("allowed", [1, 0])
def test_a_scan_that_fails_in_its_last_attempt_is_in_error(store: DBManager, allowed: int) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    assert store.claims.fail(claim, "damaged", allowed) == ERROR
    [(scan_id, cause, at)] = store.queries.errors()
    assert (scan_id, cause) == (claim.scan.key, "damaged")
    assert at is not None
    assert at.tzinfo is not None
    assert store.claims.claim("b", 1, 60) == []
    assert store.claims.claim_expired("b", 60) == []


def test_failing_again_after_a_lost_answer_is_no_loss(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.fail(claim, "once", 5)
    before = document_of(store, claim.scan.key)
    assert store.claims.fail(claim, "once", 5) == TO_DO
    assert document_of(store, claim.scan.key) == before


def test_after_another_took_over_failing_says_that_the_claim_was_lost(store: DBManager) -> None:
    old, new = taken_over(store)
    before = document_of(store, new.scan.key)
    for allowed in (0, 5):
        with pytest.raises(ClaimLost):
            store.claims.fail(old, "too late", allowed)
    assert document_of(store, new.scan.key) == before


# --- release and give up -------------------------------------------------------------------------


def test_a_released_scan_that_was_not_begun_loses_no_attempt(store: DBManager) -> None:
    make_claimable(store, 2)
    claims = store.claims.claim("a", 2, 60)
    assert store.claims.release("a", never_started=claims[1:]) == 1
    assert store.claims.release("a", never_started=claims[1:]) == 0
    assert state_of(store, claims[0].scan.key) == IN_PROGRESS
    stored = document_of(store, claims[1].scan.key)
    assert (stored["report_generated"], stored["attempts"], stored["fence"]) == (TO_DO, 0, 1)
    assert store.claims.complete([(claims[1], make_report(claims[1].scan))]) == {claims[1].scan.key}


def test_what_was_taken_over_is_not_released(store: DBManager) -> None:
    old, new = taken_over(store)
    assert store.claims.release("old", never_started=[old]) == 0
    assert store.claims.release("old") == 0
    assert store.claims.renew([new], 60) == set()


def test_the_scans_of_a_dead_owner_are_to_do_again_and_their_attempt_counts(
    store: DBManager,
) -> None:
    make_claimable(store, 4)
    dead = store.claims.claim("dead", 2, 60)
    alive = store.claims.claim("alive", 2, 60)
    store.claims.complete([(dead[0], make_report(dead[0].scan))])
    assert store.claims.release_dead("dead") == 1
    assert state_of(store, dead[0].scan.key) == DONE
    stored = document_of(store, dead[1].scan.key)
    assert (stored["report_generated"], stored["attempts"]) == (TO_DO, 1)
    assert store.claims.renew(alive, 60) == set()


def test_a_scan_whose_attempts_are_used_up_fails_where_it_is_found(store: DBManager) -> None:
    # As after BRAIN_ATTEMPTS was lowered.
    waiting, over, failed, good, expired = (scan.key for scan in make_claimable(store, 5))
    for scan_id in (waiting, over, failed):
        edit(store, scan_id, attempts=5)
    edit(store, failed, error={"cause": "seen before"})
    store.claims.claim("a", 1, 60)
    for scan_id in (over, expired):
        edit(store, scan_id, report_generated=IN_PROGRESS, owner="a", lease_until=LONG_AGO)
    claims = [store.claims.claim("b", 10, 60, attempts_allowed=5) for _ in range(2)]
    assert [claim.failed for claim in claims] == [2, 0]
    claims = [store.claims.claim_expired("b", 60, attempts_allowed=5) for _ in range(2)]
    assert [(ids_of(claim), claim.failed) for claim in claims] == [([], 1), ([expired], 0)]
    assert state_of(store, good) == IN_PROGRESS
    causes = {scan_id: cause for scan_id, cause, _ in store.queries.errors()}
    assert causes.keys() == {waiting, over, failed}
    assert causes[failed] == "seen before"
    assert "stopped answering" in causes[over]


def test_a_dead_owners_scans_fail_if_that_was_their_last_attempt(store: DBManager) -> None:
    once, twice = (scan.key for scan in make_claimable(store, 2))
    store.claims.claim("dead", 2, 60)
    edit(store, twice, attempts=2)
    assert store.claims.release_dead("dead", 2) == 2
    assert (state_of(store, once), state_of(store, twice)) == (TO_DO, ERROR)


def test_a_stopped_owners_scans_lose_no_attempt(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    for _ in range(7):
        assert len(store.claims.claim("stopped", 1, 60, attempts_allowed=5)) == 1
        assert store.claims.release("stopped") == 1
    stored = document_of(store, scan.key)
    assert (stored["report_generated"], stored["attempts"]) == (TO_DO, 0)


def test_a_failed_scan_waits_longer_after_each_attempt(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    pauses = []
    for attempt in range(6):
        edit(store, scan.key, not_before=LONG_AGO)
        [claim] = store.claims.claim("a", 1, 60)
        if attempt % 2:
            store.supervision.fail(scan.key, "a", claim.fence, "died", 99, pause_s=10)
        else:
            store.claims.fail(claim, "no brain in it", 99, pause_s=10)
        stored = document_of(store, scan.key)
        pauses.append((stored["not_before"] - stored["error"]["at"]).total_seconds())
        assert store.claims.claim("b", 1, 60) == []
    for pause, full in zip(pauses, (10, 50, 150, 450, 1200, 1200), strict=True):
        assert full / 2 <= pause <= full


@pytest.mark.sample(5)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_last_cause_keeps_no_scan_from_failing(store: DBManager, kind: str) -> None:
    damaged, other, good = (scan.key for scan in make_claimable(store, 3))
    store.claims.claim("dead", 3, 60)
    for key in (damaged, other, good):
        edit(store, key, attempts=2, error={"cause": "seen before"})
    damage(store, damaged, "error.cause", kind)
    damage(store, other, "error", kind)
    assert store.claims.release_dead("dead", 2) == 3
    assert states(store) == [ERROR] * 3
    for key in (damaged, other):
        assert isinstance(document_of(store, key)["error"]["cause"], str)
    assert document_of(store, good)["error"]["cause"] == "seen before"


@pytest.mark.sample(5)
@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_processors_damaged_scan_fails_or_is_to_do(store: DBManager, kind: str) -> None:
    [scan] = make_claimable(store, 1)
    [claim] = store.claims.claim("dead", 1, 60)
    damage(store, scan.key, "attempts", kind)
    assert store.supervision.fail(scan.key, "dead", claim.fence, "died", 2) in (TO_DO, ERROR)
    store.supervision.fail_damaged()
    store.claims.claim("a", 1, 60)
    assert states(store) == [ERROR]


def test_giving_up_is_a_legal_transition() -> None:
    assert ERROR in TRANSITIONS[TO_DO]
    assert ERROR in TRANSITIONS[IN_PROGRESS]


def test_a_scan_that_kills_each_processor_fails_and_the_others_flow(
    store: DBManager,
) -> None:
    scans = [scan.key for scan in make_claimable(store, 3)]
    poison, done = scans[0], set()
    for turn in range(20):
        owner = f"owner-{turn}"
        for claim in store.claims.claim(owner, 10, 60, attempts_allowed=3):
            if claim.scan.key == poison:
                store.claims.release_dead(
                    owner, 3
                )  # by the supervisor, when the process was killed
                break
            store.claims.complete([(claim, make_report(claim.scan))])
            done.add(claim.scan.key)
    assert done == set(scans[1:])
    assert document_of(store, poison)["attempts"] == 3
    assert state_of(store, poison) == ERROR
    assert inside(store, Collection.REPORTS).count_documents({}) == 2


def test_many_owners_that_do_all_of_it_at_once_finish_each_scan_once(store: DBManager) -> None:
    scans = {scan.key for scan in make_claimable(store, 60)}
    finished: Counter[str] = Counter()
    lock = threading.Lock()

    def work(i: int) -> None:
        steps: list[Callable[[list[Claim]], object]] = [
            lambda claims: store.claims.release(f"o-{i}", never_started=claims),
            lambda claims: [store.claims.fail(claim, "again", 1000) for claim in claims],
            lambda claims: expire(store, *ids_of(claims)),
        ]
        for turn in range(1000):
            claims = store.claims.claim(f"o-{i}", 5, 60) or store.claims.claim_expired(f"o-{i}", 60)
            if not claims and store.queries.count_states()[DONE] == len(scans):
                return
            if turn % 4 < 3 and turn < 12:
                steps[(turn + i) % 3](claims)
                continue
            lost = store.claims.complete([(claim, make_report(claim.scan)) for claim in claims])
            with lock:
                finished.update(set(ids_of(claims)) - lost)
        raise AssertionError("they do not come to an end")

    together(6, work)
    assert finished == dict.fromkeys(scans, 1)
    assert store.queries.count_reports() == {True: 0, False: len(scans)}
