"""The settings of the commands: scan ids, names of units, and options with another name."""

from datetime import UTC, datetime

import pytest

from common.settings.commands import (
    AuditSettings,
    CertSettings,
    ErrorsSettings,
    ReanalyzeSettings,
    ReportSettings,
    RequeueSettings,
    RetentionSettings,
)
from common.settings.loading import load_settings
from tests.common.settings.reading import error_for

CHOOSING = pytest.mark.parametrize("kind", [RequeueSettings, ReportSettings, ReanalyzeSettings])
Choosing = type[RequeueSettings | ReportSettings | ReanalyzeSettings]


@CHOOSING
def test_scan_ids_are_separated_by_commas(kind: Choosing) -> None:
    assert load_settings(kind, "fr", ["--id", " a ,,b-2,"]).ids == ("a", "b-2")
    assert load_settings(kind, "fr", []).ids == ()


@CHOOSING
def test_scan_ids_come_from_the_environment_too(
    kind: Choosing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ID", "a,b")
    assert load_settings(kind, "fr", []).ids == ("a", "b")


@CHOOSING
@pytest.mark.parametrize("ids", ["a b", "a,/", "a" * 65])
def test_what_is_no_scan_id_is_refused(kind: Choosing, ids: str) -> None:
    assert error_for(kind, f"--id={ids}").startswith("ID=")


def test_all_requeues_every_failed_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load_settings(RequeueSettings, "fr", []).everything
    assert load_settings(RequeueSettings, "fr", ["--all", "1"]).everything
    monkeypatch.setenv("ALL", "1")
    assert load_settings(RequeueSettings, "fr", []).everything


@pytest.mark.parametrize("kind", [RetentionSettings, AuditSettings, ErrorsSettings])
def test_each_command_that_prints_a_table_prints_json_too(
    kind: type[RetentionSettings | AuditSettings | ErrorsSettings],
) -> None:
    assert not load_settings(kind, "fr", []).json_output
    assert load_settings(kind, "fr", ["--json", "1"]).json_output


def test_retention_deletes_nothing_unless_told_to() -> None:
    assert not load_settings(RetentionSettings, "fr", []).apply


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31T08:00", datetime(2026, 1, 31, 8)),  # noqa: DTZ001 - read as it is written
        ("2026-01-31T08:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_since_is_a_time(text: str, time: datetime) -> None:
    assert load_settings(AuditSettings, "fr", ["--since", text]).since == time


def test_any_other_text_is_no_time() -> None:
    message = error_for(AuditSettings, "--since", "yesterday")
    assert message.startswith("SINCE='yesterday': ")
    assert "2026-11-28T09:30:00Z" in message


def test_units_with_a_certificate_are_separated_by_commas() -> None:
    assert load_settings(CertSettings, "fr", []).names == ("fr-hub", "pacs-1")
    assert load_settings(CertSettings, "fr", ["--names", "fr-hub, pacs-2,"]).names == (
        "fr-hub",
        "pacs-2",
    )


@pytest.mark.parametrize("name", ["ca", "CA", "Ca"])
def test_no_unit_has_the_name_of_the_authority(name: str) -> None:
    message = error_for(CertSettings, "--names", f"fr-hub,{name}")
    assert message.startswith("NAMES=")
    assert message.endswith("the name 'ca' is reserved for the authority: choose another name")


@pytest.mark.parametrize(
    ("days", "right"),
    [("0", "must be 1 or more"), ("3651", "must be 3650 or less")],
)
def test_a_certificate_is_valid_for_a_day_to_ten_years(days: str, right: str) -> None:
    message = error_for(CertSettings, "--days", days)
    assert message.startswith(f"DAYS='{days}': ")
    assert right in message
