"""The only room with sockets: thin drivers around ``protocol.Link``.

Blocking ones for the threads of Fr-PACS (``Channel``, ``Listener``), asyncio ones for the loop of
Fr-HUB (``AsyncChannel``, ``serve``, ``dial``). What may be said is decided in ``protocol``; here
are connecting, waiting, time limits and closing.
"""

import asyncio
import contextlib
import errno
import socket
import threading
import time
from collections.abc import Awaitable, Callable

from common.errors import AlreadyRunning, PeerAway, ProtocolError, SettingsError
from common.messages import Event, Hello, Message, Nack, Ping, Pong, Welcome
from common.protocol import Link, Side, encode

_READ_BYTES = 256 * 1024
_LINGER_S = 1.0
_GREETING_S = 10.0
"""A peer that connects and does not greet within this time is let go."""

_CLOSE_S = 2.0
"""The rest of what was said has this long to leave when a connection is closed."""


def _tune(connection: socket.socket) -> None:
    # An acknowledgement is a small packet that somebody waits for.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


class Channel:
    """A blocking connection of one thread.

    Raises (all methods):
        PeerAway: the connection is lost.
        ProtocolError: the peer broke the rules; it was told, if it still listens.
    """

    def __init__(
        self, connection: socket.socket, side: Side, frame_limit: int, idle_timeout_s: float
    ) -> None:
        self._socket = connection
        self._link = Link(side, frame_limit)
        self._idle_s = idle_timeout_s
        self._heard = self._said = time.monotonic()
        self._asks = side in (Side.SCAN_SENDER, Side.REPORT_SENDER)
        _tune(connection)

    @classmethod
    def connect(
        cls,
        address: tuple[str, int],
        side: Side,
        frame_limit: int,
        idle_timeout_s: float,
        timeout_s: float,
    ) -> "Channel":
        """Connect within ``timeout_s``."""
        try:
            connection = socket.create_connection(address, timeout_s)
        except (OSError, UnicodeError) as error:
            raise PeerAway(f"{address[0]}:{address[1]}: {_reason(error)}") from error
        return cls(connection, side, frame_limit, idle_timeout_s)

    def greet(self, name: str) -> Welcome:
        """Say hello, wait for the welcome."""
        self.send(Hello(name))
        answer = self.receive(_GREETING_S)
        if isinstance(answer, Nack):
            self.close()
            raise ProtocolError(answer.code, answer.reason, retry=answer.retry)
        if not isinstance(answer, Welcome):
            self.close()
            raise PeerAway("the peer accepted the connection and did not answer the greeting")
        return answer

    def welcome(self, name: str, window: int) -> Hello:
        """Wait for a hello, answer it."""
        hello = self.receive(_GREETING_S)
        if not isinstance(hello, Hello):
            self.close()
            raise PeerAway("a peer connected and did not greet")
        self.send(Welcome(name, window))
        return hello

    def send(self, *messages: Message) -> None:
        """Send; blocks while the peer does not read, for the idle time-out at most."""
        self._said = time.monotonic()
        try:
            self._socket.settimeout(self._idle_s)
            self._socket.sendall(b"".join(map(encode, messages)))
        except OSError as error:
            self.close()
            raise PeerAway(_reason(error)) from error

    def receive(self, timeout_s: float) -> Event | None:
        """The next message; None after ``timeout_s`` without one. Pings are sent and answered
        here, so an idle connection needs somebody who calls this."""
        deadline = time.monotonic() + timeout_s
        while True:
            event = self._next_event()
            if isinstance(event, Ping):
                self.send(Pong())
                continue
            if event is not None and not isinstance(event, Pong):
                return event
            if event is None and not self._read(deadline):
                return None

    def _next_event(self) -> Event | None:
        try:
            return self._link.next_event()
        except ProtocolError as error:
            with contextlib.suppress(PeerAway):
                self.send(Nack(None, error.code, error.reason, error.retry))
            self.close()
            raise

    def _read(self, deadline: float) -> bool:
        """Feed what comes; False when the deadline passes first."""
        now = time.monotonic()
        if self._asks and self._link.greeted and now - self._said > self._idle_s / 3:
            self.send(Ping())
        wait = max(0.0, min(deadline - now, self._idle_s / 3))
        try:
            self._socket.settimeout(wait)
            data = self._socket.recv(_READ_BYTES)
        except (TimeoutError, BlockingIOError):
            # Only after looking: this thread may have been busy while the peer was not silent.
            if time.monotonic() - self._heard > self._idle_s:
                self.close()
                raise PeerAway(f"silent for {self._idle_s:g} s") from None
            return now < deadline
        except OSError as error:
            self.close()
            raise PeerAway(_reason(error)) from error
        if not data:
            self.close()
            cut = " in the middle of a message" if self._link.mid_frame else ""
            raise PeerAway(f"the peer closed the connection{cut}")
        self._heard = time.monotonic()
        self._link.feed(data)
        return True

    def close(self) -> None:
        """Close. Idempotent; wakes a thread that reads."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Listener:
    """Accepts connections and runs ``handle`` for each in a thread of its own.

    Raises:
        AlreadyRunning: the port is in use.
        SettingsError: the address is none of this machine's.
    """

    def __init__(
        self,
        address: tuple[str, int],
        side: Side,
        frame_limit: int,
        idle_timeout_s: float,
        handle: Callable[[Channel], None],
        connections: int = 64,
    ) -> None:
        try:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self._socket = socket.create_server(address, family=family, backlog=128)
        except (OSError, UnicodeError) as error:
            raise _cannot_listen(address, error) from error
        self.port: int = self._socket.getsockname()[1]
        self._limits = (side, frame_limit, idle_timeout_s)
        self._handle = handle
        self._slots = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._channels: dict[threading.Thread, Channel] = {}
        self._closed = False
        self._acceptor = threading.Thread(target=self._accept, name="accept", daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                if self._closed:
                    return
                time.sleep(0.1)  # out of file descriptors: those in use will be given back
                continue
            if not self._slots.acquire(blocking=False):
                connection.close()
                continue
            channel = Channel(connection, *self._limits)
            thread = threading.Thread(target=self._run, args=(channel,), daemon=True)
            with self._lock:
                if self._closed:
                    channel.close()
                    return
                self._channels[thread] = channel
            thread.start()

    def _run(self, channel: Channel) -> None:
        try:
            self._handle(channel)
        finally:
            channel.close()
            with self._lock:
                self._channels.pop(threading.current_thread(), None)
            self._slots.release()

    def close(self) -> None:
        """Stop accepting, close the connections, wait for their threads. Idempotent."""
        with self._lock:
            self._closed = True
            channels = dict(self._channels)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._socket.close()
        for channel in channels.values():
            channel.close()
        for thread in (self._acceptor, *channels):
            if thread is not threading.current_thread():
                thread.join(5)


class AsyncChannel:
    """A connection of an asyncio loop; one task reads, any may send.

    Raises (all methods):
        PeerAway: the connection is lost.
        ProtocolError: the peer broke the rules; it was told, if it still listens.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        side: Side,
        frame_limit: int,
        idle_timeout_s: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._link = Link(side, frame_limit)
        self._idle_s = idle_timeout_s
        self._asks = side in (Side.SCAN_SENDER, Side.REPORT_SENDER)
        self._refused = False
        connection = writer.get_extra_info("socket")
        if connection is not None:
            _tune(connection)
        address = writer.get_extra_info("peername")
        self.peer = str(address[0]) if address else "unknown"
        """The peer's address, without its port."""

    async def greet(self, name: str) -> Welcome:
        """Say hello, wait for the welcome."""
        await self.send(Hello(name))
        try:
            async with asyncio.timeout(_GREETING_S):
                answer = await self.receive()
        except TimeoutError:
            raise PeerAway("the peer did not answer the greeting") from None
        if isinstance(answer, Nack):
            raise ProtocolError(answer.code, answer.reason, retry=answer.retry)
        if not isinstance(answer, Welcome):
            raise PeerAway("the peer did not answer the greeting")
        return answer

    async def hello(self) -> Hello:
        """Wait for the hello of whoever connected."""
        try:
            async with asyncio.timeout(_GREETING_S):
                hello = await self.receive()
        except TimeoutError:
            raise PeerAway("a peer connected and did not greet") from None
        if not isinstance(hello, Hello):
            raise PeerAway("a peer connected and did not greet")
        return hello

    async def send(self, *messages: Message) -> None:
        """Send; waits while the peer does not read, for the idle time-out at most."""
        try:
            self._writer.write(b"".join(map(encode, messages)))
            async with asyncio.timeout(self._idle_s):
                await self._writer.drain()
        except TimeoutError:
            self.abort()
            raise PeerAway(f"the peer read nothing for {self._idle_s:g} s") from None
        except (OSError, RuntimeError) as error:
            raise PeerAway(_reason(error)) from error

    async def receive(self) -> Event:
        """The next message; pings are answered here, and sent on an idle connection."""
        while True:
            try:
                event = self._link.next_event()
            except ProtocolError as error:
                await self.refuse(error)
                raise
            if isinstance(event, Ping):
                await self.send(Pong())
            elif event is None:
                self._link.feed(await self._read())
            elif not isinstance(event, Pong):
                return event

    async def _read(self) -> bytes:
        waited = 0.0
        step = self._idle_s / 3 if self._asks and self._link.greeted else self._idle_s
        while True:
            try:
                async with asyncio.timeout(step):
                    data = await self._reader.read(_READ_BYTES)
            except TimeoutError:
                waited += step
                if waited >= self._idle_s:
                    raise PeerAway(f"silent for {self._idle_s:g} s") from None
                await self.send(Ping())
                continue
            except OSError as error:
                raise PeerAway(_reason(error)) from error
            if not data:
                cut = " in the middle of a message" if self._link.mid_frame else ""
                raise PeerAway(f"the peer closed the connection{cut}")
            return data

    async def refuse(self, error: ProtocolError) -> None:
        """Tell the peer why this connection ends, once. Then only ``close`` is left."""
        if self._refused:
            return
        self._refused = True
        with contextlib.suppress(PeerAway, OSError, TimeoutError):
            await self.send(Nack(None, error.code, error.reason, error.retry))
            # A close with bytes unread resets the connection, and the reason would be lost on its
            # way: say that nothing more comes, and pass over what does.
            self._writer.write_eof()
            async with asyncio.timeout(_LINGER_S):
                while await self._reader.read(_READ_BYTES):
                    pass

    def abort(self) -> None:
        """Close at once, dropping what was not sent."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Send what is left, close. Idempotent."""
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                # Shielded, as what it waits for is the connection's own, not to be cancelled.
                await asyncio.shield(self._writer.wait_closed())
        except TimeoutError:
            self.abort()  # a peer that does not read would hold the connection for good
        except OSError:
            pass


