"""``make errors`` and ``make requeue``: what is listed, what is requeued, and the exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.commands.failed_scans import requeue_pages
from common.domain.states import ReportGenerated
from common.runtime.lifecycle import Exit
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import report_document
from tests.factories import (
    document_of,
    inside,
    make_claimable,
    make_failed,
    make_report,
    make_reports,
    state_of,
)

ROOT = Path(__file__).parents[3]
CAUSE = "the analyzer failed: ValueError"


def failed(store: DBManager, n: int) -> list[str]:
    return make_failed(store, n, CAUSE, "a-processor", subject="JANE-DOE-1970")


def run(command: str, store: DBManager, folder: Path, **more: str) -> Any:
    """The command in another folder, where no ``.env`` is."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "MONGODB_URI": store.connection.uri,
        "MONGODB_DATABASE": store.connection.name,
        "COLUMNS": "200",
        **more,
    }
    words = [sys.executable, "-m", "common.commands.failed_scans", *filter(None, [command])]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


# --- list ----------------------------------------------------------------------------------------


def test_people_see_each_scan_with_cause_attempts_and_worker(
    store: DBManager, tmp_path: Path
) -> None:
    [scan_id] = failed(store, 1)
    ran = run("list", store, tmp_path)
    assert (ran.returncode, ran.stderr) == (Exit.OK, "")
    name, line, cause, *_ = (line.strip() for line in ran.stdout.splitlines())
    assert (name, cause) == (scan_id, CAUSE)
    assert "a-processor" in line
    assert "1 failed scan" in ran.stdout
    assert "make requeue" in ran.stdout
    assert "JANE" not in ran.stdout


HARMFUL = "[/] [bold] \x1b[2J\x9b1m\u202e\r\n:smile:"


def test_a_cause_that_looks_like_markup_or_acts_on_terminals_is_shown_as_text(
    store: DBManager, tmp_path: Path
) -> None:
    make_failed(store, 1, HARMFUL * 50, HARMFUL)
    ran = run("list", store, tmp_path)
    assert (ran.returncode, ran.stderr) == (Exit.OK, "")
    assert all(line.isprintable() for line in ran.stdout.splitlines())
    assert "[/] [bold] \\x1b[2J\\x9b1m\\u202e" in ran.stdout
    assert ":smile:" in ran.stdout
    listed = run("list", store, tmp_path, JSON="1")
    assert all(line.isprintable() for line in listed.stdout.splitlines())
    assert "\x1b" in json.loads(listed.stdout)[0]["cause"]


@pytest.mark.long
def test_on_a_narrow_terminal_an_id_is_not_broken(store: DBManager, tmp_path: Path) -> None:
    [scan_id] = failed(store, 1)
    assert scan_id in run("list", store, tmp_path, COLUMNS="30").stdout.split()


def test_without_failed_scans_the_list_says_so(store: DBManager, tmp_path: Path) -> None:
    ran = run("list", store, tmp_path)
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (Exit.OK, "0 failed scans")
    assert "files that could not be sent and scans that Fr-HUB refused" in ran.stdout
    assert json.loads(run("list", store, tmp_path, JSON="1").stdout) == []


def test_machines_get_all_of_them_as_json(store: DBManager, tmp_path: Path) -> None:
    ids = failed(store, 3)
    inside(store).insert_many(
        [{"_id": f"z-{i:05}", "report_generated": ReportGenerated.ERROR} for i in range(1500)]
    )
    found = json.loads(run("list", store, tmp_path, JSON="1").stdout)
    assert len(found) == 1503
    by_id = {line["key"]: line for line in found}
    assert by_id[ids[0]]["cause"] == CAUSE
    assert by_id[ids[0]]["attempts"] == 1
    assert by_id[ids[0]]["worker"] == "a-processor"
    assert by_id[ids[0]]["at"].endswith("+00:00")


# --- requeue -------------------------------------------------------------------------------------


