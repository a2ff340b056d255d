"""The counts of a run: what became of each scan."""

import contextlib
import errno
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.domain.file_outcomes import FileOutcome
from common.runtime.logger import RateLimitedLog, get_log
from common.scan_files.file_names import FileNames
from common.scan_files.skipped_files import SkippedFiles
from fr_pacs import run_counts
from fr_pacs.ledger import Ledger
from fr_pacs.run_counts import NO_REPORT, RunCounter
from fr_pacs.run_failures import KEPT
from fr_pacs.sources.base import Account, Origin
from tests.factories import together
from tests.fr_pacs.report_folders import ONE, TWO, about, opened, origin, report


def counter_of(total: int | None, ledger: Path | None = None) -> RunCounter:
    """A counter of a run of ``total`` scans."""
    return RunCounter(total, Ledger(ledger), RateLimitedLog(get_log()))


def test_a_scan_that_goes_all_the_way_is_counted_at_each_step() -> None:
    counter = counter_of(1)
    assert counter.totals().sent == 0
    counter.sent({"a": "scan a"})
    assert not counter.totals().complete
    counter.acknowledged(["a"], 2_000_000)
    assert not counter.totals().complete
    assert counter.delivered("a")
    totals = counter.totals()
    assert (totals.sent, totals.acknowledged, totals.delivered, totals.failed) == (1, 1, 1, 0)
    assert totals.complete
    assert totals.megabytes == 2.0
    assert totals.seconds > 0
    assert totals.latency_ms is not None
    assert 0 <= totals.latency_ms.p50 <= totals.latency_ms.p99 < 10_000


def test_skipped_files_are_in_the_ledger_by_name_and_in_the_log_by_folder(tmp_path: Path) -> None:
    skipped = SkippedFiles()
    for name in ("x/a.json", "x/b.json"):
        skipped.add(name, "x", "sidecar")
    skipped.add("x/r.dcm", "x", "structured_report", (Origin("x/r.dcm"),))
    slices = tuple(Origin(f"d/{n}.dcm") for n in (1, 2))
    skipped.add("d/1.dcm (series of 2 slices)", "d", "diffusion", slices, "not wanted")
    with capture_logs() as logs, contextlib.closing(Ledger(tmp_path / "ledger.jsonl")) as ledger:
        counter = RunCounter(0, ledger, RateLimitedLog(get_log()))
        counter.skipped(skipped)
    assert [(line["folder"], line["files"]) for line in logs] == [
        ("x", "2 sidecars"),
        ("x", "1 structured report"),
        ("d", "1 diffusion volume"),
    ]
    assert counter.totals().skipped == {"structured_report": 1, "diffusion": 1, "sidecar": 2}
    assert counter.totals().complete
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    volume = lines.pop(0)
    assert (volume["scan_id"], volume["reason"]) == ("d/1.dcm (series of 2 slices)", "diffusion")
    assert (volume["files"], volume["detail"]) == (["d/1.dcm", "d/2.dcm"], "not wanted")
    assert [(line["event"], line["scan_id"], line["reason"]) for line in lines] == [
        ("skipped", "x/a.json", "sidecar"),
        ("skipped", "x/b.json", "sidecar"),
        ("skipped", "x/r.dcm", "structured_report"),
    ]
    again = Ledger(tmp_path / "ledger.jsonl")
    again.close()
    assert not again.failed


def test_a_report_is_one_line_with_label_verdict_lesions_and_time() -> None:
    with capture_logs() as logs:
        counter = counter_of(2)
        counter.sent({"a": "head.nii.gz", "b": "grid 1"})
        counter.delivered("a", verdict="pass", lesions=3)
        counter.delivered("b", verdict="fail", lesions=None)
        counter.delivered("of an earlier run", verdict="pass", lesions=0)
    first, second, earlier = logs
    assert 0 <= first.pop("ms") < 10_000
    assert first == {
        "event": "report received",
        "log_level": "info",
        "label": "head.nii.gz",
        "verdict": "pass",
        "lesions": 3,
        "scan_id": "a",
    }
    assert "lesions" not in second
    assert not {"label", "ms"} & earlier.keys()


def test_a_report_may_come_before_the_acknowledgement_of_its_scan() -> None:
    counter = counter_of(1)
    counter.sent({"a": "scan a"})
    assert counter.delivered("a")
    counter.acknowledged(["a"], 1)
    assert counter.totals().complete


