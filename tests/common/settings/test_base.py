"""Secrets from files, and the bounds of the settings that several units share."""

import pytest

from common.settings.base import (
    KeepSettings,
    Settings,
    StoreSettings,
    WireSettings,
)
from common.settings.loading import load_settings
from tests.common.settings.reading import error_for, secret_file

SECRET = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("kind", "name"), [(StoreSettings, "MONGODB_URI"), (WireSettings, "SHARED_SECRET")]
)
def test_a_secret_file_that_is_not_text_is_refused_and_not_quoted(
    kind: type[Settings], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_file("secret", b"horse\xff")
    monkeypatch.setenv(f"{name}_FILE", "secret")
    message = error_for(kind)
    assert f"{name}_FILE='secret': the file is not UTF-8 text" in message
    assert "horse" not in message


def test_a_secret_loses_the_white_space_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    secret_file("secret", f" {SECRET}\r\n".encode())
    monkeypatch.setenv("SHARED_SECRET_FILE", "secret")
    secret = load_settings(WireSettings, "fr", []).shared_secret
    assert secret is not None
    assert secret.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("kind", "name", "least", "most"),
    [
        (StoreSettings, "mongodb_timeout_s", 1, 120),
        (WireSettings, "frame_limit_kib", 512, 48 * 1024),
        (WireSettings, "max_unauthenticated", 1, 10_000),
        (KeepSettings, "retention_days", 0, 100_000),
    ],
)
def test_a_bound_belongs_to_what_is_accepted(
    kind: type[Settings], name: str, least: int, most: int
) -> None:
    option = f"--{name.replace('_', '-')}"
    for value in (least, most):
        assert getattr(load_settings(kind, "fr", [option, str(value)]), name) == value
    assert f"must be {least} or more" in error_for(kind, f"{option}={least - 1}")
    assert f"must be {most} or less" in error_for(kind, f"{option}={most + 1}")


@pytest.mark.parametrize("name", ["f" * 38, "Fr_1-a"])
def test_a_database_has_a_name_that_mongodb_takes_on_any_system(name: str) -> None:
    settings = load_settings(StoreSettings, "fr", ["--mongodb-database", name])
    assert settings.mongodb_database == name


@pytest.mark.parametrize("name", ["f" * 39, "a/b", "é", "a\n"])
def test_any_other_name_of_a_database_is_refused(name: str) -> None:
    assert "MONGODB_DATABASE=" in error_for(StoreSettings, "--mongodb-database", name)


def test_settings_without_hosts_need_no_tls() -> None:
    assert list(load_settings(WireSettings, "fr", []).hosts()) == []
