"""Certificates and keys in files, and what a failure of TLS means."""

import ssl
from pathlib import Path

import pytest

from common.domain.pacs_key import HubSecret
from common.errors import ProtocolError, SettingsError
from common.wire.connection_policy import ConnectionPolicy
from common.wire.tls import Tls, tls_error
from tests.common.wire.tls_files import HUB, PACS, expired, issued, policy


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("nothing.pem", "pacs-1.key", "ca.pem"), "TLS_CERT=.*No such file"),
        (("pacs-1.pem", "nothing.key", "ca.pem"), "TLS_KEY=.*No such file"),
        (("pacs-1.pem", "pacs-1.key", "nothing.pem"), "TLS_CA=.*No such file"),
        (("pacs-1.pem", "fr-hub.key", "ca.pem"), "TLS_KEY=.*own, unencrypted key"),
        (("pacs-1.key", "pacs-1.key", "ca.pem"), "TLS_CERT=.*not a certificate"),
        (("pacs-1.pem", "pacs-1.key", "ca.key"), "TLS_CA=.*not a certificate"),
    ],
)
def test_a_file_that_is_wrong_is_named(good: Path, files: tuple[str, str, str], said: str) -> None:
    certificate, key, authority = files
    with pytest.raises(SettingsError, match=said):
        Tls.load(good / certificate, good / key, good / authority)


def test_nothing_shows_the_key(good: Path) -> None:
    assert "PRIVATE" not in repr(policy(good, HUB))
    assert "horse" not in repr(ConnectionPolicy(keys=HubSecret(b"correct-horse")))


def test_a_unit_knows_whether_its_peers_will_take_it(
    good: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(folder: Path, authority: Path, name: str = PACS) -> None:
        certificate = folder / f"{PACS}.pem"
        tls = Tls.load(certificate, folder / f"{PACS}.key", authority / "ca.pem")
        tls.check(certificate, name)

    check(good, good)
    with pytest.raises(SettingsError, match="the certificate belongs to 'pacs-1', but this unit"):
        check(good, good, "pacs-2")
    with pytest.raises(
        SettingsError, match=r"TLS_CERT=.*would refuse it, .*: issue or renew .* make certs"
    ):
        check(other, good)
    old = expired(issued(tmp_path), PACS, monkeypatch)
    with pytest.raises(
        SettingsError, match=r"TLS_CERT=.*certificate has expired: issue .* make certs"
    ):
        check(old, old)


@pytest.mark.parametrize(
    ("alert", "retry"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", False),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", False),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", False),
        ("SSLV3_ALERT_BAD_RECORD_MAC", True),
        ("TLSV1_ALERT_DECODE_ERROR", True),
    ],
)
def test_an_alert_says_whether_trying_again_helps(alert: str, retry: bool) -> None:
    raised = ssl.SSLError(1, alert)
    raised.reason = alert
    told = tls_error(raised)
    assert isinstance(told, ProtocolError)
    assert told.retry is retry
