"""The documents of the feed."""

from typing import Any

from common.domain.states import ReportGenerated
from common.store.feed_documents import (
    Change,
    ChangeKind,
    Step,
    measurement_changed,
    place_of,
    reports_changed,
    scans_changed,
    scans_to_look_up,
    unpacked,
)

CHANGES = [
    scans_changed(["a@p"], ReportGenerated.TO_DO, Step.NEW, fence=0, priority="stat"),
    scans_to_look_up(["a@p", "b@p"]),
    reports_changed(["a@p"], "ready", 2),
    measurement_changed("m", "north", "p-1", "created"),
]


def test_changes_are_stored_and_read_alike() -> None:
    assert unpacked([change.packed() for change in CHANGES]) == CHANGES
    assert unpacked(None) == []


def test_damaged_documents_are_told_from_those_of_a_later_release() -> None:
    damaged: Any
    for damaged in (7, {}, [7], [["scan"]], [["scan", [7], {}]], [["scan", ["a"], 7]]):
        assert unpacked(damaged) is None, damaged
    assert unpacked([["later", ["a"], {}]]) == []


def test_keys_that_are_no_text_are_not_told() -> None:
    keys: list[object] = ["a@p", 7, None]
    assert scans_to_look_up(keys).keys == ["a@p"]  # type: ignore[arg-type]


def test_events_of_a_scan_have_an_order() -> None:
    def place(step: Step, fence: int) -> tuple[int, int]:
        found = place_of(scans_changed([], ReportGenerated.TO_DO, step, fence=fence))
        assert found is not None
        return found

    order = [
        place(Step.NEW, 0),
        place(Step.CLAIMED, 1),
        place(Step.ENDED, 1),
        place(Step.CLAIMED, 2),
    ]
    assert order == sorted(set(order))
    for damaged in ({}, {"fence": "1", "step": "n"}, {"fence": 1, "step": "other"}):
        assert place_of(Change(ChangeKind.SCAN, [], damaged)) is None


def test_events_of_a_report_have_an_order() -> None:
    order = [
        place_of(reports_changed([], state, revision))
        for revision in (1, 2)
        for state in ("ready", "undeliverable", "delivered")
    ]
    assert all(order)
    assert order == sorted(set(filter(None, order)))
    assert place_of(reports_changed([], "ready")) is None
    assert place_of(reports_changed([], "of a later release", 1)) is None
