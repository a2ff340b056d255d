"""Late reports: a scan never stays in 'Error' beside its report.

A report is late if its owner lost its claim between checking the claim and writing the report: the
tests stop an owner there, on the real store, while others go on.
"""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from common.commands.verify import verify
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Claim, report_document
from tests.common.store.damage_kinds import KINDS, damage, damage_each, states
from tests.common.store.damaged import DAMAGE, UNDECODABLE, spoil
from tests.factories import (
    document_of,
    edit,
    expire,
    inside,
    make_claimable,
    make_failed,
    make_report,
    make_reports,
    state_of,
    taken_over,
    together,
)

TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated


def write_late(store: DBManager, claim: Claim) -> None:
    """Write a report as an owner does that lost its claim after checking it."""
    inside(store, Collection.REPORTS).insert_one(report_document(make_report(claim.scan)))


def one_report_and_done(store: DBManager, scan_id: str) -> None:
    """What must hold in the end, whatever happened in between."""
    stored = document_of(store, scan_id)
    assert stored["report_generated"] == DONE
    assert "error" not in stored
    assert inside(store, Collection.REPORTS).count_documents({"_id": scan_id}) == 1
    found = verify(store)
    # A damaged header stays one, and is the only gap.
    assert found.gaps == len(found.damaged_scans) == _is_damaged(stored["scan"])


def _is_damaged(header: Any) -> bool:
    try:
        BrainScan.stored(header)
    except ValidationError:
        return True
    return False


def test_an_owner_that_lost_its_claim_before_it_looks_writes_no_report(store: DBManager) -> None:
    old, new = taken_over(store)
    assert store.claims.complete([(old, make_report(old.scan))]) == {old.scan.key}
    store.claims.fail(new, "damaged", 0)
    assert store.claims.complete([(old, make_report(old.scan))]) == {old.scan.key}
    assert store.queries.count_reports() == {True: 0, False: 0}
    assert state_of(store, old.scan.key) == ERROR


def error_by_fail(store: DBManager, claim: Claim) -> None:
    assert store.claims.fail(claim, "damaged", 0) == ERROR


def error_by_giving_up(store: DBManager, claim: Claim) -> None:
    expire(store, claim.scan.key)
    claimed = store.claims.claim_expired("another", 60, attempts_allowed=1)
    assert (claimed, claimed.failed) == ([], 1)


def error_by_damage(store: DBManager, claim: Claim) -> None:
    edit(store, claim.scan.key, scan={**document_of(store, claim.scan.key)["scan"], "x": 1})
    expire(store, claim.scan.key)
    assert store.claims.claim_expired("another", 60) == []


WAYS_TO_ERROR = [error_by_fail, error_by_giving_up, error_by_damage]


@pytest.mark.parametrize("make_error", WAYS_TO_ERROR)
def test_an_owner_whose_report_is_late_finds_the_failed_scan_and_finishes_it(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, make_error: Callable[..., None]
) -> None:
    old, new = taken_over(store)
    real = store.claims._still_held

    def check_and_sleep(_claims: Any) -> set[str]:
        monkeypatch.setattr(store.claims, "_still_held", real)
        make_error(store, new)
        return {old.scan.key}  # as it was a moment ago

    monkeypatch.setattr(store.claims, "_still_held", check_and_sleep)
    assert store.claims.complete([(old, make_report(old.scan))]) == {old.scan.key}
    one_report_and_done(store, old.scan.key)


@pytest.mark.parametrize("attempts_allowed", [0, 1])
def test_a_failure_does_not_move_a_scan_with_a_late_report_to_error(
    store: DBManager, attempts_allowed: int
) -> None:
    old, new = taken_over(store)
    write_late(store, old)  # and the owner is killed
    assert store.claims.fail(new, "damaged", attempts_allowed) == DONE
    one_report_and_done(store, old.scan.key)


def test_a_scan_with_a_late_report_is_not_given_up(store: DBManager) -> None:
    old, new = taken_over(store)
    write_late(store, old)
    expire(store, new.scan.key)
    claimed = store.claims.claim_expired("another", 60, attempts_allowed=1)
    assert (claimed, claimed.failed) == ([], 0)
    one_report_and_done(store, old.scan.key)


def test_a_damaged_header_does_not_move_a_scan_with_a_late_report_to_error(
    store: DBManager,
) -> None:
    old, new = taken_over(store)
    write_late(store, old)
    edit(store, new.scan.key, scan={})
    expire(store, new.scan.key)
    assert store.claims.claim_expired("another", 60) == []
    one_report_and_done(store, old.scan.key)


def error_with_report(store: DBManager) -> Claim:
    """A scan in 'Error' with a report: its late owner was killed between writing the report and
    checking the scan, after the scan failed."""
    old, new = taken_over(store)
    store.claims.fail(new, "damaged", 0)
    write_late(store, old)
    return old


def test_a_failed_scan_with_a_report_is_a_gap(store: DBManager) -> None:
    claim = error_with_report(store)
    verdict = verify(store)
    assert verdict.error_with_report == (claim.scan.key,)
    assert verdict.gaps == 1


def test_before_a_report_is_sent_its_scan_is_done(store: DBManager) -> None:
    claim = error_with_report(store)
    [leased] = store.outbox.lease("pacs-1", 10, 60)
    assert leased.key == claim.scan.key
    one_report_and_done(store, claim.scan.key)