def test_a_report_that_comes_again_counts_once() -> None:
    counter = counter_of(1)
    counter.sent({"a": "scan a"})
    assert [counter.delivered("a") for _ in range(3)] == [True, False, False]
    assert counter.totals().delivered == 1


def test_an_older_revision_is_ignored_and_a_gap_before_a_later_one_is_normal(
    tmp_path: Path,
) -> None:
    log = RateLimitedLog(get_log())
    with contextlib.closing(Ledger(tmp_path / "ledger.jsonl")) as ledger:
        counter = RunCounter(1, ledger, log)
        counter.sent({"a": "scan a"})
        new = [counter.delivered("a", revision) for revision in (2, 1, 2, 7, 3)]
        assert new == [True, False, False, True, False]
        assert counter.totals().delivered == 1
    with contextlib.closing(Ledger(tmp_path / "ledger.jsonl")) as ledger:
        again = RunCounter(1, ledger, log)
        assert [again.delivered("a", n) for n in (2, 7, 6, 8)] == [False, False, False, True]


def test_a_report_of_an_earlier_run_is_new_and_not_counted() -> None:
    counter = counter_of(1)
    assert counter.delivered("from before")
    assert not counter.delivered("from before")
    assert counter.totals().delivered == 0
    assert counter.totals().latency_ms is None


def test_reports_of_earlier_runs_are_counted_apart() -> None:
    counter = counter_of(1)
    counter.delivered("earlier")
    counter.delivered("earlier")
    counter.is_copy("mine", "a.nii")
    counter.sent({"mine": "a.nii"})
    counter.delivered("mine")
    counter.delivered("mine", 2)  # somebody reanalysed it meanwhile
    assert (counter.totals().delivered, counter.totals().earlier) == (1, 1)


def test_failures_are_counted_and_the_first_of_them_kept_with_their_reasons() -> None:
    counter = counter_of(100)
    for n in range(KEPT + 5):
        counter.failed(f"file {n}", "it is cut")
    totals = counter.totals()
    assert totals.failed == KEPT + 5
    assert [f.what for f in totals.failures] == [f"file {n}" for n in range(KEPT)]
    assert {f.reason for f in totals.failures} == {"it is cut"}
    assert not totals.complete


def test_it_waits_for_the_report_of_each_scan_that_did_not_fail() -> None:
    counter = counter_of(3)
    counter.sent({"a": "scan a", "b": "scan b", "c": "scan c"})
    counter.exhausted()
    assert not counter.wait(0)
    counter.delivered("a")
    counter.failed("b", "refused", "b")
    assert not counter.wait(0)
    counter.delivered("c")
    assert counter.wait(0)


def test_it_is_not_done_while_more_scans_are_to_come() -> None:
    counter = counter_of(2)
    counter.sent({"a": "scan a"})
    counter.delivered("a")
    assert not counter.wait(0)
    counter.exhausted()
    assert counter.wait(0)


def test_who_waits_is_woken_by_the_last_report() -> None:
    counter = counter_of(1)
    counter.sent({"a": "scan a"})
    counter.exhausted()
    done, _ = together(2, lambda n: counter.delivered("a") if n else counter.wait(30))
    assert done


def test_reports_that_do_not_come_are_given_up_by_name() -> None:
    counter = counter_of(3)
    counter.sent({"a": "scan a", "b": "scan b", "c": "scan c"})
    counter.acknowledged(["a", "b", "c"], 3)
    counter.delivered("b")
    assert counter.fail_awaited() == 2
    assert counter.fail_awaited() == 0
    assert [(f.what, f.reason) for f in counter.totals().failures] == [
        ("scan a", NO_REPORT),
        ("scan c", NO_REPORT),
    ]


def test_a_report_that_cannot_be_written_is_given_up_with_that_reason() -> None:
    counter = counter_of(2)
    counter.sent({"a": "scan a", "b": "scan b"})
    counter.not_written("a", "the report cannot be written: No space left on device")
    counter.not_written("of an earlier run", "the report cannot be written")
    counter.not_written("b", "the report cannot be written")
    counter.delivered("b")
    assert counter.fail_awaited() == 1
    [failure] = counter.totals().failures
    assert failure.reason.startswith("the report cannot be written: No space left on device: the")
    assert "run the same SOURCE again" in failure.reason


