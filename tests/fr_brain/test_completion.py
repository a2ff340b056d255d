"""Claims end with a report or with the cause of the failure; a lost claim ends with neither."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from common.domain.report import BrainReport
from common.domain.states import ReportGenerated
from common.errors import StoreError, StoreRefused
from common.runtime.logger import AvailabilityLog, RateLimitedLog, get_log
from common.store.db_manager import DBManager
from common.store.documents import Claim
from common.store.opening import retrying_store
from fr_brain.analysis import Analysed, AnalysisFailure
from fr_brain.completion import Completion
from fr_brain.lease import Lease
from tests.factories import document_of, expire, make_claimable, make_report, state_of
from tests.fr_brain.processors import Gate, processing


@pytest.fixture
def claims(store: DBManager) -> list[Claim]:
    """Two claims of the owner ``me``."""
    make_claimable(store, 2)
    return store.claims.claim("me", 2, 60)


@pytest.fixture
def lease(store: DBManager, claims: list[Claim]) -> Lease:
    """It holds the claims; nothing renews them."""
    lease = Lease(store.claims, 60, get_log(), AvailabilityLog(get_log(), "MongoDB"))
    lease.replace(claims, time.monotonic())
    return lease


@pytest.fixture
def completion(store: DBManager, lease: Lease) -> Completion:
    """It allows two attempts."""
    log = get_log()
    retry = retrying_store(threading.Event(), AvailabilityLog(log, "MongoDB"))
    return Completion(store.claims, lease, 2, 0.0, retry, log, RateLimitedLog(log))


def test_reports_are_written_and_their_claims_end(
    store: DBManager, claims: list[Claim], lease: Lease, completion: Completion
) -> None:
    completion.complete([(claim, Analysed(make_report(claim.scan))) for claim in claims])
    assert {state_of(store, claim.scan.key) for claim in claims} == {ReportGenerated.DONE}
    assert store.queries.count_reports() == {True: 0, False: 2}
    assert not any(map(lease.holds, claims))


def test_a_failure_is_recorded_until_the_attempts_are_used_up(
    store: DBManager, claims: list[Claim], lease: Lease, completion: Completion
) -> None:
    claim, other = claims
    completion.fail(claim, AnalysisFailure("the first cause"))
    assert state_of(store, claim.scan.key) == ReportGenerated.TO_DO
    assert (lease.holds(claim), lease.holds(other)) == (False, True)
    [again] = store.claims.claim("me", 1, 60)
    completion.fail(again, AnalysisFailure("the second cause"))
    [(scan_id, cause, _)] = store.queries.errors()
    assert (scan_id, cause) == (claim.scan.key, "the second cause")


def test_a_final_failure_uses_no_other_attempt(
    store: DBManager, claims: list[Claim], completion: Completion
) -> None:
    completion.fail(claims[0], AnalysisFailure("damaged", final=True))
    assert state_of(store, claims[0].scan.key) == ReportGenerated.ERROR


def test_the_failure_of_a_lost_claim_changes_nothing_in_the_store(
    store: DBManager, claims: list[Claim], lease: Lease, completion: Completion
) -> None:
    lost = claims[0]
    expire(store, lost.scan.key)
    store.claims.claim_expired("another", 60)
    before = document_of(store, lost.scan.key)
    completion.fail(lost, AnalysisFailure("too late", final=True))
    assert document_of(store, lost.scan.key) == before
    assert not lease.holds(lost)


# --- in a processor ------------------------------------------------------------------------------


def test_a_processor_that_lost_its_claim_during_the_analysis_does_not_complete_the_scan(
    store: DBManager,
) -> None:
    [scan] = make_claimable(store, 1)
    gate = Gate()
    with processing(store, gate) as stale:
        gate.begun()
        expire(store, scan.key)
        [claim] = store.claims.claim_expired("another", 30)
        gate.open()
        stale.stop.set()
    document = document_of(store, scan.key)
    assert (document["report_generated"], document["owner"]) == ("In Progress", "another")
    assert not store.claims.complete([(claim, make_report(claim.scan))])
    assert state_of(store, scan.key) == ReportGenerated.DONE
    assert sum(store.queries.count_reports().values()) == 1


def test_a_processor_that_was_suspended_for_longer_than_its_lease_writes_no_report(
    store: DBManager,
) -> None:
    [scan] = make_claimable(store, 1)
    gate = Gate()
    with processing(store, gate) as stale:
        gate.begun()
        expire(store, scan.key)
        store.claims.claim_expired("another", 30)
        stale.processor._lease._claimed_at -= 30  # as if it had been suspended for so long
        gate.open()
        stale.stop.set()
    assert sum(store.queries.count_reports().values()) == 0


def test_a_report_that_cannot_be_stored_fails_its_scan_alone(
    store: DBManager,
    claims: list[Claim],
    lease: Lease,
    completion: Completion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = claims
    write = store.claims._reports.write

    def refuse_bad(reports: Sequence[BrainReport], labels: Any, **given: Any) -> None:
        if any(report.key == bad.key for report in reports):
            raise StoreError("MongoDB cannot store a document")
        write(reports, labels, **given)

    monkeypatch.setattr(store.claims._reports, "write", refuse_bad)
    completion.complete([(claim, Analysed(make_report(claim.scan))) for claim in claims])
    assert state_of(store, good.key) == ReportGenerated.DONE
    assert document_of(store, bad.key)["error"]["cause"] == "its report cannot be stored"
    assert document_of(store, bad.key)["attempts"] == 1
    assert not any(map(lease.holds, claims))


def test_while_mongodb_refuses_everything_no_scan_is_to_blame(
    store: DBManager,
    claims: list[Claim],
    completion: Completion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreRefused("MongoDB refuses the login")

    monkeypatch.setattr(store.claims._reports, "write", refuse)
    with pytest.raises(StoreRefused):
        completion.complete([(claim, Analysed(make_report(claim.scan))) for claim in claims])
    assert all("error" not in document_of(store, claim.key) for claim in claims)
