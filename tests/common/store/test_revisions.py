"""A scan that is 'Done' is analysed again: one current report at any moment, the earlier ones kept,
whatever is killed in between and whoever comes too late."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from common.commands.verify import StoreVerdict, verify
from common.domain.report import BrainReport
from common.errors import ClaimLost
from common.store.collections import Collection, Notification
from common.store.db_manager import DBManager
from common.store.documents import Claim
from common.store.labels import LabelWriter
from common.store.reports import Reports
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
    together,
)


def claim_one(store: DBManager, owner: str = "a") -> Claim:
    (claim,) = store.claims.claim(owner, 1, 60)
    return claim


def again(claim: Claim, **fields: Any) -> tuple[Claim, BrainReport]:
    """What a claim gives."""
    return claim, make_report(claim.scan, revision=claim.revision, **fields)


def history_of(store: DBManager, scan_id: str) -> dict[int, BrainReport]:
    found = inside(store, Collection.HISTORY).find({"scan_id": scan_id})
    return {one["_id"]["revision"]: BrainReport.model_validate(one["report"]) for one in found}


def current(store: DBManager, scan_id: str) -> Any:
    return document_of(store, scan_id, Collection.REPORTS)


def no_gap(store: DBManager) -> StoreVerdict:
    verdict = verify(store)
    assert verdict.gaps == 0, verdict
    return verdict


def test_a_scan_to_reanalyze_is_to_do_with_all_its_attempts_and_its_fence(
    store: DBManager,
) -> None:
    (report,) = make_reports(store, 1)
    before = document_of(store, report.key)
    waiter = store.connection.subscribe(Notification.SCAN, 30)
    assert store.revisions.schedule_reanalysis([report.key], 1) == 1
    assert waiter.wait()
    waiter.close()
    scan = document_of(store, report.key)
    assert (scan["report_generated"], scan["attempts"], scan["revision"]) == ("To Do", 0, 2)
    assert scan["fence"] == before["fence"]
    assert "done_at" not in scan
    assert BrainReport.model_validate(current(store, report.key)["report"]) == report
    assert no_gap(store).revised == 1


def test_the_new_report_takes_the_place_of_the_old_one_which_is_history(store: DBManager) -> None:
    (old,) = make_reports(store, 1)
    store.outbox.mark_sent([old.key])
    store.revisions.schedule_reanalysis([old.key], 1)
    claim = claim_one(store)
    assert (claim.revision, claim.attempts) == (2, 1)
    assert store.claims.complete([again(claim, run_time_ms=2)]) == set()
    assert state_of(store, old.key) == "Done"
    now = current(store, old.key)
    assert (now["revision"], now["status"], now["report"]["run_time_ms"]) == (2, False, 2)
    assert now["report"]["report_id"] != old.report_id
    assert history_of(store, old.key) == {1: old}
    (outgoing,) = store.outbox.lease("pacs-1", 10, 60)
    assert outgoing.revision == 2
    no_gap(store)


def test_it_can_be_done_any_number_of_times(store: DBManager) -> None:
    (old,) = make_reports(store, 1)
    for revision in range(1, 5):
        assert store.revisions.schedule_reanalysis([old.key], revision) == 1
        store.claims.complete([again(claim_one(store), run_time_ms=revision)])
    assert current(store, old.key)["revision"] == 5
    kept = history_of(store, old.key)
    assert [kept[n].run_time_ms for n in sorted(kept)] == [1.5, 1, 2, 3]
    no_gap(store)


def test_only_scans_done_with_the_given_revision_are_scheduled(store: DBManager) -> None:
    (old,) = make_reports(store, 1)
    (waiting,) = make_claimable(store, 1)
    assert store.revisions.schedule_reanalysis([waiting.key, "unknown"], 1) == 0
    assert store.revisions.schedule_reanalysis([old.key], 2) == 0
    assert sum(together(8, lambda _: store.revisions.schedule_reanalysis([old.key], 1))) == 1
    assert document_of(store, old.key)["revision"] == 2


def test_a_scan_without_its_voxels_stays_as_it_is_and_is_named(store: DBManager) -> None:
    gone, there = (report.key for report in make_reports(store, 2))
    inside(store).update_one({"_id": gone}, {"$unset": {"voxels": 1}})
    assert store.revisions.schedule_reanalysis([gone, there], 1) == 1
    assert (state_of(store, gone), state_of(store, there)) == ("Done", "To Do")
    assert store.revisions.without_voxels([gone, there, "unknown"]) == {gone}


class Killed(Exception):
    """Stands for a SIGKILL at this place."""


class Mortal:
    """A store that dies at the n-th of the places between the steps of a completion."""

    def __init__(self, uri: str, database: str) -> None:
        self.store = DBManager(uri, database)
        self.places = 99
        connection, claims = self.store.connection, self.store.claims
        connection.upsert = self._between(connection.upsert)  # type: ignore[method-assign]
        claims._finish = self._between(claims._finish)  # type: ignore[method-assign]
        copy = claims._reports._copy_to_history
        claims._reports._copy_to_history = self._between(copy)  # type: ignore[method-assign]

    def die_at(self, place: int) -> None:
        self.places = place

    def _between(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def mortal(*arguments: Any) -> Any:
            self._place()
            result = step(*arguments)
            self._place()
            return result

        return mortal

    def _place(self) -> None:
        self.places -= 1
        if self.places < 0:
            raise Killed


PLACES = (
    "before the history",
    "after the history",
    "after the report",
    "once more",
    "",
    "at the end",
)


@pytest.mark.parametrize("place", range(len(PLACES)), ids=PLACES)
def test_a_kill_between_any_two_steps_loses_nothing_and_makes_nothing_twice(
    store: DBManager, place: int
) -> None:
    (old,) = make_reports(store, 1)
    store.revisions.schedule_reanalysis([old.key], 1)
    mortal = Mortal(store.connection.uri, store.connection.name)
    try:
        late = claim_one(mortal.store, "late")
        mortal.die_at(place)
        with pytest.raises(Killed):
            mortal.store.claims.complete([again(late, run_time_ms=2)])
        assert inside(store, Collection.REPORTS).count_documents({"_id": old.key}) == 1
        assert current(store, old.key)["revision"] == (1 if place < 2 else 2)
        no_gap(store)
        if state_of(store, old.key) != "Done":
            expire(store, old.key)
            (claim,) = store.claims.claim_expired("next", 60)
            assert store.claims.complete([again(claim, run_time_ms=3)]) == set()
        mortal.die_at(99)
        lost = mortal.store.claims.complete([again(late, run_time_ms=4)])  # it was only stopped
        assert lost == (set() if place == 5 else {old.key})
    finally:
        mortal.store.close()
    now = current(store, old.key)
    assert now["report"]["run_time_ms"] == (3 if place < 2 else 2)  # the first of its revision
    assert history_of(store, old.key) == {1: old}
    assert state_of(store, old.key) == "Done"
    no_gap(store)


def test_an_owner_of_an_earlier_revision_changes_nothing(store: DBManager) -> None:
    make_claimable(store, 1)
    stale = claim_one(store, "stale")
    expire(store, stale.scan.key)
    (claim,) = store.claims.claim_expired("quick", 60)
    store.claims.complete([again(claim, run_time_ms=1)])
    store.revisions.schedule_reanalysis(ids_of([claim]), 1)
    for _ in range(2):  # while the next revision waits, and once it is there
        assert store.claims.complete([again(stale, run_time_ms=9)]) == set(ids_of([claim]))
        assert current(store, stale.scan.key)["report"]["run_time_ms"] != 9
        if state_of(store, stale.scan.key) == "To Do":
            store.claims.complete([again(claim_one(store), run_time_ms=2)])
    assert current(store, stale.scan.key)["report"]["run_time_ms"] == 2
    assert sorted(history_of(store, stale.scan.key)) == [1]
    no_gap(store)


def test_of_many_owners_of_one_revision_one_report_stays(store: DBManager) -> None:
    (old,) = make_reports(store, 1)
    store.revisions.schedule_reanalysis([old.key], 1)
    owners = [claim_one(store, "0")]
    for n in range(1, 4):
        expire(store, old.key)
        owners += store.claims.claim_expired(str(n), 60)
    lost = together(4, lambda n: store.claims.complete([again(owners[n], run_time_ms=n)]))
    assert lost.count(set()) == 1
    assert lost[3] == set()  # the one that holds the claim
    assert sorted(history_of(store, old.key)) == [1]
    no_gap(store)


def test_first_and_later_revisions_are_completed_together(store: DBManager) -> None:
    old = make_reports(store, 3)
    store.revisions.schedule_reanalysis([report.key for report in old], 1)
    make_claimable(store, 2)
    claims = store.claims.claim("a", 10, 60)
    assert sorted(claim.revision for claim in claims) == [1, 1, 2, 2, 2]
    assert store.claims.complete([again(claim) for claim in claims]) == set()
    verdict = no_gap(store)
    assert (verdict.reports, verdict.revised, verdict.scans["Done"]) == (5, 3, 5)


def test_a_report_of_before_there_were_revisions_is_replaced_too(store: DBManager) -> None:
    (old,) = make_reports(store, 1)
    inside(store, Collection.REPORTS).update_one({}, {"$unset": {"revision": 1}})
    store.revisions.schedule_reanalysis([old.key], 1)
    store.claims.complete([again(claim_one(store))])
    assert current(store, old.key)["revision"] == 2
    assert sorted(history_of(store, old.key)) == [1]
    no_gap(store)


def test_an_acknowledgement_of_the_old_report_does_not_mark_the_new_one(store: DBManager) -> None:
    (old,) = make_reports(store, 1)
    store.revisions.schedule_reanalysis([old.key], 1)
    store.claims.complete([again(claim_one(store))])
    store.outbox.mark_sent([old.key])
    assert not current(store, old.key)["status"]
    store.outbox.mark_sent([old.key], 2)
    assert current(store, old.key)["status"]


def fails(store: DBManager, claim: Claim) -> None:
    assert store.claims.fail(claim, "cause", 0) == "Done"
    with pytest.raises(ClaimLost):
        store.claims.fail(dataclasses.replace(claim, fence=claim.fence - 1), "cause", 0)


def its_processor_dies(store: DBManager, claim: Claim) -> None:
    assert store.claims.release_dead(claim.owner, 1) == 1


def its_processor_dies_of_it(store: DBManager, claim: Claim) -> None:
    key, owner, fence = claim.scan.key, claim.owner, claim.fence
    assert store.supervision.fail(key, owner, fence, "cause", 1) == "Done"


def its_lease_expires(store: DBManager, claim: Claim) -> None:
    expire(store, claim.scan.key)
    assert store.claims.claim_expired("another", 60, attempts_allowed=1) == []


@pytest.mark.parametrize(
    "how", [fails, its_processor_dies, its_processor_dies_of_it, its_lease_expires]
)
def test_after_a_failed_reanalysis_the_scan_is_done_with_the_earlier_report(
    store: DBManager, how: Callable[[DBManager, Claim], None]
) -> None:
    (old,) = make_reports(store, 1)
    store.revisions.schedule_reanalysis([old.key], 1)
    how(store, claim_one(store))
    scan = document_of(store, old.key)
    assert (scan["report_generated"], scan["revision"]) == ("Done", 1)
    assert scan["reanalysis_error"]["cause"]
    assert "error" not in scan
    assert BrainReport.model_validate(current(store, old.key)["report"]) == old
    no_gap(store)
    # And it may be tried again.
    assert store.revisions.schedule_reanalysis([old.key], 1) == 1
    store.claims.complete([again(claim_one(store))])
    assert "reanalysis_error" not in document_of(store, old.key)
    assert current(store, old.key)["revision"] == 2
    no_gap(store)


@pytest.mark.parametrize("late", ["before", "after"])
def test_a_late_report_of_a_failed_reanalysis_is_the_scans(store: DBManager, late: str) -> None:
    (old,) = make_reports(store, 1)
    store.revisions.schedule_reanalysis([old.key], 1)
    slow = claim_one(store)
    expire(store, old.key)
    [quick] = store.claims.claim_expired("quick", 60)
    if late == "before":
        Reports(store.connection, LabelWriter(store.connection)).write([again(slow)[1]])
    store.claims.fail(quick, "cause", 0)
    if late == "after":
        store.claims.complete([again(slow)], verify_first=False)
    scan = document_of(store, old.key)
    assert (scan["report_generated"], scan["revision"]) == ("Done", 2)
    no_gap(store)


@pytest.mark.parametrize("damage", ["report", "history", "scan"])
def test_verify_finds_what_is_wrong_with_revisions(store: DBManager, damage: str) -> None:
    right, wrong = (report.key for report in make_reports(store, 2))
    store.revisions.schedule_reanalysis([right, wrong], 1)
    store.claims.complete([again(claim) for claim in store.claims.claim("a", 5, 60)])
    no_gap(store)
    if damage == "report":
        inside(store, Collection.REPORTS).update_one({"_id": wrong}, {"$set": {"revision": 1}})
    elif damage == "history":
        inside(store, Collection.HISTORY).delete_one({"scan_id": wrong})
    else:
        edit(store, wrong, revision=3)
    assert verify(store).revisions_wrong == (wrong,)


def test_what_made_each_report_is_listed(store: DBManager) -> None:
    reports = make_reports(store, 3)
    listed = {one.key: one for one in store.revisions.analysed()}
    assert listed.keys() == {report.key for report in reports}
    one = listed[reports[0].key]
    assert (one.revision, one.scan_type, one.analyzer, one.version) == (1, "grid", "grid", "1")
    ids = [reports[1].key, "unknown"]
    assert [one.key for one in store.revisions.analysed(ids)] == ids[:1]


@pytest.mark.parametrize("damage", ["report.analyzer", "report.scan_type", "report"])
def test_a_damaged_report_does_not_keep_others_from_being_listed(
    store: DBManager, damage: str
) -> None:
    reports = make_reports(store, 3)
    spoilt = reports[1].key
    inside(store, Collection.REPORTS).update_one({"_id": spoilt}, {"$set": {damage: 7}})
    listed = {one.key: one for one in store.revisions.analysed()}
    assert listed.keys() == {report.key for report in reports}
    assert "" in (listed[spoilt].analyzer, listed[spoilt].scan_type.replace("7", ""))


def test_a_chosen_analyzer_is_waited_for_and_a_later_reanalysis_has_none(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    assert store.revisions.schedule_reanalysis([report.key], 1, analyzer="volume 5") == 1
    assert not store.claims.claim("a", 1, 60, analyzers=["grid 1"])
    [claim] = store.claims.claim("a", 1, 60, analyzers=["grid 1", "volume 5"])
    assert claim.analyzer == "volume 5"
    expire(store, report.key)
    assert not store.claims.claim_expired("b", 60, analyzers=["grid 1"])
    [claim] = store.claims.claim_expired("b", 60, analyzers=["volume 5"])
    store.claims.complete([again(claim)])
    assert store.revisions.schedule_reanalysis([report.key], 2) == 1
    [claim] = store.claims.claim("a", 1, 60, analyzers=["grid 1"])
    assert claim.analyzer is None


def test_another_report_is_expected_of_a_scan_until_it_is_delivered(store: DBManager) -> None:
    key = make_reports(store, 1)[0].key
    assert store.revisions.expected([key, "unknown"]) == set()  # the first report is no revision
    assert store.revisions.schedule_reanalysis([key], 1) == 1
    assert store.revisions.expected([key]) == {key}
    claim = claim_one(store)
    assert store.revisions.expected([key]) == {key}
    store.claims.complete([again(claim)])
    assert store.revisions.expected([key]) == {key}
    store.outbox.mark_sent([key], 2)
    assert store.revisions.expected([key]) == set()
