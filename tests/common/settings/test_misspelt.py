"""Warnings of names that look like a setting and that nothing reads."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import SettingsWarning
from common.settings.loading import (
    AuditSettings,
    LaunchSettings,
    PacsSettings,
    Settings,
    load_settings,
)

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
def test_a_misspelt_variable_of_make_is_told_with_the_setting_that_was_meant(
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
    name: str,
    meant: str,
) -> None:
    monkeypatch.setenv("MAKEFLAGS", f"w -j2 --jobserver-auth=3,4 -- {name}=20 RATE=3")
    assert warned(recwarn) == [f"fr all has no setting {name.upper()}: did you mean {meant}?"]


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
        ".env: there is no setting RETENTION_DAY: did you mean RETENTION_DAYS?",
        ".env: there is no setting HUB_PORTS: did you mean HUB_PORT?",
    ]


def test_units_of_a_launcher_repeat_no_warning(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("MAKEFLAGS", " -- SCAN=20")
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
    assert first == "warning: fr audit has no setting SCANS: did you mean SCAN?"
