"""Connections of Fr-HUB's asyncio loop: ``AsyncChannel``."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from common.errors import FrError, PeerAway, ProtocolError
from common.wire.async_receiver import ReceiveProtocol
from common.wire.connection_errors import (
    closed_by_peer,
    connection_failed,
    connection_nack,
    handshake_too_slow,
)
from common.wire.connection_policy import ConnectionPolicy
from common.wire.frame_checks import Mac
from common.wire.handshake import ClientHandshake, FrameKeys, ServerHandshake
from common.wire.messages import Event, Hello, Ping, Pong, Sendable, Welcome
from common.wire.protocol import Side
from common.wire.rate_guard import RateGuard
from common.wire.sockets import CLOSE_S, LINGER_S, configure_socket
from common.wire.tls import Lifetime, dns_names


class AsyncChannel:
    """A connection of an asyncio loop; one task receives, any may send.

    Args:
        receiver: what receives its bytes.
        transport: what sends them.
        side: which end of which kind of connection.
        idle_timeout_s: how long the peer may be silent, seconds.
        policy: authentication and limits.

    Raises (all methods):
        PeerAway: the connection is lost.
        ProtocolError: the peer broke the rules, or did not prove its identity. It was told why, if
            it still listens.
    """

    def __init__(
        self,
        receiver: ReceiveProtocol,
        transport: asyncio.Transport,
        side: Side,
        idle_timeout_s: float,
        policy: ConnectionPolicy,
    ) -> None:
        loop = asyncio.get_running_loop()
        writer = asyncio.StreamWriter(transport, receiver, receiver.ending, loop)
        self._receiver = receiver
        self._writer = writer
        self._side = side
        self._protocol = receiver.protocol
        self._idle_s = idle_timeout_s
        self._policy = policy
        self._tls = policy.tls is not None
        self._rate_guard = RateGuard(policy)
        self._refused = False
        self._handshake: ServerHandshake | None = None
        self.on_welcome: Callable[[], object] | None = None
        """Called when this unit welcomes the peer, which is then no longer unauthenticated."""
        self.mid_transfer = False
        """Set while the peer owes the rest of a scan of several messages."""
        self.waited_s = 0.0
        """Total time spent waiting for the peer, seconds."""
        self.features: frozenset[str] = frozenset()
        """What both ends understand beyond the protocol's version, once the peer is accepted."""
        self.certificate_names: frozenset[str] | None = None
        """The units that the peer's certificate names; None without TLS."""
        self._lifetime: Lifetime | None = None
        if policy.tls is not None:
            certificate = writer.get_extra_info("peercert")
            self.certificate_names = dns_names(certificate)
            self._lifetime = policy.tls.first_to_end(certificate)
        address = writer.get_extra_info("peername")
        self.peer_address = str(address[0]) if address else "unknown"
        """Without its port."""
        connection = writer.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):  # reset already: receiving raises it
                configure_socket(connection)

    # --- handshake -----------------------------------------------------------------------------

    async def greet(self, name: str, peer: str | None = None) -> Welcome:
        """Complete the handshake as the client.

        Args:
            name: of this unit.
            peer: the only unit that is accepted; None: any.
        """
        handshake = self._policy.client_handshake(self._side, name, peer, self.certificate_names)
        try:
            await self._run(handshake)
        except TimeoutError:
            raise PeerAway("the peer did not complete the handshake in time") from None
        assert handshake.welcome is not None  # noqa: S101 - it is complete
        self.features = handshake.agreed_features
        self._protect(handshake.frame_keys)
        return handshake.welcome

    async def accept_hello(self, name: str) -> Hello:
        """Wait for the client's hello and its proof; then ``welcome`` it, or ``refuse``.

        Args:
            name: of this unit.
        """
        handshake = self._policy.server_handshake(self._side, name, None, self.certificate_names)
        try:
            await self._run(handshake)
        except TimeoutError:
            await self.refuse(handshake_too_slow(self._policy.handshake_timeout_s))
            raise PeerAway("a peer connected and did not complete the handshake in time") from None
        except ProtocolError as error:
            await self.refuse(error)
            raise
        self._protocol.complete_handshake()
        self.features = handshake.agreed_features
        self._handshake = handshake
        return handshake.hello

    async def welcome(self, window: int) -> None:
        """Welcome the client that ``accept_hello`` returned: it may send now.

        Args:
            window: messages that it may have unanswered.
        """
        if self._handshake is None:
            raise RuntimeError("no hello was accepted")
        if self.on_welcome is not None:
            self.on_welcome()
        message, keys = self._handshake.welcome(window)
        data = self._protocol.encode(message)
        self._protect(keys)  # before anything else may be sent or received
        await self._send(data)

    def _protect(self, keys: FrameKeys | None) -> None:
        if keys is not None:
            self._protocol.protect(Mac(keys.incoming), Mac(keys.outgoing))

    async def _run(self, handshake: ClientHandshake | ServerHandshake) -> None:
        async with asyncio.timeout(self._policy.handshake_timeout_s):
            await self.send(*handshake.start())
            while not handshake.complete:
                await self.send(*handshake.receive(await self.receive()))

    # --- messages ------------------------------------------------------------------------------

    async def send(self, *messages: Sendable) -> None:
        """Send; waits while the peer does not read, at most for the idle time-out."""
        # Encoded and written without a pause between: the frames of a direction are counted.
        await self._send(self._protocol.encode(*messages))

    async def _send(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            async with asyncio.timeout(self._idle_s):
                await self._writer.drain()
        except TimeoutError:
            self.abort()
            raise PeerAway(f"the peer read nothing for {self._idle_s:g} s") from None
        except (OSError, RuntimeError) as error:
            raise connection_failed(error, self._protocol, tls=self._tls) from error

    async def receive(self) -> Event:
        """The next message. Answers pings, and sends them while the connection is idle."""
        while True:
            try:
                if self._lifetime is not None:
                    self._lifetime.check()
                event = self._protocol.next_event()
                if event is None:
                    await self._wait_for_data()
                    continue
            except ProtocolError as error:
                await self.refuse(error)
                raise
            if isinstance(event, Ping):
                await self.send(Pong())
            elif not isinstance(event, Pong):
                return event

    async def _wait_for_data(self) -> None:
        """Wait until more has come, mostly a whole message."""
        silent_s = pinged_at_s = 0.0
        sends_pings = self._side.is_client and self._protocol.is_open
        step = self._idle_s / 3 if sends_pings else self._idle_s
        while True:
            began, frame = time.monotonic(), self._protocol.current_frame
            try:
                received = await self._receiver.wait(self._longest_wait_s(step))
            except OSError as error:
                raise connection_failed(error, self._protocol, tls=self._tls) from error
            if received is None:
                raise closed_by_peer(self._protocol, tls=self._tls)
            spent = time.monotonic() - began
            self.waited_s += spent
            self._rate_guard.record_wait(frame, spent, received, mid_transfer=self.mid_transfer)
            if received:
                return
            if self._lifetime is not None:
                self._lifetime.check()
            self._protocol.release_buffer()
            silent_s += spent
            if silent_s >= self._idle_s:
                raise PeerAway(f"the peer was silent for {self._idle_s:g} s")
            if sends_pings and silent_s - pinged_at_s >= step:
                pinged_at_s = silent_s
                await self.send(Ping())

    def _longest_wait_s(self, step: float) -> float:
        wait_s = min(step, self._policy.rate_window_s)
        if self._lifetime is not None:
            wait_s = min(wait_s, max(0.0, self._lifetime.left_s()))
        return wait_s

    # --- the end -------------------------------------------------------------------------------

    async def refuse(self, error: ProtocolError) -> None:
        """Tell the peer why this connection ends, once. Only ``close`` may follow."""
        if self._refused:
            return
        self._refused = True
        with contextlib.suppress(FrError, OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self.send(connection_nack(error))
            # Closing with unread bytes resets the connection, and the reason could be lost: end
            # the sending half and drop what still comes.
            if self._writer.can_write_eof():  # TLS cannot
                self._writer.write_eof()
            self._protocol.discard_input()
            async with asyncio.timeout(LINGER_S):
                while await self._receiver.wait(LINGER_S) is not None:
                    pass

    def evict(self, error: ProtocolError) -> None:
        """End this connection at once, whatever its task does; the reason is sent if that does not
        block."""
        if self._refused:
            self.abort()
            return
        self._refused = True
        self._writer.write(self._protocol.encode(connection_nack(error)))
        self._writer.close()

    def abort(self) -> None:
        """Close at once and drop what was not sent."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Send what is left and close. Idempotent."""
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                # Shielded: the future is the transport's own and must not be cancelled.
                await asyncio.shield(self._writer.wait_closed())
        except TimeoutError:
            self.abort()  # a peer that does not read would keep the connection open forever
        except OSError:
            pass
