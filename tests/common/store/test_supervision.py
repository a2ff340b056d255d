"""Claims that a supervisor renews or fails for its processors."""

from common.domain.states import ReportGenerated
from common.store.db_manager import DBManager
from tests.factories import document_of, make_claimable, state_of, taken_over


def test_the_scan_of_a_dead_processor_is_retried_until_its_attempts_are_used_up(
    store: DBManager,
) -> None:
    [scan] = make_claimable(store, 1)
    for attempt, state in enumerate((ReportGenerated.TO_DO, ReportGenerated.ERROR), 1):
        [claim] = store.claims.claim("a", 1, 60)
        recorded = store.supervision.fail(scan.scan_id, "a", claim.fence, f"cause {attempt}", 2)
        assert recorded == state == state_of(store, scan.scan_id)
        assert store.supervision.fail(scan.scan_id, "a", claim.fence, "again", 2) is None
    [found] = store.failed_scans.all()
    assert (found.cause, found.worker, found.attempts) == ("cause 2", "a", 2)


def test_a_lost_claim_is_neither_failed_nor_renewed(store: DBManager) -> None:
    old, new = taken_over(store)
    before = document_of(store, old.scan.scan_id)
    assert store.supervision.fail(old.scan.scan_id, "old", old.fence, "too late", 1) is None
    assert not store.supervision.renew(old.scan.scan_id, "old", old.fence, 3600)
    assert document_of(store, old.scan.scan_id) == before
    assert store.supervision.renew(new.scan.scan_id, "new", new.fence, 3600)
    assert document_of(store, new.scan.scan_id)["lease_until"] > before["lease_until"]
