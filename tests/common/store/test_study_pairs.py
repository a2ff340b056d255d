"""A FLAIR scan is analysed again when the T1 scan of its study comes later: once, and surely."""

from collections.abc import Callable
from typing import Any

import pytest
from bson import Code

from common.audit.recorded_command import recorded_command
from common.commands.verify import verify
from common.domain.findings import Findings, Quality, Verdict
from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.runtime.logger import get_log
from common.store import study_members
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.study_members import StoredMember, StudyMembers
from tests.common.store.studies import (
    STUDY,
    claim_of,
    claimed,
    complete,
    done,
    maps_of,
    report_of,
)
from tests.factories import document_of, edit, expire, inside, state_of

TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated


def revision(store: DBManager, scan: BrainScan) -> int:
    return int(document_of(store, scan.key).get("revision", 1))


def is_sent_back(store: DBManager, scan: BrainScan) -> bool:
    """Whether it waits for its second revision, and its first report is still there."""
    return (state_of(store, scan.key), revision(store, scan)) == (TO_DO, 2)


def settle(store: DBManager, scan: BrainScan, t1_scan: str | None) -> None:
    """Analyse a scan again that was sent back; then it is done with two revisions."""
    assert is_sent_back(store, scan)
    claim = claim_of(store, scan.key)
    assert claim.revision == 2
    assert complete(store, claim, "flair", t1_scan) == set()
    assert (state_of(store, scan.key), revision(store, scan)) == (DONE, 2)
    assert inside(store, Collection.REPORTS).count_documents({"_id": scan.key}) == 1
    assert verify(store).gaps == 0


def stored_report(store: DBManager, key: str) -> Document:
    found: Document | None = inside(store, Collection.REPORTS).find_one({"_id": key})
    assert found is not None
    return found


def test_a_t1_scan_that_comes_later_makes_a_new_revision(store: DBManager) -> None:
    flair = done(store, "flair", "flair")
    done(store, "t1", "t1")
    settle(store, flair, "t1")


def test_a_flair_scan_that_was_read_with_its_t1_scan_is_left_alone(store: DBManager) -> None:
    done(store, "t1", "t1")
    flair = done(store, "flair", "flair", "t1")
    assert state_of(store, flair.key) == DONE
    done(store, "t1-later", "t1")  # no better one: its id comes later
    assert (state_of(store, flair.key), revision(store, flair)) == (DONE, 1)


def test_a_better_t1_scan_makes_a_new_revision(store: DBManager) -> None:
    done(store, "t1-b", "t1")
    flair = done(store, "flair", "flair", "t1-b")
    done(store, "t1-a", "t1")
    settle(store, flair, "t1-a")


def test_it_is_analysed_again_once_even_if_the_new_report_names_no_t1_scan(
    store: DBManager,
) -> None:
    flair = done(store, "flair", "flair")
    done(store, "t1", "t1")
    settle(store, flair, None)
    assert store.study_pairs.send_back({STUDY}) == set()
    # Another analyzer of both is another pair.
    inside(store, Collection.REPORTS).update_many({}, {"$set": {"report.analyzer.version": "11"}})
    assert store.study_pairs.send_back({STUDY}) == {flair.key}


def test_a_new_revision_of_the_t1_scan_is_another_pair(store: DBManager) -> None:
    """The FLAIR scan may have been read when the label maps changed."""
    flair, t1 = done(store, "flair", "flair"), done(store, "t1", "t1")
    settle(store, flair, None)
    assert store.revisions.schedule_reanalysis([t1.key], 1) == 1
    complete(store, claim_of(store, t1.key), "t1")
    assert (state_of(store, flair.key), revision(store, flair)) == (TO_DO, 3)


@pytest.mark.parametrize("flair_first", [True, False])
def test_two_scans_in_progress_see_each_other(store: DBManager, flair_first: bool) -> None:
    """Neither report was there when the other scan was analysed."""
    flair, t1 = claimed(store, "flair"), claimed(store, "t1", "other")
    contrasts = [(flair, "flair"), (t1, "t1")]
    for claim, contrast in contrasts if flair_first else contrasts[::-1]:
        assert complete(store, claim, contrast) == set()
    assert state_of(store, t1.key) == DONE
    settle(store, flair.scan, "t1")


