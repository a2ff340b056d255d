"""``make audit``: the history, the verdict for people, the kept heads, the exit code."""

import json
import os
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from common.audit.verification import (
    MISSING,
    AuditVerdict,
    AuditVerifier,
)
from common.audit.writer import AuditWriter
from common.commands.audit import History, read_heads, show, write_heads
from common.domain.audit_chain import Head
from common.domain.audit_events import Kind
from common.domain.types import utc_now
from common.errors import SettingsError
from common.runtime.console import Console
from common.runtime.logger import get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.audit.trail import note
from tests.factories import inside

ROOT = Path(__file__).parents[3]


def printed(verdict: AuditVerdict) -> str:
    console = Console(file=StringIO(), width=140)
    show(verdict, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_history_of_a_scan_is_in_order(store: DBManager, audit: AuditWriter) -> None:
    history = History("one", None)
    note(audit, (Kind.RECEIVE, ["one", "two"]), peer="pacs-1", outcome="stored")
    with closing(AuditWriter(store.audit_log, "processor", get_log())) as processor:
        note(processor, (Kind.CLAIM, ["one"]), attempt=1)
        note(processor, (Kind.CLAIM, ["two"]), attempt=1)
    note(audit, (Kind.SEND, ["one"]))
    AuditVerifier(store, on_entry=history.add).run()
    lines = history.lines()
    assert [line["kind"] for line in lines] == ["receive", "claim", "send"]
    assert (lines[0]["peer"], lines[0]["outcome"], lines[1]["more"]) == (
        "pacs-1",
        "stored",
        "attempt 1",
    )
    assert [line["by"] for line in lines] == [audit.writer, processor.writer, audit.writer]
    console = Console(file=StringIO(), width=200)
    history.show(console)
    assert isinstance(console.file, StringIO)
    assert "attempt 1" in console.file.getvalue()


HARMFUL = "[/] [bold] \x1b[2J\x9b1m\u202e\r\n"


def test_foreign_text_in_the_trail_is_shown_as_text(store: DBManager, audit: AuditWriter) -> None:
    """Also what an earlier release, or somebody else, has stored raw."""
    history = History(None, datetime(2026, 1, 1, tzinfo=UTC))
    note(audit, (Kind.REFUSE, [HARMFUL]), peer=HARMFUL, outcome=HARMFUL, cause=HARMFUL)
    AuditVerifier(store, on_entry=history.add).run()
    raw = {"kind": HARMFUL, "at": utc_now(), "ids": [HARMFUL], "peer": HARMFUL, HARMFUL: HARMFUL}
    history.add({"_id": {"writer": HARMFUL}, "events": [raw]})
    console = Console(file=StringIO(), width=200)
    history.show(console)
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    assert all(line.isprintable() for line in shown.splitlines())
    assert shown.count("[/]") >= 6


def test_what_is_stored_of_foreign_text_is_escaped(store: DBManager, audit: AuditWriter) -> None:
    note(audit, (Kind.REFUSE, []), peer=HARMFUL, outcome=HARMFUL, cause=HARMFUL * 100)
    for entry in inside(store, Collection.AUDIT).find():
        for one in entry["events"]:
            texts = [one.get(name, "") for name in ("peer", "outcome", "cause")]
            assert all(text.isprintable() and len(text) <= 300 for text in texts), texts


def test_the_history_of_a_scan_names_what_operators_did(
    store: DBManager, audit: AuditWriter
) -> None:
    note(audit, (Kind.SCHEDULE_REANALYSIS, ["one"]), outcome="to be analysed again")
    # As releases before 'schedule_reanalysis' recorded it.
    note(audit, (Kind.REQUEUE, ["one"]), outcome="to be analysed again")
    note(audit, (Kind.REQUEUE, ["one"]), outcome="To Do")
    history = History("one", None)
    assert AuditVerifier(store, on_entry=history.add).run().problems.count == 0
    assert [(line["kind"], line["outcome"]) for line in history.lines()] == [
        ("schedule_reanalysis", "to be analysed again"),
        ("requeue", "to be analysed again"),
        ("requeue", "To Do"),
    ]


def test_the_history_since_a_time_leaves_out_what_was_before(
    store: DBManager, audit: AuditWriter
) -> None:
    note(audit, (Kind.SEND, ["one"]))
    entry = inside(store, Collection.AUDIT).find_one({"events.kind": "send"})
    assert entry is not None
    time = entry["events"][0]["at"]
    note(audit, (Kind.SEND, ["two", "three"]))
    history = History(None, time.replace(tzinfo=None))
    AuditVerifier(store, on_entry=history.add).run()
    assert [line["scans"] for line in history.lines()] == ["one", "two and 1 more"]
    later = History(None, time.replace(year=time.year + 1))
    AuditVerifier(store, on_entry=later.add).run()
    assert later.lines() == []


def test_people_see_counts_gaps_and_the_limits_of_the_check(
    store: DBManager, audit: AuditWriter
) -> None:
    note(audit, (Kind.RECEIVE, ["gone"]))
    text = printed(AuditVerifier(store).run())
    assert f"{MISSING}: gone" in text
    assert "\n1 gap\n" in text
    assert "This check cannot tell" in text
    assert "One event may be about many scans" in text


def test_heads_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HEADS="):
        list(read_heads(tmp_path / "absent"))
    for text in ("one", "a/1 b", "a/1 b c"):
        (tmp_path / "file").write_text(text)
        with pytest.raises(SettingsError, match="made with KEEP"):
            list(read_heads(tmp_path / "file"))
    with pytest.raises(SettingsError, match="KEEP="):
        write_heads(tmp_path / "no" / "file", [Head("a", 1, "0" * 64)])


def run_audit(store: DBManager, folder: Path, **more: str) -> Any:
    """``python -m common.commands.audit`` in another folder, where no ``.env`` is."""
    return subprocess.run(
        [sys.executable, "-m", "common.commands.audit"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "MONGODB_URI": store.connection.uri,
            "MONGODB_DATABASE": store.connection.name,
            **more,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_prints_its_findings_and_exits_accordingly(
    store: DBManager, tmp_path: Path
) -> None:
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        note(audit, (Kind.RECEIVE, ["one"]))
    ran = run_audit(store, tmp_path, JSON="1", SCAN="one", KEEP="heads")
    assert (ran.returncode, ran.stderr) == (1, "")
    told = json.loads(ran.stdout)
    assert (told["total"], told["gaps"][MISSING]["named"]) == (1, ["one"])
    assert [line["kind"] for line in told["history"]] == ["receive"]
    inside(store, Collection.AUDIT).delete_many({})
    ran = run_audit(store, tmp_path, SCAN="unknown")
    assert (ran.returncode, "no events for scan 'unknown'; check the id" in ran.stdout) == (1, True)
    ran = run_audit(store, tmp_path)
    assert (ran.returncode, "0 gaps" in ran.stdout) == (0, True)
    ran = run_audit(store, tmp_path, HEADS="heads")
    assert "The trail was compared with the entries in HEADS" in ran.stdout
    assert "HEADS=file" not in ran.stdout
    assert (ran.returncode, "the heads that were kept" in ran.stdout) == (1, True)
    ran = run_audit(store, tmp_path, HEADS="absent")
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)


def test_a_pipe_gets_each_event_on_one_line(store: DBManager, audit: AuditWriter) -> None:
    scan_id, peer = "x" * 60, "p" * 60
    history = History(scan_id, None)
    note(audit, (Kind.RECEIVE, [scan_id]), peer=peer, outcome="stored")
    AuditVerifier(store, on_entry=history.add).run()
    console = Console(file=StringIO(), width=60)
    history.show(console)
    assert isinstance(console.file, StringIO)
    [line] = [one for one in console.file.getvalue().splitlines() if "receive" in one]
    assert peer in line
    assert audit.writer in line
