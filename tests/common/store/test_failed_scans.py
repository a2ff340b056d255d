"""Failed scans: listed and requeued."""

import pytest

from common.commands.verify import verify
from common.domain.states import ReportGenerated
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.store.damaged import DAMAGE, UNDECODABLE, spoil
from tests.factories import (
    document_of,
    edit,
    inside,
    make_claimable,
    make_failed,
    make_report,
    make_reports,
    state_of,
    together,
)

TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated


# --- listed --------------------------------------------------------------------------------------


def test_each_failed_scan_is_listed_with_cause_attempts_worker_and_time(
    store: DBManager,
) -> None:
    assert list(store.failed_scans.all()) == []
    make_reports(store, 2)
    [scan_id] = make_failed(store, 1)
    make_claimable(store, 2)
    [found] = store.failed_scans.all()
    assert (found.key, found.cause, found.attempts) == (scan_id, "no brain in it", 1)
    assert (found.worker, found.requeued) == ("worker-1", 0)
    assert found.at is not None
    assert found.at.tzinfo is not None


def test_more_than_a_page_is_listed_in_order(store: DBManager) -> None:
    names = [f"scan-{i:05}" for i in range(2100)]
    error = {"cause": "planted"}
    inside(store).insert_many(
        [{"_id": name, "report_generated": ERROR, "error": error} for name in names]
    )
    assert [found.key for found in store.failed_scans.all()] == names
    assert [len(page) for page in store.failed_scans.ids()] == [1000, 1000, 100]


def test_the_list_reads_only_failed_scans(store: DBManager) -> None:
    make_reports(store, 50)
    make_failed(store, 3)
    wanted = {"report_generated": ERROR, "_id": {"$gt": ""}}
    plan = inside(store).find(wanted).sort("_id", 1).explain()["executionStats"]
    assert plan["totalDocsExamined"] == 3


def test_a_scan_whose_processors_died_keeps_the_last_one(store: DBManager) -> None:
    make_claimable(store, 1)
    store.claims.claim("worker-9", 1, 60)
    assert store.claims.release_dead("worker-9", 1) == 1
    assert store.claims.release_dead("worker-9", 1) == 0
    [found] = store.failed_scans.all()
    assert (found.worker, found.attempts) == ("worker-9", 1)
    assert "stopped answering" in found.cause


