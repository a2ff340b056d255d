"""Connections of Fr-HUB's asyncio loop: ``AsyncChannel``."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from common.errors import FrError, PeerAway, ProtocolError, Refusal
from common.wire.async_receiver import Intake
from common.wire.connection_policy import (
    CLOSE_S,
    LINGER_S,
    PLAIN,
    Pace,
    Terms,
    cut,
    lost,
    nack_of,
    tune,
    wrong_name,
)
from common.wire.handshake import Answerer
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
        intake: Intake,
        transport: asyncio.Transport,
        side: Side,
        idle_timeout_s: float,
        terms: Terms = PLAIN,
    ) -> None:
        loop = asyncio.get_running_loop()
        writer = asyncio.StreamWriter(transport, intake, intake.ending, loop)
        self._intake = intake
        self._writer = writer
        self._side = side
        self._link = intake.link
        self._idle_s = idle_timeout_s
        self._terms = terms
        self._pace = Pace(terms)
        self._asks = side in (Side.SCAN_SENDER, Side.REPORT_SENDER)
        self._refused = False
        self._answerer: Answerer | None = None
        self.admitting: Callable[[], object] | None = None
        """Called when the peer is welcomed: it is a stranger no more."""
        self.owing = False
        """Set while the peer has begun something of several messages and owes the rest."""
        self.waited_s = 0.0
        """How long the peer was waited for, all together."""
        self.names: frozenset[str] | None = None
        """The units that the peer's certificate names; None without TLS."""
        if terms.tls is not None:
            self.names = names_in(writer.get_extra_info("peercert"))
        address = writer.get_extra_info("peername")
        self.peer = str(address[0]) if address else "unknown"
        """The peer's address, without its port."""
        connection = writer.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):  # reset already: reading will say so
                tune(connection)

    # --- greeting ------------------------------------------------------------------------------

    async def greet(self, name: str, peer: str | None = None) -> Welcome:
        """Say hello, wait for the welcome.

        Args:
            name: this unit's.
            peer: the unit that is meant, if another one is not to be spoken with.
        """
        asker = self._terms.asker(self._side, name)
        try:
            async with asyncio.timeout(self._terms.greeting_s):
                await self.send(asker.hello())
                answer = await self.receive()
                if isinstance(answer, Challenge):
                    self._check_name(answer.name, peer)
                    await self.send(asker.prove(answer))
                    answer = await self.receive()
        except TimeoutError:
            raise PeerAway("the peer did not answer the greeting") from None
        if isinstance(answer, Nack):
            raise ProtocolError(answer.code, answer.reason, retry=answer.retry)
        if not isinstance(answer, Welcome):
            raise PeerAway("the peer did not answer the greeting")
        self._check_name(answer.name, peer)
        asker.check(answer)
        return answer

    async def hello(self, name: str = "") -> Hello:
        """Wait for the hello of whoever connected, and its proof.

        Args:
            name: this unit's, which a proof covers.
        """
        self._answerer = self._terms.answerer(self._side, name)
        try:
            async with asyncio.timeout(self._terms.greeting_s):
                hello = await self.receive()
                if isinstance(hello, Hello) and await self._heed(hello, self._answerer):
                    return hello
        except TimeoutError:
            pass
        raise PeerAway("a peer connected and did not greet")

    async def _heed(self, hello: Hello, answerer: Answerer) -> bool:
        try:
            challenge = answerer.challenge(hello)
            if challenge is not None:
                await self.send(challenge)
                proof = await self.receive()
                if not isinstance(proof, Proof):
                    return False
                answerer.check(proof)
                self._link.admit()
            self._check_name(hello.name, None)
        except ProtocolError as error:
            await self.refuse(error)
            raise
        return True

    async def welcome(self, name: str, window: int) -> None:
        """Answer the hello: from here on the peer may talk."""
        if self.admitting is not None:
            self.admitting()
        answerer = self._answerer or self._terms.answerer(self._side, name)
        await self.send(answerer.welcome(window))

    def _check_name(self, name: str, peer: str | None) -> None:
        error = wrong_name(name, self.names)
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
            raise lost(error, self._link, self._terms) from error

    async def receive(self) -> Event:
        """The next message; pings are answered here, and sent on an idle connection."""
        while True:
            try:
                event = self._link.next_event()
                if event is None:
                    await self._more()
                    continue
            except ProtocolError as error:
                await self.refuse(error)
                raise
            if isinstance(event, Ping):
                await self.send(Pong())
            elif not isinstance(event, Pong):
                return event

    async def _more(self) -> None:
        """Wait until more has come, mostly a whole message."""
        silent = 0.0
        asks = self._asks and self._link.greeted
        step = self._idle_s / 3 if asks else self._idle_s
        said = 0.0  # how long the peer had been silent when it was last asked
        while True:
            began, frame = time.monotonic(), self._link.begun
            try:
                came = await self._intake.wait(min(step, self._terms.window_s))
            except OSError as error:
                raise lost(error, self._link, self._terms) from error
            if came is None:
                raise cut(self._link, self._terms)
            spent = time.monotonic() - began
            self.waited_s += spent
            self._pace.waited(frame, spent, came, owing=self.owing)
            if came:
                return
            self._link.rest()
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
                await self.send(nack_of(error))
            # A close with bytes unread resets the connection, and the reason would be lost on its
            # way: say that nothing more comes, and pass over what does.
            if self._writer.can_write_eof():  # TLS cannot
                self._writer.write_eof()
            self._link.deafen()
            async with asyncio.timeout(LINGER_S):
                while await self._intake.wait(LINGER_S) is not None:
                    pass

    def turn_away(self, error: ProtocolError) -> None:
        """End this connection, whatever its task does; told if that takes no time."""
        if self._refused:
            self.abort()
            return
        self._refused = True
        self._writer.write(encode(nack_of(error)))
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
