"""On what terms a connection is kept: what both kinds of transport have in common."""

import errno
import secrets
import socket
from dataclasses import dataclass, field

from common.errors import AlreadyRunning, FrError, PeerAway, ProtocolError, Refusal, SettingsError
from common.wire.constants import NONCE_BYTES
from common.wire.handshake import ClientHandshake, ServerHandshake
from common.wire.messages import Nack
from common.wire.protocol import Side, WireProtocol
from common.wire.tls import PERHAPS_REFUSED, Tls, tls_failure

READ_BYTES = 256 * 1024
LINGER_S = 1.0
CLOSE_S = 2.0
"""The rest of what was said has this long to leave when a connection is closed."""


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """What is asked of a peer, beyond the rules of the protocol."""

    tls: Tls | None = None
    """This unit's certificate and whom it trusts; None: no TLS."""

    secret: bytes | None = field(default=None, repr=False)
    """Shared with the peers; None: nobody is asked for it."""

    handshake_timeout_s: float = 10.0
    """A peer that did not finish its greeting within this time is let go, seconds."""

    frame_timeout_s: float = 60.0
    """The longest that a message may be waited for once it has begun, seconds."""

    min_bytes_per_s: float = 8 * 1024
    """What must arrive from a peer in the middle of something, bytes a second."""

    rate_window_s: float = 15.0
    """Over how long its rate is judged, seconds: a network may stop for a moment."""

    max_unauthenticated: int = 256
    """Connections that have not greeted, at most: the oldest gives way to the newest."""

    def client_handshake(self, side: Side, name: str) -> ClientHandshake:
        """The greeting of who connects, with a fresh nonce."""
        return ClientHandshake(side, name, self.secret, secrets.token_bytes(NONCE_BYTES))

    def server_handshake(self, side: Side, name: str) -> ServerHandshake:
        """The greeting of who listens, with a fresh nonce."""
        return ServerHandshake(side, name, self.secret, secrets.token_bytes(NONCE_BYTES))


PLAIN = ConnectionPolicy()


class RateGuard:
    """Whether a peer in the middle of something goes on with it.

    Only the time for which it was waited for counts: where this side does not read, as it has no
    room, the peer cannot be blamed.
    """

    def __init__(self, policy: ConnectionPolicy) -> None:
        self._policy = policy
        self._frame: int | None = None
        self._frame_s = self._window_s = 0.0
        self._taken = 0

    def waited(
        self, frame: int | None, seconds: float, bytes_received: int, *, mid_transfer: bool
    ) -> None:
        """It was waited for, and so many bytes came.

        Args:
            frame: the number of the message that had begun before they came (``Link.begun``).
            seconds: how long it was waited for.
            taken: how many bytes came.
            owing: it has begun something of several messages, so that not even a pause between
                two of them is its own.

        Raises:
            ProtocolError: it is too slow.
        """
        if frame is None and not mid_transfer:
            self._frame = None
            self._window_s = self._taken = 0
            return
        if self._frame != frame:
            self._frame, self._frame_s = frame, 0.0
        self._frame_s += seconds
        self._window_s += seconds
        self._taken += bytes_received
        policy = self._policy
        if frame is not None and self._frame_s > policy.frame_timeout_s:
            reason = f"a message did not come whole within {policy.frame_timeout_s:g} s"
            raise ProtocolError(Refusal.LIMIT, reason, retry=True)
        if self._window_s < policy.rate_window_s:
            return
        if self._taken < policy.min_bytes_per_s * self._window_s:
            reason = (
                f"too slow in the middle of a message: {self._taken} bytes came in "
                f"{self._window_s:.0f} s, {policy.min_bytes_per_s:.0f} a second is the least"
            )
            raise ProtocolError(Refusal.LIMIT, reason, retry=True)
        self._window_s = self._taken = 0


def connection_nack(error: ProtocolError) -> Nack:
    """What a peer is told whose connection ends."""
    return Nack(None, error.code, error.reason, error.retry)


def too_many_connections(limit: int, which: str) -> ProtocolError:
    """What somebody is told for whom there is no room."""
    reason = f"{limit} connections are {which}, the limit; try again later"
    return ProtocolError(Refusal.LIMIT, reason, retry=True)


def closed_by_peer(protocol: WireProtocol, policy: ConnectionPolicy) -> PeerAway:
    """What it means that the peer closed the connection now."""
    if protocol.mid_frame:
        return PeerAway("the peer closed the connection in the middle of a message")
    # In TLS 1.3 who connects is done before its certificate is looked at; asyncio sends no alert.
    perhaps = f": {PERHAPS_REFUSED}" if policy.tls and not protocol.is_open else ""
    return PeerAway(f"the peer closed the connection{perhaps}")


def connection_lost_error(
    error: BaseException, protocol: WireProtocol, policy: ConnectionPolicy
) -> FrError:
    """What an error of a connection's socket means."""
    perhaps = f": {PERHAPS_REFUSED}" if policy.tls and not protocol.is_open else ""
    return tls_failure(error) or PeerAway(f"{describe(error)}{perhaps}")


def wrong_name(name: str, certificate_names: frozenset[str] | None) -> ProtocolError | None:
    """What is wrong if a peer calls itself ``name`` and its certificate has ``names`` (None: there
    is no TLS)."""
    if certificate_names is None or name in certificate_names:
        return None
    held = ", ".join(map(repr, sorted(certificate_names))) or "nobody"
    return ProtocolError(
        Refusal.UNAUTHENTICATED,
        f"the peer calls itself {name!r}, its certificate is of {held}: "
        "a unit's certificate must have the unit's name",
    )


def configure_socket(connection: socket.socket) -> None:
    """Set what all connections have."""
    # An acknowledgement is a small packet that somebody waits for.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def listen(address: tuple[str, int], backlog: int) -> socket.socket:
    """A socket that listens.

    Raises:
        AlreadyRunning: the port is in use.
        SettingsError: the address is none of this machine's.
    """
    where = f"{address[0]}:{address[1]}"
    try:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        return socket.create_server(address, family=family, backlog=backlog)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            text = f"{where} is in use: stop what listens there, or set another port"
            raise AlreadyRunning(text) from error
        raise SettingsError(f"cannot listen on {where}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """An error of the system in words."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, UnicodeError):
        return "this cannot be the name of a host"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
