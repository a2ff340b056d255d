"""Notices of failed scans: with the failure, leased, sent, removed."""

import pytest

from common.domain.states import ReportGenerated
from common.store.claim_documents import DAMAGED
from common.store.db_manager import DBManager
from tests.factories import (
    LONG_AGO,
    document_of,
    edit,
    make_claimable,
    make_failed,
    make_report,
    together,
)


def leased(store: DBManager, pacs: str = "pacs-1") -> dict[str, str]:
    return {one.key: one.cause for one in store.notices.lease(pacs, 10, 60)}


def test_a_scan_that_fails_for_good_has_a_notice_for_its_fr_pacs(store: DBManager) -> None:
    [key] = make_failed(store, 1, "no brain in it")
    make_failed(store, 1, pacs="pacs-2")
    assert leased(store) == {key: "no brain in it"}
    assert leased(store) == {}  # under way
    edit(store, key, **{"notice.due_at": LONG_AGO})
    [again] = store.notices.lease("pacs-1", 10, 60)
    assert again.tries == 2


@pytest.mark.parametrize("source", ["web", "web-north"])
def test_an_uploaded_scan_has_no_fr_pacs_to_tell(store: DBManager, source: str) -> None:
    [key] = make_failed(store, 1, pacs=source)
    assert document_of(store, key)["error"]["cause"]
    assert "notice" not in document_of(store, key)


def test_a_scan_that_will_be_tried_again_has_none(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    assert store.claims.fail(claim, "cause", 5) is ReportGenerated.TO_DO
    assert leased(store) == {}


def test_whatever_sets_a_scan_to_error_leaves_a_notice(store: DBManager) -> None:
    given_up, damaged = (scan.key for scan in make_claimable(store, 2))
    edit(store, given_up, attempts=5)
    edit(store, damaged, **{"scan.shape": "round"})
    assert store.claims.claim("a", 10, 60, attempts_allowed=5).failed == 2
    assert leased(store).keys() == {given_up, damaged}
    assert document_of(store, damaged)["error"]["cause"].startswith(DAMAGED)


def test_an_acknowledged_notice_is_removed(store: DBManager) -> None:
    first, second = make_failed(store, 2)
    leased(store)
    store.notices.mark_sent([first])
    store.notices.mark_sent([first])
    store.notices.postpone([first, second], 0)
    assert leased(store).keys() == {second}
    assert "notice" not in document_of(store, first)


@pytest.mark.parametrize("late", [False, True])
def test_a_requeue_or_a_late_report_withdraws_the_notice(store: DBManager, late: bool) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.fail(claim, "cause", 0)
    if late:
        store.claims.complete([(claim, make_report(claim.scan))], verify_first=False)
    else:
        store.failed_scans.requeue([claim.scan.key])
    assert leased(store) == {}
    assert "notice" not in document_of(store, claim.scan.key)


def test_a_late_acknowledgement_does_not_remove_the_notice_of_a_second_failure(
    store: DBManager,
) -> None:
    [key] = make_failed(store, 1)
    leased(store)
    store.failed_scans.requeue([key])
    [claim] = store.claims.claim("b", 1, 60)
    store.claims.fail(claim, "another cause", 0)
    store.notices.mark_sent([key])
    assert leased(store) == {key: "another cause"}


def test_hubs_that_lease_at_once_never_share_a_notice(store: DBManager) -> None:
    keys = make_failed(store, 30)
    found = together(4, lambda _: list(leased(store)))
    assert sum(map(len, found)) == len({key for mine in found for key in mine})
    assert {key for mine in found for key in mine} <= set(keys)


def test_notices_are_found_with_an_index(store: DBManager) -> None:
    make_failed(store, 3)
    wanted = {"scan.pacs": "pacs-9", "notice.due_at": {"$exists": True}}
    found = store.connection.scans.find({**wanted, "report_generated": "Error"}).explain()
    assert found["executionStats"]["totalDocsExamined"] == 0
