"""Who listens for the threads of Fr-PACS: ``Listener``."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from common.wire.blocking_connection import Channel
from common.wire.connection_policy import PLAIN, ConnectionPolicy, listen, too_many_connections
from common.wire.protocol import Side


class BlockingServer:
    """Accepts connections and runs ``handle`` for each in a thread of its own.

    Of those that have greeted there are ``connections`` at most; of those that have not, as many
    as the terms allow, where the oldest gives way to the newest: so strangers cannot keep out who
    has a right to come in.

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
        policy: ConnectionPolicy = PLAIN,
    ) -> None:
        self._socket = listen(address, backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self._limits = (side, frame_limit, idle_timeout_s, policy)
        self._policy = policy
        self._handle = handle
        self._connections = connections
        self._lock = threading.Lock()
        self._channels: dict[threading.Thread, Channel] = {}
        self._unauthenticated: dict[Channel, None] = {}  # a set with an order
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
            channel = Channel(connection, *self._limits)
            thread = threading.Thread(target=self._run, args=(channel,), daemon=True)
            oldest = None
            with self._lock:
                if self._closed:
                    channel.close()
                    return
                if len(self._unauthenticated) >= self._policy.max_unauthenticated:
                    oldest = next(iter(self._unauthenticated))
                    del self._unauthenticated[oldest]
                self._channels[thread] = channel
                self._unauthenticated[channel] = None
            channel.on_accepted = lambda channel=channel: self._admit(channel)
            if oldest is not None:
                oldest.evict(too_many_connections(self._policy.max_unauthenticated, "not greeted"))
            thread.start()

    def _admit(self, channel: Channel) -> None:
        with self._lock:
            if len(self._channels) - len(self._unauthenticated) >= self._connections:
                raise too_many_connections(self._connections, "open")
            self._unauthenticated.pop(channel, None)

    def _run(self, channel: Channel) -> None:
        try:
            self._handle(channel)
        finally:
            channel.close()
            with self._lock:
                self._channels.pop(threading.current_thread(), None)
                self._unauthenticated.pop(channel, None)

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
