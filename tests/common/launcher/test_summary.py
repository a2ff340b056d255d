"""Counting the acknowledged scans of a ledger."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import pymongo
import pytest

from common.errors import StoreUnavailable
from common.launcher.summary import acknowledged_in, revisions_received, sum_up
from common.runtime.run_totals import Totals
from common.store.db_manager import DBManager
from tests.factories import make_claimable, make_report, make_reports, opened, own_mongod


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


TOTALS = Totals(total=2, sent=2, acknowledged=2, delivered=2, failed=0, seconds=1, megabytes=1)


def delivered(store: DBManager, n: int) -> list[str]:
    """Keys of scans whose reports were delivered."""
    keys = [report.key for report in make_reports(store, n)]
    store.outbox.mark_sent(keys)
    return keys


def read_again(store: DBManager) -> None:
    """Analyse the one scan that waits, and deliver its report."""
    [claim] = store.claims.claim("me", 1, 60)
    store.claims.complete([(claim, make_report(claim.scan, revision=claim.revision))])
    store.outbox.mark_sent([claim.key], claim.revision)


def test_a_scan_that_is_read_again_has_its_report_and_is_to_be_revised(store: DBManager) -> None:
    keys = delivered(store, 2)
    assert store.revisions.schedule_reanalysis(keys[:1], 1) == 1
    made = sum_up(TOTALS, store, keys)
    assert (made.stored, made.reported, made.to_revise, made.complete) == (2, 2, 1, True)
    read_again(store)
    assert sum_up(TOTALS, store, keys).to_revise == 0


def test_a_scan_without_a_report_is_not_reported(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    made = sum_up(TOTALS, store, [scan.key])
    assert (made.stored, made.reported, made.to_revise) == (1, 0, 0)


def test_a_run_waits_for_the_revisions_of_its_scans(store: DBManager) -> None:
    keys = delivered(store, 2)
    assert store.revisions.schedule_reanalysis(keys[:1], 1) == 1
    thread = threading.Timer(0.7, read_again, [store])
    thread.start()
    began = time.monotonic()
    asyncio.run(revisions_received(store, keys, 20))
    assert 0.7 <= time.monotonic() - began < 10
    thread.join()
    assert store.revisions.expected(keys) == set()


@pytest.mark.parametrize(("scheduled", "at_least"), [(True, 0.5), (False, 0.0)])
def test_it_waits_only_while_something_happens(
    store: DBManager, scheduled: bool, at_least: float
) -> None:
    keys = delivered(store, 2)
    if scheduled:
        store.revisions.schedule_reanalysis(keys[:1], 1)
    began = time.monotonic()
    asyncio.run(revisions_received(store, keys, 0.5))
    assert at_least <= time.monotonic() - began < at_least + 5


def test_an_outage_of_mongodb_does_not_end_the_wait(tmp_path: Path) -> None:
    with (
        own_mongod(tmp_path, "--setParameter", "enableTestCommands=1") as mongod,
        opened(f"{mongod.uri}?heartbeatFrequencyMS=500", "fr") as store,
        pymongo.MongoClient[dict[str, Any]](mongod.uri) as client,
    ):
        keys = delivered(store, 2)
        assert store.revisions.schedule_reanalysis(keys[:1], 1) == 1
        away = {"failCommands": ["find"], "appName": "fr", "errorCode": 50}

        def outage(mode: Any) -> None:
            client.admin.command("configureFailPoint", "failCommand", mode=mode, data=away)

        def end() -> None:
            outage("off")
            read_again(store)

        outage("alwaysOn")
        with pytest.raises(StoreUnavailable):
            asyncio.run(revisions_received(store, keys, 0.1))
        thread = threading.Timer(0.7, end)
        thread.start()
        began = time.monotonic()
        asyncio.run(revisions_received(store, keys, 20))
        assert 0.7 <= time.monotonic() - began < 10
        thread.join()
        assert store.revisions.expected(keys) == set()
