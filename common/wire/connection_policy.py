"""On what terms a connection is kept: what both kinds of transport have in common."""

import errno
import secrets
import socket
from dataclasses import dataclass, field

from common.errors import AlreadyRunning, FrError, PeerAway, ProtocolError, Refusal, SettingsError
from common.wire.constants import NONCE_BYTES
from common.wire.handshake import Answerer, Asker
from common.wire.messages import Nack
from common.wire.protocol import Link, Side
from common.wire.tls import PERHAPS_REFUSED, Tls, tls_failure

READ_BYTES = 256 * 1024
LINGER_S = 1.0
CLOSE_S = 2.0
"""The rest of what was said has this long to leave when a connection is closed."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a peer, beyond the rules of the protocol."""

    tls: Tls | None = None
    """This unit's certificate and whom it trusts; None: no TLS."""

    secret: bytes | None = field(default=None, repr=False)
    """Shared with the peers; None: nobody is asked for it."""

    greeting_s: float = 10.0
    """A peer that did not finish its greeting within this time is let go, seconds."""

    frame_s: float = 60.0
    """The longest that a message may be waited for once it has begun, seconds."""

    rate: float = 8 * 1024
    """What must arrive from a peer in the middle of something, bytes a second."""

    window_s: float = 15.0
    """Over how long its rate is judged, seconds: a network may stop for a moment."""

    strangers: int = 256
    """Connections that have not greeted, at most: the oldest gives way to the newest."""

    def asker(self, side: Side, name: str) -> Asker:
        """The greeting of who connects, with a fresh nonce."""
        return Asker(side, name, self.secret, secrets.token_bytes(NONCE_BYTES))

    def answerer(self, side: Side, name: str) -> Answerer:
        """The greeting of who listens, with a fresh nonce."""
        return Answerer(side, name, self.secret, secrets.token_bytes(NONCE_BYTES))


PLAIN = Terms()


class Pace:
    """Whether a peer in the middle of something goes on with it.

    Only the time for which it was waited for counts: where this side does not read, as it has no
    room, the peer cannot be blamed.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._frame: int | None = None
        self._frame_s = self._window_s = 0.0
        self._taken = 0

    def waited(self, frame: int | None, seconds: float, taken: int, *, owing: bool) -> None:
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
        if frame is None and not owing:
            self._frame = None
            self._window_s = self._taken = 0
            return
        if self._frame != frame:
            self._frame, self._frame_s = frame, 0.0
        self._frame_s += seconds
        self._window_s += seconds
        self._taken += taken
        terms = self._terms
        if frame is not None and self._frame_s > terms.frame_s:
            reason = f"a message did not come whole within {terms.frame_s:g} s"
            raise ProtocolError(Refusal.LIMIT, reason, retry=True)
        if self._window_s < terms.window_s:
            return
        if self._taken < terms.rate * self._window_s:
            reason = (
                f"too slow in the middle of a message: {self._taken} bytes came in "
                f"{self._window_s:.0f} s, {terms.rate:.0f} a second is the least"
            )
            raise ProtocolError(Refusal.LIMIT, reason, retry=True)
        self._window_s = self._taken = 0


def nack_of(error: ProtocolError) -> Nack:
    """What a peer is told whose connection ends."""
    return Nack(None, error.code, error.reason, error.retry)


def too_many(limit: int, which: str) -> ProtocolError:
    """What somebody is told for whom there is no room."""
    reason = f"{limit} connections are {which}, the limit; try again later"
    return ProtocolError(Refusal.LIMIT, reason, retry=True)


def cut(link: Link, terms: Terms) -> PeerAway:
    """What it means that the peer closed the connection now."""
    if link.mid_frame:
        return PeerAway("the peer closed the connection in the middle of a message")
    # In TLS 1.3 who connects is done before its certificate is looked at; asyncio sends no alert.
    perhaps = f": {PERHAPS_REFUSED}" if terms.tls and not link.greeted else ""
    return PeerAway(f"the peer closed the connection{perhaps}")


def lost(error: BaseException, link: Link, terms: Terms) -> FrError:
    """What an error of a connection's socket means."""
    perhaps = f": {PERHAPS_REFUSED}" if terms.tls and not link.greeted else ""
    return tls_failure(error) or PeerAway(f"{why(error)}{perhaps}")


def wrong_name(name: str, names: frozenset[str] | None) -> ProtocolError | None:
    """What is wrong if a peer calls itself ``name`` and its certificate has ``names`` (None: there
    is no TLS)."""
    if names is None or name in names:
        return None
    held = ", ".join(map(repr, sorted(names))) or "nobody"
    return ProtocolError(
        Refusal.UNAUTHENTICATED,
        f"the peer calls itself {name!r}, its certificate is of {held}: "
        "a unit's certificate must have the unit's name",
    )


def tune(connection: socket.socket) -> None:
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
        raise SettingsError(f"cannot listen on {where}: {why(error)}") from error


def why(error: BaseException) -> str:
    """An error of the system in words."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, UnicodeError):
        return "this cannot be the name of a host"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
