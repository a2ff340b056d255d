"""``fr list``: what people, programs and spreadsheets get, and the labels that it knows."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.commands.scan_list import COLUMNS, age_of
from common.domain.report_index import COLUMNS as INDEX_COLUMNS
from common.domain.types import utc_now
from common.runtime.lifecycle import Exit
from common.store.collections import Collection
from common.store.db_manager import DBManager
from fr_pacs.ledger import Ledger
from tests.common.commands.test_undelivered import run as run_module
from tests.factories import inside, make_claimable, make_failed, make_reports


def run(store: DBManager, folder: Path, **more: str) -> Any:
    return run_module("", store, folder, "common.commands.scan_list", **more)


def as_json(store: DBManager, folder: Path, **more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(store, folder, JSON="1", **more).stdout)
    return found


def test_people_see_what_became_of_each_scan_and_what_helps(
    store: DBManager, tmp_path: Path
) -> None:
    [report] = make_reports(store, 1)
    [failed] = make_failed(store, 1, "no brain in it [/]", priority="stat")
    ran = run(store, tmp_path)
    assert (ran.returncode, ran.stderr) == (Exit.OK, "")
    lines = [line.strip() for line in ran.stdout.splitlines()]
    assert {report.key, failed} < set(lines)
    assert "report: pass, 0 lesions, by grid 1, not delivered yet" in lines
    assert "cause: no brain in it [/]" in lines
    assert f"to analyse it again: make requeue ID={failed}" in lines
    assert any(line.startswith("Error, received ") and "stat" in line for line in lines)
    assert lines[-1] == "2 scans"


def test_programs_get_json_and_spreadsheets_csv(store: DBManager, tmp_path: Path) -> None:
    assert as_json(store, tmp_path) == []
    [failed] = make_failed(store, 1, "=cause,\n\x1b[31m")
    [one] = as_json(store, tmp_path)
    assert (one["key"], one["state"], one["priority"]) == (failed, "Error", "routine")
    assert (one["cause"], one["attempts"]) == ("=cause,\n\x1b[31m", 1)
    assert (one["labels"], one["damage"], one["verdict"]) == ([], [], None)
    assert one["age_s"] > 0
    text = run(store, tmp_path, CSV="1").stdout
    [row] = csv.DictReader(io.StringIO(text))
    assert tuple(row) == COLUMNS
    assert (row["key"], row["cause"]) == (failed, "'=cause,\\n\\x1b[31m")
    assert len(text.splitlines()) == 2
    both = run(store, tmp_path, CSV="1", JSON="1")
    assert both.returncode == Exit.USAGE
    assert "set JSON or CSV, not both" in both.stderr


@pytest.mark.long
def test_filters_and_a_limit(store: DBManager, tmp_path: Path) -> None:
    make_failed(store, 2)
    make_reports(store, 1, subject="sub-01")
    make_claimable(store, 1, pacs="mr-2")
    states = [one["state"] for one in as_json(store, tmp_path, STATE="error, to-do")]
    assert sorted(states) == ["Error", "Error", "To Do"]
    assert [one["pacs"] for one in as_json(store, tmp_path, PACS="mr-2")] == ["mr-2"]
    assert [one["subject"] for one in as_json(store, tmp_path, SUBJECT="sub-01")] == ["sub-01"]
    assert len(as_json(store, tmp_path, LIMIT="3")) == 3
    assert "these are the newest 3: set LIMIT" in run(store, tmp_path, LIMIT="3").stdout
    tomorrow = f"{utc_now() + timedelta(days=1):%Y-%m-%dT%H:%M}"
    assert as_json(store, tmp_path, SINCE=tomorrow) == []
    assert len(as_json(store, tmp_path, SINCE="2000-01-01")) == 4
    wrong = run(store, tmp_path, STATE="faild")
    assert wrong.returncode == Exit.USAGE
    assert "'faild' is not a state: use To Do, In Progress, Done, Error" in wrong.stderr


@pytest.mark.long
def test_ids_choose_scans_and_unknown_ones_are_an_error(store: DBManager, tmp_path: Path) -> None:
    [failed] = make_failed(store, 1)
    older, newer, _ = make_claimable(store, 3, subject="p-1")
    ids = f"{older.scan_id},{newer.key}, {failed}"
    found = [one["key"] for one in as_json(store, tmp_path, ID=ids)]
    assert sorted(found) == sorted([failed, older.key, newer.key])
    assert found.index(newer.key) < found.index(older.key)
    more = {"STATE": "to do", "SUBJECT": "p-1", "SINCE": "2000-01-01"}
    assert len(as_json(store, tmp_path, ID=ids, **more)) == 2
    assert as_json(store, tmp_path, ID=ids, SUBJECT="p-2") == []
    ran = run(store, tmp_path, ID=f"{older.key},none", JSON="1")
    assert (ran.returncode, len(json.loads(ran.stdout))) == (Exit.FAILED, 1)
    assert "no such scan" in ran.stderr


def test_a_subject_without_scans_is_told_what_a_subject_is(
    store: DBManager, tmp_path: Path
) -> None:
    ran = run(store, tmp_path, SUBJECT="PAT-A")
    assert ran.returncode == Exit.OK
    assert "0 scans" in ran.stdout
    assert "SUBJECT is a pseudonym, not the PatientID: make list and" in ran.stdout.replace(
        "\n", " "
    )


def test_a_subject_whose_scans_other_filters_exclude_is_not_called_unknown(
    store: DBManager, tmp_path: Path
) -> None:
    make_claimable(store, 1, subject="p-1")
    ran = run(store, tmp_path, SUBJECT="p-1", STATE="Error")
    assert (ran.returncode, ran.stdout) == (Exit.OK, "0 scans\n")


def test_a_scan_has_the_labels_of_its_files_where_they_are_known(
    store: DBManager, tmp_path: Path
) -> None:
    first, second, _ = make_reports(store, 3)
    folder = tmp_path / "reports"
    folder.mkdir()
    with (folder / "index.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, INDEX_COLUMNS, restval="")
        table.writeheader()
        about = {"scan_id": first.scan_id, "pacs": first.pacs}
        table.writerow({"file": "sub-01/a.nii", **about})
        table.writerow({"file": "b.nii", "volume": "volume 2", **about})
        table.writerow({"file": "c.nii", "scan_id": first.scan_id, "pacs": "another"})
    ledger = Ledger(tmp_path / "ledger.jsonl", second.pacs)
    ledger.write("sent", [second.scan_id], {second.scan_id: "\x1b[31md.nii"})
    ledger.write("failed", ["e.nii"], {"e.nii": "e.nii"})
    ledger.close()
    with (tmp_path / "ledger.jsonl").open("a") as file:
        file.write('{"event": "sent", "label": "half')
    known = {"REPORTS": str(folder), "LEDGER": str(tmp_path / "ledger.jsonl")}
    labels = {one["scan_id"]: one["labels"] for one in as_json(store, tmp_path, **known)}
    assert labels.pop(first.scan_id) == ["sub-01/a.nii", "b.nii [volume 2]"]
    assert labels.pop(second.scan_id) == ["\x1b[31md.nii"]
    assert list(labels.values()) == [[]]
    printed = run(store, tmp_path, **known).stdout
    assert "\\x1b[31md.nii" in printed
    assert "\x1b" not in printed


@pytest.mark.long
def test_files_that_are_not_there_yet_have_no_labels_and_others_are_refused(
    store: DBManager, tmp_path: Path
) -> None:
    make_claimable(store, 1)
    ran = run(store, tmp_path, REPORTS="to-come", JSON="1")
    assert ran.returncode == Exit.OK
    assert len(json.loads(ran.stdout)) == 1
    assert "no file names: nothing exists at this path yet" in ran.stderr
    (tmp_path / "index.csv").write_text("name,age\n")
    for setting, path, why in (
        ("REPORTS", ".", "Fr-PACS did not write its index.csv"),
        ("LEDGER", "index.csv.gz", "not a ledger of Fr-PACS"),
    ):
        (tmp_path / "index.csv.gz").write_text('{"label": 1}\n')
        refused = run(store, tmp_path, **{setting: path})
        assert refused.returncode == Exit.USAGE
        assert f"{setting}='{path}': {why}" in refused.stderr


def test_damaged_scans_are_named(store: DBManager, tmp_path: Path) -> None:
    make_claimable(store, 1)
    inside(store, Collection.SCANS).insert_one({"_id": "\x1b[31m", "report_generated": ["?"]})
    printed = run(store, tmp_path).stdout
    assert "\\x1b[31m" in printed
    assert "damaged: its state is missing or unknown" in printed
    assert "2 scans" in printed


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-5, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (86_400, "24 h"),
        (2e5, "2 d"),
    ],
)
def test_an_age_is_short(seconds: float, age: str) -> None:
    now = utc_now()
    assert age_of(now - timedelta(seconds=seconds), now) == age
