"""A renamed setting is still read under its old name, from each place that settings come from."""

from pathlib import Path

import pytest

from common.errors import SettingsError
from common.settings.base import WireSettings
from common.settings.hub import HubSettings
from common.settings.loading import load_settings
from common.settings.pacs import PacsSettings

KINDS = pytest.mark.parametrize("kind", [HubSettings, PacsSettings])
NAMES = pytest.mark.parametrize("name", ["STRANGERS", "MAX_UNAUTHENTICATED"])


@KINDS
@NAMES
def test_it_is_read_from_the_environment(
    kind: type[WireSettings], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "7")
    assert load_settings(kind, "fr", []).max_unauthenticated == 7


@KINDS
@NAMES
def test_it_is_read_from_dot_env(kind: type[WireSettings], name: str) -> None:
    Path(".env").write_text(f"{name}=7\n")
    assert load_settings(kind, "fr", []).max_unauthenticated == 7


@NAMES
def test_it_is_read_from_the_secrets_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name.lower()).write_text("7")
    monkeypatch.setitem(WireSettings.model_config, "secrets_dir", tmp_path)

    class Read(WireSettings):
        """Settings whose secrets folder is this test's."""

    assert Read().max_unauthenticated == 7


def test_the_new_name_wins_over_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRANGERS", "7")
    monkeypatch.setenv("MAX_UNAUTHENTICATED", "8")
    assert load_settings(HubSettings, "fr", []).max_unauthenticated == 8
    settings = load_settings(HubSettings, "fr", ["--max-unauthenticated", "9"])
    assert settings.max_unauthenticated == 9


def test_a_wrong_value_is_reported_under_the_new_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRANGERS", "0")
    with pytest.raises(SettingsError, match="MAX_UNAUTHENTICATED='0': "):
        load_settings(HubSettings, "fr", [])
