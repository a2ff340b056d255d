"""``fr migrate``: lists the steps, and applies them."""

import io
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from common.commands import migrate as command
from common.commands.migrate import MigrationResult, PlannedStep, every, show
from common.runtime.console import Console
from common.store.db_manager import DBManager
from common.store.schema import SCHEMA_VERSION
from tests.common.store.migrations.old_release import SCANS, restore
from tests.factories import inside
from tests.processes import ROOT, environment


def run(uri: str, database: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "common.commands.migrate"],
        cwd=ROOT,
        env=environment(MONGODB_URI=uri, MONGODB_DATABASE=database, **given),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_an_old_database_is_listed_first_and_migrated_when_asked(
    mongodb_uri: str, database: str
) -> None:
    restore(mongodb_uri, database)
    with closing(DBManager(mongodb_uri, database)) as store:
        before = {d["_id"] for d in inside(store).find()}
        listed = run(mongodb_uri, database)
        assert listed.returncode == 0, listed.stderr
        assert "keys: key scans" in listed.stdout
        assert f"schema version 1, to become {SCHEMA_VERSION}" in listed.stdout
        assert "APPLY=1" in listed.stdout
        assert {d["_id"] for d in inside(store).find()} == before
        assert store.schema.version() == 1
        applied = json.loads(run(mongodb_uri, database, APPLY="1", JSON="1").stdout)
        assert applied["version"] == applied["wanted"] == SCHEMA_VERSION
        assert [step["name"] for step in applied["steps"]] == [
            "collections",
            "indexes",
            "keys",
            "audit chains",
        ]
        assert {d["_id"] for d in inside(store).find()} == SCANS | {"purged-1"}
    again = run(mongodb_uri, database)
    assert "which is current" in again.stdout


def test_a_newer_database_is_refused(store: DBManager) -> None:
    store.connection.meta.update_one({}, {"$set": {"version": SCHEMA_VERSION + 1}})
    ran = run(store.connection.uri, store.connection.name, APPLY="1")
    assert ran.returncode == 4
    assert "install the release" in ran.stderr


def test_the_embedded_mongodb_can_be_migrated_by_hand_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MONGODB_URI", raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data" / "mongodb").mkdir(mode=0o700, parents=True)
    monkeypatch.setenv("APPLY", "1")
    monkeypatch.setattr(sys, "argv", ["fr migrate"])
    assert command.main() == 0
    assert "which is current" in capsys.readouterr().out


def test_what_is_left_is_shown() -> None:
    step = PlannedStep(name="keys", description="rename", pending=12_345)
    result = MigrationResult(applied=False, version=2, wanted=2, steps=(step,))
    assert not result.is_current
    out = io.StringIO()
    show(result, "fr", Console(file=out, width=200))
    assert "12,345  keys: rename" in out.getvalue()
    assert "APPLY=1" in out.getvalue()


def test_progress_is_written_now_and_then() -> None:
    wrote: list[str] = []
    always, never = every(0, wrote.append), every(1e9, wrote.append)
    always("keys", 1000, 2000)
    never("keys", 1500, 2000)
    assert wrote == ["keys: 1,000 of 2,000"]