def test_threads_lose_no_count() -> None:
    counter = counter_of(None)

    def work(thread: int) -> None:
        for n in range(300):
            scan_id = f"{thread}-{n}"
            counter.sent({scan_id: f"scan {scan_id}"})
            counter.acknowledged([scan_id], 10)
            counter.delivered(scan_id)
            counter.failed(scan_id, "for this test")

    together(8, work)
    totals = counter.totals()
    assert (totals.sent, totals.acknowledged, totals.delivered, totals.failed) == (2400,) * 4
    assert totals.megabytes == pytest.approx(0.024)


def test_memory_is_bounded_however_long_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_counts, "AWAITED_KEPT", 10)
    counter = counter_of(None)
    for n in range(25):
        counter.sent({f"lonely {n}": f"scan lonely {n}"})
    assert len(counter._awaited) == 10
    assert counter.totals().sent == 25
    assert counter.fail_awaited() == 10  # the latest ones


def test_each_event_is_in_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    counter = counter_of(None, path)
    counter.sent({"a": "scan a", "b": "scan b"})
    counter.acknowledged(["a"], 1)
    counter.failed("planted 1", "refused: for this test", "b")
    counter.failed("file 7", "it is cut")
    counter.delivered("a")
    counter.delivered("a")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(event["event"], event["scan_id"]) for event in events] == [
        ("sent", "a"),
        ("sent", "b"),
        ("acknowledged", "a"),
        ("refused", "b"),
        ("failed", "file 7"),
        ("reported", "a"),
    ]
    counter._ledger.close()


def test_each_revision_of_a_report_is_news_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    for _ in range(2):  # the second time as a run that goes on with the ledger
        ledger = Ledger(path)
        counter = RunCounter(None, ledger, RateLimitedLog(get_log()))
        counter.sent({"a": "scan a"})
        came = [counter.delivered("a", revision) for revision in (1, 2, 2, 1)]
        ledger.close()
        # The second run has not had it yet, and takes whichever comes first.
        assert came in ([True, True, False, False], [True, False, False, False])
    assert path.read_text().count('"reported"') == 2
    assert path.read_text().count('"revision": "2"') == 1


def test_a_scan_that_failed_for_good_is_awaited_no_longer_and_named_with_its_cause(
    tmp_path: Path,
) -> None:
    counter = counter_of(2, tmp_path / "ledger.jsonl")
    counter.sent({"a": "first.nii", "b": "second.nii"})
    counter.acknowledged(["a", "b"], 10)
    counter.exhausted()
    assert counter.failed_for_good("a", "no brain in it")
    assert not counter.failed_for_good("a", "no brain in it")
    assert not counter.wait(0)
    counter.delivered("b")
    assert counter.wait(0)
    totals = counter.totals()
    assert (totals.failed, totals.delivered) == (1, 1)
    assert totals.failures[0].reason == "the analysis failed: no brain in it"
    assert counter.delivered("a")  # somebody requeued it
    counter._ledger.close()
    text = (tmp_path / "ledger.jsonl").read_text()
    events = [json.loads(line)["event"] for line in text.splitlines()]
    assert events == ["sent"] * 2 + ["acknowledged"] * 2 + ["failed", "reported", "reported"]


def test_what_the_ledger_cannot_take_is_not_counted_and_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = counter_of(2, tmp_path / "ledger.jsonl")
    counter.sent({"a": "first", "b": "second"})

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(counter._ledger, "write", full)
        with pytest.raises(OSError, match="No space"):
            counter.delivered("a")
        with pytest.raises(OSError, match="No space"):
            counter.failed_for_good("b", "cause")
    assert counter.totals().delivered == counter.totals().failed == 0
    assert counter.delivered("a")
    assert counter.failed_for_good("b", "cause")
    counter._ledger.close()


def lines_of(ledger: Path) -> list[tuple[str, str | None]]:
    entries = map(json.loads, ledger.read_text().splitlines())
    return [(f"{one['event']} {one['scan_id']}", one.get("reason")) for one in entries]


@contextlib.contextmanager
def run_of(ledger: Path) -> Iterator[RunCounter]:
    with contextlib.closing(Ledger(ledger)) as opened:
        yield RunCounter(None, opened, RateLimitedLog(get_log()))


def test_a_failure_of_a_scan_of_an_earlier_run_is_recorded_and_logged_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with run_of(path) as earlier:
        earlier.sent({"a": "scan a"})
        earlier.acknowledged(["a"], 1)
    told = []
    for _ in range(2):  # the acknowledgement of the notice may be lost with its run
        with capture_logs() as logs, run_of(path) as counter:
            for _ in range(2):
                assert not counter.failed_for_good("a", "no brain in it")
            assert counter.totals().failed == 0
        assert lines_of(path)[2:] == [("failed a", "no brain in it")]
        told += [(one["log_level"], one["what"], one["reason"]) for one in logs]
    assert told == [("warning", "scan a", "the analysis failed: no brain in it")]


