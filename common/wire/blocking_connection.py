"""Blocking connections for the threads of Fr-PACS: ``Channel``."""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable

from common.errors import PeerAway, ProtocolError, Refusal
from common.wire.connection_policy import (
    LINGER_S,
    PLAIN,
    READ_BYTES,
    ConnectionPolicy,
    RateGuard,
    closed_by_peer,
    configure_socket,
    connection_lost_error,
    connection_nack,
    describe,
    wrong_name,
)
from common.wire.handshake import ClientHandshake, ServerHandshake
from common.wire.messages import Challenge, Event, Hello, Message, Nack, Ping, Pong, Proof, Welcome
from common.wire.protocol import Side, WireProtocol, encode
from common.wire.tls import names_in

_NOTHING_YET = (TimeoutError, BlockingIOError, ssl.SSLWantReadError)


class Channel:
    """A blocking connection of one thread.

    Raises (all methods):
        PeerAway: the connection is lost.
        ProtocolError: the peer broke the rules, or did not prove who it is; it was told, if it
            still listens.
    """

    def __init__(
        self,
        connection: socket.socket,
        side: Side,
        frame_limit: int,
        idle_timeout_s: float,
        policy: ConnectionPolicy = PLAIN,
    ) -> None:
        self._socket = connection
        self._side = side
        self._protocol = WireProtocol(side, frame_limit)
        self._idle_s = idle_timeout_s
        self._policy = policy
        self._rate_guard = RateGuard(policy)
        self._heard = self._said = time.monotonic()
        self._asks = side in (Side.SCAN_SENDER, Side.REPORT_SENDER)
        self._refused = False
        self.on_accepted: Callable[[], None] | None = None
        """Called when a peer has greeted, before it is welcomed; may refuse it."""
        self.certificate_names: frozenset[str] | None = None
        """The units that the peer's certificate names; None without TLS."""
        self.bytes_received = 0
        """Bytes that came."""
        with contextlib.suppress(OSError):  # reset already: reading will say so
            configure_socket(connection)

    @classmethod
    def connect(
        cls,
        address: tuple[str, int],
        side: Side,
        frame_limit: int,
        idle_timeout_s: float,
        timeout_s: float,
        policy: ConnectionPolicy = PLAIN,
    ) -> "Channel":
        """Connect within ``timeout_s``; then TLS, if the terms ask for it."""
        try:
            connection = socket.create_connection(address, timeout_s)
        except (OSError, UnicodeError) as error:
            raise PeerAway(f"{address[0]}:{address[1]}: {describe(error)}") from error
        channel = cls(connection, side, frame_limit, idle_timeout_s, policy)
        channel._secure(time.monotonic() + policy.handshake_timeout_s)
        return channel

    # --- greeting ------------------------------------------------------------------------------

    def greet(self, name: str, peer: str | None = None) -> Welcome:
        """Say hello, wait for the welcome.

        Args:
            name: this unit's.
            peer: the unit that is meant, if another one is not to be spoken with.
        """
        deadline = time.monotonic() + self._policy.handshake_timeout_s
        client_handshake = self._policy.client_handshake(self._side, name)
        self.send(client_handshake.hello())
        answer = self._hear(deadline)
        try:
            if isinstance(answer, Challenge):
                self._check_name(answer.name, peer)
                self.send(client_handshake.prove(answer))
                answer = self._hear(deadline)
            return self._check_welcome(answer, client_handshake, peer)
        except (PeerAway, ProtocolError):
            self.close()
            raise

    def _check_welcome(
        self, answer: Event | None, client_handshake: ClientHandshake, peer: str | None
    ) -> Welcome:
        if isinstance(answer, Nack):
            raise ProtocolError(answer.code, answer.reason, retry=answer.retry)
        if not isinstance(answer, Welcome):
            raise PeerAway("the peer accepted the connection and did not answer the greeting")
        self._check_name(answer.name, peer)
        client_handshake.check(answer)
        return answer

    def welcome(self, name: str, window: int, peer: str | None = None) -> Hello:
        """TLS, if the terms ask for it; wait for a hello and its proof, answer.

        Args:
            name: this unit's.
            window: messages that may be unanswered.
            peer: the only unit that is let in, if there is only one.
        """
        deadline = time.monotonic() + self._policy.handshake_timeout_s
        if self.certificate_names is None:
            self._secure(deadline)
        server_handshake = self._policy.server_handshake(self._side, name)
        try:
            hello = self._accept_hello(server_handshake, deadline)
            self._check_name(hello.name, peer)
            if self.on_accepted is not None:
                self.on_accepted()
        except ProtocolError as error:
            self.refuse(error)
            raise
        self.send(server_handshake.welcome(window))
        return hello

    def _accept_hello(self, server_handshake: ServerHandshake, deadline: float) -> Hello:
        hello = self._hear(deadline)
        if isinstance(hello, Hello):
            challenge = server_handshake.challenge(hello)
            if challenge is None:
                return hello
            self.send(challenge)
            proof = self._hear(deadline)
            if isinstance(proof, Proof):
                server_handshake.check(proof)
                self._protocol.complete_handshake()
                return hello
        self.close()
        raise PeerAway("a peer connected and did not greet")

    def _hear(self, deadline: float) -> Event | None:
        return self.receive(max(0.0, deadline - time.monotonic()))

    def _check_name(self, name: str, peer: str | None) -> None:
        error = wrong_name(name, self.certificate_names)
        if error is None and peer is not None and name != peer:
            reason = f"this is {name!r}, not {peer!r}"
            error = ProtocolError(Refusal.UNAUTHENTICATED, reason, retry=True)
        if error is not None:
            raise error

    def _secure(self, deadline: float) -> None:
        tls = self._policy.tls
        if tls is None:
            return
        context = tls.asks if self._asks else tls.answers
        try:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            secured = context.wrap_socket(
                self._socket, server_side=not self._asks, do_handshake_on_connect=False
            )
            self._socket = secured
            secured.do_handshake()
            self.certificate_names = names_in(secured.getpeercert())
        except TimeoutError:
            self.close()
            raise PeerAway("the peer did not answer in TLS") from None
        except (OSError, ValueError) as error:
            self.close()
            raise connection_lost_error(error, self._protocol, self._policy) from error
        self._heard = time.monotonic()

    # --- talking -------------------------------------------------------------------------------

    def send(self, *messages: Message) -> None:
        """Send; blocks while the peer does not read, for the idle time-out at most."""
        self._send(b"".join(map(encode, messages)), self._idle_s)

    def _send(self, data: bytes, within_s: float) -> None:
        self._said = time.monotonic()
        left = memoryview(data)
        deadline = self._said + within_s
        try:
            while left:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                left = left[self._socket.send(left) :]
        except (OSError, ValueError) as error:
            self.close()
            raise connection_lost_error(error, self._protocol, self._policy) from error

    def receive(self, timeout_s: float) -> Event | None:
        """The next message; None after ``timeout_s`` without one. Pings are sent and answered
        here, so an idle connection needs somebody who calls this."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
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
        """Feed what comes; False when the deadline passes first."""
        now = time.monotonic()
        if self._asks and self._protocol.is_open and now - self._said > self._idle_s / 3:
            self.send(Ping())
        wait = max(0.0, min(deadline - now, self._idle_s / 3, self._policy.rate_window_s))
        try:
            self._socket.settimeout(wait)
            data = self._socket.recv(READ_BYTES)
        except _NOTHING_YET:
            self._rate_guard.waited(
                self._protocol.current_frame, time.monotonic() - now, 0, mid_transfer=False
            )
            # Only after looking: this thread may have been busy while the peer was not silent.
            if time.monotonic() - self._heard > self._idle_s:
                self.close()
                raise PeerAway(f"silent for {self._idle_s:g} s") from None
            return now < deadline
        except (OSError, ValueError) as error:
            self.close()
            raise connection_lost_error(error, self._protocol, self._policy) from error
        if not data:
            self.close()
            raise closed_by_peer(self._protocol, self._policy)
        self._heard = time.monotonic()
        self._rate_guard.waited(
            self._protocol.current_frame, self._heard - now, len(data), mid_transfer=False
        )
        self.bytes_received += len(data)
        self._protocol.receive_data(data)
        return True

    # --- the end -------------------------------------------------------------------------------

    def refuse(self, error: ProtocolError) -> None:
        """Tell the peer why this connection ends, once, and close."""
        if self._refused:
            return
        self._refused = True
        with contextlib.suppress(PeerAway, ProtocolError, OSError):
            self._send(encode(connection_nack(error)), LINGER_S)
            # A close with bytes unread resets the connection, and the reason would be lost on its
            # way: say that nothing more comes, and pass over what does. Below TLS, if there is
            # TLS: nobody looks at it any more.
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
            deadline = time.monotonic() + LINGER_S
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if not socket.socket.recv(self._socket, READ_BYTES):
                    break
        self.close()

    def evict(self, error: ProtocolError) -> None:
        """End this connection, from another thread than the one that uses it; told if that takes
        no time. Under TLS it is not told: its state is the other thread's."""
        if self._policy.tls is None and not self._refused:
            with contextlib.suppress(OSError):
                self._socket.send(encode(connection_nack(error)), socket.MSG_DONTWAIT)
        self.shut_down()

    def close(self) -> None:
        """Close. Idempotent; wakes a thread that reads."""
        self.shut_down()
        self._socket.close()

    def shut_down(self) -> None:
        """End the connection and wake the thread that uses it, which is to close it."""
        with contextlib.suppress(OSError):
            # The socket's own, as that of TLS forgets its state under a thread that reads.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
