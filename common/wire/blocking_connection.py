"""Blocking connections for the threads of Fr-PACS: ``Channel``."""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable

from common.errors import PeerAway, ProtocolError
from common.wire.connection_errors import (
    closed_by_peer,
    connection_failed,
    connection_nack,
    describe,
    handshake_too_slow,
)
from common.wire.connection_policy import ConnectionPolicy
from common.wire.frame_checks import Mac
from common.wire.frames import encode
from common.wire.handshake import ClientHandshake, FrameKeys, ServerHandshake
from common.wire.messages import Event, Hello, Message, Ping, Pong, Welcome
from common.wire.protocol import Side, WireProtocol
from common.wire.rate_guard import RateGuard
from common.wire.sockets import LINGER_S, READ_BYTES, configure_socket
from common.wire.tls import Lifetime, dns_names

_NOTHING_YET = (TimeoutError, BlockingIOError, ssl.SSLWantReadError)


class Channel:
    """A blocking connection, used by one thread.

    Args:
        connection: a connected socket, without TLS yet.
        side: which end of which kind of connection.
        frame_limit: longest message that is taken, bytes.
        idle_timeout_s: how long the peer may be silent, seconds.
        policy: authentication and limits.

    Raises (all methods):
        PeerAway: the connection is lost.
        ProtocolError: the peer broke the rules, or did not prove its identity. It was told why, if
            it still listens.
    """

    def __init__(
        self,
        connection: socket.socket,
        side: Side,
        frame_limit: int,
        idle_timeout_s: float,
        policy: ConnectionPolicy,
    ) -> None:
        self._socket = connection
        self._side = side
        self._protocol = WireProtocol(side, frame_limit)
        self._idle_s = idle_timeout_s
        self._policy = policy
        self._tls = policy.tls is not None
        self._rate_guard = RateGuard(policy)
        self._received_at = self._sent_at = time.monotonic()
        self._refused = False
        self._lifetime: Lifetime | None = None  # of the certificates; None: without TLS
        self.on_welcome: Callable[[], None] | None = None
        """Called when the client is accepted, before it is welcomed; may raise a refusal."""
        self.features: frozenset[str] = frozenset()
        """What both ends understand beyond the protocol's version, once the peer is accepted."""
        self.certificate_names: frozenset[str] | None = None
        """The units that the peer's certificate names; None without TLS."""
        self.bytes_received = 0
        """Total so far."""
        with contextlib.suppress(OSError):  # reset already: receiving raises it
            configure_socket(connection)

    @classmethod
    def connect(
        cls,
        address: tuple[str, int],
        side: Side,
        frame_limit: int,
        idle_timeout_s: float,
        timeout_s: float,
        policy: ConnectionPolicy,
    ) -> "Channel":
        """Connect within ``timeout_s`` seconds, then start TLS if the policy has it."""
        try:
            connection = socket.create_connection(address, timeout_s)
        except (OSError, UnicodeError) as error:
            raise PeerAway(f"{address[0]}:{address[1]}: {describe(error)}") from error
        channel = cls(connection, side, frame_limit, idle_timeout_s, policy)
        channel._start_tls(time.monotonic() + policy.handshake_timeout_s)
        return channel

    # --- handshake -----------------------------------------------------------------------------

    def greet(self, name: str, peer: str | None = None) -> Welcome:
        """Complete the handshake as the client.

        Args:
            name: of this unit.
            peer: the only unit that is accepted; None: any.
        """
        deadline = time.monotonic() + self._policy.handshake_timeout_s
        handshake = self._policy.client_handshake(self._side, name, peer, self.certificate_names)
        try:
            in_time = self._run(handshake, deadline)
        except (PeerAway, ProtocolError):
            self.close()
            raise
        if not in_time:
            self.close()
            raise PeerAway("the peer did not complete the handshake in time")
        assert handshake.welcome is not None  # noqa: S101 - it is complete
        self.features = handshake.agreed_features
        self._protect(handshake.frame_keys)
        return handshake.welcome

    def welcome(self, name: str, window: int, peer: str | None = None) -> Hello:
        """Complete the handshake as the server, with TLS if the policy has it.

        Args:
            name: of this unit.
            window: messages that the client may have unanswered.
            peer: the only unit that is accepted; None: any.
        """
        deadline = time.monotonic() + self._policy.handshake_timeout_s
        if self.certificate_names is None:
            self._start_tls(deadline)
        handshake = self._policy.server_handshake(self._side, name, peer, self.certificate_names)
        try:
            if not self._run(handshake, deadline):
                self.refuse(handshake_too_slow(self._policy.handshake_timeout_s))
                raise PeerAway("a peer connected and did not complete the handshake in time")
            if self.on_welcome is not None:
                self.on_welcome()
        except ProtocolError as error:
            self.refuse(error)
            raise
        self._protocol.complete_handshake()
        hello = handshake.hello
        self.features = handshake.agreed_features
        message, keys = handshake.welcome(window)
        data = self._protocol.encode(message)
        self._protect(keys)  # before anything else may be sent or received
        self._send(data, self._idle_s)
        return hello

    def _run(self, handshake: ClientHandshake | ServerHandshake, deadline: float) -> bool:
        """Whether the handshake was complete in time."""
        self.send(*handshake.start())
        while not handshake.complete:
            event = self.receive(max(0.0, deadline - time.monotonic()))
            if event is None:
                return False
            self.send(*handshake.receive(event))
        return True

    def _protect(self, keys: FrameKeys | None) -> None:
        if keys is not None:
            self._protocol.protect(Mac(keys.incoming), Mac(keys.outgoing))

    def _start_tls(self, deadline: float) -> None:
        tls = self._policy.tls
        if tls is None:
            return
        client = self._side.is_client
        context = tls.client_context if client else tls.server_context
        try:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            secured = context.wrap_socket(
                self._socket, server_side=not client, do_handshake_on_connect=False
            )
            self._socket = secured
            secured.do_handshake()
            certificate = secured.getpeercert()
            self.certificate_names = dns_names(certificate)
            self._lifetime = tls.first_to_end(certificate)
        except TimeoutError:
            self.close()
            raise PeerAway("the peer did not complete the TLS handshake in time") from None
        except (OSError, ValueError) as error:
            self.close()
            raise connection_failed(error, self._protocol, tls=self._tls) from error
        self._received_at = time.monotonic()

    # --- messages ------------------------------------------------------------------------------

    def send(self, *messages: Message) -> None:
        """Send; blocks while the peer does not read, at most for the idle time-out."""
        self._send(self._protocol.encode(*messages), self._idle_s)

    def _send(self, data: bytes, within_s: float) -> None:
        self._sent_at = time.monotonic()
        left = memoryview(data)
        deadline = self._sent_at + within_s
        try:
            while left:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                left = left[self._socket.send(left) :]
        except (OSError, ValueError) as error:
            self.close()
            raise connection_failed(error, self._protocol, tls=self._tls) from error

    def receive(self, timeout_s: float) -> Event | None:
        """The next message; None after ``timeout_s`` seconds without one.

        Pings are answered and sent here, so an idle connection needs a thread that calls this.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if self._lifetime is not None:
                    self._lifetime.check()
                event = self._protocol.next_event()
                if event is None and not self._read(deadline):
                    return None
            except ProtocolError as error:
                self.refuse(error)
                raise
            if isinstance(event, Ping):
                self.send(Pong())
            elif event is not None and not isinstance(event, Pong):
                return event

    def _read(self, deadline: float) -> bool:
        """Pass what comes to the protocol; False when the deadline passes first."""
        now = time.monotonic()
        ping_s = self._idle_s / 3
        if self._side.is_client and self._protocol.is_open and now - self._sent_at > ping_s:
            self.send(Ping())
        wait = max(0.0, min(deadline - now, ping_s, self._policy.rate_window_s))
        if self._lifetime is not None:
            wait = min(wait, max(0.0, self._lifetime.left_s()))
        try:
            self._socket.settimeout(wait)
            data = self._socket.recv(READ_BYTES)
        except _NOTHING_YET:
            self._record_wait(time.monotonic() - now, 0)
            # Checked only after reading: this thread may have been busy while the peer sent.
            if time.monotonic() - self._received_at > self._idle_s:
                self.close()
                raise PeerAway(f"the peer was silent for {self._idle_s:g} s") from None
            return now < deadline
        except (OSError, ValueError) as error:
            self.close()
            raise connection_failed(error, self._protocol, tls=self._tls) from error
        if not data:
            self.close()
            raise closed_by_peer(self._protocol, tls=self._tls)
        self._received_at = time.monotonic()
        self._record_wait(self._received_at - now, len(data))
        self.bytes_received += len(data)
        self._protocol.receive_data(data)
        return True

    def _record_wait(self, seconds: float, received: int) -> None:
        frame = self._protocol.current_frame
        self._rate_guard.record_wait(frame, seconds, received, mid_transfer=False)

    # --- the end -------------------------------------------------------------------------------

    def refuse(self, error: ProtocolError) -> None:
        """Tell the peer why this connection ends, once, and close."""
        if self._refused:
            return
        self._refused = True
        with contextlib.suppress(PeerAway, ProtocolError, OSError):
            self._send(self._protocol.encode(connection_nack(error)), LINGER_S)
            # Closing with unread bytes resets the connection, and the reason could be lost: end
            # the sending half and drop what still comes. Below TLS, whose content no longer
            # matters.
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
            deadline = time.monotonic() + LINGER_S
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if not socket.socket.recv(self._socket, READ_BYTES):
                    break
        self.close()

    def evict(self, error: ProtocolError) -> None:
        """End this connection from another thread than its own. The reason is sent if that does
        not block, and not under TLS, whose state belongs to the other thread."""
        if not self._tls and not self._refused and not self._protocol.is_open:
            with contextlib.suppress(OSError):
                self._socket.send(encode(connection_nack(error)), socket.MSG_DONTWAIT)
        self.shut_down()

    def close(self) -> None:
        """Close. Idempotent; wakes a thread that reads."""
        self.shut_down()
        self._socket.close()

    def shut_down(self) -> None:
        """End the connection and wake the thread that uses it, which then closes it."""
        with contextlib.suppress(OSError):
            # The plain socket's method: the TLS one would drop its state under a thread that reads.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
