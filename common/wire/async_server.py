"""Server and client connections of Fr-HUB's asyncio loop: ``serve`` and ``connect``."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Self

from common.errors import FrError, PeerAway
from common.wire.async_connection import AsyncChannel
from common.wire.async_receiver import ReceiveProtocol
from common.wire.connection_errors import describe, too_many_connections
from common.wire.connection_policy import ConnectionPolicy
from common.wire.protocol import Side, WireProtocol
from common.wire.sockets import CLOSE_S, listen
from common.wire.tls import tls_error
from common.wire.unauthenticated import UnauthenticatedConnections

Handle = Callable[[AsyncChannel], Awaitable[None]]


class AsyncServer:
    """Accepts connections and runs ``handle`` for each in a separate task.

    It limits the unauthenticated connections; how many others there may be is up to ``handle``.
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
        self._channels: dict[asyncio.Task[None], AsyncChannel | None] = {}  # None: still in TLS
        self._unauthenticated = UnauthenticatedConnections[asyncio.Task[None]](
            self._policy.max_unauthenticated
        )
        self._accepting = asyncio.create_task(self._accept())

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets."""
        return (self._socket,)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._socket)
            except OSError:
                await asyncio.sleep(0.1)  # out of file descriptors: some will be free soon
                continue
            task = asyncio.create_task(self._serve(connection, str(address[0])))
            self._channels[task] = None
            task.add_done_callback(self._ended)
            if (oldest := self._unauthenticated.add(task)) is not None:
                self._evict(oldest)
            await asyncio.sleep(0)  # many new connections must not hold up the others

    def _evict(self, task: asyncio.Task[None]) -> None:
        channel = self._channels.get(task)
        if channel is None:
            task.cancel()  # in the middle of the TLS handshake: no message can be sent
        else:
            limit = self._policy.max_unauthenticated
            channel.evict(too_many_connections(limit, "unauthenticated"))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._channels.pop(task, None)
        self._unauthenticated.discard(task)
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
        assert task is not None  # noqa: S101 - coroutines run in tasks
        self._channels[task] = channel
        channel.on_welcome = lambda: self._unauthenticated.discard(task)
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
            transport, _ = await loop.connect_accepted_socket(
                lambda: receiver,
                connection,
                ssl=tls.server_context if tls else None,
                ssl_handshake_timeout=policy.handshake_timeout_s if tls else None,
                ssl_shutdown_timeout=CLOSE_S if tls else None,
            )
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise tls_error(error) or PeerAway(describe(error)) from error
            raise
        return AsyncChannel(receiver, transport, side, idle_timeout_s, policy)

    def close(self) -> None:
        """Stop accepting; open connections continue. Idempotent."""
        self._accepting.cancel()
        if self._socket.fileno() != -1:
            # Before the close: afterwards another socket may have the same number.
            self._accepting.get_loop().remove_reader(self._socket)
        self._socket.close()

    async def wait_closed(self) -> None:
        """Wait until it has stopped accepting."""
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
    policy: ConnectionPolicy,
    refused: Callable[[FrError, str], None] = lambda *_: None,
) -> AsyncServer:
    """Accept connections, each handled by a separate task.

    Args:
        address: host and port; port 0 takes a free one.
        side: which end of which kind of connection.
        frame_limit: longest message, bytes.
        idle_timeout_s: how long a peer may be silent, seconds.
        handle: serves one connection, which is closed when it returns.
        policy: authentication and limits.
        refused: called with the error and the address of a peer that fails in TLS.

    Raises:
        AlreadyRunning: the port is in use.
        SettingsError: this machine has no such address.
    """
    listening = listen(address, backlog=1024)
    return AsyncServer(listening, (side, frame_limit, idle_timeout_s, policy), handle, refused)


async def connect(
    address: tuple[str, int],
    side: Side,
    frame_limit: int,
    idle_timeout_s: float,
    timeout_s: float,
    policy: ConnectionPolicy,
) -> AsyncChannel:
    """Connect within ``timeout_s`` seconds, with TLS if the policy has it.

    Raises:
        PeerAway: nobody answers there.
        ProtocolError: TLS fails.
    """
    tls = policy.tls
    receiver = ReceiveProtocol(WireProtocol(side, frame_limit))
    try:
        async with asyncio.timeout(timeout_s):
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: receiver, *address, ssl=tls.client_context if tls else None
            )
    except (OSError, UnicodeError) as error:
        where = f"{address[0]}:{address[1]}"
        raise tls_error(error) or PeerAway(f"{where}: {describe(error)}") from error
    return AsyncChannel(receiver, transport, side, idle_timeout_s, policy)
