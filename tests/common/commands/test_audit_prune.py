"""``fr audit-prune``: who may, with which key, and what ``fr audit`` says afterwards."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.audit.verification import ARCHIVED
from common.commands.audit_export import make_key
from common.store.db_manager import DBManager
from tests.common.audit.trail import archivable, entries, exported

ROOT = Path(__file__).parents[3]


def run(command: str, store: DBManager, folder: Path, **more: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", f"common.commands.{command}"],
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


@pytest.mark.long
def test_it_lists_first_and_removes_if_asked_to(store: DBManager, tmp_path: Path) -> None:
    archivable(store)
    key = make_key(tmp_path / "key")
    count = exported(store, tmp_path / "a", key).checkpoint.entries
    before = entries(store)
    given = {"FILE": "a", "AUDIT_KEY_FILE": "key"}
    ran = run("audit_prune", store, tmp_path, **given)
    assert (ran.returncode, "(APPLY=1 removes them)" in ran.stdout) == (0, True)
    assert entries(store) == before
    ran = run("audit_prune", store, tmp_path, **given, APPLY="1")
    assert (ran.returncode, f"{count} removed" in ran.stdout, ran.stderr) == (0, True, "")
    ran = run("audit_prune", store, tmp_path, **given, APPLY="1")
    assert (ran.returncode, " 0 removed" in ran.stdout) == (0, True)
    ran = run("audit", store, tmp_path)
    assert (ran.returncode, "0 gaps" in ran.stdout) == (0, True)
    assert ARCHIVED in ran.stdout.replace("\n", " ") or "ARCHIVE" in ran.stdout
    assert "checkpoints are signed with the key" in ran.stdout
    ran = run("audit", store, tmp_path, JSON="1", ARCHIVE="a")
    told = json.loads(ran.stdout)
    assert (told["total"], told["archived"], told["notes"][ARCHIVED]["count"]) == (0, count, 0)
    (tmp_path / "a").write_text("changed")
    ran = run("audit", store, tmp_path, ARCHIVE="a")
    assert (ran.returncode, "ARCHIVE='a'" in ran.stderr) == (1, True)


@pytest.mark.long
def test_a_file_of_another_key_or_a_changed_one_is_refused(
    store: DBManager, tmp_path: Path
) -> None:
    archivable(store)
    exported(store, tmp_path / "a", make_key(tmp_path / "key"))
    make_key(tmp_path / "other")
    before = entries(store)
    ran = run("audit_prune", store, tmp_path, FILE="a", AUDIT_KEY_FILE="other", APPLY="1")
    assert (ran.returncode, "not signed with the key" in ran.stderr) == (1, True)
    ran = run("audit_prune", store, tmp_path, FILE="a", AUDIT_KEY_FILE="none", APPLY="1")
    assert (ran.returncode, "AUDIT_KEY_FILE=" in ran.stderr) == (2, True)
    assert not (tmp_path / "none").exists()
    text = (tmp_path / "a").read_text()
    (tmp_path / "a").write_text(text.replace("fr-hub", "fr-bub", 1))
    ran = run("audit_prune", store, tmp_path, FILE="a", AUDIT_KEY_FILE="key", APPLY="1")
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    ran = run("audit_prune", store, tmp_path, APPLY="1")
    assert (ran.returncode, "FILE: name the file" in ran.stderr) == (2, True)
    assert entries(store) == before
