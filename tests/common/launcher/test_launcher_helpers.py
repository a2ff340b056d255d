"""The parts of the launcher that start no processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from common.errors import AlreadyRunning, SettingsError
from common.launcher.launcher import Launcher, _as_text, only_one
from common.runtime.console import Console
from common.runtime.lifecycle import Stop
from common.settings.base import Settings
from common.settings.brain import BrainSettings
from common.settings.hub import HubSettings
from common.settings.launch import LaunchSettings
from common.settings.loading import load_settings
from common.settings.pacs import PacsSettings
from common.settings.web import WebSettings

UNITS = (HubSettings, BrainSettings, PacsSettings, WebSettings)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": ("127.0.0.1", 1), "b": ("::1", 2)}, "a=127.0.0.1:1,b=::1:2"),
        ((181, 217, 181), "181x217x181"),
        ((10,), "10"),
        (SecretStr("mongodb://u:p@h/"), "mongodb://u:p@h/"),
        (Path("scans") / "a.nii", f"scans{os.sep}a.nii"),
        (2.5, "2.5"),
        (True, "True"),
        ("grid", "grid"),
        (None, ""),
    ],
)
def test_a_setting_is_formatted_for_the_environment(value: object, text: str) -> None:
    assert _as_text(value) == text


GIVEN: dict[str, Any] = {
    "hub_pacs": {"a": ("127.0.0.2", 1), "b": ("::1", 2)},
    "shape": (181, 217, 181),
    "mongodb_uri": SecretStr("mongodb://fr:secret@db.example:27017/?replicaSet=rs&tls=true"),
    "reports": Path("reports"),
    "rate": 0.1,
    "seed": 7,
    "log_format": "json",
    "brain_processes": 2,
    "pacs_name": "pacs-7",
    "pacs_port": 7400,
    "scans": None,
    "web_tenants": {"north": ("mr-1", "mr-2"), "south": ("mr-3",)},
    "web_port": 7301,
}


def environment_of(settings: LaunchSettings, ledger: Path | None = None) -> dict[str, str]:
    console = Console(file=open(os.devnull, "w"))  # noqa: SIM115, PTH123 - closed below
    try:
        launcher = Launcher(settings, console, Stop())  # type: ignore[arg-type]
        return launcher._environment(ledger, 9)
    finally:
        console.file.close()


# Files have neither a shape nor a seed.
FILES = {"shape": None, "seed": None, "source": Path("scans")}


@pytest.mark.parametrize("sent", [{}, FILES], ids=str)
def test_the_units_get_the_settings_of_the_launcher(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sent: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in LaunchSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    given = {name: value for name, value in {**GIVEN, **sent}.items() if value is not None}
    settings = LaunchSettings(**given)
    environment = environment_of(settings)
    for name in LaunchSettings.model_fields:
        if name.upper() in environment:
            monkeypatch.setenv(name.upper(), environment[name.upper()])
    for kind in UNITS:
        read: Settings = load_settings(kind, "fr", [])
        for name in set(kind.model_fields) - {"hub_pacs", "progress_fd", "shared_secret"}:
            assert getattr(read, name) == getattr(settings, name), name


def test_fr_hub_knows_the_fr_pacs_started_with_it() -> None:
    settings = LaunchSettings(**GIVEN)
    assert environment_of(settings)["HUB_PACS"] == "a=127.0.0.2:1,b=::1:2,pacs-7=127.0.0.1:7400"


def test_the_launcher_writes_the_summary_and_fr_pacs_the_ledger(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUMMARY", "elsewhere.json")
    settings = LaunchSettings(summary=tmp_path / "summary.json")
    environment = environment_of(settings, tmp_path / "ledger.jsonl")
    assert "SUMMARY" not in environment
    assert environment["LEDGER"] == str(tmp_path / "ledger.jsonl")
    assert environment["PROGRESS_FD"] == "9"


# --- only one ----------------------------------------------------------------------------------


def test_only_one_launcher_holds_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with only_one(folder):
        with pytest.raises(AlreadyRunning, match="already running") as refused, only_one(folder):
            pass
        for setting in ("DATA_DIR", "HUB_PORT", "PACS_PORT", "WEB_PORT"):
            assert setting in str(refused.value)
        with only_one(tmp_path / "other"):
            pass
    with only_one(folder):
        pass


def test_the_lock_excludes_other_processes_and_is_freed_when_its_owner_dies(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom common.launcher.launcher import only_one\n"
        "with only_one(Path(sys.argv[1])):\n    os._exit(int(sys.stdin.read()))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    root = Path(__file__).parents[3]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=root, input="7", capture_output=True, text=True, timeout=30, check=False
        )

    with only_one(tmp_path):
        assert "AlreadyRunning" in run().stderr
    assert run().returncode == 7
    with only_one(tmp_path):
        pass


def test_a_folder_that_cannot_be_created_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SettingsError, match="DATA_DIR="), only_one(folder):
            pass
