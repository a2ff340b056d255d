import io
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from common.runtime.console import Console
from common.runtime.run_totals import Failure, Latency, Totals, progress_bar


def totals(**fields: Any) -> Totals:
    """The totals of ten scans, all delivered."""
    known: dict[str, Any] = {
        "total": 10,
        "sent": 10,
        "acknowledged": 10,
        "stored": 10,
        "reported": 10,
        "delivered": 10,
        "failed": 0,
        "seconds": 4.0,
        "megabytes": 6.0,
    }
    return Totals(**{**known, **fields})


def shown(made: Totals) -> str:
    console = Console(file=io.StringIO(), width=100)
    made.show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def row(text: str, name: str) -> str:
    (line,) = (line for line in text.splitlines() if f"│ {name} " in line)
    return line.split("│")[2].strip()


def test_foreign_text_in_a_failure_is_shown_as_text() -> None:
    harmful = "[/] [bold]\x1b[2J\u202e\r\n.nii"
    failure = Failure(what=harmful, reason=harmful)
    text = shown(totals(delivered=9, failed=1, failures=(failure,)))
    assert all(line.isprintable() for line in text.splitlines())
    assert text.count("[/]") == 2


def test_a_failure_is_shown_by_its_hash_and_written_by_its_name() -> None:
    failure = Failure(what="mueller.nii", reason="it is cut", shown="file-1: it is cut")
    made = totals(delivered=9, failed=1, failures=(failure,))
    assert "file-1: it is cut" in shown(made)
    assert "mueller" not in shown(made)
    assert "file-1" in made.model_dump_json(), "the launcher needs it"
    assert json.loads(made.as_json())["failures"] == [
        {"what": "mueller.nii", "reason": "it is cut"}
    ]


def test_rates_count_delivered_scans_and_acknowledged_bytes() -> None:
    made = totals(delivered=8, failed=2)
    assert made.scans_per_s == 2.0
    assert made.megabytes_per_s == 1.5


def test_a_run_without_time_has_no_rates() -> None:
    made = totals(seconds=0.0)
    assert (made.scans_per_s, made.megabytes_per_s) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("fields", "complete"),
    [
        ({}, True),
        ({"stored": None, "reported": None}, True),
        ({"total": None}, True),
        ({"total": 11}, False),
        ({"sent": 9}, False),
        ({"acknowledged": 9}, False),
        ({"stored": 9}, False),
        ({"reported": 9}, False),
        ({"delivered": 9}, False),
        ({"delivered": 11}, False),
        ({"failed": 1}, False),
        ({"total": None, "delivered": 9}, False),
    ],
)
def test_complete_means_that_every_scan_was_delivered(
    fields: dict[str, Any], complete: bool
) -> None:
    made = totals(**fields)
    assert made.complete is complete
    assert json.loads(made.as_json())["complete"] is complete


def test_nothing_to_send_is_complete() -> None:
    nothing = dict.fromkeys(["total", "sent", "acknowledged", "stored", "reported", "delivered"], 0)
    assert totals(**nothing).complete


def test_the_summary_has_all_counts_and_rates(tmp_path: Path) -> None:
    made = totals(
        latency_ms=Latency(p50=1, p95=2, p99=3), failures=(Failure(what="a", reason="b"),)
    )
    made.write(tmp_path / "deep" / "summary.json")
    text = (tmp_path / "deep" / "summary.json").read_text()
    assert text.endswith("}\n")
    summary = json.loads(text)
    assert summary["sent"] == summary["delivered"] == 10
    assert summary["scans_per_s"] == 2.5
    assert summary["megabytes_per_s"] == 1.5
    assert summary["latency_ms"] == {"p50": 1, "p95": 2, "p99": 3}
    assert summary["failures"] == [{"what": "a", "reason": "b"}]


def test_totals_survive_the_pipe_to_the_launcher() -> None:
    made = totals(latency_ms=Latency(p50=1, p95=2, p99=3), total=None, skipped={"text": 2})
    assert Totals.model_validate_json(made.model_dump_json()) == made
    with pytest.raises(ValidationError):
        Totals.model_validate_json(made.as_json())  # computed values are not fields


