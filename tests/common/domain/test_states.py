from common.domain.states import ERASED, PURGED, SHOWN, TRANSITIONS, ReportGenerated, shown
from common.store.collections import Collection
from common.wire.constants import CHUNK_BYTES, INLINE_VOXELS_MAX

TO_DO, IN_PROGRESS = ReportGenerated.TO_DO, ReportGenerated.IN_PROGRESS
DONE, ERROR = ReportGenerated.DONE, ReportGenerated.ERROR


def test_the_states_are_stored_under_the_names_that_users_know() -> None:
    assert [str(state) for state in ReportGenerated] == ["To Do", "In Progress", "Done", "Error"]


def test_each_state_has_a_name_for_people() -> None:
    assert set(SHOWN.values()) == {*ReportGenerated, ERASED, PURGED}
    assert all(shown(stored) == name for name, stored in SHOWN.items())
    assert shown("Lost") == "unknown"


def test_the_collections_are_stored_under_the_names_that_users_know() -> None:
    assert {str(name) for name in Collection} >= {"brain_scans", "brain_reports"}


def test_the_legal_transitions_of_each_state() -> None:
    assert set(TRANSITIONS) == set(ReportGenerated)


def test_each_target_is_a_state() -> None:
    for targets in TRANSITIONS.values():
        assert all(isinstance(target, ReportGenerated) for target in targets)


def test_done_is_final_until_a_person_has_the_scan_analysed_again() -> None:
    assert TRANSITIONS[DONE] == {TO_DO}


def test_a_scan_can_be_done_from_everywhere_as_its_report_may_come_late() -> None:
    assert {state for state, targets in TRANSITIONS.items() if DONE in targets} == {
        TO_DO,
        IN_PROGRESS,
        ERROR,
    }


def test_an_error_is_what_failed_or_what_was_given_up_on() -> None:
    assert {state for state, targets in TRANSITIONS.items() if ERROR in targets} == {
        TO_DO,
        IN_PROGRESS,
    }


def test_an_expired_claim_can_be_claimed_again() -> None:
    assert IN_PROGRESS in TRANSITIONS[IN_PROGRESS]


def test_each_state_is_reached_from_to_do() -> None:
    reached, frontier = {TO_DO}, {TO_DO}
    while frontier:
        frontier = set().union(*(TRANSITIONS[state] for state in frontier)) - reached
        reached |= frontier
    assert reached == set(ReportGenerated)


def test_from_each_state_a_scan_can_still_be_done() -> None:
    for state in ReportGenerated:
        reached, frontier = {state}, {state}
        while frontier:
            frontier = set().union(*(TRANSITIONS[at] for at in frontier)) - reached
            reached |= frontier
        assert DONE in reached, state


def test_a_scan_and_a_chunk_fit_a_document_and_a_frame() -> None:
    smallest_frame_limit = 512 * 1024
    assert INLINE_VOXELS_MAX < CHUNK_BYTES < smallest_frame_limit
    assert CHUNK_BYTES < 256 * 1024
