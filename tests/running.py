"""Units running inside a test: Fr-HUB's loop in a thread, peers that speak the wire by hand."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import bson
from pydantic import SecretStr

from common.domain.pacs_key import HubSecret
from common.domain.scan import BrainScan
from common.domain.types import HUB_NAME
from common.runtime.lifecycle import Stop
from common.runtime.logger import get_log
from common.settings.hub import HubSettings
from common.store.db_manager import DBManager
from common.wire.blocking_connection import Channel
from common.wire.connection_policy import ConnectionPolicy
from common.wire.constants import NONCE_BYTES, PROTOCOL_VERSION
from common.wire.frame_checks import CHECKSUM, FrameCheck, Mac
from common.wire.frames import encode
from common.wire.handshake import ClientHandshake
from common.wire.messages import Ack, Event, Message, Nack
from common.wire.protocol import Side, WireProtocol
from common.wire.scan_transfer import scan_messages
from fr_hub.hub import run_hub
from tests.factories import migrate

FRAME = 1 << 20
SECRET = "of all units that these tests start, and no others"  # noqa: S105
KEYS = HubSecret(SECRET.encode())
POLICY = ConnectionPolicy(keys=KEYS)
"""Of a peer of such a unit."""
SOON_S = 10.0
"""Long enough for a busy machine; a test that passes does not wait so long."""


_PORTS = 12_000, 32_768
_DRAW = random.SystemRandom()
_GIVEN: set[int] = set()


def free_port() -> int:
    """A port that nobody listened on a moment ago, another one each time.

    None of those that the system gives to connections: one of these could have it before, or
    while a unit that listens there is killed and started again.
    """
    while True:
        port = _DRAW.randrange(*_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            if port not in _GIVEN:
                probe.bind(("127.0.0.1", port))
                _GIVEN.add(port)
                return port


def until(condition: Callable[[], Any], within_s: float = SOON_S) -> Any:
    """What ``condition`` returns once it is true."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
    return value


def hub_settings(**given: Any) -> HubSettings:
    """Settings of a hub on a free port that knows ``pacs-1``."""
    values: dict[str, Any] = {
        "hub_port": free_port(),
        "hub_pacs": {"pacs-1": ("127.0.0.1", free_port())},
        "hub_drain_s": 3.0,
        "hub_poll_s": 0.2,
        "shared_secret": SecretStr(SECRET),
    }
    return HubSettings(_env_file=None, **{**values, **given})  # type: ignore[call-arg]


@contextlib.contextmanager
def running_hub(store: DBManager, settings: HubSettings) -> Iterator[Stop]:
    """Fr-HUB on the store of a test; what it raises is raised at the end."""
    migrate(store.connection.uri, store.connection.name)
    stop = Stop()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(run_hub(settings, store, stop, get_log()))
        except BaseException as error:  # noqa: BLE001 - told at the end
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: failed or listens(settings.hub_port))
        yield stop
    finally:
        stop.request_stop()
        thread.join(30)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def sender(settings: HubSettings, name: str = "pacs-1") -> Iterator[Channel]:
    """A greeted connection to the hub."""
    address = ("127.0.0.1", settings.hub_port)
    channel = Channel.connect(address, Side.SCAN_SENDER, FRAME, settings.idle_timeout_s, 5, POLICY)
    try:
        channel.greet(name)
        yield channel
    finally:
        channel.close()


def send_scan(channel: Channel, scan: BrainScan, voxels: bytes) -> Event:
    """Send a scan and wait for the answer to it."""
    channel.send(*scan_messages(scan, voxels))
    return answer(channel)


def answer(channel: Channel, within_s: float = SOON_S) -> Event:
    """The next answer."""
    event = channel.receive(within_s)
    assert event is not None, "no answer came"
    return event


def acked(event: Event) -> tuple[str, ...]:
    """The ids of an acknowledgement."""
    assert isinstance(event, Ack), event
    return event.ids


def refusal(event: Event) -> Nack:
    """A refusal."""
    assert isinstance(event, Nack), event
    return event


def frame(document: dict[str, Any], check: FrameCheck = CHECKSUM) -> bytes:
    """Any document as a frame with a right check, whatever the messages allow."""
    data = bson.encode({**document, "x": check.placeholder})[: -check.value_bytes - 1]
    return data + check.value(data) + b"\0"


class RawPeer:
    """A socket that says whatever bytes it likes.

    Args:
        port: of the unit.
        name: complete the handshake as the unit of this name; None: connect only.
    """

    def __init__(self, port: int, name: str | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.settimeout(SOON_S)
        self._check: FrameCheck = CHECKSUM
        if name is not None:
            self._greet(name)

    def _greet(self, name: str) -> None:
        side = Side.REPORT_SENDER if name == HUB_NAME else Side.SCAN_SENDER
        handshake = ClientHandshake(side, name, KEYS, bytes(NONCE_BYTES))
        protocol = WireProtocol(side, FRAME)
        self.say(*handshake.start())
        while not handshake.complete:
            protocol.receive_data(self._frame())
            event = protocol.next_event()
            assert event is not None
            self.say(*handshake.receive(event))
        assert handshake.frame_keys is not None
        self._check = Mac(handshake.frame_keys.outgoing)

    def say(self, *messages: Message) -> None:
        """Send messages."""
        self.socket.sendall(self.frames(*messages))

    def frames(self, *messages: Message) -> bytes:
        """Messages as they must be sent next."""
        return b"".join(encode(message, self._check) for message in messages)

    def put(self, document: dict[str, Any]) -> None:
        """Send any document as a frame."""
        self.socket.sendall(frame(document, self._check))

    def read(self) -> dict[str, Any]:
        """The next frame that comes, as a document."""
        return bson.decode(self._frame())

    def _frame(self) -> bytes:
        head = self._exactly(4)
        return head + self._exactly(struct.unpack("<i", head)[0] - 4)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, "the connection was closed"
            data += piece
        return data

    def closed(self) -> bool:
        """Wait for the peer to close."""
        while True:
            try:
                if not self.socket.recv(65536):
                    return True
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False

    def __enter__(self) -> "RawPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def hello(name: str = "pacs-1", version: int = PROTOCOL_VERSION) -> bytes:
    """A hello as a frame."""
    return frame({"t": "hello", "version": version, "name": name})
