"""What each unit of fr all gets to prove who it is."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from common.domain.pacs_key import HubSecret
from common.errors import SettingsError
from common.launcher.unit_secrets import own_secrets
from common.settings.launch import LaunchSettings
from common.settings.local_secret import local_secret

SECRET = "correct-horse-battery-staple-1234"  # noqa: S105 - of nothing
TLS: dict[str, Any] = {"tls_cert": Path("c.pem"), "tls_key": Path("k.pem"), "tls_ca": Path("a.pem")}


def given(secrets: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Without the settings that are empty, and so unset."""
    return {
        unit: {name: value for name, value in settings.items() if value}
        for unit, settings in secrets.items()
    }


@pytest.mark.parametrize("tls", [{}, TLS], ids=["plain", "tls"])
def test_fr_hub_gets_the_secret_and_fr_pacs_only_its_key(tls: dict[str, Any]) -> None:
    settings = LaunchSettings(shared_secret=SecretStr(SECRET), pacs_name="mr-1", **tls)
    assert given(own_secrets(settings)) == {
        "fr-hub": {"SHARED_SECRET": SECRET},
        "fr-brain": {},
        "fr-web": {},
        "fr-pacs": {"PACS_KEY": HubSecret(SECRET.encode()).key_of("mr-1").hex()},
    }


def test_the_secret_in_data_dir_is_that_of_units_started_by_hand(tmp_path: Path) -> None:
    secrets = own_secrets(LaunchSettings(data_dir=tmp_path))
    assert secrets["fr-hub"]["SHARED_SECRET"] == local_secret(tmp_path)
    assert own_secrets(LaunchSettings(data_dir=tmp_path)) == secrets


def test_with_certificates_no_secret_is_made(tmp_path: Path) -> None:
    secrets = own_secrets(LaunchSettings(data_dir=tmp_path, **TLS))
    assert given(secrets) == {"fr-hub": {}, "fr-brain": {}, "fr-web": {}, "fr-pacs": {}}
    assert not list(tmp_path.iterdir())


def test_no_unit_inherits_what_it_does_not_need(tmp_path: Path) -> None:
    secrets = own_secrets(LaunchSettings(data_dir=tmp_path))
    for unit, name in (
        ("fr-brain", "SHARED_SECRET"),
        ("fr-brain", "PACS_KEY"),
        ("fr-web", "SHARED_SECRET"),
        ("fr-web", "PACS_KEY"),
        ("fr-hub", "PACS_KEY"),
        ("fr-pacs", "SHARED_SECRET"),
        ("fr-pacs", "MONGODB_URI"),
    ):
        assert secrets[unit][name] == secrets[unit][f"{name}_FILE"] == ""


def test_a_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="DATA_DIR"):
        own_secrets(LaunchSettings(data_dir=tmp_path / "file"))
