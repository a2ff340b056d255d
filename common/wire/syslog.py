"""Messages to a syslog server over TLS (RFC 5424, RFC 5425), by blocking calls.

Syslog has no acknowledgements. What RFC 5425 (4.4) has is the end of a connection: the sender says
that it ends (``close_notify``), and the server, which has then read everything before that, ends it
too. A ``SyslogStream`` whose ``finish`` returns has so been read to its end; whatever else ends it,
its messages must be sent again. Those of a server that crashes after it has read a message and
before it has stored it are lost, as with every sender of syslog.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from common.errors import FrError, PeerAway, ProtocolError, Refusal, SettingsError
from common.settings.private_files import check_private
from common.wire.connection_errors import describe
from common.wire.sockets import configure_socket
from common.wire.tls import CIPHERS

_SECURITY = 10
_SEVERITIES = {0: 5, 4: 4, 8: 3}
"""Notice, warning and error, by the outcome of an event (``audit_message.outcome_of``)."""

_BOM = b"\xef\xbb\xbf"
_MSGID = "DICOM+RFC3881"
"""Of DICOM's audit messages (PS3.15 A.6)."""


def frame(xml: bytes, at: datetime, outcome: int, host: str) -> bytes:
    """An audit message as a syslog message in the frame of RFC 5425: its length, then it.

    Args:
        xml: the message, UTF-8.
        at: when the event happened.
        outcome: of the event; the severity follows from it.
        host: the name of this host.
    """
    priority = _SECURITY * 8 + _SEVERITIES[outcome]
    time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = "".join(char for char in host if "!" <= char <= "~")[:255] or "-"
    header = f"<{priority}>1 {time} {name} fr - {_MSGID} - "
    message = header.encode("ascii") + _BOM + xml
    return b"%d %s" % (len(message), message)


def syslog_context(
    authority: Path | None, certificate: Path | None, key: Path | None
) -> ssl.SSLContext:
    """TLS with a syslog server, whose certificate must name its host.

    Args:
        authority: of the server's certificate (PEM); None: the authorities of this machine.
        certificate, key: what this unit shows (PEM), if the server asks for it.

    Raises:
        SettingsError: a file cannot be read, or others may read the key.
    """
    context = ssl.create_default_context()
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load("AUDIT_SYSLOG_CA", authority, lambda: context.load_verify_locations(authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.hostname_checks_common_name = False
    if certificate is not None and key is not None:
        try:
            check_private(key, "AUDIT_SYSLOG_KEY")
        except OSError as error:
            raise SettingsError(f"AUDIT_SYSLOG_KEY={str(key)!r}: {error.strerror}") from error
        except ValueError as error:
            raise SettingsError(str(error)) from error
        # Without a password here, an encrypted key would make a service ask on its terminal.
        _load(
            "AUDIT_SYSLOG_CERT",
            certificate,
            lambda: context.load_cert_chain(certificate, key, password=lambda: b""),
        )
    return context


def _load(name: str, path: Path, load: Callable[[], object]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise SettingsError(f"{name}={str(path)!r}: not a certificate in PEM") from error
    except OSError as error:
        raise SettingsError(f"{name}={str(path)!r}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class SyslogServer:
    """A server to connect to.

    Args:
        address: host and port.
        context: as ``syslog_context`` makes it.
    """

    address: tuple[str, int]
    context: ssl.SSLContext

    def connect(self, timeout_s: float) -> "SyslogStream":
        """A new connection; see ``SyslogStream``."""
        return SyslogStream(self.address, self.context, timeout_s)


class SyslogStream:
    """A connection to a syslog server, used by one thread.

    Args:
        address: host and port.
        context: as ``syslog_context`` makes it.
        timeout_s: how long the server may take for anything, seconds.

    Raises (all methods):
        PeerAway: the server cannot be reached, or the connection is lost.
        ProtocolError: the server's certificate is refused.
    """

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, timeout_s: float) -> None:
        connection: socket.socket | None = None
        try:
            connection = socket.create_connection(address, timeout_s)
            configure_socket(connection)
            self._tls = context.wrap_socket(connection, server_hostname=address[0])
        except (OSError, UnicodeError) as error:
            if connection is not None:
                connection.close()
            raise _failed(error) from error

    def send(self, data: bytes) -> None:
        """Send frames."""
        try:
            self._tls.sendall(data)
        except OSError as error:
            raise _failed(error) from error

    def finish(self) -> None:
        """End the connection; returns once the server has read everything and ended it too."""
        try:
            self._tls.unwrap()
        except ssl.SSLEOFError:
            # It has closed the connection without sending a 'close_notify', as some servers do.
            # If it had not read everything, the kernel would have reset the connection.
            pass
        except OSError as error:
            raise _failed(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection, whatever the server has read. Idempotent."""
        with contextlib.suppress(OSError):
            self._tls.close()


def _failed(error: OSError | UnicodeError) -> FrError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProtocolError(
            Refusal.UNAUTHENTICATED,
            f"its certificate is refused, {error.verify_message}: it must name the host in "
            "AUDIT_SYSLOG, and AUDIT_SYSLOG_CA must be its authority",
        )
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "it gave no reason").replace("_", " ").lower()
        return PeerAway(f"TLS failed: {reason}")
    return PeerAway(describe(error))
