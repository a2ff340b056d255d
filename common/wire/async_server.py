"""Who listens and who dials in Fr-HUB's asyncio loop: ``serve`` and ``dial``."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Self

from common.errors import FrError, PeerAway
from common.wire.async_connection import AsyncChannel
from common.wire.async_receiver import ReceiveProtocol
from common.wire.connection_policy import (
    CLOSE_S,
    PLAIN,
    ConnectionPolicy,
    describe,
    listen,
    too_many_connections,
)
from common.wire.protocol import Side, WireProtocol
from common.wire.tls import tls_failure

Handle = Callable[[AsyncChannel], Awaitable[None]]


class AsyncServer:
    """Accepts connections, each handled by a task of its own.

    Of those that have not greeted there are as many as the terms allow, where the oldest gives
    way to the newest: so strangers cannot keep out who has a right to come in. How many of the
    others there may be is for ``handle`` to say.
    """

    def __init__(
        self,
        listening: socket.socket,
        limits: tuple[Side, int, float, ConnectionPolicy],
        handle: Handle,
        refused: Callable[[FrError, str], None],
    ) -> None:
        listening.setblocking(False)
        self._socket = listening
        self._limits = limits
        self._policy = limits[3]
        self._handle = handle
        self._refused = refused
        self._tasks: set[asyncio.Task[None]] = set()
        self._unauthenticated: dict[asyncio.Task[None], AsyncChannel | None] = {}  # by age
        self._accepting = asyncio.create_task(self._accept())

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """What listens."""
        return (self._socket,)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._socket)
            except OSError:
                await asyncio.sleep(0.1)  # out of file descriptors: those in use are given back
                continue
            if len(self._unauthenticated) >= self._policy.max_unauthenticated:
                self._turn_away_oldest()
            task = asyncio.create_task(self._serve(connection, str(address[0])))
            self._tasks.add(task)
            self._unauthenticated[task] = None
            task.add_done_callback(self._over)
            await asyncio.sleep(0)  # a crowd at the door must not hold up those inside

    def _turn_away_oldest(self) -> None:
        task, channel = next(iter(self._unauthenticated.items()))
        del self._unauthenticated[task]
        if channel is None:
            task.cancel()  # in the middle of TLS: nothing can be told
        else:
            channel.evict(too_many_connections(self._policy.max_unauthenticated, "not greeted"))

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._unauthenticated.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "a connection's handler failed", "exception": error}
            task.get_loop().call_exception_handler(context)

    async def _serve(self, connection: socket.socket, address: str) -> None:
        try:
            channel = await self._channel(connection)
        except FrError as error:
            self._refused(error, address)
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it is one
        if task in self._unauthenticated:
            self._unauthenticated[task] = channel
        channel.on_accepted = lambda: self._unauthenticated.pop(task, None)
        try:
            await self._handle(channel)
        finally:
            await channel.close()

    async def _channel(self, connection: socket.socket) -> AsyncChannel:
        tls = self._policy.tls
        loop = asyncio.get_running_loop()
        side, frame_limit, idle_timeout_s, policy = self._limits
        receiver = ReceiveProtocol(WireProtocol(side, frame_limit))
        try:
            made, _ = await loop.connect_accepted_socket(
                lambda: receiver,
                connection,
                ssl=tls.answers if tls else None,
                ssl_handshake_timeout=self._policy.handshake_timeout_s if tls else None,
                ssl_shutdown_timeout=CLOSE_S if tls else None,
            )
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise tls_failure(error) or PeerAway(describe(error)) from error
            raise
        return AsyncChannel(receiver, made, side, idle_timeout_s, policy)

    def close(self) -> None:
        """Stop accepting; connections go on. Idempotent."""
        self._accepting.cancel()
        if self._socket.fileno() != -1:
            # Before its number is another's.
            self._accepting.get_loop().remove_reader(self._socket)
        self._socket.close()

    async def wait_closed(self) -> None:
        """Wait until nothing is accepted any more."""
        await asyncio.gather(self._accepting, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await self.wait_closed()


async def serve(
    address: tuple[str, int],
    side: Side,
    frame_limit: int,
    idle_timeout_s: float,
    handle: Handle,
    policy: ConnectionPolicy = PLAIN,
    refused: Callable[[FrError, str], None] = lambda *_: None,
) -> AsyncServer:
    """Accept connections, each handled by a task of its own; who fails in TLS is told to
    ``refused``, with its address.

    Raises:
        AlreadyRunning: the port is in use.
        SettingsError: the address is none of this machine's.
    """
    listening = listen(address, backlog=1024)
    return AsyncServer(listening, (side, frame_limit, idle_timeout_s, policy), handle, refused)


async def connect(
    address: tuple[str, int],
    side: Side,
    frame_limit: int,
    idle_timeout_s: float,
    timeout_s: float,
    policy: ConnectionPolicy = PLAIN,
) -> AsyncChannel:
    """Connect within ``timeout_s``; with TLS, if the terms ask for it.

    Raises:
        PeerAway: nobody answers there.
        ProtocolError: TLS fails.
    """
    tls = policy.tls
    receiver = ReceiveProtocol(WireProtocol(side, frame_limit))
    try:
        async with asyncio.timeout(timeout_s):
            made, _ = await asyncio.get_running_loop().create_connection(
                lambda: receiver, *address, ssl=tls.asks if tls else None
            )
    except (OSError, UnicodeError) as error:
        where = f"{address[0]}:{address[1]}"
        raise tls_failure(error) or PeerAway(f"{where}: {describe(error)}") from error
    return AsyncChannel(receiver, made, side, idle_timeout_s, policy)
