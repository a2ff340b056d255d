"""Whatever owners do in whatever order, the store's promises hold."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
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
from common.documents import Added, Claim, NewScan, report_document
from common.errors import ClaimLost
from common.verify import verify
from tests.factories import document_of, expire, inside, make_report, make_scan, opened

LIMIT = 3
LEASE_S = 60
SCANS = [make_scan(scan_id=f"scan-{i}") for i in range(3)]
OTHERS = [make_scan(scan_id=f"scan-{i}", voxels=bytes(100)) for i in range(3)]
OWNERS = st.sampled_from(["a", "b"])
TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated


class Owners(RuleBasedStateMachine):
    """Several owners at the same few scans. Claims stay in play after they were lost."""

    claims: Bundle[Claim] = Bundle("claims")

    def __init__(self, store: DBManager) -> None:
        super().__init__()
        self.store = store
        for name in (Collection.SCANS, Collection.REPORTS):
            inside(store, name).delete_many({})
        self.seen: dict[str, Any] = {}
        self.given: set[tuple[str, int]] = set()
        self.reports: dict[str, Any] = {}

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
            assert scan["attempts"] <= LIMIT + 1
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
        for field in ("scan", "voxels", "received_at"):
            assert scan[field] == before[field]

    @invariant()
    def promises_hold(self) -> None:
        self.look()
        reports = {
            one["_id"]: one["report"] for one in inside(self.store, Collection.REPORTS).find()
        }
        assert reports.keys() <= self.seen.keys(), "a report without a scan"
        done = {scan_id for scan_id, s in self.seen.items() if s["report_generated"] == DONE}
        assert done <= reports.keys(), "a 'Done' scan without its report"
        for scan_id, report in self.reports.items():
            assert reports[scan_id] == report, "a report was replaced"
        self.reports = reports
        assert verify(self.store).gaps == 0

    # --- what they do ---

    def holds(self, claim: Claim) -> bool:
        scan = document_of(self.store, claim.scan.scan_id)
        return self.is_of(claim, scan) and scan["report_generated"] == IN_PROGRESS

    @staticmethod
    def is_of(claim: Claim, scan: Any) -> bool:
        return (scan.get("owner"), scan["fence"]) == (claim.owner, claim.fence)

    def taken(self, claims: list[Claim], owner: str) -> Any:
        for claim in claims:
            assert claim.owner == owner
            assert self.holds(claim)
            key = (claim.scan.scan_id, claim.fence)
            assert key not in self.given, "one fence was given twice"
            self.given.add(key)
        return multiple(*claims)

    def unchanged(self, claim: Claim, call: Callable[[], Any]) -> Any:
        """What ``call`` returns, which must change nothing of the scan."""
        before = document_of(self.store, claim.scan.scan_id)
        result = call()
        assert document_of(self.store, claim.scan.scan_id) == before
        return result

    @initialize()
    def some_are_there(self) -> None:
        self.store.add_scans([NewScan(*scan) for scan in SCANS[:2]])

    @rule(which=st.lists(st.integers(0, 2), min_size=1, max_size=3))
    def add(self, which: list[int]) -> None:
        outcome = self.store.add_scans([NewScan(*SCANS[i]) for i in which])
        assert set(outcome) <= {Added.STORED, Added.KNOWN}

    @rule(which=st.integers(0, 1))
    def add_other_content(self, which: int) -> None:
        assert self.store.add_scans([NewScan(*OTHERS[which])]) == [Added.CONFLICT]

    @rule(target=claims, owner=OWNERS, limit=st.integers(1, 3))
    def claim(self, owner: str, limit: int) -> Any:
        claims = self.store.claim(owner, limit, LEASE_S)
        assert len(claims) <= limit
        assert len(claims) == 1 or all(claim.attempts == 1 for claim in claims)
        taken = self.taken(claims, owner)
        self.give_up()
        return taken

    @rule(target=claims, owner=OWNERS)
    def claim_expired(self, owner: str) -> Any:
        self.give_up()
        return self.taken(self.store.claim_expired(owner, LEASE_S), owner)

    @rule()
    def give_up(self) -> None:
        self.look()
        self.store.give_up(LIMIT)
        self.look()

    @rule(claim=claims)
    def lease_ends(self, claim: Claim) -> None:
        if self.holds(claim):
            expire(self.store, claim.scan.scan_id)

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        if self.holds(claim):
            assert self.store.renew([claim], LEASE_S) == set()
        else:
            lost = self.unchanged(claim, lambda: self.store.renew([claim], LEASE_S))
            assert lost == {claim.scan.scan_id}

    @rule(claim=claims)
    def complete(self, claim: Claim) -> None:
        done = [(claim, make_report(claim.scan, run_time_ms=claim.fence))]
        if self.holds(claim):
            assert self.store.complete(done) == set()
            return
        if self.reported(claim):
            lost = self.store.complete(done)  # it settles what a late report left
        else:
            lost = self.unchanged(claim, lambda: self.store.complete(done))
        scan = document_of(self.store, claim.scan.scan_id)
        mine = self.is_of(claim, scan) and scan["report_generated"] == DONE
        assert lost == (set() if mine else {claim.scan.scan_id})

    @rule(claim=claims, allowed=st.sampled_from([0, LIMIT]))
    def fail(self, claim: Claim, allowed: int) -> None:
        expected = ERROR if claim.attempts >= allowed else TO_DO
        if self.holds(claim):
            settled = expected == ERROR and self.reported(claim)
            assert self.store.fail(claim, "cause", allowed) == (DONE if settled else expected)
            return
        before = document_of(self.store, claim.scan.scan_id)
        if self.is_of(claim, before) and before["report_generated"] == expected:
            self.unchanged(claim, lambda: self.store.fail(claim, "cause", allowed))
            return
        with pytest.raises(ClaimLost):
            self.store.fail(claim, "cause", allowed)
        assert document_of(self.store, claim.scan.scan_id) == before

    @rule(claim=consumes(claims))
    def release_unused(self, claim: Claim) -> None:
        if self.holds(claim):
            assert self.store.release(claim.owner, unused=[claim]) == 1
        else:
            release = lambda: self.store.release(claim.owner, unused=[claim])  # noqa: E731
            assert self.unchanged(claim, release) == 0

    @rule(owner=OWNERS)
    def dies(self, owner: str) -> None:
        held = {"owner": owner, "report_generated": IN_PROGRESS}
        count = inside(self.store).count_documents(held)
        assert self.store.release(owner) == count

    def reported(self, claim: Claim) -> bool:
        return document_of(self.store, claim.scan.scan_id, Collection.REPORTS) is not None

    @rule(claim=claims, killed=st.booleans())
    def report_late(self, claim: Claim, killed: bool) -> None:
        """An owner loses its claim between its look and its write; perhaps it is killed then."""
        if self.holds(claim) or self.reported(claim):
            return
        report = make_report(claim.scan, run_time_ms=claim.fence)
        inside(self.store, Collection.REPORTS).insert_one(report_document(report))
        if killed:
            leased = self.store.lease_reports("pacs-1", 10, LEASE_S)
            assert claim.scan.scan_id in {out.report.scan_id for out in leased}
        else:
            self.store._settle([claim.scan.scan_id])
        assert document_of(self.store, claim.scan.scan_id)["report_generated"] in (
            DONE,
            IN_PROGRESS,
        )

    @rule(which=st.integers(0, 2))
    def requeue(self, which: int) -> None:
        scan_id = SCANS[which][0].scan_id
        before = document_of(self.store, scan_id)
        result = self.store.requeue([scan_id])
        if before is None:
            assert result.unknown == (scan_id,)
        elif before["report_generated"] == ERROR:
            assert result.to_do == (scan_id,)
            assert document_of(self.store, scan_id)["attempts"] == 0
        else:
            assert result.elsewhere == ((scan_id, before["report_generated"]),)
            assert document_of(self.store, scan_id) == before

    @rule()
    def send(self) -> None:
        leased = [out.report.scan_id for out in self.store.lease_reports("pacs-1", 2, LEASE_S)]
        self.store.mark_sent(leased)
        assert all(self.store.states_of(leased)[scan_id][1] for scan_id in leased)


def test_whatever_owners_do_the_promises_of_the_store_hold(mongodb_uri: str, database: str) -> None:
    with opened(mongodb_uri, database) as store:

        class Here(Owners):
            def __init__(self) -> None:
                super().__init__(store)

        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=20,
                stateful_step_count=30,
                deadline=None,
                database=None,
                print_blob=True,
                phases=[Phase.generate],  # to shrink a failure takes minutes: add Phase.shrink
                suppress_health_check=list(HealthCheck),
            ),
        )