def test_a_second_failure_for_another_cause_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with run_of(path) as counter:
        counter.sent({"a": "scan a"})
        assert counter.failed_for_good("a", "no brain in it")
        assert not counter.failed_for_good("a", "out of memory")  # after a requeue
        assert counter.totals().failed == 1
    assert lines_of(path)[1:] == [("failed a", "no brain in it"), ("failed a", "out of memory")]


def test_a_failure_that_comes_after_the_report_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with run_of(path) as counter:
        counter.delivered("a")
        assert not counter.failed_for_good("a", "no brain in it")
    assert lines_of(path) == [("reported a", None)]


def test_a_report_that_an_earlier_run_had_counts_for_the_run_that_awaits_it(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    first = counter_of(1, ledger)
    first.sent({"a": "scan a"})
    assert first.delivered("a", revision=2)
    second = counter_of(1, ledger)
    assert not second.delivered("a", revision=2)  # nobody awaits it
    second.sent({"a": "scan a"})
    second.acknowledged(["a"], 1)
    assert second.awaited(["a", "b"]) == ["a"]
    with capture_logs() as logs:
        assert second.delivered("a", revision=2)
    assert second.awaited(["a"]) == []
    assert [log["label"] for log in logs] == ["scan a"]
    assert second.totals().complete
    assert ledger.read_text().count('"reported"') == 1  # it is recorded once
    first._ledger.close()
    second._ledger.close()


def test_files_with_the_same_image_are_one_scan_with_several_labels(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    counter = counter_of(3, ledger)
    assert not counter.is_copy("a", "one.nii")
    assert not counter.is_copy("b", "two.nii")
    with capture_logs() as logs:
        assert counter.is_copy("a", "three.nii")
    assert [(log["what"], log["first"]) for log in logs] == [("three.nii", "one.nii")]
    assert counter.labels_of("a") == ("one.nii", "three.nii")
    assert counter.labels_of("c") == ()
    assert counter.open()["not_sent"] == 2
    counter.sent({"a": "one.nii", "b": "two.nii"})
    counter.acknowledged(["a", "b"], 2)
    counter.delivered("a")
    counter.delivered("b")
    assert counter.totals().complete
    assert counter.totals().copies == 1
    counter._ledger.close()
    [copy] = [json.loads(line) for line in ledger.read_text().splitlines() if '"copy"' in line]
    assert (copy["scan_id"], copy["label"]) == ("a", "three.nii")


def test_the_ledger_names_the_label_of_each_event(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    counter = counter_of(4, ledger)
    counter.is_copy("a", "a.nii")
    counter.sent({"a": "a.nii", "b": "b.nii", "c": "c.nii"})
    counter.acknowledged(["a", "b"], 2)
    counter.delivered("a")
    counter.delivered("a", 2)  # a revision that came later
    counter.failed_for_good("b", "no brain in it")
    counter.failed("c.nii", "refused", "c")
    counter.failed("d.nii", "not an image")
    counter._ledger.close()
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [(entry["event"], entry["label"]) for entry in entries] == [
        *(("sent", f"{name}.nii") for name in "abc"),
        *(("acknowledged", f"{name}.nii") for name in "ab"),
        ("reported", "a.nii"),
        ("reported", "a.nii"),
        ("failed", "b.nii"),
        ("refused", "c.nii"),
        ("failed", "d.nii"),
    ]


def test_what_comes_late_is_logged_with_the_label_of_the_earlier_run(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    first = counter_of(2, ledger)
    first.sent({"a": "mueller/a.nii", "b": "mueller/b.nii"})
    first._ledger.close()
    with capture_logs() as logs:
        second = counter_of(None, ledger)
        second.delivered("a")
        second.failed_for_good("b", "no brain in it")
    assert [log.get("label", log.get("what")) for log in logs] == ["mueller/a.nii", "mueller/b.nii"]
    names = FileNames(hashed=True)
    with capture_logs() as logs:
        log = RateLimitedLog(get_log())
        third = RunCounter(None, Ledger(ledger), log, names.reveal, names.conceal)
        third.delivered("a", 2)
    assert "mueller" not in str(logs)
    assert names.reveal(logs[0]["label"]) == "mueller/a.nii"
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [entry["label"] for entry in entries if entry["event"] == "reported"] == [
        "mueller/a.nii"
    ] * 2
    second._ledger.close()
    third._ledger.close()


def test_a_failure_is_told_at_once_with_what_helps() -> None:
    counter = counter_of(2)
    counter.sent({"a": "a.nii"})
    with capture_logs() as logs:
        counter.failed_for_good("a", "no brain in it")
        counter.failed("b.nii", "cut off: copy the file again")
    first, second = logs
    assert (first["what"], first["scan_id"]) == ("a.nii", "a")
    assert first["reason"] == "the analysis failed: no brain in it"
    assert first["command"] == "make requeue ID=a"
    assert (second["what"], second["reason"]) == ("b.nii", "cut off: copy the file again")
    assert [one.command for one in counter.totals().failures] == ["make requeue ID=a", None]


def test_a_folder_of_bad_files_is_named_file_by_file() -> None:
    log = RateLimitedLog(get_log())
    failures = RateLimitedLog(get_log(), 1000)
    counter = RunCounter(300, Ledger(None), log, failures=failures)
    with capture_logs() as logs:
        for n in range(300):
            counter.failed(f"{n}.nii", "it is empty")
    assert {log["what"] for log in logs} == {f"{n}.nii" for n in range(300)}


def test_copies_are_named_with_the_file_that_was_sent() -> None:
    names = FileNames(hashed=True)
    log = RateLimitedLog(get_log())
    counter = RunCounter(2, Ledger(None), log, names.reveal, names.conceal)
    noted: list[Account] = []
    counter.account_to(noted.append)
    one, two = Origin("one.nii", "", "/data"), Origin("two.nii", "", "/data")
    counter.is_copy("a", names.label("one.nii"), one)
    with capture_logs() as logs:
        counter.is_copy("a", names.label("two.nii"), two)
    assert "nii" not in str(logs)
    assert noted == [Account(FileOutcome.COPY, "the same image as one.nii", (two,), "a")]
    assert counter.origins_of("a") == [one, two]
    assert counter.origins_of("b") == []
    [copy] = counter.totals().copied
    assert (copy.what, copy.first, copy.scan_id) == ("two.nii", "one.nii", "a")


def test_what_becomes_of_each_file_is_accounted_for() -> None:
    names = FileNames(hashed=True)
    log = RateLimitedLog(get_log())
    counter = RunCounter(6, Ledger(None), log, names.reveal, names.conceal)
    noted: list[Account] = []
    counter.account_to(noted.append)
    files = {name: Origin(f"{name}.nii", "", "/data") for name in "abcde"}
    for name in "abcd":
        counter.is_copy(name, names.label(f"{name}.nii"), files[name])
    counter.sent({name: names.label(f"{name}.nii") for name in "abcd"})
    counter.acknowledged(["a"], 1)
    counter.failed_for_good("a", "no brain in it")
    counter.failed(names.label("b.nii"), "refused: it was purged", "b")
    counter.interrupted(names.label("c.nii"), "c")
    counter.fail_awaited()
    reason = f"half of {names.label('f.img')}"
    counter.failed(names.label("e.nii"), reason, origins=[files["e"]])
    counter.failed("synthetic 1", "the buffer is full")
    failed = "the analysis failed: no brain in it (make requeue ID=a)"
    assert noted == [
        Account(FileOutcome.WAITING, "no report yet", (files["a"],), "a"),
        Account(FileOutcome.FAILED, failed, (files["a"],), "a"),
        Account(FileOutcome.REFUSED, "refused: it was purged", (files["b"],), "b"),
        Account(FileOutcome.WAITING, "not acknowledged before Fr-PACS stopped", (files["c"],), "c"),
        Account(FileOutcome.WAITING, NO_REPORT, (files["d"],), "d"),
        Account(FileOutcome.REFUSED, "half of f.img", (files["e"],)),
    ]


class _Memory:
    """Remembers what became of scans, and knows one of an earlier run."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def stored(self, scan_ids: Sequence[str]) -> None:
        self.told.append(("stored", *scan_ids))

    def refused(self, scan_id: str, reason: str, *, for_good: bool) -> None:
        self.told.append(("for good" if for_good else "", scan_id, reason))

    def labels_of(self, scan_id: str) -> list[tuple[str, Origin]]:
        return [("old.nii", Origin("old.nii"))] if scan_id == "old" else []


def test_a_source_that_remembers_is_told_and_asked() -> None:
    counter, memory = counter_of(None), _Memory()
    counter.remember(memory)
    counter.sent({name: name for name in "abc"})
    counter.acknowledged(["a", "b"], 0)
    counter.failed("c", "refused: erased", "c", for_good=True)
    counter.failed("d", "refused: full", "d")
    counter.failed("e.nii", "it is cut")
    assert memory.told == [
        ("stored", "a", "b"),
        ("for good", "c", "refused: erased"),
        ("", "d", "refused: full"),
    ]
    assert counter.origins_of("old") == [Origin("old.nii")]
    with capture_logs() as logs:
        counter.delivered("old")
    assert [line["label"] for line in logs] == ["old.nii"]


def test_a_watched_file_that_is_written_again_is_no_copy_unless_its_scan_failed() -> None:
    counter = counter_of(None)
    counter.remember(_Memory())
    assert not counter.is_copy("a", "a.nii", Origin("a.nii"))
    assert counter.is_copy("a", "a.nii", Origin("a.nii"))
    assert counter.totals().copies == 0
    assert counter.is_copy("a", "b.nii", Origin("b.nii"))
    assert counter.totals().copies == 1
    counter.failed("a.nii", "refused: full", "a")
    assert not counter.is_copy("a", "a.nii", Origin("a.nii"))


@pytest.mark.parametrize("then", ["another image", "no image", "damaged"])
def test_a_late_report_is_not_about_a_watched_file_that_holds_something_else_now(
    tmp_path: Path, then: str
) -> None:
    counter, place = counter_of(None), origin("x.nii")
    counter.remember(_Memory())

    def brings(scan_id: str) -> None:
        assert not counter.is_copy(scan_id, "x.nii", place)
        counter.sent({scan_id: "x.nii"})
        counter.acknowledged([scan_id], 0)

    with opened(tmp_path) as reports:
        counter.account_to(reports.account)
        brings(ONE)
        if then == "another image":
            brings(TWO)
        elif then == "damaged":
            counter.failed("x.nii", "it is cut", origins=[place])
        else:
            skipped = SkippedFiles()
            skipped.add("x.nii", ".", "text", (place,))
            counter.skipped(skipped)
        reports.write(report(ONE), None, counter.origins_of)
        reports.write(report(ONE, revision=2), None, counter.origins_of)
    outcome = {"another image": "waiting", "damaged": "refused", "no image": "skipped"}[then]
    assert (outcome, "") in about(tmp_path, "outcome", "report")
    assert ("x.nii", ONE) not in about(tmp_path, "file", "scan_id")
    with opened(tmp_path) as reports:
        counter.account_to(reports.account)
        brings(ONE)  # the first image is there again
        reports.write(report(ONE, revision=2), None, counter.origins_of)
    assert ("x.nii", ONE, "reported") in about(tmp_path, "file", "scan_id", "outcome")


def test_a_scan_that_was_found_is_accounted_for_until_it_is_sent(tmp_path: Path) -> None:
    counter = counter_of(None)
    with opened(tmp_path) as reports:
        counter.account_to(reports.account)
        counter.found(origin("a.nii"))
    assert about(tmp_path, "file", "outcome", "reason") == [("a.nii", "waiting", "not sent yet")]


def test_what_is_skipped_later_is_added() -> None:
    counter = counter_of(None)
    for kind in ("sidecar", "sidecar", "picture"):
        files = SkippedFiles()
        files.add(kind, ".", kind)
        counter.skipped(files)
    assert counter.totals().skipped == {"sidecar": 2, "picture": 1}


def test_a_stop_tells_what_was_not_sent_from_what_was_not_acknowledged(tmp_path: Path) -> None:
    with contextlib.closing(Ledger(tmp_path / "ledger")) as ledger:
        counter = RunCounter(2, ledger, RateLimitedLog(get_log()))
        counter.sent({"a": "a.nii"})
        counter.interrupted("a.nii", "a")
        counter.interrupted("b.nii", "b")
    lines = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert [line["reason"] for line in lines if line["event"] == "refused"] == [
        "not acknowledged before Fr-PACS stopped",
        "not sent before Fr-PACS stopped",
    ]
    assert counter.open()["not_acknowledged"] == 1


def test_a_watched_file_that_failed_and_is_whole_later_has_not_failed() -> None:
    for total, failed in ((None, 0), (2, 1)):
        counter = RunCounter(total, Ledger(None), RateLimitedLog(get_log()))
        counter.failed("half.nii", "it is cut")
        assert not counter.is_copy("a", "half.nii")
        assert counter.totals().failed == failed
