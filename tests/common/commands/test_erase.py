"""``fr erase``: lists, erases if asked to, and records it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.audit.verification import AuditVerifier
from common.domain.states import ERASED
from common.store.db_manager import DBManager
from tests.factories import inside, make_claimable, state_of

ROOT = Path(__file__).parents[3]


def run_erase(store: DBManager, folder: Any, **more: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "common.commands.erase"],
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
        timeout=120,
    )


def test_it_lists_first_and_erases_if_asked_to(store: DBManager, tmp_path: Any) -> None:
    mine = [scan.key for scan in make_claimable(store, 2, subject="p-1")]
    [other] = make_claimable(store, 1)
    ran = run_erase(store, tmp_path, SUBJECT="p-1")
    assert (ran.returncode, ran.stdout.count("To Do")) == (0, 2)
    assert "2 scans to erase (APPLY=1 erases them)" in ran.stdout
    assert state_of(store, mine[0]) == "To Do"
    ran = run_erase(store, tmp_path, SUBJECT="p-1", APPLY="1")
    assert (ran.returncode, ran.stdout) == (0, "2 scans erased\n")
    assert {state_of(store, key) for key in mine} == {ERASED}
    ran = run_erase(store, tmp_path, ID=other.scan_id)
    assert ran.stdout == f"{other.key}: To Do\n1 scan to erase (APPLY=1 erases it)\n"
    ran = run_erase(store, tmp_path, ID=f"{other.scan_id},unknown", APPLY="1")
    assert (ran.returncode, ran.stdout) == (1, "'unknown': no such scan\n1 scan erased\n")
    for apply, done in (("0", "to erase (APPLY=1 erases them)"), ("1", "erased")):
        ran = run_erase(store, tmp_path, ID=other.scan_id, APPLY=apply)
        already = f"{other.key}: already erased\n0 scans {done}\n"
        assert (ran.returncode, ran.stdout) == (0, already)
    verdict = AuditVerifier(store).run()
    assert (verdict.total, verdict.events["erase"]) == (0, 4)
    assert "p-1" not in str(list(inside(store).find()))


@pytest.mark.long
def test_a_scan_whose_subject_cannot_be_read_is_told(store: DBManager, tmp_path: Any) -> None:
    _, damaged = (scan.key for scan in make_claimable(store, 2, subject="p-1"))
    inside(store).update_one({"_id": damaged}, {"$set": {"scan": "round"}})
    ran = run_erase(store, tmp_path, SUBJECT="p-1", APPLY="1")
    assert (ran.returncode, f"{damaged}: its header is damaged" in ran.stdout) == (1, True)
    assert "1 scan erased" in ran.stdout
    ran = run_erase(store, tmp_path, ID=damaged, APPLY="1")
    assert (ran.returncode, ran.stdout) == (0, "1 scan erased\n")
    assert run_erase(store, tmp_path, SUBJECT="p-1").returncode == 1


def test_it_needs_one_choice(store: DBManager, tmp_path: Any) -> None:
    for choice in ({}, {"ID": "one", "SUBJECT": "p-1"}):
        ran = run_erase(store, tmp_path, **choice)
        assert (ran.returncode, "SUBJECT=" in ran.stderr) == (2, True)


def test_a_subject_without_scans_is_an_error(store: DBManager, tmp_path: Any) -> None:
    make_claimable(store, 1, subject="p-1")
    ran = run_erase(store, tmp_path, SUBJECT="p-2", APPLY="1")
    assert ran.returncode == 1
    assert "no scan of this subject" in ran.stdout
    assert "SUBJECT is a pseudonym, not the PatientID: make list and" in ran.stdout
