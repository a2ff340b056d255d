"""A scan is analysed again when the scan before it is analysed later: once, and surely."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Code

from common.commands.verify import verify
from common.domain.findings import Findings
from common.domain.follow_up import FollowUp
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Claim
from common.store.labels import LabelSet
from tests.common.store.studies import claim_of, claimed, maps_of, report_of
from tests.factories import document_of, edit, expire, inside, state_of

TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def taken(store: DBManager, days: int, owner: str = "me", **fields: Any) -> Claim:
    """The claim of a scan acquired so many days before NOW."""
    at = NOW - timedelta(days=days)
    own = {"study": None, "acquired_at": at, **fields}
    return claimed(store, own.pop("scan_id", f"day-{days}"), owner, **own)


def complete(
    store: DBManager, claim: Claim, previous: BrainScan | None = None, **given: Any
) -> set[str]:
    """Complete a claim, compared with this scan; the keys whose claims were lost."""
    report = report_of(claim, given.pop("contrast", "flair"), acquired_at=claim.scan.acquired_at)
    assert isinstance(report.findings, Findings)
    follow_up = None
    if previous is not None:
        assert previous.acquired_at is not None
        follow_up = FollowUp(
            previous_scan=previous.scan_id,
            previous_revision=1,
            previous_acquired_at=previous.acquired_at,
            days=1,
        )
    findings = report.findings.model_copy(update={"follow_up": follow_up})
    given = {"labels": maps_of(claim), "compare": {claim.key}, **given}
    report = report.model_copy(update={"findings": findings})
    return store.claims.complete([(claim, report)], **given)


def done(
    store: DBManager, days: int, previous: BrainScan | None = None, **fields: Any
) -> BrainScan:
    given = {name: fields.pop(name) for name in ("compare", "contrast", "labels") if name in fields}
    claim = taken(store, days, **fields)
    assert complete(store, claim, previous, **given) == set()
    return claim.scan


def revision(store: DBManager, scan: BrainScan) -> int:
    return int(document_of(store, scan.key).get("revision", 1))


def is_sent_back(store: DBManager, scan: BrainScan, to: int = 2) -> bool:
    return (state_of(store, scan.key), revision(store, scan)) == (TO_DO, to)


def finish(store: DBManager, scan: BrainScan, previous: BrainScan | None, to: int = 2) -> None:
    """Analyse a scan again that was sent back; then it is done, and nothing more happens."""
    assert is_sent_back(store, scan, to)
    assert complete(store, claim_of(store, scan.key), previous) == set()
    assert (state_of(store, scan.key), revision(store, scan)) == (DONE, to)
    assert inside(store, Collection.REPORTS).count_documents({"_id": scan.key}) == 1
    assert verify(store).gaps == 0


def test_a_previous_scan_that_is_analysed_later_makes_a_new_revision(store: DBManager) -> None:
    later = done(store, 100)
    earlier = done(store, 200)
    assert state_of(store, earlier.key) == DONE
    finish(store, later, earlier)
    assert (state_of(store, earlier.key), revision(store, earlier)) == (DONE, 1)


def test_a_scan_that_was_compared_with_its_previous_one_is_left_alone(store: DBManager) -> None:
    earlier = done(store, 200)
    later = done(store, 100, earlier)
    older = done(store, 300)  # not its direct predecessor, but that of the other
    assert (state_of(store, later.key), revision(store, later)) == (DONE, 1)
    finish(store, earlier, older)
    assert (state_of(store, later.key), revision(store, later)) == (DONE, 1)


def test_a_later_predecessor_makes_a_new_revision(store: DBManager) -> None:
    older = done(store, 300)
    later = done(store, 100, older)
    finish(store, later, done(store, 200, older))


def test_of_scans_in_reverse_order_each_is_analysed_twice(store: DBManager) -> None:
    count, before = 12, None
    for n in range(count):
        scan = done(store, 100 * (n + 1))
        if before is not None:
            finish(store, before, scan)
        before = scan
    scans = inside(store, Collection.SCANS)
    assert scans.count_documents({"revision": 2}) == count - 1
    assert scans.count_documents({"revision": {"$gt": 2}}) == 0


def test_it_is_analysed_again_once_even_if_the_new_report_compares_nothing(
    store: DBManager,
) -> None:
    later, earlier = done(store, 100), done(store, 200)
    finish(store, later, None)
    assert store.successors.send_back([later.key, earlier.key]) == set()
    inside(store, Collection.REPORTS).update_many({}, {"$set": {"report.analyzer.version": "11"}})
    assert store.successors.send_back([earlier.key]) == {later.key}


@pytest.mark.parametrize("later_first", [True, False])
def test_two_scans_in_progress_see_each_other(store: DBManager, later_first: bool) -> None:
    """Neither report was there when the other scan was analysed."""
    later, earlier = taken(store, 100), taken(store, 200, "other")
    for claim in (later, earlier) if later_first else (earlier, later):
        assert complete(store, claim) == set()
    assert state_of(store, earlier.key) == DONE
    finish(store, later.scan, earlier.scan)


def test_two_scans_that_are_completed_together_see_each_other(store: DBManager) -> None:
    claims = taken(store, 100), taken(store, 200)
    both = [(one, report_of(one, "flair", acquired_at=one.scan.acquired_at)) for one in claims]
    labels = maps_of(claims[0]) | maps_of(claims[1])
    compare = {one.key for one in claims}
    assert store.claims.complete(both, labels=labels, compare=compare) == set()
    assert state_of(store, claims[1].key) == DONE
    finish(store, claims[0].scan, claims[1].scan)


class Killed(Exception):
    """The process ends here."""


def before_the_look(store: DBManager, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> set[str]:
        raise Killed

    monkeypatch.setattr(store.successors, "send_back", die)


def after_the_look(store: DBManager, monkeypatch: pytest.MonkeyPatch) -> None:
    look = store.successors.send_back

    def look_and_die(keys: list[str]) -> set[str]:
        look(keys)
        raise Killed

    monkeypatch.setattr(store.successors, "send_back", look_and_die)


KILLS = (before_the_look, after_the_look)
Kill = Callable[[DBManager, pytest.MonkeyPatch], None]


@pytest.mark.parametrize("kill", KILLS)
def test_a_kill_while_the_earlier_scan_is_completed_loses_and_repeats_nothing(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, kill: Kill
) -> None:
    later, earlier = done(store, 100), taken(store, 200)
    with monkeypatch.context() as patch:
        kill(store, patch)
        with pytest.raises(Killed):
            complete(store, earlier)
    assert state_of(store, earlier.key) == IN_PROGRESS
    expire(store, earlier.key)
    [again] = store.claims.claim_expired("next", 60)
    assert complete(store, again) == set()
    finish(store, later, earlier.scan)
    assert store.successors.send_back([earlier.key]) == set()


@pytest.mark.parametrize("state", [TO_DO, ERROR])
def test_a_scan_that_is_done_by_its_late_report_is_looked_at_first(
    store: DBManager, state: ReportGenerated
) -> None:
    """Its processor was killed between its report and the look, and nobody claimed it again."""
    later, earlier = done(store, 100), taken(store, 200)
    report = report_of(earlier, "flair", acquired_at=earlier.scan.acquired_at)
    labels = {key: LabelSet(key, earlier.fence, maps) for key, maps in maps_of(earlier).items()}
    store._reports.write([report], labels, compare={earlier.key})
    edit(store, earlier.key, report_generated=str(state))
    assert store.reconciliation.reconcile([earlier.key]) == {earlier.key}
    assert state_of(store, earlier.key) == DONE
    finish(store, later, earlier.scan)


def test_a_previous_scan_that_comes_during_a_reanalysis_that_fails_is_not_lost(
    store: DBManager,
) -> None:
    later = done(store, 100)
    assert store.revisions.schedule_reanalysis([later.key], 1, analyzer="bad 7") == 1
    [claim] = store.claims.claim("me", 5, 60, analyzers=["bad 7"])
    earlier = done(store, 200, owner="other")
    assert state_of(store, later.key) == IN_PROGRESS
    assert store.claims.fail(claim, "cause", 0) == DONE
    # Whoever made its report reads it, not the analyzer that failed.
    assert document_of(store, later.key)["analyzer_chosen"] == "volume 10"
    finish(store, later, earlier)


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
    later, earlier = done(store, 100), taken(store, 200)
    change(store, later.key)
    before = document_of(store, later.key)
    complete(store, earlier)
    assert document_of(store, later.key) == before
    assert state_of(store, earlier.key) == DONE


@pytest.mark.parametrize(
    "other",
    [
        {"subject": "sub-02"},
        {"pacs": "pacs-2"},
        {"contrast": "t1"},
        {"compare": ()},  # switched off, or its analyzer compares nothing
        {"labels": {}},
    ],
    ids=str,
)
def test_others_are_left_alone(store: DBManager, other: dict[str, Any]) -> None:
    later = done(store, 100)
    done(store, 200, **other)
    assert (state_of(store, later.key), revision(store, later)) == (DONE, 1)


def test_a_report_by_an_analyzer_that_compares_nothing_is_left_alone(store: DBManager) -> None:
    later = done(store, 100, compare=())
    done(store, 200)
    assert (state_of(store, later.key), revision(store, later)) == (DONE, 1)


def report_in(store: DBManager, scan: BrainScan) -> dict[str, Any]:
    found: dict[str, Any] | None = inside(store, Collection.REPORTS).find_one({"_id": scan.key})
    assert found is not None
    return found


def test_damaged_documents_stop_nobody(store: DBManager) -> None:
    later, broken = done(store, 100), done(store, 150, subject="sub-02")
    inside(store, Collection.SCANS).update_one(
        {"_id": broken.key}, {"$set": {"scan.subject": "sub-01", "scan.shape": "none"}}
    )
    other = done(store, 50, subject="sub-03")
    edit(store, other.key, **{"scan.subject": "sub-01"})
    inside(store, Collection.REPORTS).update_one({"_id": other.key}, {"$set": {"report": 7}})
    done(store, 200)
    assert is_sent_back(store, later)


@pytest.mark.parametrize("key", [{"a": 1}, Code("code"), "other@pacs-1"], ids=str)
def test_a_copy_under_another_id_stops_nobody(store: DBManager, key: Any) -> None:
    later = done(store, 100)
    scan, report = document_of(store, later.key), report_in(store, later)
    # It would be the direct predecessor if the header of another scan counted.
    moved = {**scan["scan"], "acquired_at": NOW - timedelta(days=150)}
    inside(store, Collection.SCANS).insert_one({**scan, "scan": moved, "_id": key})
    inside(store, Collection.REPORTS).insert_one({**report, "_id": key})
    earlier = done(store, 200)
    assert document_of(store, later.key)["compared_with"] == f"{earlier.key} volume 10"
    assert is_sent_back(store, later)