async def serve(
    address: tuple[str, int],
    side: Side,
    frame_limit: int,
    idle_timeout_s: float,
    handle: Callable[[AsyncChannel], Awaitable[None]],
) -> asyncio.Server:
    """Accept connections, each handled by a task of its own.

    Raises:
        AlreadyRunning: the port is in use.
        SettingsError: the address is none of this machine's.
    """

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = AsyncChannel(reader, writer, side, frame_limit, idle_timeout_s)
        try:
            await handle(channel)
        finally:
            await channel.close()

    try:
        return await asyncio.start_server(accept, *address, limit=_READ_BYTES, backlog=1024)
    except (OSError, UnicodeError) as error:
        raise _cannot_listen(address, error) from error


async def dial(
    address: tuple[str, int], side: Side, frame_limit: int, idle_timeout_s: float, timeout_s: float
) -> AsyncChannel:
    """Connect within ``timeout_s``.

    Raises:
        PeerAway: nobody answers there.
    """
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(*address, limit=_READ_BYTES)
    except (OSError, UnicodeError) as error:
        raise PeerAway(f"{address[0]}:{address[1]}: {_reason(error)}") from error
    return AsyncChannel(reader, writer, side, frame_limit, idle_timeout_s)


def _cannot_listen(address: tuple[str, int], error: OSError | UnicodeError) -> Exception:
    where = f"{address[0]}:{address[1]}"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return AlreadyRunning(f"{where} is in use: stop what listens there, or set another port")
    return SettingsError(f"cannot listen on {where}: {_reason(error)}")


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, UnicodeError):
        return "this cannot be the name of a host"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
