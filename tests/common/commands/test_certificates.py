"""make certs: files, names, and what a second run leaves as it is."""

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from common.commands import certificates as certs
from common.commands.certificates import Authority
from common.errors import SettingsError
from common.settings.commands import CertSettings
from common.settings.loading import load_settings
from tests.processes import ROOT, environment


def made(folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "common.commands.certificates"],
        cwd=ROOT,
        env=environment(CERTS=str(folder), **given),
        capture_output=True,
        text=True,
        check=False,
    )


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_command_makes_an_authority_and_the_units_certificates(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    ran = made(folder)
    assert ran.returncode == 0, ran.stderr
    names = {path.name for path in folder.iterdir()}
    assert names == {
        f"{name}.{end}" for name in ("ca", "fr-hub", "pacs-1") for end in ("pem", "key")
    }
    assert "valid until" in ran.stdout
    assert "PRIVATE" not in ran.stdout
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_run_adds_units_and_leaves_the_rest(tmp_path: Path) -> None:
    made(tmp_path, NAMES="fr-hub")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    ran = made(tmp_path, NAMES="fr-hub, mr-1,mr_2.b")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("exists already") == 2
    for name, content in before.items():
        assert (tmp_path / name).read_bytes() == content
    assert (tmp_path / "mr_2.b.pem").exists()


def test_a_certificate_has_the_units_name_and_both_uses(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("mr-1", 100)
    certificate = read(tmp_path / "mr-1.pem")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["mr-1"]
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert set(uses.value) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not basic.value.ca
    certificate.verify_directly_issued_by(read(tmp_path / "ca.pem"))
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=99) < left <= timedelta(days=100)


def test_one_that_ends_soon_is_renewed_and_none_outlives_its_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    assert authority.issue("mr-1", 20)
    assert authority.issue("mr-1", 100)
    assert not authority.issue("mr-1", 100)
    authority.issue("mr-2", 3 * certs.AUTHORITY_DAYS)
    assert authority.valid_until("mr-2") <= authority.certificate.not_valid_after_utc


def test_an_expired_authority_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    then = datetime.now(UTC) - timedelta(days=certs.AUTHORITY_DAYS + 1)
    with monkeypatch.context() as past:
        past.setattr(certs, "_now", lambda: then)
        Authority(tmp_path)
    with pytest.raises(SettingsError, match="has expired: remove the folder"):
        Authority(tmp_path)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("a", 100)
    authority.issue("b", 100)
    (tmp_path / "a.key").write_bytes((tmp_path / "b.key").read_bytes())
    with pytest.raises(SettingsError, match=r"is not the key of a\.pem"):
        authority.issue("a", 100)
    (tmp_path / "a.key").write_text("nothing")
    with pytest.raises(SettingsError, match="not a certificate and its key"):
        authority.issue("a", 100)


def test_a_folder_that_cannot_be_written_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert made(tmp_path / "file").returncode == 2
    with pytest.raises(SettingsError, match="CERTS="):
        Authority(tmp_path / "file")


@pytest.mark.parametrize("names", ["a b", "../x", "CA", "fr-hub,ca"])
def test_a_name_that_no_unit_can_have_is_refused(names: str) -> None:
    with pytest.raises(SettingsError, match="NAMES="):
        load_settings(CertSettings, "certs", ["--names", names])


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(OSError, match="directory"):
        certs.write_private(tmp_path / "x", b"secret")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
