"""With TLS, ``fr all`` finds each unit's certificate next to that of its settings."""

from pathlib import Path

import pytest

from common.errors import SettingsError
from common.launcher.unit_certificates import own_certificates
from common.settings.launch import LaunchSettings

FILES = ("fr-hub.crt", "pacs-2.crt", "fr-hub.key", "pacs-2.key")


@pytest.fixture
def settings(tmp_path: Path) -> LaunchSettings:
    """Settings with TLS, and the files of both units in two folders."""
    certificates, keys = tmp_path / "certificates", tmp_path / "keys"
    for folder in (certificates, keys):
        folder.mkdir()
    for name in FILES:
        path_of(name, tmp_path).touch()
    return LaunchSettings(
        pacs_name="pacs-2",
        tls_cert=certificates / "any.crt",
        tls_key=keys / "any.key",
        tls_ca=certificates / "ca.crt",
    )


def path_of(name: str, folder: Path) -> Path:
    return folder / ("keys" if name.endswith(".key") else "certificates") / name


def test_without_tls_no_unit_needs_a_certificate() -> None:
    assert own_certificates(LaunchSettings(tls_cert=None, tls_key=None, tls_ca=None)) == {}


def test_each_unit_gets_the_files_with_its_name(settings: LaunchSettings, tmp_path: Path) -> None:
    paths = {name: str(path_of(name, tmp_path)) for name in FILES}
    assert own_certificates(settings) == {
        "fr-hub": {"TLS_CERT": paths["fr-hub.crt"], "TLS_KEY": paths["fr-hub.key"]},
        "fr-pacs": {"TLS_CERT": paths["pacs-2.crt"], "TLS_KEY": paths["pacs-2.key"]},
    }


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named_with_the_command_that_creates_it(
    missing: str, settings: LaunchSettings, tmp_path: Path
) -> None:
    path = path_of(missing, tmp_path)
    path.unlink()
    with pytest.raises(SettingsError) as raised:
        own_certificates(settings)
    setting = "TLS_KEY" if missing.endswith(".key") else "TLS_CERT"
    assert str(raised.value) == (
        f"{setting}: {path.stem} needs its own certificate, and {str(path)!r} does not exist: "
        f"run make certs NAMES=fr-hub,pacs-2 CERTS={tmp_path / 'certificates'}"
    )
