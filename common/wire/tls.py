"""TLS with mutual authentication: 1.3 where both sides can, otherwise 1.2.

Both sides present a certificate of the private authority, whose DNS names (subjectAltName) are the
unit's names: identity matters, not the address. So no host name is checked, and a unit may move to
another host with its certificate.
"""

import contextlib
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.errors import FrError, PeerAway, ProtocolError, Refusal, SettingsError
from common.settings.private_files import check_private

# For TLS 1.2, only suites with forward secrecy and authenticated encryption (RFC 9325); all of
# TLS 1.3 have both.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_BOTH_ENDS = "set TLS_CERT, TLS_KEY and TLS_CA at both ends, or at neither"
PERHAPS_REFUSED = "it may have refused this unit's certificate, see its log"
_NOT_TLS = frozenset(
    {
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "UNKNOWN_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)
_TOO_OLD = frozenset(
    {
        "NO_PROTOCOLS_AVAILABLE",
        "NO_SHARED_CIPHER",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNSUPPORTED_PROTOCOL",
    }
)
_CERTIFICATE_ALERTS = (
    "ACCESS_DENIED",
    "BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REQUIRED",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
    "UNSUPPORTED_CERTIFICATE",
)
_REMEDY = (
    "issue or renew the units' certificates with make certs, set TLS_CA to the same ca.pem at both "
    "ends, then restart this unit"
)
_NO_CERTIFICATE = frozenset({"PEER_DID_NOT_RETURN_A_CERTIFICATE"})


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a certificate is valid. It was checked when a connection began, and may be long past
    on one that stays open."""

    names: frozenset[str]
    """The units that it names."""
    ends_at: float
    """Seconds since 1970."""

    @classmethod
    def of_peer(cls, certificate: Any) -> "Lifetime":
        """That of a peer's certificate, as ``getpeercert`` returns it."""
        ends_at = float(ssl.cert_time_to_seconds(certificate["notAfter"]))
        return cls(dns_names(certificate), ends_at)

    def left_s(self) -> float:
        """Seconds until its end."""
        return self.ends_at - time.time()

    def check(self) -> None:
        """Do nothing until its end.

        Raises:
            ProtocolError: it has ended, and the connection must.
        """
        if self.left_s() > 0:
            return
        whose = ", ".join(map(repr, sorted(self.names))) or "nobody"
        at = datetime.fromtimestamp(self.ends_at, UTC)
        raise _unauthenticated(
            f"the certificate of {whose} expired at {at:%Y-%m-%d %H:%M:%S} UTC, so this connection "
            f"ends: {_REMEDY}",
            retry=False,
        )


@dataclass(frozen=True, slots=True)
class Tls:
    """This unit's TLS contexts; ``repr`` shows no key."""

    client_context: ssl.SSLContext
    server_context: ssl.SSLContext
    lifetime: Lifetime
    """How long this unit's certificate is valid."""

    @classmethod
    def load(cls, certificate: Path, key: Path, authority: Path) -> "Tls":
        """Load this unit's certificate and key, and the authority that it trusts (PEM files).

        Raises:
            SettingsError: a file cannot be read, or the key does not fit the certificate.
        """
        return cls(
            _context(ssl.PROTOCOL_TLS_CLIENT, certificate, key, authority),
            _context(ssl.PROTOCOL_TLS_SERVER, certificate, key, authority),
            _lifetime_of(certificate),
        )

    def first_to_end(self, peer: Any) -> Lifetime:
        """Of this unit's certificate and the peer's, as ``getpeercert`` returns it, the lifetime
        of the one that ends first: a connection ends with it."""
        return min(self.lifetime, Lifetime.of_peer(peer), key=lambda one: one.ends_at)

    def check(self, certificate: Path, name: str) -> None:
        """Check that peers that trust the same authority will accept this unit as ``name``.

        The unit completes a TLS handshake with itself in memory. It does so at startup, as a peer
        that refuses a certificate cannot always tell why.

        Raises:
            SettingsError: they would refuse it; the text says what to do.
        """
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.client_context.wrap_bio(to_client, to_server)
        server = self.server_context.wrap_bio(to_server, to_client, server_side=True)
        try:
            for end in (client, server) * 3:  # as many flights as TLS has, and one to spare
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
            names = dns_names(client.getpeercert())
        except ssl.SSLCertVerificationError as error:
            raise SettingsError(
                f"TLS_CERT={str(certificate)!r}: the peers would refuse it, "
                f"{error.verify_message}: {_REMEDY}"
            ) from error
        except (ssl.SSLError, ValueError) as error:
            raise SettingsError(
                f"TLS_CERT={str(certificate)!r}: TLS cannot use it: issue another with make certs"
            ) from error
        if name not in names:
            held = ", ".join(map(repr, sorted(names))) or "nobody"
            raise SettingsError(
                f"TLS_CERT={str(certificate)!r}: the certificate belongs to {held}, but this unit "
                f"is {name!r}: issue its own with make certs NAMES={name}"
            )


def _context(kind: int, certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(kind)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.check_hostname = False  # the unit's name is checked instead, after the handshake
    context.verify_mode = ssl.CERT_REQUIRED
    # No session is resumed, so each connection presents a certificate that is valid now.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    if kind == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    for name, path in (("TLS_CERT", certificate), ("TLS_KEY", key), ("TLS_CA", authority)):
        try:
            path.open("rb").close()
            if name == "TLS_KEY":
                check_private(path, name)
        except OSError as error:
            raise SettingsError(f"{name}={str(path)!r}: {error.strerror}") from error
        except ValueError as error:
            raise SettingsError(str(error)) from error
    try:
        # Without a password here, an encrypted key would make a service ask on its terminal.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"TLS_CERT={str(certificate)!r}, TLS_KEY={str(key)!r}: not a certificate and its "
            "own, unencrypted key in PEM"
        ) from error
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise SettingsError(f"TLS_CA={str(authority)!r}: not a certificate in PEM") from error
    return context


def _lifetime_of(path: Path) -> Lifetime:
    # Imported here, for the units that use TLS: the ssl module does not read files.
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = found.value.get_values_for_type(x509.DNSName)
    return Lifetime(frozenset(names), certificate.not_valid_after_utc.timestamp())


def dns_names(certificate: Any) -> frozenset[str]:
    """The units that a peer's certificate names, as ``getpeercert`` returns it."""
    names = (certificate or {}).get("subjectAltName", ())
    return frozenset(name for kind, name in names if kind == "DNS")


def tls_error(error: BaseException) -> FrError | None:
    """A TLS error as one of ours, for a person to act on; None if it is another kind of error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"this unit refuses the peer's certificate, {error.verify_message}: {_REMEDY}"
        return _unauthenticated(reason, retry=False)
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or ""
    if reason in _NOT_TLS:
        return _unauthenticated(f"the peer does not use TLS: {_BOTH_ENDS}")
    if reason in _TOO_OLD:
        return _unauthenticated(
            "the peer and this unit share no TLS version: use 1.2 or newer at both ends"
        )
    if reason in _NO_CERTIFICATE:
        return _unauthenticated(f"the peer presented no certificate: {_BOTH_ENDS}")
    if "ALERT" in reason:
        what = reason.partition("ALERT_")[2].replace("_", " ").lower()
        if reason.endswith(_CERTIFICATE_ALERTS):
            reason = f"the peer refuses this unit's certificate, {what}: {_REMEDY}"
            return _unauthenticated(reason, retry=False)
        return _unauthenticated(f"the peer ended TLS with this unit: {what}; see its log")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return PeerAway(
            f"the peer closed the connection during the TLS handshake: {PERHAPS_REFUSED}"
        )
    return _unauthenticated(
        f"TLS failed: {reason.replace('_', ' ').lower() or 'the peer gave no reason'}"
    )


def _unauthenticated(reason: str, *, retry: bool = True) -> ProtocolError:
    # Mostly worth a retry: a link that changes bits may be the cause, or somebody may fix the other
    # end. A bad certificate is not: it stays bad until a person acts.
    return ProtocolError(Refusal.UNAUTHENTICATED, reason, retry=retry)
