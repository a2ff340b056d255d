"""Claims of processors that cannot act themselves, by their owner id."""

import pytest

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import report_document
from tests.factories import document_of, inside, make_claimable, make_report, state_of, taken_over
from tests.recorders import Recording


@pytest.mark.parametrize(
    ("allowed", "state"), [(2, ReportGenerated.TO_DO), (1, ReportGenerated.ERROR)]
)
def test_a_dead_processors_scan_fails_with_the_cause_once(
    store: DBManager, allowed: int, state: str
) -> None:
    [scan] = make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    assert store.supervision.fail(scan.key, "a", claim.fence, "killed", allowed) == state
    stored = document_of(store, scan.key)
    assert stored["report_generated"] == state
    assert (stored["error"]["cause"], stored["error"]["worker"]) == ("killed", "a")
    assert "lease_until" not in stored
    assert store.supervision.fail(scan.key, "a", claim.fence, "again", allowed) is None
    assert document_of(store, scan.key) == stored


def test_a_lost_claim_is_neither_failed_nor_renewed(store: DBManager) -> None:
    old, new = taken_over(store)
    before = document_of(store, old.scan.key)
    assert store.supervision.fail(old.scan.key, "old", old.fence, "killed", 1) is None
    assert not store.supervision.renew(old.scan.key, "old", old.fence, 3600)
    assert document_of(store, old.scan.key) == before
    assert store.supervision.renew(new.scan.key, "new", new.fence, 3600)
    assert document_of(store, new.scan.key)["lease_until"] > before["lease_until"]


def test_a_scan_whose_report_was_written_before_its_processor_died_is_done(
    store: DBManager,
) -> None:
    [scan] = make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    inside(store, Collection.REPORTS).insert_one(report_document(make_report(claim.scan)))
    state = store.supervision.fail(scan.key, "a", claim.fence, "killed", 1)
    assert state == ReportGenerated.DONE == state_of(store, scan.key)


def test_the_failure_is_recorded_before_the_scan_changes(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    states: list[str] = []
    recorder = Recording(lambda: states.append(state_of(store, scan.key)))
    store.recorded_by(recorder).supervision.fail(scan.key, "a", claim.fence, "killed", 1)
    assert recorder.ids(Kind.ERROR) == [scan.key]
    assert states == [ReportGenerated.IN_PROGRESS]
