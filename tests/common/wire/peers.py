"""What the tests of the transport share: sockets on loopback that are closed afterwards."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from common.wire.blocking_connection import Channel
from common.wire.connection_policy import ConnectionPolicy
from common.wire.messages import Nack
from common.wire.protocol import Side, WireProtocol

IDLE_S = 20.0
"""Longer than any test lasts that is not about it."""

WITHIN_S = 10.0
PLAIN = ConnectionPolicy()
"""Neither TLS nor keys, as no unit has it: for tests of other things."""
LIMIT = 512 * 1024
LOOPBACK = "127.0.0.1"

T = TypeVar("T")


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    """A bare socket that listens, for a peer that keeps to no rules."""
    with socket.create_server((LOOPBACK, 0)) as server:
        server.settimeout(WITHIN_S)
        yield server


@contextlib.contextmanager
def connected_to(port: int) -> Iterator[socket.socket]:
    """A bare socket that is connected."""
    with socket.create_connection((LOOPBACK, port), WITHIN_S) as peer:
        yield peer


@contextlib.contextmanager
def channel_to_bare(
    side: Side, idle_s: float = IDLE_S, policy: ConnectionPolicy = PLAIN
) -> Iterator[tuple[Channel, socket.socket]]:
    """A channel, and the bare socket at its other end."""
    with listening() as server:
        port = server.getsockname()[1]
        channel = Channel.connect((LOOPBACK, port), side, LIMIT, idle_s, WITHIN_S, policy)
        peer, _ = server.accept()
        with contextlib.closing(channel), peer:
            peer.settimeout(WITHIN_S)
            yield channel, peer


@contextlib.contextmanager
def channels(
    client_handshake: Side, server_handshake: Side, idle_s: float = IDLE_S
) -> Iterator[tuple[Channel, Channel]]:
    """Two channels, back to back over loopback."""
    with channel_to_bare(client_handshake, idle_s) as (channel, peer):
        other = Channel(peer, server_handshake, LIMIT, idle_s, PLAIN)
        with contextlib.closing(other):
            yield channel, other


def reset(peer: socket.socket) -> None:
    """Close so that the other end gets a reset, as from a host that died and came back."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def free_port() -> int:
    """A port on which nobody listens, most likely still when it is used."""
    with listening() as server:
        return int(server.getsockname()[1])


def eventually(true: Callable[[], object], within: float = WITHIN_S) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


class Aside(threading.Thread):
    """Runs a function in another thread; ``result`` is what it returned or raised."""

    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._outcome: object = None
        self.start()

    def run(self) -> None:
        try:
            self._outcome = self._call()
        except Exception as error:  # noqa: BLE001 - the test judges it
            self._outcome = error

    def result(self) -> object:
        """Wait for it."""
        self.join(WITHIN_S)
        assert not self.is_alive(), "it still runs"
        return self._outcome


def told(peer: socket.socket) -> Nack:
    """The refusal that comes before the end."""
    protocol = WireProtocol(Side.SCAN_SENDER, LIMIT)
    while True:
        data = peer.recv(65536)
        assert data, "closed without a word"
        protocol.receive_data(data)
        while (event := protocol.next_event()) is not None:
            if isinstance(event, Nack):
                return event


@contextlib.contextmanager
def crowd(port: int, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connected_to(port)) for _ in range(count)]