def test_two_scans_that_are_completed_together_see_each_other(store: DBManager) -> None:
    claims = claimed(store, "flair"), claimed(store, "t1")
    both = [(claims[0], report_of(claims[0], "flair")), (claims[1], report_of(claims[1], "t1"))]
    labels = maps_of(claims[0]) | maps_of(claims[1])
    assert store.claims.complete(both, labels=labels, pair=True) == set()
    assert state_of(store, claims[1].key) == DONE
    settle(store, claims[0].scan, "t1")


def test_the_reports_of_both_are_written_before_either_looks(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    flair, t1 = claimed(store, "flair"), claimed(store, "t1", "other")
    look = store.study_pairs.send_back

    def t1_first(studies: set[str]) -> set[str]:
        monkeypatch.setattr(store.study_pairs, "send_back", look)
        assert complete(store, t1, "t1") == set()  # it sends the FLAIR scan back, in progress
        assert is_sent_back(store, flair.scan)
        return look(studies)

    monkeypatch.setattr(store.study_pairs, "send_back", t1_first)
    assert complete(store, flair, "flair") == {flair.key}  # somebody else decided
    settle(store, flair.scan, "t1")


def test_its_owner_sets_it_done_while_another_looks(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the study and sending the FLAIR scan back."""
    flair, t1 = claimed(store, "flair"), claimed(store, "t1", "other")
    store._reports.write([report_of(flair, "flair")], pair=True)
    read = StudyMembers.of

    def read_and_finish(members: StudyMembers, studies: set[str]) -> list[StoredMember]:
        found = read(members, studies)
        monkeypatch.setattr(StudyMembers, "of", read)
        assert {one.state for one in found} == {IN_PROGRESS}
        assert complete(store, flair, "flair", pair=False) == set()
        return found

    monkeypatch.setattr(StudyMembers, "of", read_and_finish)
    assert complete(store, t1, "t1") == set()
    settle(store, flair.scan, "t1")


class Killed(Exception):
    """The process ends here."""


def kill_before_the_look(store: DBManager, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_: set[str]) -> set[str]:
        raise Killed

    monkeypatch.setattr(store.study_pairs, "send_back", die)


def kill_after_the_look(store: DBManager, monkeypatch: pytest.MonkeyPatch) -> None:
    look = store.study_pairs.send_back

    def look_and_die(studies: set[str]) -> set[str]:
        look(studies)
        raise Killed

    monkeypatch.setattr(store.study_pairs, "send_back", look_and_die)


KILLS = (kill_before_the_look, kill_after_the_look)


@pytest.mark.parametrize("kill", KILLS)
def test_a_kill_while_the_t1_scan_is_completed_loses_and_repeats_nothing(
    store: DBManager,
    monkeypatch: pytest.MonkeyPatch,
    kill: Callable[[DBManager, pytest.MonkeyPatch], None],
) -> None:
    flair = done(store, "flair", "flair")
    t1 = claimed(store, "t1")
    with monkeypatch.context() as patch:
        kill(store, patch)
        with pytest.raises(Killed):
            complete(store, t1, "t1")
    assert state_of(store, t1.key) == IN_PROGRESS
    expire(store, t1.key)
    [again] = store.claims.claim_expired("next", 60)
    assert complete(store, again, "t1") == set()
    assert state_of(store, t1.key) == DONE
    settle(store, flair, "t1")
    assert store.study_pairs.send_back({STUDY}) == set()


@pytest.mark.parametrize("kill", KILLS)
def test_a_kill_while_the_flair_scan_is_completed_loses_and_repeats_nothing(
    store: DBManager,
    monkeypatch: pytest.MonkeyPatch,
    kill: Callable[[DBManager, pytest.MonkeyPatch], None],
) -> None:
    """The T1 scan was done after the FLAIR scan was analysed, and before its report was written."""
    flair, t1 = claimed(store, "flair"), claimed(store, "t1", "other")
    assert complete(store, t1, "t1") == set()
    with monkeypatch.context() as patch:
        kill(store, patch)
        with pytest.raises(Killed):
            complete(store, flair, "flair")
    if state_of(store, flair.key) == IN_PROGRESS:
        expire(store, flair.key)
        [again] = store.claims.claim_expired("next", 60)
        # It reads the two scans together, but the first report stays.
        assert complete(store, again, "flair", "t1") == set()
    settle(store, flair.scan, "t1")
    assert store.study_pairs.send_back({STUDY}) == set()


@pytest.mark.parametrize("state", [TO_DO, ERROR])
def test_a_scan_that_is_done_by_its_late_report_is_looked_at_first(
    store: DBManager, state: ReportGenerated
) -> None:
    """Its processor was killed between its report and the look, and nobody claimed it again."""
    flair, t1 = claimed(store, "flair"), claimed(store, "t1", "other")
    assert complete(store, t1, "t1") == set()
    store._reports.write([report_of(flair, "flair")], pair=True)
    notice = {"due_at": 0} if state == ERROR else None
    edit(store, flair.key, report_generated=str(state), notice=notice)
    assert store.reconciliation.reconcile([flair.key]) == {flair.key}
    assert "notice" not in document_of(store, flair.key)
    settle(store, flair.scan, "t1")


def test_a_t1_scan_that_comes_during_a_reanalysis_that_fails_is_not_lost(store: DBManager) -> None:
    flair = done(store, "flair", "flair")
    assert store.revisions.schedule_reanalysis([flair.key], 1, analyzer="bad 7") == 1
    [claim] = store.claims.claim("me", 5, 60, analyzers=["bad 7"])
    done(store, "t1", "t1", owner="other")
    assert state_of(store, flair.key) == IN_PROGRESS
    assert store.claims.fail(claim, "cause", 0) == DONE
    assert is_sent_back(store, flair)
    # Whoever made its report reads it, not the analyzer that failed.
    assert document_of(store, flair.key)["analyzer_chosen"] == "volume 10"
    settle(store, flair, "t1")


def test_a_t1_scan_that_fails_when_it_is_read_again_is_replaced(store: DBManager) -> None:
    t1 = done(store, "t1-a", "t1")
    done(store, "t1-b", "t1")
    flair = done(store, "flair", "flair", "t1-a")
    assert store.revisions.schedule_reanalysis([t1.key], 1) == 1
    claim = claim_of(store, t1.key)
    failed = Findings(quality=Quality(verdict=Verdict.FAIL), lesions=None)
    report = report_of(claim, "t1").model_copy(update={"findings": failed})
    assert store.claims.complete([(claim, report)], pair=True) == set()
    settle(store, flair, "t1-b")


@pytest.mark.parametrize("key", [{"a": 1}, Code("code"), "other@pacs-1"], ids=str)
def test_a_scan_with_a_damaged_id_stops_nobody(store: DBManager, key: Any) -> None:
    flair = done(store, "flair", "flair")
    damaged = {**document_of(store, flair.key), "_id": key}
    inside(store, Collection.SCANS).insert_one(damaged)
    inside(store, Collection.REPORTS).insert_one({**stored_report(store, flair.key), **damaged})
    done(store, "t1", "t1")
    assert is_sent_back(store, flair)


def test_many_scans_of_one_study_hide_no_other(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_members, "_SCANS_MAX", 3)
    monkeypatch.setattr(study_members, "_AT_ONCE", 2)
    many, flair = "0" * 16, done(store, "flair", "flair")
    for n in range(5):
        done(store, f"other-{n}", "flair", study=many)
    done(store, "t1", "t1", owner="unpaired", pair=False)
    assert store.study_pairs.send_back({many, STUDY}) == {flair.key}


@pytest.mark.parametrize("late", ["before", "after"])
def test_a_late_report_of_a_failed_reanalysis_is_looked_at(store: DBManager, late: str) -> None:
    flair = done(store, "flair", "flair")
    assert store.revisions.schedule_reanalysis([flair.key], 1) == 1
    slow = claim_of(store, flair.key)
    expire(store, flair.key)
    [quick] = store.claims.claim_expired("quick", 60)
    done(store, "t1", "t1", owner="other")
    if late == "before":
        store._reports.write([report_of(slow, "flair")], pair=True)
    store.claims.fail(quick, "cause", 0)
    if late == "after":
        complete(store, slow, "flair", verify_first=False)
    assert (state_of(store, flair.key), revision(store, flair)) == (TO_DO, 3)
    assert store.study_pairs.send_back({STUDY}) == set()


def test_a_report_by_a_processor_that_pairs_no_scans_is_not_looked_at(store: DBManager) -> None:
    flair = claimed(store, "flair")
    done(store, "t1", "t1")
    assert complete(store, flair, "flair", pair=False) == set()
    assert state_of(store, flair.key) == DONE
    assert "look_in_study" not in stored_report(store, flair.key)
    other = claimed(store, "flair-2")
    store._reports.write([report_of(other, "flair")])
    edit(store, other.key, report_generated=str(TO_DO))
    store.reconciliation.reconcile([other.key])
    assert (state_of(store, other.key), revision(store, other.scan)) == (DONE, 1)


@pytest.mark.parametrize(
    "report", [7, {"study": 7}, {"study": None}, {"study": Code("x")}], ids=str
)
def test_a_scan_whose_report_is_damaged_is_done_without_a_look(
    store: DBManager, report: object
) -> None:
    flair = claimed(store, "flair")
    store._reports.write([report_of(flair, "flair")], pair=True)
    inside(store, Collection.REPORTS).update_one({"_id": flair.key}, {"$set": {"report": report}})
    edit(store, flair.key, report_generated=str(TO_DO))
    assert store.reconciliation.reconcile([flair.key]) == {flair.key}
    assert state_of(store, flair.key) == DONE


def without_voxels(store: DBManager, key: str) -> None:
    inside(store, Collection.SCANS).update_one({"_id": key}, {"$unset": {"voxels": 1}})


def being_purged(store: DBManager, key: str) -> None:
    edit(store, key, purging_since=0)


def waiting_again(store: DBManager, key: str) -> None:
    assert store.revisions.schedule_reanalysis([key], 1) == 1


@pytest.mark.parametrize("change", [without_voxels, being_purged, waiting_again])
def test_what_cannot_be_analysed_again_is_left_alone(
    store: DBManager, change: Callable[[DBManager, str], None]
) -> None:
    flair = done(store, "flair", "flair")
    t1 = claimed(store, "t1")
    change(store, flair.key)
    before = document_of(store, flair.key)
    complete(store, t1, "t1")
    assert document_of(store, flair.key) == before
    assert state_of(store, t1.key) == DONE


def test_an_erased_flair_scan_stays_erased(store: DBManager) -> None:
    flair = done(store, "flair", "flair")
    store.erasure.erase([flair.key])
    done(store, "t1", "t1")
    assert state_of(store, flair.key) == "Erased"


def test_scans_of_other_studies_or_without_one_are_left_alone(store: DBManager) -> None:
    others = [
        done(store, "other", "flair", study="f" * 16),
        done(store, "none", "flair", study=None),
        done(store, "whose", "flair", subject="sub-02"),
        done(store, "where", "flair", pacs="pacs-2"),
    ]
    done(store, "t1", "t1")
    assert [revision(store, scan) for scan in others] == [1] * 4


def test_it_is_recorded_before_it_is_done(store: DBManager) -> None:
    with recorded_command(store, "processor", get_log(), 10) as recorded:
        flair = done(recorded, "flair", "flair")
        done(recorded, "t1", "t1")
    entries = inside(store, Collection.AUDIT).find({})
    events = [one for entry in entries for one in entry["events"]]
    [scheduled] = [one for one in events if one["kind"] == "schedule_reanalysis"]
    assert scheduled["ids"] == [flair.key]
    assert scheduled["cause"] == "a T1 scan of its study was analysed"
    assert "by" not in scheduled


def test_the_chosen_analyzer_stays_chosen(store: DBManager) -> None:
    flair = done(store, "flair", "flair")
    edit(store, flair.key, analyzer_chosen="volume 10")
    done(store, "t1", "t1")
    assert is_sent_back(store, flair)
    assert document_of(store, flair.key)["analyzer_chosen"] == "volume 10"


def test_the_new_report_is_delivered_again(store: DBManager) -> None:
    flair = done(store, "flair", "flair")
    leased = store.outbox.lease("pacs-1", 5, 60)
    store.outbox.mark_sent([one.key for one in leased])
    done(store, "t1", "t1")
    settle(store, flair, "t1")
    stored = stored_report(store, flair.key)
    assert stored["status"] is False
    assert BrainReport.model_validate(stored["report"]).revision == 2
