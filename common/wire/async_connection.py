"""Connections of Fr-HUB's asyncio loop: ``AsyncChannel``."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from common.errors import FrError, PeerAway, ProtocolError, Refusal
from common.wire.async_receiver import ReceiveProtocol
from common.wire.connection_policy import (
    CLOSE_S,
    LINGER_S,
    PLAIN,
    ConnectionPolicy,
    RateGuard,
    closed_by_peer,
    configure_socket,
    connection_lost_error,
    connection_nack,
    wrong_name,
)
from common.wire.handshake import ServerHandshake
from common.wire.messages import Challenge, Event, Hello, Nack, Ping, Pong, Proof, Sendable, Welcome
from common.wire.protocol import Side, encode
from common.wire.tls import names_in


class AsyncChannel:
    """A connection of an asyncio loop; one task reads, any may send.

    Raises (all methods):
        PeerAway: the connection is lost.
        ProtocolError: the peer broke the rules, or did not prove who it is; it was told, if it
            still listens.
    """

    def __init__(
        self,
        receiver: ReceiveProtocol,
        transport: asyncio.Transport,
        side: Side,
        idle_timeout_s: float,
        policy: ConnectionPolicy = PLAIN,
    ) -> None:
        loop = asyncio.get_running_loop()
        writer = asyncio.StreamWriter(transport, receiver, receiver.ending, loop)
        self._receiver = receiver
        self._writer = writer
        self._side = side
        self._protocol = receiver.protocol
        self._idle_s = idle_timeout_s
        self._policy = policy
        self._rate_guard = RateGuard(policy)
        self._asks = side in (Side.SCAN_SENDER, Side.REPORT_SENDER)
        self._refused = False
        self._handshake: ServerHandshake | None = None
        self.on_accepted: Callable[[], object] | None = None
        """Called when the peer is welcomed: it is a stranger no more."""
        self.mid_transfer = False
        """Set while the peer has begun something of several messages and owes the rest."""
        self.waited_s = 0.0
        """How long the peer was waited for, all together."""
        self.certificate_names: frozenset[str] | None = None
        """The units that the peer's certificate names; None without TLS."""
        if policy.tls is not None:
            self.certificate_names = names_in(writer.get_extra_info("peercert"))
        address = writer.get_extra_info("peername")
        self.peer_address = str(address[0]) if address else "unknown"
        """The peer's address, without its port."""
        connection = writer.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):  # reset already: reading will say so
                configure_socket(connection)

    # --- greeting ------------------------------------------------------------------------------

    async def greet(self, name: str, peer: str | None = None) -> Welcome:
        """Say hello, wait for the welcome.

        Args:
            name: this unit's.
            peer: the unit that is meant, if another one is not to be spoken with.
        """
        client_handshake = self._policy.client_handshake(self._side, name)
        try:
            async with asyncio.timeout(self._policy.handshake_timeout_s):
                await self.send(client_handshake.hello())
                answer = await self.receive()
                if isinstance(answer, Challenge):
                    self._check_name(answer.name, peer)
                    await self.send(client_handshake.prove(answer))
                    answer = await self.receive()
        except TimeoutError:
            raise PeerAway("the peer did not answer the greeting") from None
        if isinstance(answer, Nack):
            raise ProtocolError(answer.code, answer.reason, retry=answer.retry)
        if not isinstance(answer, Welcome):
            raise PeerAway("the peer did not answer the greeting")
        self._check_name(answer.name, peer)
        client_handshake.check(answer)
        return answer

    async def accept_hello(self, name: str = "") -> Hello:
        """Wait for the hello of whoever connected, and its proof.

        Args:
            name: this unit's, which a proof covers.
        """
        self._handshake = self._policy.server_handshake(self._side, name)
        try:
            async with asyncio.timeout(self._policy.handshake_timeout_s):
                hello = await self.receive()
                if isinstance(hello, Hello) and await self._check_hello(hello, self._handshake):
                    return hello
        except TimeoutError:
            pass
        raise PeerAway("a peer connected and did not greet")

    async def _check_hello(self, hello: Hello, server_handshake: ServerHandshake) -> bool:
        try:
            challenge = server_handshake.challenge(hello)
            if challenge is not None:
                await self.send(challenge)
                proof = await self.receive()
                if not isinstance(proof, Proof):
                    return False
                server_handshake.check(proof)
                self._protocol.complete_handshake()
            self._check_name(hello.name, None)
        except ProtocolError as error:
            await self.refuse(error)
            raise
        return True

    async def welcome(self, name: str, window: int) -> None:
        """Answer the hello: from here on the peer may talk."""
        if self.on_accepted is not None:
            self.on_accepted()
        server_handshake = self._handshake or self._policy.server_handshake(self._side, name)
        await self.send(server_handshake.welcome(window))

    def _check_name(self, name: str, peer: str | None) -> None:
        error = wrong_name(name, self.certificate_names)
        if error is None and peer is not None and name != peer:
            error = ProtocolError(
                Refusal.UNAUTHENTICATED, f"this is {name!r}, not {peer!r}", retry=True
            )
        if error is not None:
            raise error

    # --- talking -------------------------------------------------------------------------------

    async def send(self, *messages: Sendable) -> None:
        """Send; waits while the peer does not read, for the idle time-out at most."""
        try:
            self._writer.write(b"".join(map(encode, messages)))
            async with asyncio.timeout(self._idle_s):
                await self._writer.drain()
        except TimeoutError:
            self.abort()
            raise PeerAway(f"the peer read nothing for {self._idle_s:g} s") from None
        except (OSError, RuntimeError) as error:
            raise connection_lost_error(error, self._protocol, self._policy) from error

    async def receive(self) -> Event:
        """The next message; pings are answered here, and sent on an idle connection."""
        while True:
            try:
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
        silent = 0.0
        asks = self._asks and self._protocol.is_open
        step = self._idle_s / 3 if asks else self._idle_s
        said = 0.0  # how long the peer had been silent when it was last asked
        while True:
            began, frame = time.monotonic(), self._protocol.current_frame
            try:
                came = await self._receiver.wait(min(step, self._policy.rate_window_s))
            except OSError as error:
                raise connection_lost_error(error, self._protocol, self._policy) from error
            if came is None:
                raise closed_by_peer(self._protocol, self._policy)
            spent = time.monotonic() - began
            self.waited_s += spent
            self._rate_guard.waited(frame, spent, came, mid_transfer=self.mid_transfer)
            if came:
                return
            self._protocol.release_buffer()
            silent += spent
            if silent >= self._idle_s:
                raise PeerAway(f"silent for {self._idle_s:g} s")
            if asks and silent - said >= step:
                said = silent
                await self.send(Ping())

    # --- the end -------------------------------------------------------------------------------

    async def refuse(self, error: ProtocolError) -> None:
        """Tell the peer why this connection ends, once. Then only ``close`` is left."""
        if self._refused:
            return
        self._refused = True
        with contextlib.suppress(FrError, OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self.send(connection_nack(error))
            # A close with bytes unread resets the connection, and the reason would be lost on its
            # way: say that nothing more comes, and pass over what does.
            if self._writer.can_write_eof():  # TLS cannot
                self._writer.write_eof()
            self._protocol.discard_input()
            async with asyncio.timeout(LINGER_S):
                while await self._receiver.wait(LINGER_S) is not None:
                    pass

    def evict(self, error: ProtocolError) -> None:
        """End this connection, whatever its task does; told if that takes no time."""
        if self._refused:
            self.abort()
            return
        self._refused = True
        self._writer.write(encode(connection_nack(error)))
        self._writer.close()

    def abort(self) -> None:
        """Close at once, dropping what was not sent."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Send what is left, close. Idempotent."""
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                # Shielded, as what it waits for is the connection's own, not to be cancelled.
                await asyncio.shield(self._writer.wait_closed())
        except TimeoutError:
            self.abort()  # a peer that does not read would hold the connection for good
        except OSError:
            pass