def test_the_table_has_each_count_but_for_unchecked_ones() -> None:
    text = shown(
        totals(acknowledged=12345, stored=None, latency_ms=Latency(p50=1500, p95=2.4, p99=3.6))
    )
    assert row(text, "acknowledged") == "12,345"
    assert row(text, "to send") == "10"
    assert "│ stored " not in text
    assert row(text, "delivered") == "10"
    assert row(text, "failed") == "0"
    assert row(text, "scans/s") == "2.5"
    assert row(text, "MB/s") == "1.5"
    assert "1,500 / 2 / 4" in text


def test_the_table_has_what_was_skipped_by_kind_and_it_is_no_failure() -> None:
    made = totals(skipped={"structured_report": 2, "localizer": 3, "sidecar": 1200})
    text = shown(made)
    assert row(text, "skipped files") == "1,202"
    assert row(text, "skipped volumes, by VOLUMES") == row(text, "  localizers") == "3"
    assert row(text, "  structured reports") == "2"
    assert row(text, "  sidecars") == "1,200"
    assert made.complete
    assert json.loads(made.as_json())["skipped"] == made.skipped
    assert "skipped" not in shown(totals())


def test_the_first_failures_are_listed_and_the_others_counted() -> None:
    failures = (Failure(what="a[1].nii", reason="it is [red]empty[/red]"),)
    text = shown(totals(failed=3, failures=failures))
    assert "failed: a[1].nii: it is [red]empty[/red]" in text
    assert "… and 2 more" in text
    assert "more" not in shown(totals(failed=1, failures=failures))


def test_the_bar_follows_the_totals() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with progress_bar(console) as bar:
        bar.update(totals(total=1000, acknowledged=400, delivered=300, failed=5))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "305/1000" in text
    assert "acknowledged 400, failed 5" in text


def test_the_bar_of_an_unlimited_run_has_no_total() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with progress_bar(console) as bar:
        bar.update(totals(total=None, acknowledged=400))
    assert isinstance(console.file, io.StringIO)
    assert "acknowledged 400" in console.file.getvalue()
    assert "failed" not in console.file.getvalue()


def test_a_failure_names_the_command_that_helps_and_the_scan() -> None:
    failure = Failure(
        what="head.nii",
        reason="the analysis failed: no brain",
        scan_id="a",
        command="make requeue ID=a",
    )
    made = totals(delivered=9, failed=1, failures=(failure,))
    assert "failed: head.nii: the analysis failed: no brain (make requeue ID=a)" in shown(made)
    [written] = json.loads(made.as_json())["failures"]
    assert (written["what"], written["scan_id"]) == ("head.nii", "a")


def test_the_end_of_a_run_says_where_the_reports_are(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=60)
    totals().show(console, tmp_path / "reports")
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert f"reports: {tmp_path / 'reports'} (index.csv says" in printed
    assert "make report" not in printed


def test_reports_of_earlier_runs_are_told_apart(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    totals(delivered=0, failed=1, earlier=7).show(console, tmp_path)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert row(printed, "delivered from earlier runs") == "7"
    assert f"reports: {tmp_path} (index.csv says" in printed
    assert "7 of these reports belong to scans that an earlier run sent" in printed


def test_the_end_of_a_run_without_reports_says_where_each_file_is_named(tmp_path: Path) -> None:
    for there in (False, True):
        console = Console(file=io.StringIO(), width=60)
        totals(delivered=0, failed=1).show(console, tmp_path)
        assert isinstance(console.file, io.StringIO)
        told = f"no reports were delivered; {tmp_path / 'index.csv'} says what became of each file"
        assert (told in console.file.getvalue()) is there
        (tmp_path / "index.csv").touch()


def test_the_end_of_a_run_says_how_to_get_reports_that_were_not_asked_for() -> None:
    text = " ".join(shown(totals()).split())
    assert "run again with REPORTS=folder" in text
    assert "make report ID=" in text
    assert "make list" in text
    assert "REPORTS" not in shown(totals(delivered=0))


def test_reports_that_will_be_revised_are_announced() -> None:
    assert "new revision" not in shown(totals(to_revise=0))
    text = " ".join(shown(totals(to_revise=2)).split())
    assert "new revisions of 2 reports have not arrived yet" in text
    assert "run the same command again" in text
    assert totals(to_revise=2).complete
