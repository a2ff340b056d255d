"""TLS with mutual authentication: 1.3 where both sides can, 1.2 at least.

Both sides show a certificate of the private authority, and its DNS names (subjectAltName) are the
unit's names: what counts is who answers, not at which address. So no host name is looked at, and a
unit may move to another host with its certificate.
"""

import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import FrError, PeerAway, ProtocolError, Refusal, SettingsError

# Of TLS 1.2 only what has forward secrecy and authenticated encryption (RFC 9325); those of
# TLS 1.3 all have.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_BOTH_ENDS = "set TLS_CERT, TLS_KEY and TLS_CA at both ends, or at none"
PERHAPS_REFUSED = "it may refuse this unit's certificate, its log says why"
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
    "make certs makes each unit's certificate, and renews it, all of one authority, whose ca.pem "
    "is TLS_CA at both ends; then start this unit again"
)
_NO_CERTIFICATE = frozenset({"PEER_DID_NOT_RETURN_A_CERTIFICATE"})


@dataclass(frozen=True, slots=True)
class Tls:
    """How this unit asks and answers; ``repr`` shows no key."""

    asks: ssl.SSLContext
    answers: ssl.SSLContext

    @classmethod
    def load(cls, certificate: Path, key: Path, authority: Path) -> "Tls":
        """Read this unit's certificate and key, and the authority that it trusts (PEM files).

        Raises:
            SettingsError: one cannot be read, or the key is not the certificate's.
        """
        return cls(
            _context(ssl.PROTOCOL_TLS_CLIENT, certificate, key, authority),
            _context(ssl.PROTOCOL_TLS_SERVER, certificate, key, authority),
        )

    def check(self, certificate: Path, name: str) -> None:
        """See that the peers, who trust the same authority, will take this unit for ``name``: it
        greets itself in memory. In time, as a peer that refuses it cannot always say why.

        Raises:
            SettingsError: they will not; the text says what to do.
        """
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        asking = self.asks.wrap_bio(to_client, to_server)
        answering = self.answers.wrap_bio(to_server, to_client, server_side=True)
        try:
            for side in (asking, answering) * 3:  # as many flights as TLS has, and one to spare
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
            names = names_in(asking.getpeercert())
        except ssl.SSLCertVerificationError as error:
            raise SettingsError(
                f"TLS_CERT={str(certificate)!r}: the peers will refuse it: {error.verify_message}: "
                f"{_REMEDY}"
            ) from error
        except (ssl.SSLError, ValueError) as error:
            raise SettingsError(f"TLS_CERT={str(certificate)!r}: of no use for TLS") from error
        if name not in names:
            held = ", ".join(map(repr, sorted(names))) or "nobody"
            raise SettingsError(
                f"TLS_CERT={str(certificate)!r}: it is the certificate of {held}, this unit is "
                f"{name!r}: make certs NAMES={name} makes its own"
            )


def _context(kind: int, certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(kind)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.check_hostname = False  # the unit's name is looked at instead, after the handshake
    context.verify_mode = ssl.CERT_REQUIRED
    # Each connection shows its certificate: one that has expired since is not resumed.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    if kind == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    for name, path in (("TLS_CERT", certificate), ("TLS_KEY", key), ("TLS_CA", authority)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise SettingsError(f"{name}={str(path)!r}: {error.strerror}") from error
    try:
        # An encrypted key would ask for its password on the terminal of a service.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"TLS_CERT={str(certificate)!r}, TLS_KEY={str(key)!r}: no certificate and its own, "
            "unencrypted key in PEM"
        ) from error
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise SettingsError(f"TLS_CA={str(authority)!r}: no certificate in PEM") from error
    return context


def names_in(certificate: Any) -> frozenset[str]:
    """The units that a peer's certificate (as ``ssl`` gives it) names."""
    names = (certificate or {}).get("subjectAltName", ())
    return frozenset(name for kind, name in names if kind == "DNS")


def tls_failure(error: BaseException) -> FrError | None:
    """What a failed TLS connection means, for a person to act on; None if it is no such failure."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"the certificate of the peer is refused: {error.verify_message}: {_REMEDY}"
        return _refused(reason, retry=False)
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or ""
    if reason in _NOT_TLS:
        return _refused(f"the peer speaks without TLS: {_BOTH_ENDS}")
    if reason in _TOO_OLD:
        return _refused("the peer and this unit share no version of TLS: 1.2 is the least")
    if reason in _NO_CERTIFICATE:
        return _refused(f"the peer showed no certificate: {_BOTH_ENDS}")
    if "ALERT" in reason:
        what = reason.partition("ALERT_")[2].replace("_", " ").lower()
        if reason.endswith(_CERTIFICATE_ALERTS):
            reason = f"the peer refuses this unit's certificate: {what}: {_REMEDY}"
            return _refused(reason, retry=False)
        return _refused(f"the peer refuses this unit's certificate, or TLS with it: {what}")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return PeerAway(f"the peer closed the connection in the middle of TLS: {PERHAPS_REFUSED}")
    return _refused(f"TLS failed: {reason.replace('_', ' ').lower() or 'no reason is told'}")


def _refused(reason: str, *, retry: bool = True) -> ProtocolError:
    # Mostly to be tried again: it may be of a link that changes bits, or be mended at the other
    # end. Not what is wrong with a certificate: that stays so until a person acts.
    return ProtocolError(Refusal.UNAUTHENTICATED, reason, retry=retry)
