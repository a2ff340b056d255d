"""Whatever owners, senders and people do in whatever order, the store's promises hold, and it
holds and answers what a model of it predicts. ``HYPOTHESIS_PROFILE=long`` looks longer."""

import functools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from common.domain.report import BrainReport
from common.errors import ClaimLost
from common.store import claim_queue
from common.store.collections import Collection
from common.store.documents import Added, Claim, NewScan, OutgoingReport
from common.store.labels import LabelWriter
from common.store.reports import Reports
from tests.common.store.store_machine import Compared
from tests.common.store.store_model import ERROR, IN_PROGRESS, TO_DO
from tests.factories import LONG_AGO, document_of, edit, inside, make_report, make_scan, migrate
from tests.recorders import Recording
from tests.stateful import bounded

LIMIT = 2
LEASE_S = 60
SCANS = [make_scan(scan_id=f"scan-{i}") for i in range(6)]
OTHER = make_scan(scan_id="scan-0", voxels=bytes(100))
IDS = [scan.key for scan, _ in SCANS]
OWNERS = st.sampled_from(["a", "b", "c"])
ONE = st.integers(0, 5)
SOME = st.lists(ONE, min_size=1, max_size=5)
CLAIM = st.integers(0, 11)  # see ``pick``
ALLOWED = st.sampled_from([LIMIT, LIMIT, 1, 0])


class Killed(Exception):
    """What this owner was about to do, it does not."""


def report_of(claim: Claim) -> BrainReport:
    """A report that says which claim wrote it."""
    return make_report(claim.scan, run_time_ms=claim.fence, revision=claim.revision)


