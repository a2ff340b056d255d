"""A server for the threads of Fr-PACS: ``BlockingServer``."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from common.wire.blocking_connection import Channel
from common.wire.connection_errors import too_many_connections
from common.wire.connection_policy import ConnectionPolicy
from common.wire.protocol import Side
from common.wire.sockets import listen
from common.wire.unauthenticated import UnauthenticatedConnections


class BlockingServer:
    """Accepts connections and runs ``handle`` for each in a separate thread.

    Args:
        address: host and port; port 0 takes a free one.
        side: which end of which kind of connection.
        frame_limit: longest message, bytes.
        idle_timeout_s: how long a peer may be silent, seconds.
        handle: serves one connection, which is closed when it returns.
        policy: authentication and limits, also of the unauthenticated connections.
        connections: most connections whose handshake is complete; a further one is refused.

    Raises:
        AlreadyRunning: the port is in use.
        SettingsError: this machine has no such address.
    """

    def __init__(
        self,
        address: tuple[str, int],
        side: Side,
        frame_limit: int,
        idle_timeout_s: float,
        handle: Callable[[Channel], None],
        policy: ConnectionPolicy,
        connections: int = 64,
    ) -> None:
        self._socket = listen(address, backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self._limits = (side, frame_limit, idle_timeout_s, policy)
        self._policy = policy
        self._handle = handle
        self._connections = connections
        self._lock = threading.Lock()
        self._channels: dict[threading.Thread, Channel] = {}
        self._unauthenticated = UnauthenticatedConnections[Channel](policy.max_unauthenticated)
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
                time.sleep(0.1)  # out of file descriptors: some will be free soon
                continue
            channel = Channel(connection, *self._limits)
            channel.on_welcome = lambda channel=channel: self._admit(channel)
            thread = threading.Thread(target=self._run, args=(channel,), daemon=True)
            with self._lock:
                if self._closed:
                    channel.close()
                    return
                oldest = self._unauthenticated.add(channel)
                self._channels[thread] = channel
            if oldest is not None:
                limit = self._policy.max_unauthenticated
                oldest.evict(too_many_connections(limit, "unauthenticated"))
            try:
                thread.start()
            except RuntimeError:  # out of threads: the peer tries again
                self._forget(thread, channel)

    def _admit(self, channel: Channel) -> None:
        with self._lock:
            if len(self._channels) - len(self._unauthenticated) >= self._connections:
                raise too_many_connections(self._connections, "open")
            self._unauthenticated.discard(channel)

    def _run(self, channel: Channel) -> None:
        try:
            self._handle(channel)
        finally:
            self._forget(threading.current_thread(), channel)

    def _forget(self, thread: threading.Thread, channel: Channel) -> None:
        channel.close()
        with self._lock:
            self._channels.pop(thread, None)
            self._unauthenticated.discard(channel)

    def close(self) -> None:
        """Stop accepting, close the connections, wait for their threads. Idempotent."""
        with self._lock:
            self._closed = True
            channels = dict(self._channels)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._socket.close()
        for channel in channels.values():
            channel.shut_down()
        for thread in (self._acceptor, *channels):
            if thread is not threading.current_thread() and thread.ident is not None:
                thread.join(5)
