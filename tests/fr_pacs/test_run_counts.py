"""The tally: what became of each scan."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.runtime.logger import RateLimitedLog, get_log
from fr_pacs import run_counts as tally_module
from fr_pacs.ledger import Ledger
from fr_pacs.run_counts import FAILURES_KEPT, Tally
from tests.factories import together


def tally_of(total: int | None, ledger: Path | None = None) -> Tally:
    """Counts of a run of so many scans."""
    return Tally(total, Ledger(ledger), RateLimitedLog(get_log()))


def test_a_scan_that_goes_all_the_way_is_counted_at_each_step() -> None:
    tally = tally_of(1)
    assert tally.totals().sent == 0
    tally.sent(["a"])
    assert not tally.totals().complete
    tally.acknowledged(["a"], 2_000_000)
    assert not tally.totals().complete
    assert tally.delivered("a")
    totals = tally.totals()
    assert (totals.sent, totals.acknowledged, totals.delivered, totals.failed) == (1, 1, 1, 0)
    assert totals.complete
    assert totals.megabytes == 2.0
    assert totals.seconds > 0
    assert totals.latency_ms is not None
    assert 0 <= totals.latency_ms.p50 <= totals.latency_ms.p99 < 10_000


def test_a_report_may_come_before_the_acknowledgement_of_its_scan() -> None:
    tally = tally_of(1)
    tally.sent(["a"])
    assert tally.delivered("a")
    tally.acknowledged(["a"], 1)
    assert tally.totals().complete


def test_a_report_that_comes_again_counts_once() -> None:
    tally = tally_of(1)
    tally.sent(["a"])
    assert [tally.delivered("a") for _ in range(3)] == [True, False, False]
    assert tally.totals().delivered == 1


def test_a_report_of_an_earlier_run_is_new_and_not_counted() -> None:
    tally = tally_of(1)
    assert tally.delivered("from before")
    assert not tally.delivered("from before")
    assert tally.totals().delivered == 0
    assert tally.totals().latency_ms is None


def test_a_report_is_one_line_with_label_verdict_lesions_and_time() -> None:
    with capture_logs() as logs:
        tally = tally_of(2)
        tally.sent(["a", "b"], ["head.nii.gz", "grid 1"])
        tally.delivered("a", verdict="pass", lesions=3)
        tally.delivered("b", verdict="fail", lesions=None)
        tally.delivered("of an earlier run", verdict="pass", lesions=0)
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


def test_failures_are_counted_and_the_first_of_them_kept_with_their_reasons() -> None:
    tally = tally_of(100)
    for n in range(FAILURES_KEPT + 5):
        tally.failed(f"file {n}", "it is cut")
    totals = tally.totals()
    assert totals.failed == FAILURES_KEPT + 5
    assert [f.what for f in totals.failures] == [f"file {n}" for n in range(FAILURES_KEPT)]
    assert {f.reason for f in totals.failures} == {"it is cut"}
    assert not totals.complete


def test_it_waits_for_the_report_of_each_scan_that_did_not_fail() -> None:
    tally = tally_of(3)
    tally.sent(["a", "b", "c"])
    tally.exhausted()
    assert not tally.wait(0)
    tally.delivered("a")
    tally.failed("b", "refused", "b")
    assert not tally.wait(0)
    tally.delivered("c")
    assert tally.wait(0)


def test_it_is_not_done_while_more_scans_are_to_come() -> None:
    tally = tally_of(2)
    tally.sent(["a"])
    tally.delivered("a")
    assert not tally.wait(0)
    tally.exhausted()
    assert tally.wait(0)


def test_who_waits_is_woken_by_the_last_report() -> None:
    tally = tally_of(1)
    tally.sent(["a"])
    tally.exhausted()
    done, _ = together(2, lambda n: tally.delivered("a") if n else tally.wait(30))
    assert done


def test_reports_that_do_not_come_are_given_up_by_name() -> None:
    tally = tally_of(3)
    tally.sent(["a", "b", "c"])
    tally.acknowledged(["a", "b", "c"], 3)
    tally.delivered("b")
    assert tally.give_up() == 2
    assert tally.give_up() == 0
    assert [(f.what, f.reason) for f in tally.totals().failures] == [
        ("a", "no report came"),
        ("c", "no report came"),
    ]


def test_threads_lose_no_count() -> None:
    tally = tally_of(None)

    def work(thread: int) -> None:
        for n in range(300):
            scan_id = f"{thread}-{n}"
            tally.sent([scan_id])
            tally.acknowledged([scan_id], 10)
            tally.delivered(scan_id)
            tally.failed(scan_id, "for this test")

    together(8, work)
    totals = tally.totals()
    assert (totals.sent, totals.acknowledged, totals.delivered, totals.failed) == (2400,) * 4
    assert totals.megabytes == pytest.approx(0.024)


def test_memory_is_bounded_however_long_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "AWAITED_KEPT", 10)
    monkeypatch.setattr(tally_module, "SEEN_KEPT", 10)
    tally = tally_of(None)
    for n in range(25):
        tally.sent([f"lonely {n}"])
    for n in range(25):
        tally.delivered(f"early {n}")
    assert len(tally._awaited) == len(tally._seen) == 10
    assert tally.totals().sent == 25
    assert tally.give_up() == 10  # the latest ones


def test_each_event_is_in_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    tally = tally_of(None, path)
    tally.sent(["a", "b"])
    tally.acknowledged(["a"], 1)
    tally.failed("planted 1", "refused: for this test", "b")
    tally.failed("file 7", "it is cut")
    tally.delivered("a")
    tally.delivered("a")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(event["event"], event["scan_id"]) for event in events] == [
        ("sent", "a"),
        ("sent", "b"),
        ("acknowledged", "a"),
        ("refused", "b"),
        ("failed", "file 7"),
        ("reported", "a"),
    ]
    tally._ledger.close()


def test_each_revision_of_a_report_is_news_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    for _ in range(2):  # the second time as a run that goes on with the ledger
        ledger = Ledger(path)
        tally = Tally(None, ledger, RateLimitedLog(get_log()))
        tally.sent(["a"])
        came = [tally.delivered("a", revision) for revision in (1, 2, 2, 1)]
        ledger.close()
        assert came in ([True, True, False, False], [False] * 4)
    assert path.read_text().count('"reported"') == 2
    assert path.read_text().count('"revision": "2"') == 1
