"""Held claims are renewed, dropped once they are lost, and released at the end."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from common.domain.states import ReportGenerated
from common.runtime.logger import AvailabilityLog, get_log
from common.store.db_manager import DBManager
from common.store.documents import Claim
from fr_brain.lease import Lease
from tests.factories import document_of, expire, make_claimable, make_report, state_of
from tests.fr_brain.processors import QUICK_S, Gate, in_state, processing
from tests.running import until


@contextlib.contextmanager
def leased(store: DBManager, lease_s: float) -> Iterator[Lease]:
    """A lease whose thread renews."""
    log = get_log()
    lease = Lease(store.claims, lease_s, log, AvailabilityLog(log, "MongoDB"))
    lease.start()
    try:
        yield lease
    finally:
        lease.close()


def test_held_claims_are_renewed_until_they_are_dropped(store: DBManager) -> None:
    make_claimable(store, 2)
    kept, dropped = store.claims.claim("me", 2, 0.3)
    before = document_of(store, kept.scan.key)["lease_until"]
    with leased(store, 0.3) as lease:
        lease.replace([kept, dropped], time.monotonic())
        lease.drop([dropped])

        def renewed() -> bool:
            until_now = document_of(store, kept.scan.key)["lease_until"]
            return bool(until_now - before > timedelta(seconds=1))

        until(renewed)
        assert (lease.holds(kept), lease.holds(dropped)) == (True, False)
        assert document_of(store, dropped.scan.key)["lease_until"] == before


def test_a_lost_claim_is_dropped_and_the_others_are_kept(store: DBManager) -> None:
    make_claimable(store, 2)
    lost, kept = store.claims.claim("me", 2, 60)
    with leased(store, 0.3) as lease:
        lease.replace([lost], time.monotonic())
        lease.add([kept])
        expire(store, lost.scan.key)
        store.claims.claim_expired("another", 60)
        until(lambda: not lease.holds(lost))
        assert lease.holds(kept)
    assert document_of(store, lost.scan.key)["owner"] == "another"


def test_new_claims_replace_the_old_ones_and_are_fresh_for_a_third_of_the_lease(
    store: DBManager,
) -> None:
    make_claimable(store, 2)
    old, new = store.claims.claim("me", 2, 60)
    with leased(store, 60) as lease:
        lease.replace([old], time.monotonic() - 21)
        assert not lease.is_fresh()
        lease.replace([new], time.monotonic() - 10)
        assert lease.is_fresh()
        assert (lease.holds(old), lease.holds(new)) == (False, True)


def test_what_is_held_at_the_end_is_released_and_the_attempt_does_not_count(
    store: DBManager,
) -> None:
    make_claimable(store, 2)
    held, dropped = store.claims.claim("me", 2, 60)
    with leased(store, 60) as lease:
        lease.replace([held, dropped], time.monotonic())
        lease.drop([dropped])
    document = document_of(store, held.scan.key)
    assert (document["report_generated"], document["attempts"]) == ("To Do", 0)
    assert state_of(store, dropped.scan.key) == ReportGenerated.IN_PROGRESS


def test_a_claim_that_is_completed_during_a_renewal_is_not_lost(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("me", 1, 60)
    availability = AvailabilityLog(get_log(), "MongoDB")
    lease = Lease(store.claims, 60, get_log(), availability)
    lease.replace([claim], time.monotonic())
    renew = store.claims.renew
    with capture_logs() as logs, lease.ending([claim]):

        def completed_meanwhile(claims: Sequence[Claim], lease_s: float) -> set[str]:
            store.claims.complete([(claim, make_report(claim.scan))])
            lost = renew(claims, lease_s)
            assert lost == {claim.scan.key}
            return lost

        monkeypatch.setattr(store.claims, "renew", completed_meanwhile)
        lease._renew()
    assert logs == []
    assert not lease.holds(claim)


def test_a_scan_that_is_claimed_anew_during_a_renewal_is_not_lost(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("me", 1, 60)
    lease = Lease(store.claims, 60, get_log(), AvailabilityLog(get_log(), "MongoDB"))
    lease.replace([claim], time.monotonic())
    renew, anew = store.claims.renew, list[Claim]()

    def failed_and_claimed_meanwhile(claims: Sequence[Claim], lease_s: float) -> set[str]:
        with lease.ending([claim]):
            store.claims.fail(claim, "no luck", 5)
        anew.extend(store.claims.claim("me", 1, 60))
        lease.replace(anew, time.monotonic())
        return renew(claims, lease_s)

    monkeypatch.setattr(store.claims, "renew", failed_and_claimed_meanwhile)
    with capture_logs() as logs:
        lease._renew()
    assert logs == []
    assert [one.fence for one in anew] == [claim.fence + 1]
    assert lease.holds(anew[0])


def test_a_scan_that_is_claimed_anew_while_its_claim_ends_is_held(store: DBManager) -> None:
    """Its report sent it back, and the processor claimed it ahead before the report was done."""
    make_claimable(store, 1)
    [first] = store.claims.claim("me", 1, 60)
    with leased(store, 60) as lease:
        lease.replace([first], time.monotonic())
        with lease.ending([first]):
            store.claims.complete([(first, make_report(first.scan))])
            store.revisions.schedule_reanalysis([first.key], 1)
            [second] = store.claims.claim("me", 1, 60)
            lease.add([second])
        assert (lease.holds(first), lease.holds(second)) == (False, True)


def test_released_claims_lose_no_attempt_and_are_held_no_more(store: DBManager) -> None:
    make_claimable(store, 2)
    given_back, kept = store.claims.claim("me", 2, 60)
    with leased(store, 60) as lease:
        lease.replace([given_back, kept], time.monotonic())
        lease.release([given_back])
        assert (lease.holds(given_back), lease.holds(kept)) == (False, True)
        assert document_of(store, given_back.scan.key)["attempts"] == 0
        assert state_of(store, given_back.scan.key) == ReportGenerated.TO_DO


# --- in a processor ------------------------------------------------------------------------------


def test_a_scan_that_takes_longer_than_its_lease_keeps_its_owner(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    gate = Gate()
    with processing(store, gate, brain_lease_s=1):
        gate.begun()
        began = document_of(store, scan.key)

        def renewed_for_two_leases() -> bool:
            assert not store.claims.claim_expired("a rival", 30)
            now = document_of(store, scan.key)
            return bool((now["lease_until"] - began["claimed_at"]).total_seconds() > 3)

        until(renewed_for_two_leases)
        gate.open()
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    document = document_of(store, scan.key)
    assert (document["owner"], document["attempts"]) == ("the processor", 1)
    assert gate.calls == [scan.key]


def test_scans_of_a_batch_whose_claim_was_lost_before_their_turn_are_skipped(
    store: DBManager,
) -> None:
    first, second, third = make_claimable(store, 3)
    gate = Gate()
    with processing(store, gate, seconds_per_scan=QUICK_S, brain_lease_s=1) as running:
        assert gate.begun() == first.key
        until(lambda: in_state(store, ReportGenerated.IN_PROGRESS) == 3)
        expire(store, second.key)
        [claim] = store.claims.claim_expired("another", 30)
        until(lambda: second.key not in running.processor._lease._held)
        gate.open()
        until(lambda: in_state(store, ReportGenerated.DONE) == 2)
    assert gate.calls == [first.key, third.key]
    assert claim.scan == second


def test_a_processor_stopped_in_a_batch_finishes_its_scan_and_releases_the_others(
    store: DBManager,
) -> None:
    first, *others = make_claimable(store, 5)
    gate = Gate()
    with processing(store, gate, seconds_per_scan=QUICK_S) as running:
        assert gate.begun() == first.key
        until(lambda: in_state(store, ReportGenerated.IN_PROGRESS) == 5)
        running.stop.set()
        gate.open()
        running.thread.join(10)
    assert gate.calls == [first.key]
    assert state_of(store, first.key) == ReportGenerated.DONE
    for scan in others:
        document = document_of(store, scan.key)
        assert (document["report_generated"], document["attempts"]) == ("To Do", 0)
    assert sum(store.queries.count_reports().values()) == 1
