"""The checker on evidence made by hand: each kind of violation, and none where there is none."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.store.endings import NO_ANSWER
from tests.faults.checker import Content, Expected, Kind, Window, check, count
from tests.faults.deliveries import Delivery
from tests.faults.evidence import Completion, LedgerRecord, Stored, StoredReport, StoredScan
from tests.faults.truth import Truth

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCAN = StoredScan("pacs-1", "Done", "a", 1, "hash")
REPORT = StoredReport("pacs-1", sent=True, voxels_hash="hash")


def ledger_of(*scan_ids: str, reported: tuple[str, ...] | None = None) -> LedgerRecord:
    """A ledger in which these were sent, acknowledged at noon and reported."""
    delivered = scan_ids if reported is None else reported
    at_noon = dict.fromkeys(scan_ids, NOON)
    return LedgerRecord("pacs-1", dict(at_noon), at_noon, set(), Counter(delivered))


def stored(**scans: StoredScan) -> Stored:
    """These scans; those that are done with their reports."""
    return Stored(scans, {i: REPORT for i, scan in scans.items() if scan.state == "Done"})


def kinds(
    ledger: LedgerRecord,
    content: Stored,
    *completions: Completion,
    expected: Expected | None = None,
    drained: bool = True,
) -> list[Kind]:
    found = check([ledger], content, completions, expected or Expected(), drained=drained)
    return [violation.kind for violation in found]


def test_where_all_is_well_nothing_is_found() -> None:
    right = Completion("s", "a", 1, accepted=True)
    assert kinds(ledger_of("s"), stored(s=SCAN), right, right) == []


def test_an_acknowledged_scan_that_is_not_stored_is_lost() -> None:
    assert Kind.LOST in kinds(ledger_of("s"), Stored({}, {}))


def test_a_scan_that_was_sent_and_not_acknowledged_may_be_lost() -> None:
    ledger = LedgerRecord("pacs-1", {"s": NOON})
    assert kinds(ledger, Stored({}, {})) == []


def test_other_voxels_than_those_acknowledged_are_a_loss_unless_a_fault_changed_them() -> None:
    damaged = stored(s=replace(SCAN, intact=False))
    assert kinds(ledger_of("s"), damaged) == [Kind.LOST]
    assert kinds(ledger_of("s"), damaged, expected=Expected(damaged=frozenset("s"))) == []


def test_done_without_a_report_is_a_lost_report() -> None:
    assert Kind.REPORT_LOST in kinds(ledger_of("s"), Stored({"s": SCAN}, {}))


def test_a_report_marked_as_sent_that_did_not_arrive_is_lost() -> None:
    found = kinds(ledger_of("s", reported=()), stored(s=SCAN), drained=False)
    assert found == [Kind.REPORT_LOST]


def test_reports_that_were_delivered_before_the_run_are_in_no_ledger() -> None:
    old = frozenset("s")
    expected = Expected(foreign=old, delivered_before=old)
    assert kinds(ledger_of(), stored(s=SCAN), expected=expected) == []
    assert kinds(ledger_of(), stored(s=SCAN), expected=Expected(foreign=old)) == [Kind.REPORT_LOST]


def test_a_report_that_is_still_to_be_sent_is_stuck_only_after_draining() -> None:
    content = Stored({"s": SCAN}, {"s": replace(REPORT, sent=False)})
    assert kinds(ledger_of("s", reported=()), content, drained=False) == []
    assert kinds(ledger_of("s", reported=()), content) == [Kind.STUCK]


@pytest.mark.parametrize("state", ["To Do", "In Progress"])
def test_a_scan_without_its_report_is_stuck_only_after_draining(state: str) -> None:
    content = stored(s=replace(SCAN, state=state))
    assert kinds(ledger_of("s", reported=()), content, drained=False) == []
    assert kinds(ledger_of("s", reported=()), content) == [Kind.STUCK]


def test_what_retention_purged_may_be_without_report_once_that_was_delivered() -> None:
    purged = Stored({"s": replace(SCAN, state="Purged", owner=None)}, {})
    assert kinds(ledger_of("s"), purged) == []
    assert kinds(ledger_of("s", reported=()), purged) == [Kind.STUCK]


def test_what_nobody_sent_is_unexpected_unless_a_fault_sent_it() -> None:
    assert kinds(ledger_of(), stored(s=SCAN)) == [Kind.REPORT_LOST, Kind.UNEXPECTED]
    arrived = LedgerRecord("pacs-1", reported=Counter(["s"]))
    assert set(kinds(arrived, stored(s=SCAN))) == {Kind.UNEXPECTED}
    assert kinds(arrived, stored(s=SCAN), expected=Expected(foreign=frozenset("s"))) == []


def test_a_report_without_its_scan_is_unexpected() -> None:
    content = Stored({}, {"s": replace(REPORT, sent=False)})
    assert kinds(LedgerRecord("pacs-1", {"s": NOON}), content) == [Kind.UNEXPECTED]


def test_a_report_on_other_voxels_is_unexpected() -> None:
    content = Stored({"s": SCAN}, {"s": replace(REPORT, voxels_hash="other")})
    assert kinds(ledger_of("s"), content) == [Kind.UNEXPECTED]


def test_an_error_is_unexpected_unless_a_fault_meant_it_and_then_anything_else_is() -> None:
    failed = stored(s=replace(SCAN, state="Error"))
    meant = Expected(errors=frozenset("s"))
    assert kinds(ledger_of("s", reported=()), failed) == [Kind.UNEXPECTED]
    assert kinds(ledger_of("s", reported=()), failed, expected=meant) == []
    assert kinds(ledger_of("s"), stored(s=SCAN), expected=meant) == [Kind.UNEXPECTED]
    waiting = stored(s=replace(SCAN, state="To Do"))
    assert kinds(ledger_of("s", reported=()), waiting, expected=meant) == [Kind.STUCK]


def test_a_scan_that_kills_have_failed_is_an_error_only_at_the_end() -> None:
    failed = stored(s=replace(SCAN, state="Error", cause=NO_ANSWER))
    assert kinds(ledger_of("s", reported=()), failed, drained=False) == []
    assert kinds(ledger_of("s", reported=()), failed) == [Kind.UNEXPECTED]


def test_a_report_that_was_news_twice_is_a_duplicate() -> None:
    assert kinds(ledger_of("s", reported=("s", "s")), stored(s=SCAN)) == [Kind.DUPLICATE]


def test_two_claims_that_completed_one_scan_are_a_stale_write() -> None:
    both = [Completion("s", "a", 1, accepted=True), Completion("s", "b", 2, accepted=True)]
    assert kinds(ledger_of("s"), stored(s=SCAN), *both) == [Kind.STALE]


def test_each_revision_is_completed_once_and_the_stored_claim_is_the_lasts() -> None:
    first = Completion("s", "z", 0, accepted=True)
    second = Completion("s", "a", 1, accepted=True, revision=2)
    again = replace(SCAN, revision=2)
    assert kinds(ledger_of("s"), stored(s=again), first, second) == []
    other = Completion("s", "b", 0, accepted=True, revision=2)
    assert kinds(ledger_of("s"), stored(s=again), first, other) == [Kind.STALE]
    assert kinds(ledger_of("s"), stored(s=again), first, second, other) == [Kind.STALE]


def test_a_completion_under_another_claim_than_the_stored_one_is_a_stale_write() -> None:
    old = Completion("s", "b", 0, accepted=True)
    assert kinds(ledger_of("s"), stored(s=SCAN), old) == [Kind.STALE]


def test_a_completion_that_was_refused_is_as_it_should_be() -> None:
    assert kinds(ledger_of("s"), stored(s=SCAN), Completion("s", "b", 0, accepted=False)) == []


def test_what_was_sent_and_acknowledged_while_nothing_can_be_durable_is_false() -> None:
    around = Window(NOON - timedelta(seconds=1), NOON + timedelta(seconds=1), "it was away")
    later = Window(NOON, NOON + timedelta(seconds=2), "it was away")
    assert kinds(ledger_of("s"), stored(s=SCAN), expected=Expected(no_acks=(around,))) == [
        Kind.FALSE_ACK
    ]
    assert kinds(ledger_of("s"), stored(s=SCAN), expected=Expected(no_acks=(later,))) == []


def test_what_came_while_the_store_was_read_is_no_violation() -> None:
    before, after = ledger_of(), ledger_of("s")
    found = check([before], stored(s=SCAN), [], Expected(), drained=False, later=[after])
    assert found == []


def test_scans_are_counted_by_how_far_they_got() -> None:
    counts = count([ledger_of("s", "t", reported=("s",))], stored(s=SCAN))
    assert (counts.acknowledged, counts.stored, counts.done, counts.delivered) == (2, 1, 1, 1)


TRUTH = {"s": Truth("hash", "2 lesions")}
RIGHT = Stored({"s": SCAN}, {"s": replace(REPORT, findings="2 lesions")})
ARRIVED = Delivery("s", "pacs-1", 1, "hash", "2 lesions")


def contents(
    content: Stored, *deliveries: Delivery, truths: dict[str, Truth] | None = None
) -> list[Kind]:
    known = Content(TRUTH if truths is None else truths, deliveries)
    found = check([ledger_of("s")], content, [], Expected(), drained=True, content=known)
    return [violation.kind for violation in found]


def test_content_that_agrees_with_the_truth_is_right() -> None:
    assert contents(RIGHT, ARRIVED, ARRIVED) == []


def test_a_report_on_another_scans_voxels_is_found_though_it_repeats_the_headers_hash() -> None:
    stored_wrong = Stored(RIGHT.scans, {"s": replace(REPORT, findings="3 lesions")})
    assert contents(stored_wrong) == [Kind.CONTENT]
    assert contents(RIGHT, replace(ARRIVED, findings="3 lesions")) == [Kind.CONTENT]


def test_voxels_that_nobody_sent_are_found_in_the_store_and_as_delivered() -> None:
    other = replace(SCAN, voxels_hash="other")
    report = replace(REPORT, voxels_hash="other", findings="2 lesions")
    assert contents(Stored({"s": other}, {"s": report})) == [Kind.CONTENT, Kind.CONTENT]
    assert contents(RIGHT, replace(ARRIVED, voxels_hash="other")) == [Kind.CONTENT]


def test_findings_are_not_compared_where_only_the_voxels_are_known() -> None:
    assert contents(RIGHT, ARRIVED, truths={"s": Truth("hash")}) == []


def test_an_acknowledged_scan_that_no_source_made_is_found() -> None:
    assert contents(RIGHT, truths={}) == [Kind.CONTENT]


def test_an_acknowledged_scan_that_the_trail_does_not_name_is_found() -> None:
    def found(*received: str) -> list[Kind]:
        violations = check(
            [ledger_of("s")],
            stored(s=SCAN),
            [],
            Expected(),
            drained=True,
            received=frozenset(received),
        )
        return [violation.kind for violation in violations]

    assert found("s", "t") == []
    assert found("t") == [Kind.UNRECORDED]
