"""``make undelivered`` and ``make redeliver``: what is listed, what is sent again, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.runtime.lifecycle import Exit
from common.store.db_manager import DBManager
from tests.factories import make_reports

ROOT = Path(__file__).parents[3]
CAUSE = "Fr-PACS refuses it [/]"


def given_up(store: DBManager, n: int) -> list[str]:
    keys = sorted(report.key for report in make_reports(store, n))
    for key in keys:
        store.undeliverable.mark(key, CAUSE)
    return keys


def run(
    command: str,
    store: DBManager,
    folder: Path,
    module: str = "common.commands.undelivered",
    **more: str,
) -> Any:
    """The command in another folder, where no ``.env`` is."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "MONGODB_URI": store.connection.uri,
        "MONGODB_DATABASE": store.connection.name,
        "COLUMNS": "200",
        **more,
    }
    words = [sys.executable, "-m", module, *filter(None, [command])]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def test_people_see_each_report_with_its_cause(store: DBManager, tmp_path: Path) -> None:
    [key] = given_up(store, 1)
    make_reports(store, 1)
    ran = run("list", store, tmp_path)
    assert (ran.returncode, ran.stderr) == (Exit.OK, "")
    name, _, cause, *_ = (line.strip() for line in ran.stdout.splitlines())
    assert (name, cause) == (key, CAUSE)
    assert "1 undelivered report" in ran.stdout
    assert "make redeliver" in ran.stdout


def test_machines_get_all_of_them_as_json(store: DBManager, tmp_path: Path) -> None:
    assert json.loads(run("list", store, tmp_path, JSON="1").stdout) == []
    keys = given_up(store, 2)
    found = json.loads(run("list", store, tmp_path, JSON="1").stdout)
    assert [(one["key"], one["pacs"], one["cause"]) for one in found] == [
        (key, "pacs-1", CAUSE) for key in keys
    ]


def test_named_reports_are_sent_again(store: DBManager, tmp_path: Path) -> None:
    one, two = given_up(store, 2)
    ran = run("redeliver", store, tmp_path, ID=f"{one},unknown")
    assert ran.returncode == Exit.FAILED
    assert ran.stdout.splitlines() == [
        f"{one}: will be sent again",
        "'unknown': has no undelivered report",
        "1 to be sent again, 1 unchanged",
    ]
    assert [out.key for out in store.outbox.lease("pacs-1", 10, 60)] == [one]
    assert [left.key for left in store.undeliverable.all()] == [two]


def test_all_are_sent_again_and_it_is_recorded(store: DBManager, tmp_path: Path) -> None:
    given_up(store, 3)
    ran = run("redeliver", store, tmp_path, ALL="1")
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (Exit.OK, "3 to be sent again")
    assert len(store.outbox.lease("pacs-1", 10, 60)) == 3
    kinds = [one["kind"] for entry in store.connection.audit.find() for one in entry["events"]]
    assert "redeliver" in kinds


@pytest.mark.sample(1)
@pytest.mark.parametrize("command", ["redeliver", ""])
def test_what_to_do_must_be_said(store: DBManager, tmp_path: Path, command: str) -> None:
    assert run(command, store, tmp_path).returncode == Exit.USAGE
