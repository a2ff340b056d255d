"""The ledger: a JSON line for each event of a scan."""

import json
import resource
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from common.domain.types import utc_now
from common.errors import SettingsError
from common.runtime.logger import RateLimitedLog, get_log
from fr_pacs.ledger import Ledger, LedgerError
from fr_pacs.run_counts import RunCounter
from tests.factories import together


def test_each_scan_of_an_event_gets_a_line_of_its_own_at_once(tmp_path: Path) -> None:
    path = tmp_path / "made" / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.write("sent", ["a", "b"])
    ledger.write("refused", ["b"], reason="it says: \"no\"\nand 'never'")
    first, second, third = map(json.loads, path.read_text().splitlines())  # before it is closed
    assert (first["event"], first["scan_id"]) == ("sent", "a")
    assert (second["event"], second["scan_id"]) == ("sent", "b")
    assert third["reason"] == "it says: \"no\"\nand 'never'"
    at = datetime.fromisoformat(first["at"])
    assert timedelta(0) <= utc_now() - at < timedelta(minutes=1)
    ledger.close()


def test_events_of_a_later_run_come_after_those_of_the_earlier(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for run in ("first", "second"):
        ledger = Ledger(path)
        ledger.write("sent", [run])
        ledger.close()
    assert [json.loads(line)["scan_id"] for line in path.read_text().splitlines()] == [
        "first",
        "second",
    ]


def test_lines_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)

    def write(thread: int) -> None:
        for n in range(100):
            ledger.write("sent", [f"{thread}-{n}-{part}" for part in range(3)])

    together(8, write)
    names = [json.loads(line)["scan_id"] for line in path.read_text().splitlines()]
    assert len(set(names)) == len(names) == 2400
    ledger.close()


def test_no_scans_leave_no_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.write("sent", [])
    ledger.close()
    assert path.read_text() == ""


def test_without_a_path_nothing_is_kept() -> None:
    ledger = Ledger(None)
    ledger.write("sent", ["a"])
    ledger.close()


def test_a_path_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "ledger.jsonl"):
        with pytest.raises(SettingsError, match=r"^LEDGER='.*': [A-Z]"):
            Ledger(path)


def test_a_report_that_an_earlier_run_noted_is_known(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    first = Ledger(path)
    first.write("sent", ["a", "b"])
    first.write("reported", ["a"])
    first.close()
    second = Ledger(path)
    assert list(second.reported) == ["a"]
    counter = RunCounter(None, second, RateLimitedLog(get_log()))
    assert not counter.delivered("a")
    assert counter.delivered("b")
    second.close()
    assert path.read_text().count('"reported"') == 2


def test_a_last_line_that_a_kill_cut_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.write("sent", ["a"])
    ledger.close()
    whole = path.read_text()
    path.write_text(whole + '{"event": "acknow')
    Ledger(path).close()
    assert path.read_text() == whole


def test_lines_for_which_there_is_no_room_are_an_error_of_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.write("sent", ["1"])
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        with pytest.raises(LedgerError, match="File too large"):
            ledger.write("sent", ["2"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    ledger.write("sent", ["3"])
    ledger.close()
    assert path.read_bytes().startswith(before)
