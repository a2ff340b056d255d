"""Whatever owners and people do in whatever order, a scan has one report, of the right revision,
and all earlier ones as history."""

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from common.const import Collection
from common.documents import Claim
from common.verify import verify
from tests.common.test_store_invariants import DONE, LEASE_S, OWNERS, SCANS, Owners
from tests.factories import document_of, inside, make_report, opened


class Reanalysing(Owners):
    """Owners, and somebody who puts scans back."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        inside(store, Collection.HISTORY).delete_many({})

    @invariant()
    def promises_hold(self) -> None:
        self.look()
        reports = {one["_id"]: one for one in inside(self.store, Collection.REPORTS).find()}
        history = {
            (one["_id"]["scan"], one["_id"]["revision"]): one["report"]
            for one in inside(self.store, Collection.HISTORY).find()
        }
        for scan_id, scan in self.seen.items():
            revision, report = scan.get("revision", 1), reports.get(scan_id)
            if scan["report_generated"] == DONE:
                assert report is not None
                assert report["revision"] == revision
            elif revision > 1:
                assert report is not None, "put back, a scan keeps its report"
                assert report["revision"] in (revision - 1, revision)
        for scan_id, before in self.reports.items():
            now = reports[scan_id]
            if now["report"] != before["report"]:
                assert now["revision"] == before["revision"] + 1
                assert history[scan_id, before["revision"]] == before["report"]
        self.reports = reports
        assert verify(self.store).gaps == 0

    @rule(target=Owners.claims, owner=OWNERS, limit=st.integers(1, 3))
    def claim(self, owner: str, limit: int) -> Any:
        self.give_up()
        return self.taken(self.store.claim(owner, limit, LEASE_S), owner)

    @rule(which=st.integers(0, 2))
    def put_back(self, which: int) -> None:
        scan_id = SCANS[which][0].scan_id
        scan = document_of(self.store, scan_id)
        expected = int(scan is not None and scan["report_generated"] == DONE)
        revision = 1 if scan is None else scan.get("revision", 1)
        assert self.store.put_back([scan_id], revision) == expected
        assert self.store.put_back([scan_id], revision) == 0

    @rule(claim=Owners.claims)
    def complete(self, claim: Claim) -> None:
        report = make_report(claim.scan, run_time_ms=claim.fence, revision=claim.revision)
        held = self.holds(claim)
        lost = self.store.complete([(claim, report)])
        scan = document_of(self.store, claim.scan.scan_id)
        mine = self.is_of(claim, scan) and scan["report_generated"] == DONE
        assert lost == (set() if mine else {claim.scan.scan_id})
        assert mine or not held

    @rule()
    def send(self) -> None:
        for out in self.store.lease_reports("pacs-1", 2, 60):
            self.store.mark_sent([out.report.scan_id], out.report.revision)


def test_whatever_is_put_back_the_promises_of_the_store_hold(
    mongodb_uri: str, database: str
) -> None:
    with opened(mongodb_uri, database) as store:

        class Here(Reanalysing):
            def __init__(self) -> None:
                super().__init__(store)

        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=20,
                stateful_step_count=40,
                deadline=None,
                database=None,
                print_blob=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
