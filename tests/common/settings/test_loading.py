"""Sources of settings, their valid values, and the errors for invalid ones."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from common.errors import SettingsError
from common.settings.base import INTERNAL, Settings, StoreSettings, WireSettings
from common.settings.brain import BrainSettings
from common.settings.commands import (
    AuditExportSettings,
    CertSettings,
    ErrorsSettings,
    ListSettings,
    RequeueSettings,
    VerifySettings,
)
from common.settings.hub import HubSettings
from common.settings.launch import LaunchSettings
from common.settings.loading import SECRETS, load_settings
from common.settings.pacs import PacsSettings
from tests.common.settings.reading import error_for

KINDS: tuple[type[Settings], ...] = (
    HubSettings,
    BrainSettings,
    PacsSettings,
    VerifySettings,
    LaunchSettings,
    ErrorsSettings,
    RequeueSettings,
)
PASSWORD = "correct-horse"  # noqa: S105 - of nothing
URI = f"mongodb://fr:{PASSWORD}@db.example:27017/?tls=true"


def variable(kind: type[Settings], name: str) -> str:
    alias = kind.model_fields[name].validation_alias
    return (alias if isinstance(alias, str) else name).upper()


# --- sources -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_unit_runs_with_nothing_set(kind: type[Settings]) -> None:
    settings = load_settings(kind, "fr", [])
    assert type(settings) is kind
    assert settings.model_fields_set == set()
    assert settings == kind()


def test_the_defaults_fit_together() -> None:
    hub, pacs = load_settings(HubSettings, "fr", []), load_settings(PacsSettings, "fr", [])
    assert (pacs.hub_host, pacs.hub_port) == (hub.hub_host, hub.hub_port)
    assert hub.hub_pacs == {pacs.pacs_name: (pacs.pacs_host, pacs.pacs_port)}
    assert hub.mongodb_uri is None
    assert load_settings(BrainSettings, "fr", []).brain_processes == os.cpu_count()


def test_a_setting_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_PORT", "7400")
    monkeypatch.setenv("HUB_PACS", "a=127.0.0.2:1, b=[::1]:2")
    settings = load_settings(HubSettings, "fr", [])
    assert settings.hub_port == 7400
    assert settings.hub_pacs == {"a": ("127.0.0.2", 1), "b": ("::1", 2)}
    assert settings.model_fields_set == {"hub_port", "hub_pacs"}


def test_a_setting_comes_from_dot_env() -> None:
    Path(".env").write_text("SEED=9\nSHAPE=64x64x32\n# a comment\nUNKNOWN=1\n")
    settings = load_settings(PacsSettings, "fr", [])
    assert (settings.seed, settings.shape) == (9, (64, 64, 32))


def test_the_command_line_wins_over_the_environment_and_that_over_dot_env(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("SEED=1\nSCANS=1\nTHREADS=1\n")
    monkeypatch.setenv("SEED", "2")
    monkeypatch.setenv("SCANS", "2")
    settings = load_settings(PacsSettings, "fr", ["--seed", "3"])
    assert (settings.seed, settings.scans, settings.threads) == (3, 2, 1)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("RATE=\n")
    monkeypatch.setenv("SCANS", "")
    monkeypatch.setenv("HUB_PACS", "")
    settings = load_settings(LaunchSettings, "fr", [])
    assert settings.scans is None
    assert settings.rate is None
    assert "pacs-1" in settings.hub_pacs


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--shape", "96x97x98"], "shape", (96, 97, 98)),
        (["--shape=64"], "shape", (64,)),
        (
            ["--hub-pacs", "a=localhost:1,b=::1:2"],
            "hub_pacs",
            {"a": ("127.0.0.1", 1), "b": ("::1", 2)},
        ),
        (["--source", "scans"], "source", Path("scans")),
        (["--rate", "2.5"], "rate", 2.5),
        (["--kind", "grid"], "kind", "grid"),
        (["--log-format", "json"], "log_format", "json"),
    ],
)
def test_a_setting_comes_from_the_command_line(
    arguments: list[str], name: str, value: object
) -> None:
    assert getattr(load_settings(LaunchSettings, "fr", arguments), name) == value


@pytest.mark.parametrize(("given", "value"), [("1", True), ("true", True), ("0", False)])
def test_json_is_a_variable_and_an_option(
    monkeypatch: pytest.MonkeyPatch, given: str, value: bool
) -> None:
    assert load_settings(VerifySettings, "fr", ["--json", given]).json_output is value
    monkeypatch.setenv("JSON", given)
    assert load_settings(VerifySettings, "fr", []).json_output is value


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_settings_cannot_be_changed(kind: type[Settings]) -> None:
    settings = load_settings(kind, "fr", [])
    with pytest.raises(ValidationError, match="frozen"):
        settings.log_level = "debug"


@pytest.mark.parametrize("kind", KINDS)
def test_settings_can_be_sent_to_another_process(
    kind: type[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", URI)
    settings = load_settings(kind, "fr", ["--log-level", "debug"])
    copy = pickle.loads(pickle.dumps(settings))  # noqa: S301 - made in this line
    assert copy == settings
    assert type(copy) is kind


@pytest.mark.parametrize("kind", KINDS)
def test_help_lists_each_setting_of_people_with_its_meaning_and_no_secret(
    kind: type[Settings], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("MONGODB_URI", URI)
    with pytest.raises(SystemExit) as raised:
        load_settings(kind, "python -m fr", ["--help"])
    assert raised.value.code == 0
    text = capsys.readouterr().out
    assert "python -m fr" in text
    assert PASSWORD not in text
    for name, field in kind.model_fields.items():
        option = f"--{variable(kind, name).lower().replace('_', '-')} "
        hidden = option.strip() in SECRETS or name in INTERNAL
        assert (option in text) is not hidden
        if hidden:
            continue
        assert field.description
        assert " ".join(field.description.split()) in " ".join(text.split())


def test_a_setting_of_two_units_means_the_same_in_both() -> None:
    for name in set(HubSettings.model_fields) & set(PacsSettings.model_fields):
        hub, pacs = HubSettings.model_fields[name], PacsSettings.model_fields[name]
        assert (hub.default, hub.annotation) == (pacs.default, pacs.annotation), name


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "value", "right"),
    [
        (HubSettings, "HUB_PORT", "0", "must be 1 or more"),
        (HubSettings, "HUB_PORT", "65536", "must be 65535 or less"),
        (HubSettings, "HUB_PORT", "http", "must be a whole number"),
        (HubSettings, "LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        (HubSettings, "LOG_FORMAT", "xml", "'console' or 'json'"),
        (HubSettings, "MONGODB_DATABASE", "a.b", "letters, digits"),
        (HubSettings, "MONGODB_TIMEOUT_S", "0", "must be 1 or more"),
        (HubSettings, "LIFELINE_FD", "2", "must be 3 or more"),
        (HubSettings, "FRAME_LIMIT_KIB", "100", "must be 512 or more"),
        (HubSettings, "IDLE_TIMEOUT_S", "inf", "finite"),
        (HubSettings, "HUB_DRAIN_S", "nan", "finite"),
        (HubSettings, "HUB_POLL_S", "0", "must be more than 0"),
        (BrainSettings, "BRAIN_PROCESSES", "0", "must be 1 or more"),
        (BrainSettings, "BRAIN_LEASE_S", "soon", "must be a number"),
        (PacsSettings, "PACS_NAME", "a b", "letters, digits"),
        (PacsSettings, "KIND", "cube", "'phantom', 'grid' or 'ecg'"),
        (PacsSettings, "SCANS", "-1", "must be 0 or more"),
        (PacsSettings, "RATE", "0", "must be more than 0"),
        (PacsSettings, "RATE", "nan", "finite"),
        (PacsSettings, "SEED", "-1", "must be 0 or more"),
        (VerifySettings, "JSON", "perhaps", "must be 0 or 1"),
    ],
)
def test_the_error_for_an_invalid_value_names_the_variable_and_what_it_accepts(
    kind: type[Settings], name: str, value: str, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    message = error_for(kind)
    assert message.startswith(f"{name}=")
    assert right in message


def test_the_error_lists_every_invalid_setting() -> None:
    message = error_for(PacsSettings, "--seed", "-1", "--scans", "none")
    assert "SEED='-1': " in message
    assert "; SCANS='none': " in f"; {message}"


def test_an_option_that_does_not_exist_ends_with_the_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as raised:
        load_settings(PacsSettings, "fr pacs", ["--nonsense"])
    assert raised.value.code == 2
    assert "usage: fr pacs" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [HubSettings, BrainSettings, VerifySettings, LaunchSettings])
def test_the_uri_of_mongodb_is_shown_nowhere(
    kind: type[StoreSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", URI)
    settings = load_settings(kind, "fr", [])
    assert settings.mongodb_uri is not None
    assert settings.mongodb_uri.get_secret_value() == URI
    for shown in (repr(settings), str(settings), settings.model_dump_json(), f"{settings!r:>9}"):
        assert PASSWORD not in shown
    message = error_for(kind, "--mongodb-database", "a b", "--mongodb-timeout-s", "x")
    assert PASSWORD not in message


def test_a_wrong_uri_of_mongodb_is_not_quoted() -> None:
    from common.settings import loading as settings

    error: dict[str, Any] = {
        "loc": ("mongodb_uri",),
        "input": URI,
        "msg": "Value error, it is wrong",
        "type": "value_error",
    }
    assert settings._sentence(error) == "MONGODB_URI: it is wrong"


def test_both_ends_of_a_connection_have_the_same_limits() -> None:
    assert issubclass(HubSettings, WireSettings)
    assert issubclass(PacsSettings, WireSettings)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--shred-secret=hush"], "--shred-secret"),
        (["--shred-secret", "hush"], "--shred-secret …"),
        (["hush"], "…"),
        (["--scans=3", "--frmae-limit", "hush"], "--frmae-limit …"),
    ],
)
def test_an_unknown_option_is_named_without_its_value_which_may_be_a_secret(
    arguments: list[str], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        load_settings(PacsSettings, "fr pacs", arguments)
    message = capsys.readouterr().err
    assert message.endswith(f"unrecognized arguments: {shown}\n")
    assert "hush" not in message


def test_help_shows_the_programs_own_options_first_and_none_that_are_internal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        load_settings(ListSettings, "fr list", ["--help"])
    printed = capsys.readouterr().out
    assert "--lifeline-fd" not in printed
    own, of_all = printed.split("options of all programs:")
    assert "\n  --limit" in own
    assert "\n  --limit" not in of_all
    assert "\n  --data-dir" not in own
    assert "\n  --data-dir" in of_all


@pytest.mark.parametrize("kind", [HubSettings, ListSettings, PacsSettings])
def test_help_names_no_python_type_and_no_empty_default(
    kind: type[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        load_settings(kind, "fr", ["--help"])
    printed = capsys.readouterr().out
    for python in ("tuple", "dict[", "frozenset", "None", "()", " Path", " bool", " datetime"):
        assert python not in printed
    assert "--insecure-plaintext-network yes-patient-data-may-be-read" in printed


def test_help_shows_values_as_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load_settings(PacsSettings, "fr pacs", ["--help"])
    printed = capsys.readouterr().out
    assert "--priority {stat,urgent,routine,background}" in printed
    assert "--watch {0,1}" in printed
    assert "--pacs-port NUMBER" in printed
    assert "(default: 7302)" in printed


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (PacsSettings, "once they are complete (default: 0)"),
        (BrainSettings, "(processes that analyse scans) (default: one per core)"),
        (CertSettings, "the PACS_NAME of each Fr-PACS (default: fr-hub,pacs-1)"),
        (CertSettings, "--days NUMBER validity of new certificates, days (default: 825)"),
        (AuditExportSettings, "ended more than this many days ago (default: 365)"),
    ],
)
def test_help_gives_one_text_and_one_default_as_they_are_set(
    kind: type[Settings], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        load_settings(kind, "fr", ["--help"])
    assert line in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("kind", "example"),
    [(HubSettings, "HUB_HOST for --hub-host"), (CertSettings, "NAMES for --names")],
)
def test_help_has_an_example_of_the_programs_own(
    kind: type[Settings], example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        load_settings(kind, "fr", ["--help"])
    assert f"Each option is also a variable: {example}." in capsys.readouterr().out


def test_an_old_name_is_an_option_that_help_does_not_show(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        load_settings(HubSettings, "fr hub", ["--help"])
    assert "--strangers" not in capsys.readouterr().out
    assert load_settings(HubSettings, "fr hub", ["--strangers", "7"]).max_unauthenticated == 7


def test_what_is_wrong_with_several_settings_together_has_no_name_before_it() -> None:
    with pytest.raises(SettingsError, match=r"^LABEL_MAPS writes label maps beside the reports"):
        load_settings(PacsSettings, "fr pacs", ["--label-maps", "1"])
