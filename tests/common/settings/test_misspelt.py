"""Names that look like a setting and that nothing reads: refused on the command line."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import SettingsError, SettingsWarning
from common.settings.base import Settings
from common.settings.commands import AuditSettings
from common.settings.hub import HubSettings
from common.settings.launch import LaunchSettings
from common.settings.loading import load_settings
from common.settings.pacs import PacsSettings
from tests.common.settings.reading import error_for

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def warned(
    recwarn: pytest.WarningsRecorder, kind: type[Settings] = LaunchSettings, program: str = "fr all"
) -> list[str]:
    load_settings(kind, program, [])
    return [str(one.message) for one in recwarn if one.category is SettingsWarning]


def refused(kind: type[Settings] = LaunchSettings, program: str = "fr all") -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(kind, program, [])
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SCAN", "SCANS"),
        ("sourc", "SOURCE"),
        ("REPORT", "REPORTS"),
        ("BRAIN_PROCESSORS", "BRAIN_PROCESSES"),
        ("HUB_BACKLGO", "HUB_BACKLOG"),
    ],
)
def test_a_misspelt_variable_of_make_is_refused_with_the_setting_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv("MAKEFLAGS", f"w -j2 --jobserver-auth=3,4 -- {name}=20 RATE=3")
    assert refused() == f"no setting {name.upper()} (did you mean {meant}?)"


def test_several_misspelt_variables_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", " -- SCAN=3")
    monkeypatch.setenv("FR_GIVEN", "reporst")
    assert refused() == (
        "no setting SCAN (did you mean SCANS?); no setting REPORST (did you mean REPORTS?)"
    )


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize("kind", [LaunchSettings, PacsSettings])
def test_an_empty_source_on_the_command_line_sends_no_synthetic_scans(
    monkeypatch: pytest.MonkeyPatch, kind: type[Settings], value: str
) -> None:
    monkeypatch.setenv("SOURCE", value)
    with monkeypatch.context() as of_make:
        of_make.setenv("MAKEFLAGS", " -- SOURCE=$(UNSET)")
        assert refused(kind).startswith("SOURCE is empty: name a file or folder")
    monkeypatch.setenv("FR_GIVEN", "SCANS SOURCE")
    assert refused(kind).startswith("SOURCE is empty: name a file or folder")


@pytest.mark.parametrize("options", [["--source="], ["--source", "", "--scans", "3"]])
def test_an_empty_option_is_no_source(options: list[str]) -> None:
    assert error_for(PacsSettings, *options).startswith("SOURCE is empty")


def test_an_empty_source_in_the_environment_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("SOURCE=\n")
    monkeypatch.setenv("SOURCE", "")
    monkeypatch.setenv("MAKEFLAGS", " -- SCANS=3")
    assert load_settings(LaunchSettings, "fr all", []).source is None


def test_a_variable_is_judged_by_the_settings_of_its_command(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("MAKEFLAGS", " -- SCAN=scan-1")
    assert warned(recwarn, AuditSettings, "fr audit") == []


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "SCAN=20",  # no variable: the letters of options
        "-- PYTHON=python3.12 VENV=.venv-2 strangers=9 HOSPITAL=x",
        r" -- REPORTS=a\ SCAN=20\ b SCANS:=20",
    ],
)
def test_known_and_foreign_names_and_values_are_not_told(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder, flags: str
) -> None:
    monkeypatch.setenv("MAKEFLAGS", flags)
    assert warned(recwarn) == []


def test_a_misspelt_name_in_dot_env_is_told_whichever_program_would_read_it(
    folder: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (folder / ".env").write_text(
        "# SCAN_=1\nRETENTION_DAY=3\nexport HUB_PORTS=7301\nSCAN=scan-1\nCOLOUR=red\nID=\n"
    )
    assert warned(recwarn, PacsSettings, "fr pacs") == [
        ".env: no setting RETENTION_DAY (did you mean RETENTION_DAYS?)",
        ".env: no setting HUB_PORTS (did you mean HUB_PORT?)",
    ]


@pytest.mark.parametrize(
    ("kind", "program", "told"),
    [
        (LaunchSettings, "fr all", [".env: fr all has no setting SCAN (did you mean SCANS?)"]),
        (PacsSettings, "fr pacs", [".env: fr pacs has no setting SCAN (did you mean SCANS?)"]),
        (HubSettings, "fr hub", []),
        (AuditSettings, "fr audit", []),
    ],
)
def test_a_setting_of_a_command_in_dot_env_may_be_a_misspelt_one(
    folder: Path,
    recwarn: pytest.WarningsRecorder,
    kind: type[Settings],
    program: str,
    told: list[str],
) -> None:
    (folder / ".env").write_text("SCAN=20\nHEADS=x\nHUB_PORT=7301\n")
    assert warned(recwarn, kind, program) == told


def test_units_of_a_launcher_repeat_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    (folder / ".env").write_text("HUB_PORTS=7301\n")
    monkeypatch.setenv("MAKEFLAGS", " -- SCAN=20 SOURCE=")
    monkeypatch.setenv("LIFELINE_FD", "3")
    assert warned(recwarn, PacsSettings, "fr pacs") == []


@pytest.mark.parametrize("with_make", [True, False])
def test_a_person_sees_one_line_with_the_name_that_was_meant(folder: Path, with_make: bool) -> None:
    fr = [sys.executable, "-m", "common.commands.cli", "audit"]
    (folder / "Makefile").write_text(f"audit:\n\t@{shlex.join(fr)}\n")
    ran = subprocess.run(
        [*(["make", "audit"] if with_make else fr), "SCANS=3", "DATA_DIR=none"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    first = ran.stderr.splitlines()[0]
    assert first == "fr audit: no setting SCANS (did you mean SCAN?)"
    assert ran.returncode == 2
