"""Certificates for the tests: right ones, and wrong in one way each."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from common.commands import certificates as certs
from common.commands.certificates import Authority
from common.wire.connection_policy import ConnectionPolicy
from common.wire.tls import Tls

HUB, PACS = "fr-hub", "pacs-1"


def issued(folder: Path, *names: str) -> Path:
    """A folder with an authority and these units' certificates."""
    authority = Authority(folder)
    for name in names:
        authority.issue(name, 30)
    return folder


def policy(
    folder: Path, name: str, authority: Path | None = None, **more: float
) -> ConnectionPolicy:
    """The terms of a unit that has the certificate of this name."""
    ca = (authority or folder) / "ca.pem"
    tls = Tls.load(folder / f"{name}.pem", folder / f"{name}.key", ca)
    return ConnectionPolicy(tls=tls, **more)  # type: ignore[arg-type]


def expired(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, with a certificate for this name that was valid until yesterday."""
    authority = Authority(folder)
    with monkeypatch.context() as past:
        then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=31)
        past.setattr(certs, "_now", lambda: then)
        authority.issue(name, 30)
    read = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    assert read.not_valid_after_utc < datetime.datetime.now(datetime.UTC)
    return folder


def context_of(folder: Path, name: str | None, newest: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that is not ours: of an old TLS, or without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = newest
    context.check_hostname = False
    context.load_verify_locations(folder / "ca.pem")
    if name is not None:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context
