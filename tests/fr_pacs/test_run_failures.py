"""Failures of a run: named, told at once, and kept in bounded memory."""

from structlog.testing import capture_logs

from common.runtime.logger import RateLimitedLog, get_log
from common.scan_files.file_names import FileNames
from fr_pacs.run_failures import KEPT, RunFailures


def test_all_are_counted_and_the_first_are_kept() -> None:
    failures = RunFailures(RateLimitedLog(get_log()), str)
    for n in range(KEPT + 5):
        failures.add(f"{n}.nii", "it is cut")
    assert failures.count == KEPT + 5
    assert [one.what for one in failures.first] == [f"{n}.nii" for n in range(KEPT)]


def test_the_log_has_hashes_and_what_is_kept_has_the_names_too() -> None:
    names = FileNames(hashed=True)
    label = names.label("mueller.nii")
    failures = RunFailures(RateLimitedLog(get_log()), names.reveal)
    with capture_logs() as logs:
        failures.tell(label, f"half of {label}", "a", "make requeue ID=a")
        failures.tell(label, "it is cut")
    assert logs[0] == {
        "event": "scan failed",
        "log_level": "warning",
        "what": label,
        "reason": f"half of {label}",
        "scan_id": "a",
        "command": "make requeue ID=a",
    }
    assert logs[1].keys() == {"event", "log_level", "what", "reason"}
    failures.add(label, f"half of {label}")
    [failure] = failures.first
    assert (failure.what, failure.reason) == ("mueller.nii", "half of mueller.nii")
    assert failure.line == f"{label}: half of {label}"


def test_a_file_that_is_whole_now_has_not_failed() -> None:
    failures = RunFailures(RateLimitedLog(get_log()), str)
    for label in ("a.nii", "a.nii", "b.nii"):
        failures.add(label, "it is cut")
    failures.add("a.nii", "refused", "id")
    failures.withdraw("a.nii")
    failures.withdraw("c.nii")
    assert failures.count == 2
    assert [(one.what, one.scan_id) for one in failures.first] == [("b.nii", None), ("a.nii", "id")]
