"""What went wrong with a connection, for a person and for the peer."""

from common.errors import FrError, PeerAway, PeerClosed, ProtocolError, Refusal
from common.wire.messages import Nack
from common.wire.protocol import WireProtocol
from common.wire.tls import PERHAPS_REFUSED, tls_error


def connection_nack(error: ProtocolError) -> Nack:
    """The message that tells a peer why its connection ends."""
    return Nack(None, error.code, error.reason, error.retry)


def too_many_connections(limit: int, which: str) -> ProtocolError:
    """The refusal of a connection over the limit."""
    reason = f"{limit} connections are {which}, which is the limit: try again later"
    return ProtocolError(Refusal.LIMIT, reason, retry=True)


def handshake_too_slow(limit_s: float) -> ProtocolError:
    """The refusal of a client that takes too long to prove who it is."""
    reason = (
        f"the handshake was not complete after {limit_s:g} s: try again, or raise "
        "GREETING_TIMEOUT_S at the receiver"
    )
    return ProtocolError(Refusal.LIMIT, reason, retry=True)


def closed_by_peer(protocol: WireProtocol, *, tls: bool) -> PeerAway:
    """The error for a connection that the peer closed."""
    if protocol.mid_frame:
        return PeerAway("the peer closed the connection in the middle of a message")
    if refused := _perhaps_refused(protocol, tls=tls):
        return PeerAway(f"the peer closed the connection{refused}")
    return PeerClosed("the peer closed the connection")


def connection_failed(error: BaseException, protocol: WireProtocol, *, tls: bool) -> FrError:
    """The error for a connection whose socket failed."""
    hint = _perhaps_refused(protocol, tls=tls)
    return tls_error(error) or PeerAway(f"{describe(error)}{hint}")


def _perhaps_refused(protocol: WireProtocol, *, tls: bool) -> str:
    # A client of TLS 1.3 is done before the server checks its certificate, and asyncio sends no
    # alert: the refusal then looks like a plain close.
    return f": {PERHAPS_REFUSED}" if tls and not protocol.is_open else ""


def describe(error: BaseException) -> str:
    """An operating system's error in words."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, UnicodeError):
        return "not a valid host name"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