def test_a_scan_with_a_damaged_header_fails_before_anyone_works_on_it(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    edit(store, scan.key, scan={"shape": "what?"})
    assert store.claims.claim("worker-2", 1, 60) == []
    [found] = store.failed_scans.all()
    assert (found.key, found.worker, found.attempts) == (scan.key, None, 0)
    assert "damaged" in found.cause


def test_an_error_of_an_older_release_is_listed_too(store: DBManager) -> None:
    inside(store).insert_one({"_id": "old", "report_generated": ERROR})
    [found] = store.failed_scans.all()
    assert (found.cause, found.attempts, found.worker, found.at) == ("unknown", 0, None, None)


# --- requeue -------------------------------------------------------------------------------------


def test_a_requeued_scan_has_no_attempts_and_a_higher_fence(
    store: DBManager,
) -> None:
    [scan_id] = make_failed(store, 1)
    assert store.failed_scans.requeue([scan_id, scan_id]).to_do == (scan_id,)
    stored = document_of(store, scan_id)
    assert (stored["report_generated"], stored["attempts"], stored["fence"]) == (TO_DO, 0, 1)
    assert "error" not in stored
    [claim] = store.claims.claim("worker-2", 1, 60)
    assert (claim.fence, claim.attempts) == (2, 1)
    assert store.claims.complete([(claim, make_report(claim.scan))]) == set()
    assert state_of(store, scan_id) == DONE
    assert verify(store).gaps == 0


def test_earlier_causes_are_kept_and_counted(store: DBManager) -> None:
    [scan_id] = make_failed(store, 1, "cause 0")
    for turn in range(1, 13):
        store.failed_scans.requeue([scan_id])
        [claim] = store.claims.claim("worker-2", 1, 60)
        store.claims.fail(claim, f"cause {turn}", 1)
    [found] = store.failed_scans.all()
    assert (found.cause, found.requeued) == ("cause 12", 10)
    past = document_of(store, scan_id)["past_errors"]
    assert [error["cause"] for error in past] == [f"cause {turn}" for turn in range(2, 12)]


def test_given_up_after_a_requeue_it_has_its_new_cause(store: DBManager) -> None:
    [scan_id] = make_failed(store, 1, "an old cause")
    store.failed_scans.requeue([scan_id])
    store.claims.claim("worker-2", 1, 60)
    store.claims.release_dead("worker-2", 1)
    [found] = store.failed_scans.all()
    assert "stopped answering" in found.cause


def test_scans_that_did_not_fail_stay_and_are_reported(store: DBManager) -> None:
    [done] = make_reports(store, 1)
    to_do, in_progress = (scan.key for scan in make_claimable(store, 2))
    edit(store, in_progress, report_generated=IN_PROGRESS)
    before = [document_of(store, i) for i in (done.key, to_do, in_progress)]
    result = store.failed_scans.requeue([done.key, "nobody", to_do, in_progress])
    assert result.to_do == result.done == ()
    assert result.unknown == ("nobody",)
    assert dict(result.elsewhere) == {done.key: DONE, to_do: TO_DO, in_progress: IN_PROGRESS}
    assert [document_of(store, i) for i in (done.key, to_do, in_progress)] == before


def test_concurrent_requeues_of_the_same_scans_each_report_their_own(
    store: DBManager,
) -> None:
    ids = make_failed(store, 40)
    results = together(4, lambda _: store.failed_scans.requeue(ids))
    requeued = [scan_id for result in results for scan_id in result.to_do]
    assert sorted(requeued) == sorted(ids)
    for result in results:
        assert len(result.to_do) + len(result.elsewhere) == 40
        assert result.unknown == result.done == ()


def test_an_earlier_owner_cannot_finish_a_requeued_scan(store: DBManager) -> None:
    make_claimable(store, 1)
    [old] = store.claims.claim("old", 1, 60)
    scan_id = old.scan.key
    store.claims.fail(old, "damaged", 0)
    store.failed_scans.requeue([scan_id])
    before = document_of(store, scan_id)
    assert store.claims.complete([(old, make_report(old.scan))]) == {scan_id}
    assert store.claims.renew([old], 60) == {scan_id}
    assert document_of(store, scan_id) == before
    assert store.queries.count_reports() == {True: 0, False: 0}


@pytest.mark.parametrize("attempts", ["many", None, -1])
def test_a_scan_that_failed_as_it_is_damaged_is_listed_and_requeued(
    store: DBManager, attempts: object
) -> None:
    _, damaged = (scan.key for scan in make_claimable(store, 2))
    spoilt = {"attempts": attempts, "past_errors": "none", "owner": 7}
    inside(store).update_one({"_id": damaged}, {"$set": spoilt})
    assert store.supervision.fail_damaged() == 1
    [found] = store.failed_scans.all()
    assert (found.key, found.worker, found.requeued) == (damaged, None, 0)
    assert "damaged" in found.cause
    inside(store).update_one({"_id": damaged}, {"$unset": {"past_errors": True}})
    assert store.failed_scans.requeue([damaged]).to_do == (damaged,)
    assert len(store.claims.claim("owner", 10, 30)) == 2


@pytest.mark.parametrize("damage", [{"error": "x"}, {"error": {"at": "now", "worker": 7}}])
def test_a_failed_scan_whose_error_is_damaged_is_listed(
    store: DBManager, damage: dict[str, object]
) -> None:
    [key] = make_failed(store, 1)
    inside(store).update_one({"_id": key}, {"$set": damage})
    [found] = store.failed_scans.all()
    assert (found.key, found.cause, found.at) == (key, "unknown", None)


# --- damaged -------------------------------------------------------------------------------------

FIELDS = (
    "error",
    "error.cause",
    "error.at",
    "error.worker",
    "attempts",
    "owner",
    "past_errors",
    "notice",
    "revision",
)


@pytest.mark.parametrize("field", FIELDS)
def test_damaged_scans_are_listed_and_requeued_with_the_others(
    store: DBManager, field: str
) -> None:
    good, *bad = make_failed(store, 1 + len(DAMAGE))
    for key, damage in zip(bad, DAMAGE, strict=True):
        spoil(store, Collection.SCANS, key, field, damage)
    listed = {found.key: found for found in store.failed_scans.all()}
    assert listed.keys() == {good, *bad}
    assert listed[good].cause == "no brain in it"
    assert [sorted(page) for page in store.failed_scans.ids()] == [sorted([good, *bad])]
    assert set(store.failed_scans.requeue([good, *bad]).to_do) == {good, *bad}
    assert state_of(store, good) == TO_DO


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_a_scan_in_no_state_is_left_and_told(store: DBManager, damage: object) -> None:
    good, bad = make_failed(store, 2)
    spoil(store, Collection.SCANS, bad, "report_generated", damage)
    result = store.failed_scans.requeue([good, bad])
    assert result.to_do == (good,)
    assert [key for key, _ in result.elsewhere] == [bad]


def test_the_list_ends_though_a_key_cannot_be_decoded(store: DBManager) -> None:
    good, bad = make_failed(store, 2)
    spoil(store, Collection.SCANS, bad, "_id", UNDECODABLE)
    listed = [found.key for found in store.failed_scans.all()]
    assert listed[0] == good
    assert len(listed) == 2


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_requeued_beside_a_damaged_report(store: DBManager, damage: object) -> None:
    """A scan that has its report becomes 'Done'; by one with no revision it does not."""
    reported, other = (report.key for report in make_reports(store, 2))
    for key in (reported, other):
        edit(store, key, report_generated=ERROR)
    spoil(store, Collection.REPORTS, other, "revision", damage)
    result = store.failed_scans.requeue([reported, other])
    assert reported in result.done
    assert {*result.done, *result.to_do} == {reported, other}


def test_a_scan_that_lost_its_report_is_requeued_and_gets_another(store: DBManager) -> None:
    lost, removed, whole = (report.key for report in make_reports(store, 3))
    inside(store, Collection.REPORTS).delete_many({"_id": {"$in": [lost, removed]}})
    inside(store).update_one({"_id": removed}, {"$unset": {"voxels": 1}})
    assert set(verify(store).done_without_report) == {lost, removed}
    assert store.failed_scans.without_report([lost, removed, whole, "nobody"]) == {lost, removed}
    found = store.failed_scans.requeue([lost, removed, whole])
    assert found.to_do == (lost,)
    assert dict(found.elsewhere) == {
        removed: "Done, report lost and voxels removed",
        whole: "Done",
    }
    document = document_of(store, lost)
    assert (document["report_generated"], document["attempts"]) == ("To Do", 0)
    assert "past_errors" not in document
    [claim] = store.claims.claim("worker-2", 9, 60)
    assert (claim.key, claim.fence, claim.revision) == (lost, 2, 1)
    store.claims.complete([(claim, make_report(claim.scan))])
    assert verify(store).done_without_report == (removed,)
    assert verify(store).gaps == 1
    assert store.failed_scans.requeue([lost]).elsewhere == ((lost, "Done"),)
