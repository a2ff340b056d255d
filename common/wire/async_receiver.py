"""What an asyncio connection receives, straight into its ``Link``: ``Intake``."""

import asyncio

from common.wire.protocol import WireProtocol

SLOW_S = 0.05
"""Bytes that are waited for longer are told of as they come. Those of a quick peer are when a
message is whole: a chunk comes in pieces, and to wake a task for each costs more than the piece."""


class ReceiveProtocol(asyncio.StreamReaderProtocol, asyncio.BufferedProtocol):
    """The receiving end of a connection. Of its stream reader only the end is used.

    Where nobody waits and a message is whole, no more is read: so a peer is held up by who is slow
    to take what it sends.
    """

    def __init__(self, protocol: WireProtocol) -> None:
        self.protocol = protocol
        self.ending = asyncio.StreamReader()
        """Told when nothing more comes, and why."""
        super().__init__(self.ending)
        self._source: asyncio.Transport | None = None
        self._stopped = False
        self._came = 0
        self._waiter: asyncio.Future[None] | None = None
        self._slow_at = 0.0

    async def wait(self, most_s: float) -> int | None:
        """Wait for a whole message, ``most_s`` seconds at most, less where bytes come slowly; how
        many bytes came. None: nothing more comes.

        Raises:
            OSError: the connection is lost.
        """
        loop = asyncio.get_running_loop()
        if not (self._came or self.protocol.ready or self._over):
            if self._stopped and self._source is not None:
                self._stopped = False
                self._source.resume_reading()
            self._waiter = loop.create_future()
            self._slow_at = loop.time() + SLOW_S
            timer = loop.call_later(most_s, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        came, self._came = self._came, 0
        if came or self.protocol.ready or not self._over:
            return came
        if (error := self.ending.exception()) is not None:
            raise error
        return None

    @property
    def _over(self) -> bool:
        return self.ending.at_eof() or self.ending.exception() is not None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- called by the loop ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It may be paused from here on."""
        super().connection_made(transport)
        if isinstance(transport, asyncio.Transport):
            self._source = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the link knows better
        """Where the next bytes go."""
        return self.protocol.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        self.protocol.buffer_updated(nbytes)
        self._came += nbytes
        ready = self.protocol.ready
        if self._waiter is None:
            if ready and not self._stopped and self._source is not None:
                self._stopped = True
                self._source.pause_reading()
        elif ready or asyncio.get_running_loop().time() > self._slow_at:
            self._wake()

    def eof_received(self) -> bool:
        """The peer says no more."""
        keep_open = super().eof_received()
        self._wake()
        return bool(keep_open)

    def connection_lost(self, exc: Exception | None) -> None:
        """There is no connection any more."""
        super().connection_lost(exc)
        self._wake()
