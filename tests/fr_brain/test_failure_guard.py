"""A processor that fails whatever it is given pauses; one bad scan does not pause it."""

from structlog.testing import capture_logs

from common.runtime.logger import get_log
from fr_brain.failure_guard import FAILURES, LONGEST_PAUSE_S, FailureGuard


def test_failures_of_different_scans_in_a_row_pause_it_longer_and_longer_and_are_logged_once() -> (
    None
):
    guard = FailureGuard(get_log())
    with capture_logs() as logs:
        for n in range(FAILURES - 1):
            guard.failed(str(n), "no driver")
        assert (guard.tripped, guard.pause_s()) == (False, 0.0)
        pauses = []
        for n in range(FAILURES, 3 * FAILURES):
            guard.failed(str(n), "no driver")
            pauses.append(guard.pause_s())
    assert guard.tripped
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert [(one["log_level"], one["cause"]) for one in logs] == [("error", "no driver")]


def test_one_success_ends_it() -> None:
    guard = FailureGuard(get_log())
    for n in range(FAILURES):
        guard.failed(str(n), "no driver")
    guard.succeeded()
    assert (guard.tripped, guard.pause_s()) == (False, 0.0)


def test_the_same_scan_that_fails_again_and_again_counts_once() -> None:
    guard = FailureGuard(get_log())
    for _ in range(2 * FAILURES):
        guard.failed("the same", "bad scan")
    assert not guard.tripped