class Owners(Compared):
    """Several owners at the same few scans. Claims stay in play after they were lost, and so do
    reports that were leased."""

    outgoing: Bundle[OutgoingReport] = Bundle("outgoing")

    # --- scans come and are claimed ---

    @initialize(n=st.integers(2, len(SCANS)))
    def some_are_there(self, n: int) -> None:
        self.add(list(range(n)))
        self.claim("a", n - 1)

    @precondition(lambda self: len(self.model.scans) < len(SCANS) and not self.model.any(TO_DO))
    @rule(which=SOME)
    def add(self, which: list[int]) -> None:
        outcome = self.store.scans.add([NewScan(*SCANS[i]) for i in which])
        assert set(outcome) <= {Added.STORED, Added.KNOWN}
        for scan_id in self.model.add(IDS[i] for i in which):
            self.model.scans[scan_id].turn = self.pauses(scan_id)
            edit(
                self.store,
                scan_id,
                received_at=LONG_AGO,
                turn_at=LONG_AGO + timedelta(seconds=self.ticks),
            )
        assert self.store.scans.add([NewScan(*OTHER)]) == [Added.CONFLICT]
        self.check()

    @precondition(lambda self: self.model.any(TO_DO))
    @rule(owner=OWNERS, limit=st.integers(1, 5), max_retried=st.integers(1, 3))
    def claim(self, owner: str, limit: int, max_retried: int = 1) -> None:
        expected = self.model.next(limit, max_retried)
        self.taken(
            expected, owner, self.store.claims.claim(owner, limit, LEASE_S, max_retried=max_retried)
        )

    @precondition(lambda self: self.model.ended())
    @rule(owner=OWNERS, max_retried=st.integers(1, 3))
    def claim_expired(self, owner: str, max_retried: int = 1) -> None:
        expected = self.model.next_ended(max_retried)
        claims = self.store.claims.claim_expired(owner, LEASE_S, max_retried=max_retried)
        self.taken(expected, owner, claims)

    def taken(self, expected: list[str], owner: str, claims: list[Claim]) -> None:
        assert [(c.scan.key, c.owner) for c in claims] == [(i, owner) for i in expected]
        for claim in claims:
            self.model.claimed(claim)
        self.given += claims
        self.check()

    def pick(self, which: int) -> Claim:
        """A claim that holds, if there is one or can be one; or any one of the last dozen."""
        if which < 6:
            if not self.held():
                self.more_to_do()
                if self.model.any(TO_DO):
                    self.claim("a", 3)
            if held := self.held():
                return held[which % len(held)]
        return self.given[-1 - which % len(self.given)]

    def more_to_do(self) -> None:
        if not self.model.any(TO_DO):
            self.requeue(list(range(len(SCANS))))
            self.check()

    @precondition(lambda self: self.model.any(TO_DO))
    @rule(owner=OWNERS, limit=st.integers(1, 5), allowed=st.sampled_from([LIMIT, 1]))
    def claim_what_may_be_tried(self, owner: str, limit: int, allowed: int) -> None:
        expected = self.model.claim(limit, 2, allowed)
        self.taken(
            expected,
            owner,
            self.store.claims.claim(owner, limit, LEASE_S, max_retried=2, attempts_allowed=allowed),
        )

    @precondition(lambda self: self.model.ended())
    @rule(owner=OWNERS)
    def claim_expired_once(self, owner: str) -> None:
        """Where one attempt is allowed, what expired fails."""
        expected = self.model.next_ended(2)
        self.model.give_up(expected, 1)
        claims = self.store.claims.claim_expired(owner, LEASE_S, max_retried=2, attempts_allowed=1)
        assert claims == []

    @precondition(lambda self: self.model.any(IN_PROGRESS))
    @rule(which=st.lists(ONE, min_size=3, unique=True), taken=st.booleans())
    def leases_end(self, which: list[int], taken: bool) -> None:
        for i in which:
            self.lease_ends(IDS[i])
        if taken:
            self.claim_expired("c")

    @rule(which=CLAIM)
    def renew(self, which: int) -> None:
        claim = self.pick(which)
        scan_id, scan = claim.scan.key, self.model.of(claim)
        if scan.held_by(claim):
            assert self.store.claims.renew([claim], LEASE_S) == set()
            scan.ended = None
        else:
            lost = self.unchanged(scan_id, lambda: self.store.claims.renew([claim], LEASE_S))
            assert lost == {scan_id}

    # --- claims end ---

    def write(self, claims: list[Claim]) -> list[tuple[Claim, BrainReport]]:
        for claim in claims:
            if self.model.of(claim).held_by(claim):
                self.model.write(claim)
        return [(claim, report_of(claim)) for claim in claims]

    @rule(which=st.lists(CLAIM, min_size=1, max_size=3))
    def complete(self, which: list[int]) -> None:
        some = list({c.scan.key: c for c in map(self.pick, which)}.values())
        lost = self.store.claims.complete(self.write(some))
        assert lost == self.model.finish(some)

    @rule(which=CLAIM)
    def complete_killed(self, which: int) -> None:
        """The report is written, its scan knows nothing of it."""
        claim = self.pick(which)

        def killed() -> None:
            raise Killed

        with pytest.raises(Killed):
            self.store.recorded_by(Recording(killed)).claims.complete(self.write([claim]))

    @rule(which=CLAIM, owner=OWNERS, by=st.sampled_from(["dies", "fails", "over", "taken"]))
    def complete_losing(self, which: int, owner: str, by: str) -> None:
        """The claim is lost, if it was not before, after its report was written."""
        claim = self.pick(which)

        def lose() -> None:
            if by == "dies":
                self.dies(claim.owner)
            elif by == "fails":
                self.fails(claim, 0)
            else:
                if self.model.of(claim).held_by(claim):
                    self.lease_ends(claim.scan.key)
                if by == "over":
                    self.claim_expired_once(owner)
                else:
                    self.claim_expired(owner)

        recorded = self.store.recorded_by(Recording(lose))
        lost = recorded.claims.complete(self.write([claim]))
        assert lost == self.model.finish([claim])

    @rule(which=CLAIM)
    def report_late(self, which: int) -> None:
        """An owner lost its claim between its look and its write, after which it was killed."""
        claim = self.pick(which + 6)
        if self.model.of(claim).held_by(claim):
            return
        Reports(self.store.connection, LabelWriter(self.store.connection)).write([report_of(claim)])
        self.model.write(claim)

    @rule(which=CLAIM, allowed=ALLOWED)
    def fail(self, which: int, allowed: int) -> None:
        self.fails(self.pick(which), allowed)

    def fails(self, claim: Claim, allowed: int) -> None:
        scan_id, cause = claim.scan.key, f"cause {claim.fence}"
        if state := self.model.fail(claim, cause, allowed):
            before = document_of(self.store, scan_id)
            assert self.store.claims.fail(claim, cause, allowed) == state
            if state is TO_DO and document_of(self.store, scan_id) != before:
                self.pauses(scan_id)
        else:
            with pytest.raises(ClaimLost):
                self.unchanged(scan_id, lambda: self.store.claims.fail(claim, cause, allowed))

    @rule(which=CLAIM, allowed=ALLOWED)
    def blame(self, which: int, allowed: int) -> None:
        """Its supervisor does it for an owner that ended."""
        claim = self.pick(which)
        ended = claim.scan.key, claim.owner, claim.fence, "ended", allowed
        if self.model.of(claim).held_by(claim):
            assert self.store.supervision.fail(*ended) == self.model.fail(claim, "ended", allowed)
            if self.model.of(claim).state is TO_DO:
                self.pauses(claim.scan.key)
        else:
            assert (
                self.unchanged(claim.scan.key, lambda: self.store.supervision.fail(*ended)) is None
            )

    @rule(which=CLAIM)
    def release_never_started(self, which: int) -> None:
        claim = self.pick(which)
        scan = self.model.of(claim)
        if scan.held_by(claim):
            assert self.store.claims.release(claim.owner, never_started=[claim]) == 1
            scan.becomes(TO_DO, scan.error)
            scan.attempts -= 1
        else:
            release = functools.partial(
                self.store.claims.release, claim.owner, never_started=[claim]
            )
            assert self.unchanged(claim.scan.key, release) == 0

    @precondition(lambda self: self.model.any(IN_PROGRESS))
    @rule(owner=OWNERS)
    def dies(self, owner: str) -> None:
        held = self.model.held_by(owner)
        released = self.store.claims.release_dead(owner, LIMIT)
        assert released == self.model.release_dead(owner, LIMIT)
        for scan_id in held:
            self.pauses(scan_id)

    @precondition(lambda self: self.model.any(IN_PROGRESS))
    @rule(owner=OWNERS)
    def is_stopped(self, owner: str) -> None:
        assert self.store.claims.release(owner) == self.model.release(owner)

    def pauses(self, scan_id: str) -> int:
        """The order of pauses that end within a millisecond is this one."""
        edit(self.store, scan_id, not_before=self.tick())
        self.model.scans[scan_id].due = self.ticks
        return self.ticks

    # --- a person, and Fr-HUB's round ---

    @precondition(lambda self: self.model.any(ERROR))
    @rule(which=SOME)
    def requeue(self, which: list[int]) -> None:
        ids = [IDS[i] for i in which]
        assert self.store.failed_scans.requeue(ids) == self.model.requeue(ids)

    @precondition(lambda self: self.model.any(ERROR))
    @rule()
    def reconcile_failed(self) -> None:
        reported = self.model.errors_reported()
        assert self.store.reconciliation.reconcile_failed() == reported
        self.model.reconcile(reported)

    # --- reports on their way ---

    @precondition(lambda self: self.model.reports)
    @rule(target=outgoing, limit=st.integers(1, 3))
    def lease(self, limit: int) -> Any:
        due = self.model.due()
        leased = self.store.outbox.lease("pacs-1", limit, LEASE_S)
        ids = {out.key for out in leased}
        assert ids <= due
        assert len(ids) == len(leased) == min(limit, len(due))
        for out in leased:
            report = self.model.reports[out.key]
            report.leased = report.was_leased = True
            report.tries += 1
            assert (out.content["run_time_ms"], out.tries) == (report.fence, report.tries)
        self.model.reconcile(ids)
        return multiple(*leased)

    @rule(out=outgoing)
    def sent(self, out: OutgoingReport) -> None:
        """It was acknowledged: maybe long after its lease, maybe again, maybe when another
        revision had taken its place."""
        scan_id, revision = out.key, out.revision
        report = self.model.reports[scan_id]
        if report.revision == revision and not report.sent:
            self.store.outbox.mark_sent([scan_id], revision)
            report.sent = True
        else:
            self.unchanged(scan_id, lambda: self.store.outbox.mark_sent([scan_id], revision))

    @precondition(lambda self: self.model.reports)
    @rule(which=ONE, delay_s=st.sampled_from([0, 60]))
    def postpone(self, which: int, delay_s: int) -> None:
        scan_id = IDS[which]
        report = self.model.reports.get(scan_id)
        if report is None or report.sent or not report.was_leased:
            self.unchanged(scan_id, lambda: self.store.outbox.postpone([scan_id], delay_s))
        else:
            self.store.outbox.postpone([scan_id], delay_s)
            report.leased = delay_s > 0

    @precondition(lambda self: self.model.reports)
    @rule(which=SOME)
    def leases_of_reports_end(self, which: list[int]) -> None:
        for report in (self.model.reports.get(IDS[i]) for i in which):
            if report is not None:
                report.leased = False
        late = {"$set": {"next_try_at": self.tick()}}
        these = {"_id": {"$in": [IDS[i] for i in which]}}
        inside(self.store, Collection.REPORTS).update_many(these, late)


def test_whatever_owners_do_the_store_is_as_its_model(
    mongodb_uri: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(mongodb_uri, database)
    # The look at retried scans is left out for a while otherwise.
    monkeypatch.setattr(claim_queue, "RETRIED_LOOK_S", 0.0)

    class Here(Owners):
        def __init__(self) -> None:
            super().__init__(mongodb_uri, database)

    run_state_machine_as_test(Here, settings=bounded(35, 40))