def test_a_scan_to_do_whose_report_leaves_is_done_and_not_analysed_again(store: DBManager) -> None:
    old, new = taken_over(store)
    write_late(store, old)
    store.claims.release("new")
    store.outbox.lease("pacs-1", 10, 60)
    one_report_and_done(store, new.scan.key)
    assert store.claims.claim("another", 10, 60) == []


def test_who_claimed_a_scan_whose_report_leaves_meanwhile_can_still_finish_or_fail(
    store: DBManager,
) -> None:
    for final in (True, False):
        old, new = taken_over(store)
        write_late(store, old)
        store.outbox.lease("pacs-1", 10, 60)
        assert state_of(store, new.scan.key) == IN_PROGRESS
        if final:
            assert store.claims.complete([(new, make_report(new.scan))]) == set()
        else:
            assert store.claims.fail(new, "damaged", 0) == DONE
        one_report_and_done(store, new.scan.key)


def test_a_requeued_scan_with_a_report_is_done_instead(store: DBManager) -> None:
    claim = error_with_report(store)
    [other] = make_failed(store, 1)
    result = store.failed_scans.requeue([claim.scan.key, other])
    assert (result.to_do, result.done) == ((other,), (claim.scan.key,))
    one_report_and_done(store, claim.scan.key)
    assert state_of(store, other) == TO_DO


def test_a_report_later_than_a_requeue_is_the_only_one(store: DBManager) -> None:
    old, new = taken_over(store)
    store.claims.fail(new, "damaged", 0)
    store.failed_scans.requeue([old.scan.key])
    write_late(store, old)
    [again] = store.claims.claim("third", 1, 60)
    assert store.claims.complete([(again, make_report(again.scan))]) == set()
    one_report_and_done(store, old.scan.key)


def test_the_hubs_periodic_reconciliation_repairs_the_rest(store: DBManager) -> None:
    claim = error_with_report(store)
    inside(store, Collection.REPORTS).update_many({}, {"$set": {"status": True}})  # sent even
    make_failed(store, 3)
    assert store.reconciliation.reconcile_failed() == [claim.scan.key]
    assert store.reconciliation.reconcile_failed() == []
    one_report_and_done(store, claim.scan.key)
    assert store.queries.count_states()[ERROR] == 3


SCAN_FIELDS = ("_id", "revision", "reanalysis_error", "error", "notice", "scan", "fence", "schema")
REPORT_FIELDS = ("revision", "report", "pacs", "status")


@pytest.mark.sample(5)
@pytest.mark.parametrize("kind", KINDS)
def test_beside_damage_of_any_kind_failed_scans_with_a_report_are_done(
    store: DBManager, kind: str
) -> None:
    count = len(SCAN_FIELDS) + len(REPORT_FIELDS) + 1
    make_claimable(store, count)
    claims = store.claims.claim("a", count, 60)
    for claim in claims:
        store.claims.fail(claim, "no brain in it", 0)
        write_late(store, claim)
    keys = [claim.key for claim in claims]
    damage_each(store, keys[1:9], SCAN_FIELDS, kind)
    damage_each(store, keys[9:], REPORT_FIELDS, kind, Collection.REPORTS)
    assert keys[0] in store.reconciliation.reconcile_failed()
    assert state_of(store, keys[0]) == DONE
    # Only those whose revision or id is damaged are left as they are.
    assert states(store).count(ERROR) <= 3


@pytest.mark.sample(5)
@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_reanalysis_beside_damage_of_any_kind_adopts_its_late_report(
    store: DBManager, kind: str
) -> None:
    damaged, good = (report.key for report in make_reports(store, 2))
    for key in (damaged, good):
        edit(store, key, reanalysis_error={"cause": "failed"})
        inside(store, Collection.REPORTS).update_one({"_id": key}, {"$set": {"revision": 2}})
    damage(store, damaged, "revision", kind)
    store.reconciliation.reconcile([damaged, good])
    assert document_of(store, good)["revision"] == 2


def test_late_reports_and_failures_at_once_end_in_one_report_and_done(
    store: DBManager,
) -> None:
    for _ in range(15):
        old, new = taken_over(store)

        def work(i: int, old: Claim = old, new: Claim = new) -> object:
            if i == 0:
                write_late(store, old)
                return store.claims._reconciliation.reconcile([old.scan.key])
            return store.claims.fail(new, "damaged", 0)

        together(2, work)
        one_report_and_done(store, old.scan.key)


@pytest.mark.sample(5)
@pytest.mark.parametrize("damage", DAMAGE, ids=str)
@pytest.mark.parametrize("name", [Collection.SCANS, Collection.REPORTS])
def test_failed_scans_are_reconciled_beside_damaged_ones(
    store: DBManager, name: Collection, damage: object
) -> None:
    good, bad, odd = (report.key for report in make_reports(store, 3))
    for key in (good, bad, odd):
        edit(store, key, report_generated=ERROR)
    spoil(store, name, bad, "revision", damage)
    spoil(store, Collection.SCANS, odd, "_id", UNDECODABLE)
    assert good in store.reconciliation.reconcile_failed()
    assert state_of(store, good) == DONE
