"""Counting the acknowledged scans of a ledger."""

import json
from pathlib import Path

from common.launcher.summary import acknowledged_in


def line(event: str, scan_id: str, **fields: str) -> str:
    return json.dumps({"event": event, "scan_id": scan_id, "at": "now", **fields}) + "\n"


def test_acknowledged_scans_are_found(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(
        line("sent", "a")
        + line("acknowledged", "a")
        + line("failed", "b", reason='"event": "acknowledged"')
        + line("acknowledged", "c")
        + line("reported", "c")
    )
    assert acknowledged_in(ledger, 0) == ["a", "c"]


def test_lines_of_an_earlier_run_are_skipped(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(line("acknowledged", "a", label="é"), encoding="utf-8")
    start = ledger.stat().st_size
    with ledger.open("a") as file:
        file.write(line("acknowledged", "b"))
    assert acknowledged_in(ledger, start) == ["b"]
    assert acknowledged_in(ledger, ledger.stat().st_size) == []


def test_an_incomplete_line_is_skipped(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(line("acknowledged", "a") + line("acknowledged", "b")[:-2])
    assert acknowledged_in(ledger, 0) == ["a"]
    ledger.write_text(line("acknowledged", "a") + line("acknowledged", "b").rstrip())
    assert acknowledged_in(ledger, 0) == ["a"]


def test_a_ledger_written_by_fr_pacs_is_read(tmp_path: Path) -> None:
    from fr_pacs.ledger import Ledger

    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.write("sent", ["a", "b"])
    ledger.write("acknowledged", ["a", "b"])
    ledger.write("failed", ["c"], reason="no")
    ledger.close()
    assert acknowledged_in(tmp_path / "ledger.jsonl", 0) == ["a", "b"]
