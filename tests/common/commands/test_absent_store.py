"""A mistyped DATA_DIR: each command refuses it, and makes neither a store nor a secret there."""

import subprocess
import sys
from pathlib import Path

import pytest

from common.commands.cli import COMMANDS
from common.runtime.lifecycle import Exit
from tests.processes import ROOT, environment

UNITS = {"all", "hub", "brain", "pacs", "web"}
WITHOUT_STORE = {"certs", "schema", "openapi", "conformance", "roles", "audit-prune"}
"""Commands that open no embedded store and read no secret; ``audit-prune`` reads its archive
first."""

GIVEN = {
    "audit-export": {"FILE": "archive", "DAYS": "1"},
    "requeue": {"ALL": "1"},
    "redeliver": {"ALL": "1"},
    "erase": {"ID": "scan-1"},
    "report": {"ID": "scan-1"},
    "retention": {"RETENTION_DAYS": "1"},
}


@pytest.mark.sample(4)
@pytest.mark.parametrize("apply", ["0", "1"])
@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - UNITS - WITHOUT_STORE))
def test_an_absent_folder_is_refused_and_not_made(tmp_path: Path, name: str, apply: str) -> None:
    command = COMMANDS[name]
    given = environment(
        DATA_DIR=str(tmp_path / "typo"),
        SHARED_SECRET="",
        APPLY=apply,
        PYTHONPATH=str(ROOT),
        **GIVEN.get(name, {}),
    )
    ran = subprocess.run(
        [sys.executable, "-m", command.module, *command.arguments],
        cwd=tmp_path,
        env=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == Exit.USAGE, ran.stderr
    assert "DATA_DIR" in ran.stderr
    assert "typo" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_secret_gets_none(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "common.commands.pacs_key"],
        cwd=ROOT,
        env=environment(DATA_DIR=str(tmp_path), SHARED_SECRET=""),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == Exit.USAGE
    assert "start Fr-HUB there once" in ran.stderr
    assert list(tmp_path.iterdir()) == []