def test_the_named_scans_are_requeued(store: DBManager, tmp_path: Path) -> None:
    one, two, other = failed(store, 3)
    ran = run("requeue", store, tmp_path, ID=f"{one}, {two},")
    assert (ran.returncode, ran.stderr) == (Exit.OK, "")
    assert ran.stdout == f"{one}: requeued\n{two}: requeued\n2 requeued\n"
    assert [state_of(store, i) for i in (one, two, other)] == ["To Do", "To Do", "Error"]


def test_all_are_requeued(store: DBManager, tmp_path: Path) -> None:
    ids = failed(store, 3)
    make_reports(store, 1)
    ran = run("requeue", store, tmp_path, ALL="1")
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (Exit.OK, "3 requeued")
    assert {state_of(store, i) for i in ids} == {"To Do"}
    again = run("requeue", store, tmp_path, ALL="1")
    assert (again.returncode, again.stdout) == (Exit.OK, "0 requeued\n")


def test_requeueing_all_ends_although_the_scans_fail_again_immediately(store: DBManager) -> None:
    ids = failed(store, 30)
    counts: dict[str, int] = {}
    for result in requeue_pages(store):
        for scan_id in result.to_do:
            counts[scan_id] = counts.get(scan_id, 0) + 1
        for claim in store.claims.claim("a-processor", 100, 60):
            store.claims.fail(claim, CAUSE, 0)
    assert counts == dict.fromkeys(ids, 1)


def test_a_scan_that_has_its_report_becomes_done(store: DBManager, tmp_path: Path) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a-processor", 1, 60)
    scan_id = claim.scan.key
    store.claims.fail(claim, CAUSE, 0)
    late = report_document(make_report(claim.scan))
    inside(store, Collection.REPORTS).insert_one(late)
    ran = run("requeue", store, tmp_path, ALL="1")
    assert ran.returncode == Exit.OK
    assert ran.stdout == (
        f"{scan_id}: already has its report, now 'Done'\n0 requeued, 1 already had a report\n"
    )
    assert document_of(store, scan_id)["report_generated"] == "Done"


def test_scans_unknown_or_not_failed_are_named_and_fail_the_command(
    store: DBManager, tmp_path: Path
) -> None:
    [good] = failed(store, 1)
    [done] = make_reports(store, 1)
    ran = run("requeue", store, tmp_path, ID=f"{good},nobody,{done.key}")
    assert (ran.returncode, ran.stderr) == (Exit.FAILED, "")
    assert "'nobody': not requeued: no such scan" in ran.stdout
    assert f"{done.key}: not requeued: its state is 'Done', not 'Error'" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "1 requeued, 2 not requeued"
    assert state_of(store, good) == "To Do"


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "fr requeue: give either ID=<scan>,… or ALL=1"),
        ({"ALL": "0"}, "fr requeue: give either ID=<scan>,… or ALL=1"),
        ({"ID": " , "}, "fr requeue: give either ID=<scan>,… or ALL=1"),
        ({"ID": "a", "ALL": "1"}, "fr requeue: give either ID=<scan>,… or ALL=1"),
        ({"ID": "../etc"}, "fr requeue: ID="),
        ({"ALL": "perhaps"}, "fr requeue: ALL='perhaps'"),
    ],
)
def test_nothing_or_nonsense_given_is_a_usage_error(
    store: DBManager, tmp_path: Path, given: dict[str, str], said: str
) -> None:
    [scan_id] = failed(store, 1)
    ran = run("requeue", store, tmp_path, **given)
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert ran.stderr.startswith(said)
    assert ran.stderr.count("\n") == 1
    assert state_of(store, scan_id) == "Error"


@pytest.mark.sample(1)
@pytest.mark.parametrize("command", ["", "delete"])
def test_an_unknown_command_is_a_usage_error(
    store: DBManager, tmp_path: Path, command: str
) -> None:
    ran = run(command, store, tmp_path)
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert "say what to do" in ran.stderr
