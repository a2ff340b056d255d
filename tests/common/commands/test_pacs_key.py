"""fr pacs-key: the key of a Fr-PACS, made from the secret that Fr-HUB would use."""

import subprocess
import sys
from pathlib import Path

import pytest

from common.commands.pacs_key import main
from common.domain.pacs_key import HubSecret, PacsKey
from common.settings.local_secret import local_secret
from common.settings.pacs import PacsSettings
from tests.processes import ROOT, environment

SECRET = "correct-horse-battery-staple-1234"  # noqa: S105 - of nothing


def printed(**given: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "common.commands.pacs_key"],
        cwd=ROOT,
        env=environment(**given),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == ""
    assert ran.stdout.endswith("\n")
    return ran.stdout.strip()


def test_the_key_is_what_fr_hub_derives_and_a_fr_pacs_reads() -> None:
    key = printed(SHARED_SECRET=SECRET, PACS_NAME="mr-1")
    settings = PacsSettings(_env_file=None, pacs_key=key)  # type: ignore[call-arg, arg-type]
    expected = HubSecret(SECRET.encode()).key_of("mr-1")
    assert settings.given_keys() == PacsKey(expected)
    assert printed(SHARED_SECRET=SECRET, PACS_NAME="mr-2") != key


def test_without_a_secret_it_is_that_of_data_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHARED_SECRET", raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "argv", ["fr pacs-key"])
    secret = local_secret(tmp_path / "data")
    assert main() == 0
    expected = HubSecret(secret.encode()).key_of("pacs-1").hex()
    assert capsys.readouterr().out == f"{expected}\n"
