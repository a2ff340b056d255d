"""Creates a private certificate authority and the units' certificates: ``make certs``.

The folder gets ``ca.pem`` (public: each unit's TLS_CA), ``ca.key`` (its holder can impersonate any
unit: keep it off hosts that run units), and ``<name>.pem`` and ``<name>.key`` for each unit.
Existing files stay: a second run adds units, and renews certificates that expire within 30 days.
"""

import contextlib
import datetime
import os
import sys
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from common.errors import SettingsError
from common.runtime.console import write_text
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.settings.commands import CertSettings
from common.settings.loading import load_settings
from common.settings.private_files import check_private

AUTHORITY_DAYS = 3650
RENEW_DAYS = 30
_EARLIER = datetime.timedelta(hours=1)  # allows for clocks that differ between hosts

Key = ec.EllipticCurvePrivateKey


class Authority:
    """The authority in a folder; created if there is none.

    Raises:
        SettingsError: the folder cannot be written, or its files are not an authority.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.created = not (folder / "ca.pem").exists()
            if self.created:
                self._make()
            self._key, self.certificate = self._read("ca")
        except OSError as error:
            raise SettingsError(f"CERTS={str(folder)!r}: {error.strerror}") from error
        if self.certificate.not_valid_after_utc < _now():
            raise SettingsError(
                f"{folder / 'ca.pem'} has expired: remove the folder, run this again, and give "
                "each unit its new files"
            )

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fr private authority")])
        builder = (
            _builder(name, name, key.public_key(), AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
        )
        self._write("ca", key, _signed(builder, key, key.public_key()))

    def issue(self, name: str, days: int) -> bool:
        """Issue a certificate for a unit, valid for ``days`` days; False if it has a valid one.

        Raises:
            SettingsError: a file cannot be written, or an existing one is not a certificate.
        """
        try:
            if (self._folder / f"{name}.pem").exists():
                _, present = self._read(name)
                expires = present.not_valid_after_utc
                if expires > _now() + datetime.timedelta(days=RENEW_DAYS):
                    return False
            key = ec.generate_private_key(ec.SECP256R1())
            left = (
                self.certificate.not_valid_after_utc - _now()
            ).days  # no longer than the authority itself
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
            both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = (
                _builder(subject, self.certificate.subject, key.public_key(), min(days, left))
                .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(_usage(authority=False), critical=True)
                .add_extension(x509.ExtendedKeyUsage(both), critical=False)
            )
            self._write(name, key, _signed(builder, self._key, self._key.public_key()))
        except OSError as error:
            raise SettingsError(f"CERTS={str(self._folder)!r}: {error.strerror}") from error
        return True

    def valid_until(self, name: str) -> datetime.datetime:
        """When the certificate of this unit expires."""
        return self._read(name)[1].not_valid_after_utc

    def _read(self, name: str) -> tuple[Key, x509.Certificate]:
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        try:
            check_private(key, "CERTS")
        except ValueError as error:
            raise SettingsError(str(error)) from error
        try:
            loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
            read = x509.load_pem_x509_certificate(certificate.read_bytes())
        except (ValueError, TypeError) as error:
            raise SettingsError(
                f"{certificate} and {key.name} are not a certificate and its key: remove both"
            ) from error
        if not isinstance(loaded, Key) or loaded.public_key() != read.public_key():
            raise SettingsError(f"{key} is not the key of {certificate.name}: remove both")
        return loaded, read

    def _write(self, name: str, key: Key, certificate: x509.Certificate) -> None:
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        # The certificate last, so that its key always exists beside it.
        write_private(self._folder / f"{name}.key", private)
        write_private(
            self._folder / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM)
        )
        (self._folder / f"{name}.pem").chmod(0o644)


def write_private(path: Path, content: bytes) -> None:
    """Write a file atomically that only this user can read.

    Raises:
        OSError: it cannot be written.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - _EARLIER)
        .not_valid_after(_now() + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder, key: Key, issuer: ec.EllipticCurvePublicKey
) -> x509.Certificate:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer)
    return builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def main() -> int:
    """Create what is missing, and print what exists."""
    settings = load_settings(CertSettings, "fr certs")
    authority = Authority(settings.certs)
    state = "created" if authority.created else "exists already"
    until = authority.certificate.not_valid_after_utc
    write_text(f"authority   {settings.certs / 'ca.pem'}: {state}, valid until {until:%Y-%m-%d}")
    for name in settings.names:
        state = "created" if authority.issue(name, settings.days) else "exists already"
        path = settings.certs / f"{name}.pem"
        until = authority.valid_until(name)
        write_text(f"{name:<11} {path}: {state}, valid until {until:%Y-%m-%d}")
    write_text(
        f"\nGive each unit only its own three files:\n"
        f"  TLS_CERT={settings.certs}/NAME.pem TLS_KEY={settings.certs}/NAME.key "
        f"TLS_CA={settings.certs}/ca.pem\n"
        f"{settings.certs}/ca.key can create a certificate for any unit: keep it off their hosts."
    )
    return Exit.OK


if __name__ == "__main__":
    sys.exit(run_unit("fr certs", main))
