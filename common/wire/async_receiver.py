"""What an asyncio connection receives, straight into its ``WireProtocol``."""

import asyncio

from common.wire.protocol import WireProtocol

SLOW_S = 0.05
"""After this wait, each piece of a message wakes the waiting task; before, only a whole message
does. A chunk comes in many pieces, and waking a task for each costs more than the piece."""


class ReceiveProtocol(asyncio.StreamReaderProtocol, asyncio.BufferedProtocol):
    """The receiving end of a connection.

    Of its ``StreamReader`` only the end of the stream is used. Reading pauses while nobody waits
    and a message is whole, so a slow consumer slows its peer down instead of filling memory.
    """

    def __init__(self, protocol: WireProtocol) -> None:
        self.protocol = protocol
        self.ending = asyncio.StreamReader()
        """Holds the end of the stream, or the error that ended it."""
        super().__init__(self.ending)
        self._source: asyncio.Transport | None = None
        self._reading_paused = False  # not ``_paused``: asyncio's mixin uses that for writing
        self._received = 0
        self._waiter: asyncio.Future[None] | None = None
        self._slow_at = 0.0

    async def wait(self, most_s: float) -> int | None:
        """Wait for a whole message, or for a piece of one if bytes come slowly.

        Args:
            most_s: the longest wait, seconds.

        Returns:
            How many bytes came; None if the stream has ended.

        Raises:
            OSError: the connection is lost.
        """
        loop = asyncio.get_running_loop()
        if not (self._received or self.protocol.ready or self._ended):
            if self._reading_paused and self._source is not None:
                self._reading_paused = False
                self._source.resume_reading()
            self._waiter = loop.create_future()
            self._slow_at = loop.time() + SLOW_S
            timer = loop.call_later(most_s, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        received, self._received = self._received, 0
        if received or self.protocol.ready or not self._ended:
            return received
        if (error := self.ending.exception()) is not None:
            raise error
        return None

    @property
    def _ended(self) -> bool:
        return self.ending.at_eof() or self.ending.exception() is not None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- called by the loop ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to pause it."""
        super().connection_made(transport)
        if isinstance(transport, asyncio.Transport):
            self._source = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the protocol knows better
        """Where the next bytes go."""
        return self.protocol.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """``nbytes`` bytes were written into the buffer."""
        self.protocol.buffer_updated(nbytes)
        self._received += nbytes
        ready = self.protocol.ready
        if self._waiter is None:
            if ready and not self._reading_paused and self._source is not None:
                self._reading_paused = True
                self._source.pause_reading()
        elif ready or asyncio.get_running_loop().time() > self._slow_at:
            self._wake()

    def eof_received(self) -> bool:
        """The peer sends no more."""
        keep_open = super().eof_received()
        self._wake()
        return bool(keep_open)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed or lost."""
        super().connection_lost(exc)
        self._wake()
