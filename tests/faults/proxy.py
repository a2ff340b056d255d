"""A TCP proxy that does what networks do: reset, cut, hold, slow down, flip bits, lose answers.

It runs on a loop of its own thread; its methods may be called from any thread.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tests.faults.rates import most_within

T = TypeVar("T")

UP, DOWN = "up", "down"
"""To the server, and back from it."""

_PIECE = 64 * 1024


@dataclass(frozen=True)
class Weather:
    """What happens to what passes; as it is, nothing."""

    refuse: bool = False
    """New connections are closed at once."""
    hold: tuple[str, ...] = ()
    """Directions in which nothing passes, while the connection looks alive."""
    swallow: tuple[str, ...] = ()
    """Directions in which bytes vanish."""
    bytes_s: float | None = None
    """What passes a second, each way, of each connection."""
    delay_s: float = 0.0
    """How long each piece takes, each way."""
    cut_after: int | None = None
    """Bytes up after which a connection ends."""
    reset: bool = True
    """Whether a connection that is cut ends by a reset, or in order."""
    flip_every: int | None = None
    """One bit of so many bytes up, on average, is another."""
    apart: frozenset[str] = frozenset()
    """Clients, by name, that are on the other side of a partition: nothing passes."""


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    name: str | None = None
    """Of the client, where ``Proxy`` can tell."""
    passed: int = 0
    ended: bool = False


class Loop:
    """An asyncio loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there; its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        """Stop it."""

        async def end() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Proxy:
    """Between a client and the server on ``target``, a port or the socket of this machine.

    Args:
        name_of: the name of a client, by its port; None: they have none.
    """

    def __init__(
        self,
        loop: Loop,
        target: int | str,
        seed: int = 0,
        name_of: Callable[[int], str | None] = lambda _: None,
    ) -> None:
        self.weather = Weather()
        self._name_of = name_of
        self.flipped = 0
        """Bits, so far."""
        self.cut = 0
        """Connections, so far."""
        self.accepted: list[float] = []
        """When each connection was made, seconds of ``time.monotonic``."""
        self._target = target
        self._loop = loop
        self._random = random.Random(seed)
        self._open: set[_Connection] = set()
        self._changed = asyncio.Event()
        self._server = loop.call(self._serve())
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_PIECE)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.append(time.monotonic())
        if self.weather.refuse:
            _reset(writer)
            return
        try:
            up_reader, up_writer = await self._connect()
        except OSError:
            _reset(writer)
            return
        peer = writer.get_extra_info("peername")
        name = None if peer is None else self._name_of(int(peer[1]))
        connection = _Connection(writer, up_writer, name)
        self._open.add(connection)
        try:
            await asyncio.gather(
                self._pump(connection, UP, reader, up_writer),
                self._pump(connection, DOWN, up_reader, writer),
            )
        finally:
            self._open.discard(connection)
            for end in (writer, up_writer):
                end.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, str):
            return await asyncio.open_unix_connection(self._target, limit=_PIECE)
        return await asyncio.open_connection("127.0.0.1", self._target, limit=_PIECE)

    async def _pump(
        self,
        connection: _Connection,
        way: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                while way in self.weather.hold or connection.name in self.weather.apart:
                    await self._changed.wait()
                if connection.ended:
                    return
                await self._pass(connection, way, data, writer)
        if not connection.ended:
            # Half-closed connections are not what is tested: one end gone, both are.
            connection.ended = True
            for end in (connection.client, connection.server):
                end.close()

    async def _pass(
        self, connection: _Connection, way: str, data: bytes, writer: asyncio.StreamWriter
    ) -> None:
        weather = self.weather
        if weather.delay_s:
            await asyncio.sleep(weather.delay_s)
        if way in weather.swallow:
            return
        if way == UP:
            connection.passed += len(data)
            if weather.flip_every:
                data = self._flip(data, weather.flip_every)
            if weather.cut_after is not None and connection.passed > weather.cut_after:
                keep = max(0, len(data) - (connection.passed - weather.cut_after))
                writer.write(data[:keep])
                with contextlib.suppress(OSError):
                    await writer.drain()
                self.cut += 1
                self._end(connection, reset=weather.reset)
                return
        if weather.bytes_s:
            step = max(1, int(weather.bytes_s / 20))
            for start in range(0, len(data), step):
                writer.write(data[start : start + step])
                await writer.drain()
                if self.weather.bytes_s is not None:
                    await asyncio.sleep(step / self.weather.bytes_s)
        else:
            writer.write(data)
            await writer.drain()

    def _flip(self, data: bytes, every: int) -> bytes:
        changed = bytearray(data)
        at = int(self._random.expovariate(1 / every))
        while at < len(changed):
            changed[at] ^= 1 << self._random.randrange(8)
            self.flipped += 1
            at += 1 + int(self._random.expovariate(1 / every))
        return bytes(changed)

    @staticmethod
    def _end(connection: _Connection, *, reset: bool) -> None:
        connection.ended = True
        for end in (connection.client, connection.server):
            if reset:
                _reset(end)
            else:
                end.close()

    # --- from outside --------------------------------------------------------------------------

    def set(self, **changes: Any) -> None:
        """Have this weather from now on, on open connections too."""

        async def change() -> None:
            self.weather = replace(Weather(), **changes)
            self._changed.set()
            self._changed = asyncio.Event()

        self._loop.call(change())

    def reset_all(self) -> int:
        """Reset each open connection, wherever it is; how many."""

        async def end() -> int:
            for connection in list(self._open):
                self._end(connection, reset=True)
            return len(self._open)

        return self._loop.call(end())

    def most_accepted(self, within_s: float) -> int:
        """The most connections that were made within any time of this length."""
        return most_within(list(self.accepted), within_s)

    @property
    def open(self) -> int:
        """Connections now."""
        return len(self._open)

    def close(self) -> None:
        """Accept no more, reset what is open."""

        async def end() -> None:
            self._server.close()

        self.reset_all()
        self._loop.call(end())


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            # Closing then discards what was not sent and says RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
