"""``make retention``, and Fr-HUB's timer: what they delete, print and refuse."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.commands.verify import verify
from common.domain.scan_key import scan_id_of
from common.domain.states import PURGED, ReportGenerated
from common.errors import SettingsError
from common.runtime.lifecycle import Exit
from common.settings.hub import HubSettings
from common.settings.loading import load_settings
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import report_document
from tests.common.store.delivered import make_old
from tests.factories import (
    document_of,
    inside,
    make_failed,
    make_report,
    make_scan,
    state_of,
)
from tests.running import hub_settings, running_hub, until

ROOT = Path(__file__).parents[3]


def command(store: DBManager, folder: Path, **more: str) -> "subprocess.Popen[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "MONGODB_URI": store.connection.uri,
        "MONGODB_DATABASE": store.connection.name,
        **more,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "common.commands.retention"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(store: DBManager, folder: Path, **more: str) -> tuple[int, str, str]:
    process = command(store, folder, **more)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_the_command_lists_what_is_due_and_with_apply_deletes_it(
    store: DBManager, tmp_path: Path
) -> None:
    make_old(store, 3)
    assert run(store, tmp_path, RETENTION_DAYS="90") == (
        Exit.OK,
        "3 scans delivered more than 90 days ago: voxels to delete, 0.0 MB "
        "(APPLY=1 deletes them)\n",
        "",
    )
    assert len(due(store)) == 3
    code, out, _ = run(store, tmp_path, RETENTION_DAYS="90", APPLY="1", JSON="1")
    assert (code, json.loads(out)) == (
        Exit.OK,
        {
            "applied": True,
            "what": "voxels",
            "days": 90.0,
            "scans": 3,
            "voxels_bytes": 300,
            "failed_days": None,
            "failed_scans": 0,
        },
    )
    assert due(store) == []
    code, out, _ = run(store, tmp_path, RETENTION_DAYS="90", RETENTION_WHAT="all", APPLY="1")
    assert (code, out.split(",")[0]) == (
        Exit.OK,
        "3 scans delivered more than 90 days ago: scan and report deleted",
    )
    assert store.queries.count_states()[PURGED] == 3


def due(store: DBManager) -> list[str]:
    return [i for page in store.retention.due(30, include_report=False) for i in page.keys]


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "fr retention: nothing was deleted: set RETENTION_DAYS"),
        ({"RETENTION_DAYS": "-1", "APPLY": "1"}, "fr retention: RETENTION_DAYS='-1'"),
        ({"RETENTION_DAYS": "nan", "APPLY": "1"}, "fr retention: RETENTION_DAYS='nan'"),
        ({"RETENTION_DAYS": "1", "RETENTION_WHAT": "most"}, "fr retention: RETENTION_WHAT='most'"),
    ],
)
def test_without_valid_settings_nothing_is_deleted(
    store: DBManager, tmp_path: Path, given: dict[str, str], said: str
) -> None:
    make_old(store, 1)
    code, out, err = run(store, tmp_path, **given)
    assert (code, out) == (Exit.USAGE, "")
    assert err.startswith(said)
    assert len(due(store)) == 1


@pytest.mark.long
def test_killed_again_and_again_it_finishes_without_a_gap(store: DBManager, tmp_path: Path) -> None:
    ids = make_old(store, 3000)
    before = 0
    for _ in range(3):
        process = command(store, tmp_path, RETENTION_DAYS="1", RETENTION_WHAT="all", APPLY="1")

        def further(before: int = before, process: Any = process) -> bool:
            gone = store.queries.count_states().get(PURGED, 0)
            return gone > before or process.poll() is not None

        until(further, 30)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert verify(store).gaps == 0
        before = store.queries.count_states().get(PURGED, 0)
    code, _, _ = run(store, tmp_path, RETENTION_DAYS="1", RETENTION_WHAT="all", APPLY="1")
    assert code == Exit.OK
    assert store.queries.count_states()[PURGED] == len(ids)
    assert store.queries.count_reports() == {True: 0, False: 0}
    assert verify(store).gaps == 0


def test_the_hub_deletes_nothing_unless_its_timer_is_set(store: DBManager) -> None:
    [scan_id] = make_old(store, 1)
    [late] = make_failed(store, 1)
    report = report_document(make_report(make_scan(scan_id=scan_id_of(late))[0]))
    inside(store, Collection.REPORTS).insert_one(report)
    with running_hub(store, hub_settings(retention_days=1)):
        # The hub has done its other periodic work, which begins at the same time.
        until(lambda: state_of(store, late) == ReportGenerated.DONE)
    assert "voxels" in document_of(store, scan_id)
    with running_hub(store, hub_settings(retention_days=1, retention_timer=True)):
        until(lambda: "voxels" not in document_of(store, scan_id))


def test_a_timer_without_a_time_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RETENTION_DAYS", raising=False)
    with pytest.raises(SettingsError, match="RETENTION_TIMER=1 needs RETENTION_DAYS"):
        load_settings(HubSettings, "fr", ["--retention-timer", "1"])
