"""Scans set aside: listed, put back, and never both set aside and reported.

A late report is one whose owner lost its claim between its look at the claim and its write: the
tests stop an owner there, on the real store, and let the others go on.
"""

from collections.abc import Callable
from typing import Any

import pytest

from common.commands.verify import verify
from common.domain.states import ReportGenerated
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Claim, report_document
from tests.factories import (
    document_of,
    edit,
    expire,
    ids_of,
    inside,
    make_claimable,
    make_report,
    make_reports,
    state_of,
    taken_over,
    together,
)

TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated


def make_errors(store: DBManager, n: int, cause: str = "no brain in it") -> list[str]:
    """Scans that were set aside, the first one the oldest."""
    make_claimable(store, n)
    claims = store.claims.claim("worker-1", n, 60)
    for claim in claims:
        store.claims.fail(claim, cause, 0)
    return ids_of(claims)


def write_late(store: DBManager, claim: Claim) -> None:
    """What an owner that lost its claim since it looked still does."""
    inside(store, Collection.REPORTS).insert_one(report_document(make_report(claim.scan)))


def one_report_and_done(store: DBManager, scan_id: str) -> None:
    """What must be true in the end, whatever came between."""
    assert state_of(store, scan_id) == DONE
    assert "error" not in document_of(store, scan_id)
    assert inside(store, Collection.REPORTS).count_documents({"_id": scan_id}) == 1
    assert verify(store).gaps == 0


# --- listed --------------------------------------------------------------------------------------


def test_each_scan_set_aside_is_listed_with_cause_attempts_worker_and_time(
    store: DBManager,
) -> None:
    assert list(store.failed_scans.all()) == []
    make_reports(store, 2)
    [scan_id] = make_errors(store, 1)
    make_claimable(store, 2)
    [found] = store.failed_scans.all()
    assert (found.scan_id, found.cause, found.attempts) == (scan_id, "no brain in it", 1)
    assert (found.worker, found.requeued) == ("worker-1", 0)
    assert found.at is not None
    assert found.at.tzinfo is not None


def test_more_than_a_page_is_listed_whole_in_order(store: DBManager) -> None:
    names = [f"scan-{i:05}" for i in range(2100)]
    error = {"cause": "planted"}
    inside(store).insert_many(
        [{"_id": name, "report_generated": ERROR, "error": error} for name in names]
    )
    assert [found.scan_id for found in store.failed_scans.all()] == names
    assert [len(page) for page in store.failed_scans.ids()] == [1000, 1000, 100]


def test_the_list_reads_only_what_is_set_aside(store: DBManager) -> None:
    make_reports(store, 50)
    make_errors(store, 3)
    wanted = {"report_generated": ERROR, "_id": {"$gt": ""}}
    plan = inside(store).find(wanted).sort("_id", 1).explain()["executionStats"]
    assert plan["totalDocsExamined"] == 3


