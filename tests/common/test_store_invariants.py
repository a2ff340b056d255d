"""Whatever owners do in whatever order, the store's promises hold, and it holds what a model of it
predicts. ``HYPOTHESIS_PROFILE=long`` looks longer."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from common.const import TRANSITIONS, Collection, ReportGenerated
from common.db_manager import DBManager
from common.documents import Added, Claim, NewScan
from common.errors import ClaimLost
from common.verify import verify
from tests.common.store_model import (
    DONE,
    ERROR,
    IN_PROGRESS,
    TO_DO,
    Model,
    ReportModel,
    ScanModel,
)
from tests.factories import (
    LONG_AGO,
    document_of,
    edit,
    expire,
    inside,
    make_report,
    make_scan,
    opened,
)
from tests.stateful import bounded

LIMIT = 2
LEASE_S = 60
SCANS = [make_scan(scan_id=f"scan-{i}") for i in range(3)]
OTHERS = [make_scan(scan_id=f"scan-{i}", voxels=bytes(100)) for i in range(3)]
OWNERS = st.sampled_from(["a", "b", "c"])


class Owners(RuleBasedStateMachine):
    """Several owners at the same few scans. Claims stay in play after they were lost."""

    claims: Bundle[Claim] = Bundle("claims")

    def __init__(self, store: DBManager) -> None:
        super().__init__()
        self.store = store
        for name in (Collection.SCANS, Collection.REPORTS):
            inside(store, name).delete_many({})
        self.seen: dict[str, Any] = {}
        self.contents: dict[str, Any] = {}
        self.model = Model()

    # --- what is looked at after each step ---

    def look(self) -> None:
        """Hold what changed since the last look to the legal transitions."""
        now = {scan["_id"]: scan for scan in inside(self.store).find()}
        assert self.seen.keys() <= now.keys(), "a scan is gone"
        for scan_id, scan in now.items():
            before = self.seen.get(scan_id)
            if before is None:
                assert scan["report_generated"] == TO_DO
            else:
                self.look_at(before, scan)
        self.seen = now

    def look_at(self, before: Any, scan: Any) -> None:
        was, state = (ReportGenerated(one["report_generated"]) for one in (before, scan))
        claimed = scan["fence"] != before["fence"]
        if was is not state or claimed:
            assert state in TRANSITIONS[was], f"from {was} to {state}"
        if claimed:
            assert scan["fence"] == before["fence"] + 1
            assert state is IN_PROGRESS
        else:
            assert scan.get("owner") == before.get("owner"), "another holder under one fence"
        if state is ERROR:
            assert scan["error"]["cause"]
        for field in ("scan", "voxels", "received_at"):
            assert scan[field] == before[field]

    @invariant()
    def promises_hold(self) -> None:
        self.look()
        reports = {one["_id"]: one for one in inside(self.store, Collection.REPORTS).find()}
        assert reports.keys() <= self.seen.keys(), "a report without a scan"
        done = {scan_id for scan_id, s in self.seen.items() if s["report_generated"] == DONE}
        assert done <= reports.keys(), "a 'Done' scan without its report"
        for scan_id, content in self.contents.items():
            assert reports[scan_id]["report"] == content, "a report was replaced"
        self.contents = {scan_id: one["report"] for scan_id, one in reports.items()}
        self.model.compare(self.seen, reports)
        assert verify(self.store).gaps == 0

    # --- what they do ---

    def of(self, claim: Claim) -> ScanModel:
        return self.model.scans[claim.scan.scan_id]

    def unchanged(self, claim: Claim, call: Callable[[], Any]) -> Any:
        """What ``call`` returns, which must change nothing of the scan."""
        before = document_of(self.store, claim.scan.scan_id)
        result = call()
        assert document_of(self.store, claim.scan.scan_id) == before
        return result

    @initialize()
    def some_are_there(self) -> None:
        self.add([0, 1])

    @rule(which=st.lists(st.integers(0, 2), min_size=1, max_size=3))
    def add(self, which: list[int]) -> None:
        outcome = self.store.add_scans([NewScan(*SCANS[i]) for i in which])
        assert set(outcome) <= {Added.STORED, Added.KNOWN}
        for i in which:
            self.model.scans.setdefault(SCANS[i][0].scan_id, ScanModel())

    @rule(which=st.integers(0, 1))
    def add_other_content(self, which: int) -> None:
        assert self.store.add_scans([NewScan(*OTHERS[which])]) == [Added.CONFLICT]

    @rule(target=claims, owner=OWNERS, limit=st.integers(1, 3))
    def claim(self, owner: str, limit: int) -> Any:
        waiting = sum(scan.state is TO_DO for scan in self.model.scans.values())
        claims = self.store.claim(owner, limit, LEASE_S)
        assert min(1, waiting) <= len(claims) <= limit
        assert len(claims) == 1 or all(claim.attempts == 1 for claim in claims)
        for claim in claims:
            assert claim.owner == owner
            assert self.of(claim).state is TO_DO
            self.model.claimed(claim)
        return multiple(*claims)

    @rule(target=claims, owner=OWNERS)
    def claim_expired(self, owner: str) -> Any:
        over = {name for name, s in self.model.scans.items() if s.state is IN_PROGRESS and s.over}
        claims = self.store.claim_expired(owner, LEASE_S)
        assert len(claims) == min(1, len(over))
        for claim in claims:
            assert claim.scan.scan_id in over
            self.model.claimed(claim)
        return multiple(*claims)

    @rule()
    def give_up(self) -> None:
        assert self.store.give_up(LIMIT) == self.model.give_up(LIMIT)

    @rule(claim=claims)
    def lease_ends(self, claim: Claim) -> None:
        if self.of(claim).held_by(claim):
            expire(self.store, claim.scan.scan_id)
            self.of(claim).over = True

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        if self.of(claim).held_by(claim):
            assert self.store.renew([claim], LEASE_S) == set()
            self.of(claim).over = False
        else:
            lost = self.unchanged(claim, lambda: self.store.renew([claim], LEASE_S))
            assert lost == {claim.scan.scan_id}

    @rule(claim=claims)
    def complete(self, claim: Claim) -> None:
        scan_id, scan = claim.scan.scan_id, self.of(claim)
        done = [(claim, make_report(claim.scan, run_time_ms=claim.fence))]
        if scan.held_by(claim):
            assert self.store.complete(done) == set()
            scan.state = DONE
        else:
            lost = self.unchanged(claim, lambda: self.store.complete(done))
            mine = scan.was_of(claim) and scan.state is DONE
            assert lost == (set() if mine else {scan_id})
        # The report that was written first stands, whoever ended the scan.
        self.model.reports.setdefault(scan_id, ReportModel(claim.fence))

    @rule(claim=claims, allowed=st.sampled_from([0, LIMIT]))
    def fail(self, claim: Claim, allowed: int) -> None:
        scan, expected = self.of(claim), ERROR if claim.attempts >= allowed else TO_DO
        if scan.held_by(claim):
            assert self.store.fail(claim, "cause", allowed) == expected
            scan.state = expected
        elif scan.was_of(claim) and scan.state is expected:
            self.unchanged(claim, lambda: self.store.fail(claim, "cause", allowed))
        else:
            with pytest.raises(ClaimLost):
                self.unchanged(claim, lambda: self.store.fail(claim, "cause", allowed))

    @rule(claim=consumes(claims))
    def release_unused(self, claim: Claim) -> None:
        if self.of(claim).held_by(claim):
            assert self.store.release(claim.owner, unused=[claim]) == 1
            self.of(claim).state = TO_DO
            self.of(claim).attempts -= 1
        else:
            release = lambda: self.store.release(claim.owner, unused=[claim])  # noqa: E731
            assert self.unchanged(claim, release) == 0

    @rule(owner=OWNERS)
    def dies(self, owner: str) -> None:
        assert self.store.release(owner) == self.model.release(owner)

    @rule(which=st.integers(0, 2))
    def requeue(self, which: int) -> None:
        scan_id = SCANS[which][0].scan_id
        scan = self.model.scans.get(scan_id)
        if scan is not None and scan.state is ERROR:
            edit(self.store, scan_id, report_generated=TO_DO, attempts=0)
            scan.state, scan.attempts = TO_DO, 0

    # --- reports on their way ---

    @rule(limit=st.integers(1, 3))
    def lease(self, limit: int) -> None:
        due = self.model.due()
        leased = {out.report.scan_id for out in self.store.lease_reports("pacs-1", limit, LEASE_S)}
        assert leased <= due
        assert len(leased) == min(limit, len(due))
        for scan_id in leased:
            report = self.model.reports[scan_id]
            report.leased = report.was_leased = True

    @rule(which=st.integers(0, 2))
    def sent(self, which: int) -> None:
        """A leased report was acknowledged, maybe long after its lease and maybe again."""
        report = self.model.reports.get(SCANS[which][0].scan_id)
        if report is None or report.was_leased:
            self.store.mark_sent([SCANS[which][0].scan_id])
        if report is not None:
            report.sent |= report.was_leased

    @rule(which=st.integers(0, 2), delay_s=st.sampled_from([0, 60]))
    def postpone(self, which: int, delay_s: int) -> None:
        report = self.model.reports.get(SCANS[which][0].scan_id)
        self.store.postpone_reports([SCANS[which][0].scan_id], delay_s)
        if report is not None and not report.sent:
            report.leased = delay_s > 0

    @rule(which=st.integers(0, 2))
    def lease_of_report_ends(self, which: int) -> None:
        scan_id = SCANS[which][0].scan_id
        late = {"$set": {"next_try_at": LONG_AGO}}
        inside(self.store, Collection.REPORTS).update_one({"_id": scan_id}, late)
        if report := self.model.reports.get(scan_id):
            report.leased = False


def test_whatever_owners_do_the_promises_of_the_store_hold(mongodb_uri: str, database: str) -> None:
    with opened(mongodb_uri, database) as store:

        class Here(Owners):
            def __init__(self) -> None:
                super().__init__(store)

        run_state_machine_as_test(Here, settings=bounded(40, 40))