def test_a_scan_whose_processors_died_keeps_the_last_one(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("worker-9", 1, 60)
    store.claims.release("worker-9")
    assert store.claims.give_up(1) == [claim.scan.scan_id]
    assert store.claims.give_up(1) == []
    [found] = store.failed_scans.all()
    assert (found.worker, found.attempts) == ("worker-9", 1)
    assert "stopped answering" in found.cause


def test_a_scan_with_a_damaged_header_keeps_who_met_it(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    edit(store, scan.scan_id, scan={"shape": "what?"})
    assert store.claims.claim("worker-2", 1, 60) == []
    [found] = store.failed_scans.all()
    assert (found.scan_id, found.worker, found.attempts) == (scan.scan_id, "worker-2", 1)


def test_an_error_of_an_older_release_is_listed_too(store: DBManager) -> None:
    inside(store).insert_one({"_id": "old", "report_generated": ERROR})
    [found] = store.failed_scans.all()
    assert (found.cause, found.attempts, found.worker, found.at) == ("unknown", 0, None, None)


# --- put back ------------------------------------------------------------------------------------


def test_what_is_put_back_is_as_if_nobody_had_tried_and_the_fence_rises_on(
    store: DBManager,
) -> None:
    [scan_id] = make_errors(store, 1)
    assert store.failed_scans.requeue([scan_id, scan_id]).to_do == (scan_id,)
    stored = document_of(store, scan_id)
    assert (stored["report_generated"], stored["attempts"], stored["fence"]) == (TO_DO, 0, 1)
    assert "error" not in stored
    [claim] = store.claims.claim("worker-2", 1, 60)
    assert (claim.fence, claim.attempts) == (2, 1)
    assert store.claims.complete([(claim, make_report(claim.scan))]) == set()
    one_report_and_done(store, scan_id)


def test_causes_of_earlier_times_are_kept_and_counted(store: DBManager) -> None:
    [scan_id] = make_errors(store, 1, "cause 0")
    for turn in range(1, 13):
        store.failed_scans.requeue([scan_id])
        [claim] = store.claims.claim("worker-2", 1, 60)
        store.claims.fail(claim, f"cause {turn}", 1)
    [found] = store.failed_scans.all()
    assert (found.cause, found.requeued) == ("cause 12", 10)
    past = document_of(store, scan_id)["past_errors"]
    assert [error["cause"] for error in past] == [f"cause {turn}" for turn in range(2, 12)]


def test_given_up_after_it_was_put_back_it_has_its_new_cause(store: DBManager) -> None:
    [scan_id] = make_errors(store, 1, "an old cause")
    store.failed_scans.requeue([scan_id])
    store.claims.claim("worker-2", 1, 60)
    store.claims.release("worker-2")
    store.claims.give_up(1)
    [found] = store.failed_scans.all()
    assert "stopped answering" in found.cause


def test_what_is_not_set_aside_stays_and_is_said(store: DBManager) -> None:
    [done] = make_reports(store, 1)
    to_do, in_progress = (scan.scan_id for scan in make_claimable(store, 2))
    edit(store, in_progress, report_generated=IN_PROGRESS)
    before = [document_of(store, i) for i in (done.scan_id, to_do, in_progress)]
    result = store.failed_scans.requeue([done.scan_id, "nobody", to_do, in_progress])
    assert result.to_do == result.done == ()
    assert result.unknown == ("nobody",)
    assert dict(result.elsewhere) == {done.scan_id: DONE, to_do: TO_DO, in_progress: IN_PROGRESS}
    assert [document_of(store, i) for i in (done.scan_id, to_do, in_progress)] == before


def test_of_people_who_put_back_the_same_scans_at_once_each_scan_is_one_persons(
    store: DBManager,
) -> None:
    ids = make_errors(store, 40)
    results = together(4, lambda _: store.failed_scans.requeue(ids))
    put_back = [scan_id for result in results for scan_id in result.to_do]
    assert sorted(put_back) == sorted(ids)
    for result in results:
        assert len(result.to_do) + len(result.elsewhere) == 40
        assert result.unknown == result.done == ()


def test_an_owner_of_before_finishes_nothing_that_was_put_back(store: DBManager) -> None:
    make_claimable(store, 1)
    [old] = store.claims.claim("old", 1, 60)
    scan_id = old.scan.scan_id
    store.claims.fail(old, "damaged", 0)
    store.failed_scans.requeue([scan_id])
    before = document_of(store, scan_id)
    assert store.claims.complete([(old, make_report(old.scan))]) == {scan_id}
    assert store.claims.renew([old], 60) == {scan_id}
    assert document_of(store, scan_id) == before
    assert store.queries.count_reports() == {True: 0, False: 0}


# --- a report that comes late --------------------------------------------------------------------


def test_an_owner_that_lost_its_claim_before_it_looks_writes_no_report(store: DBManager) -> None:
    old, new = taken_over(store)
    assert store.claims.complete([(old, make_report(old.scan))]) == {old.scan.scan_id}
    store.claims.fail(new, "damaged", 0)
    assert store.claims.complete([(old, make_report(old.scan))]) == {old.scan.scan_id}
    assert store.queries.count_reports() == {True: 0, False: 0}
    assert state_of(store, old.scan.scan_id) == ERROR


def set_aside_by_fail(store: DBManager, claim: Claim) -> None:
    assert store.claims.fail(claim, "damaged", 0) == ERROR


def set_aside_by_giving_up(store: DBManager, claim: Claim) -> None:
    expire(store, claim.scan.scan_id)
    assert store.claims.give_up(1) == [claim.scan.scan_id]


def set_aside_by_damage(store: DBManager, claim: Claim) -> None:
    edit(store, claim.scan.scan_id, scan={**document_of(store, claim.scan.scan_id)["scan"], "x": 1})
    expire(store, claim.scan.scan_id)
    assert store.claims.claim_expired("another", 60) == []


SETTING_ASIDE = [set_aside_by_fail, set_aside_by_giving_up, set_aside_by_damage]


@pytest.mark.parametrize("set_aside", SETTING_ASIDE)
def test_an_owner_that_is_late_with_its_report_finds_the_scan_set_aside_and_finishes_it(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, set_aside: Callable[..., None]
) -> None:
    old, new = taken_over(store)
    real = store.claims._still_held

    def look_and_sleep(_claims: Any) -> set[str]:
        monkeypatch.setattr(store.claims, "_still_held", real)
        set_aside(store, new)
        return {old.scan.scan_id}  # as it was a moment ago

    monkeypatch.setattr(store.claims, "_still_held", look_and_sleep)
    assert store.claims.complete([(old, make_report(old.scan))]) == {old.scan.scan_id}
    one_report_and_done(store, old.scan.scan_id)


@pytest.mark.parametrize("attempts_allowed", [0, 1])
def test_a_scan_whose_report_came_late_is_not_set_aside_by_a_failure(
    store: DBManager, attempts_allowed: int
) -> None:
    old, new = taken_over(store)
    write_late(store, old)  # and the owner is killed
    assert store.claims.fail(new, "damaged", attempts_allowed) == DONE
    one_report_and_done(store, old.scan.scan_id)


def test_a_scan_whose_report_came_late_is_not_given_up(store: DBManager) -> None:
    old, new = taken_over(store)
    write_late(store, old)
    expire(store, new.scan.scan_id)
    assert store.claims.give_up(1) == []
    one_report_and_done(store, old.scan.scan_id)


def test_a_scan_whose_report_came_late_is_not_set_aside_for_its_header(store: DBManager) -> None:
    old, new = taken_over(store)
    write_late(store, old)
    edit(store, new.scan.scan_id, scan={})
    expire(store, new.scan.scan_id)
    assert store.claims.claim_expired("another", 60) == []
    one_report_and_done(store, old.scan.scan_id)


def set_aside_with_report(store: DBManager) -> Claim:
    """A late owner was killed between its report and its look at the scan, after the scan was
    set aside: nobody has looked since."""
    old, new = taken_over(store)
    store.claims.fail(new, "damaged", 0)
    write_late(store, old)
    return old


def test_that_both_are_there_is_a_gap_and_named(store: DBManager) -> None:
    claim = set_aside_with_report(store)
    verdict = verify(store)
    assert verdict.error_with_report == (claim.scan.scan_id,)
    assert verdict.gaps == 1


def test_before_a_report_leaves_its_scan_is_done(store: DBManager) -> None:
    claim = set_aside_with_report(store)
    [leased] = store.outbox.lease("pacs-1", 10, 60)
    assert leased.scan_id == claim.scan.scan_id
    one_report_and_done(store, claim.scan.scan_id)


def test_a_scan_to_do_whose_report_leaves_is_done_and_not_analysed_again(store: DBManager) -> None:
    old, new = taken_over(store)
    write_late(store, old)
    store.claims.release("new")
    store.outbox.lease("pacs-1", 10, 60)
    one_report_and_done(store, new.scan.scan_id)
    assert store.claims.claim("another", 10, 60) == []


def test_who_claimed_a_scan_whose_report_leaves_meanwhile_can_still_finish_or_fail(
    store: DBManager,
) -> None:
    for final in (True, False):
        old, new = taken_over(store)
        write_late(store, old)
        store.outbox.lease("pacs-1", 10, 60)
        assert state_of(store, new.scan.scan_id) == IN_PROGRESS
        if final:
            assert store.claims.complete([(new, make_report(new.scan))]) == set()
        else:
            assert store.claims.fail(new, "damaged", 0) == DONE
        one_report_and_done(store, new.scan.scan_id)


def test_what_is_put_back_with_its_report_is_done_instead(store: DBManager) -> None:
    claim = set_aside_with_report(store)
    [other] = make_errors(store, 1)
    result = store.failed_scans.requeue([claim.scan.scan_id, other])
    assert (result.to_do, result.done) == ((other,), (claim.scan.scan_id,))
    one_report_and_done(store, claim.scan.scan_id)
    assert state_of(store, other) == TO_DO


def test_a_report_that_is_late_even_for_being_put_back_is_the_only_one(store: DBManager) -> None:
    old, new = taken_over(store)
    store.claims.fail(new, "damaged", 0)
    store.failed_scans.requeue([old.scan.scan_id])
    write_late(store, old)
    [again] = store.claims.claim("third", 1, 60)
    assert store.claims.complete([(again, make_report(again.scan))]) == set()
    one_report_and_done(store, old.scan.scan_id)


def test_a_hubs_round_settles_what_nobody_looked_at(store: DBManager) -> None:
    claim = set_aside_with_report(store)
    inside(store, Collection.REPORTS).update_many({}, {"$set": {"status": True}})  # sent even
    make_errors(store, 3)
    assert store.failed_scans.reconcile() == [claim.scan.scan_id]
    assert store.failed_scans.reconcile() == []
    one_report_and_done(store, claim.scan.scan_id)
    assert store.queries.count_states()[ERROR] == 3


def test_late_reports_and_setting_aside_at_once_end_in_one_report_and_done(
    store: DBManager,
) -> None:
    for _ in range(15):
        old, new = taken_over(store)

        def work(i: int, old: Claim = old, new: Claim = new) -> object:
            if i == 0:
                write_late(store, old)
                return store.claims._reconciliation.reconcile([old.scan.scan_id])
            return store.claims.fail(new, "damaged", 0)

        together(2, work)
        one_report_and_done(store, old.scan.scan_id)
