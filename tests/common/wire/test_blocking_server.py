import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from common.errors import AlreadyRunning, PeerAway, ProtocolError, Refusal, SettingsError
from common.wire.blocking_connection import Channel
from common.wire.blocking_server import BlockingServer
from common.wire.protocol import Side
from tests.common.wire.peers import (
    IDLE_S,
    LIMIT,
    LOOPBACK,
    PLAIN,
    WITHIN_S,
    Aside,
    connected_to,
    eventually,
    listening,
)

RECEIVER = Side.REPORT_RECEIVER


@contextlib.contextmanager
def listener(
    handle: Callable[[Channel], None], connections: int = 64, host: str = LOOPBACK, port: int = 0
) -> Iterator[BlockingServer]:
    made = BlockingServer((host, port), RECEIVER, LIMIT, IDLE_S, handle, PLAIN, connections)
    with contextlib.closing(made):
        yield made


def client(port: int) -> Channel:
    return Channel.connect((LOOPBACK, port), Side.REPORT_SENDER, LIMIT, IDLE_S, WITHIN_S, PLAIN)


def serve(channel: Channel) -> None:
    with contextlib.suppress(PeerAway, ProtocolError):
        channel.welcome("pacs-1", 8)
        channel.receive(WITHIN_S)


def closed_by_peer(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def test_each_connection_has_a_handler_of_its_own() -> None:
    names: list[str] = []

    def handle(channel: Channel) -> None:
        names.append(threading.current_thread().name)
        serve(channel)

    with (
        listener(handle) as made,
        contextlib.closing(client(made.port)) as one,
        contextlib.closing(client(made.port)) as two,
    ):
        assert one.greet("fr-hub").name == two.greet("fr-hub").name == "pacs-1"
        assert len(set(names)) == 2


def test_a_connection_is_closed_when_its_handler_ends() -> None:
    with listener(lambda _: None) as made, connected_to(made.port) as peer:
        assert closed_by_peer(peer)


def test_connections_beyond_the_cap_are_told_and_others_go_on() -> None:
    with listener(serve, connections=2) as made:
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(contextlib.closing(client(made.port))) for _ in range(2)]
            for channel in held:
                channel.greet("fr-hub")
            with pytest.raises(ProtocolError, match="2 connections are open") as refused:
                client(made.port).greet("fr-hub")
            assert (refused.value.code, refused.value.retry) == (Refusal.LIMIT, True)
            assert held[0].receive(0) is None, "still open"
        # Those two are gone: there is room again.
        eventually(lambda: _greets(made.port))


def _greets(port: int) -> bool:
    with contextlib.closing(client(port)) as channel:
        try:
            return channel.greet("fr-hub").name == "pacs-1"
        except (PeerAway, ProtocolError):
            return False


def test_a_port_in_use_is_already_running() -> None:
    with listening() as server:
        port = server.getsockname()[1]
        with pytest.raises(AlreadyRunning, match=f"{LOOPBACK}:{port} is in use"):
            BlockingServer((LOOPBACK, port), RECEIVER, LIMIT, IDLE_S, serve, PLAIN)


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b", "x" * 64 + ".test"])
def test_an_address_of_no_interface_here_is_a_settings_error(host: str) -> None:
    with pytest.raises(SettingsError, match="cannot listen on"):
        BlockingServer((host, 0), RECEIVER, LIMIT, IDLE_S, serve, PLAIN)


def test_the_port_is_free_again_after_close() -> None:
    with listener(serve) as made:
        port = made.port
        with contextlib.closing(client(port)) as channel:
            channel.greet("fr-hub")
            made.close()
    with listener(serve, port=port) as again:
        assert again.port == port


def test_an_address_of_version_6_is_taken() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with listener(serve, host="::1") as made:
        channel = Channel.connect(
            ("::1", made.port), Side.REPORT_SENDER, LIMIT, IDLE_S, WITHIN_S, PLAIN
        )
        with contextlib.closing(channel):
            assert channel.greet("fr-hub").name == "pacs-1"


def test_close_ends_the_connections_waits_for_their_handlers_and_can_be_repeated() -> None:
    ended: list[float] = []
    began = threading.Event()

    def handle(channel: Channel) -> None:
        channel.welcome("pacs-1", 8)
        began.set()
        with contextlib.suppress(PeerAway):
            channel.receive(WITHIN_S)
        time.sleep(0.1)
        ended.append(time.monotonic())

    with listener(handle) as made, contextlib.closing(client(made.port)) as channel:
        channel.greet("fr-hub")
        assert began.wait(WITHIN_S)
        made.close()
        assert ended
        with pytest.raises(PeerAway):
            channel.receive(WITHIN_S)
        made.close()
        with pytest.raises(PeerAway, match="refused"):
            client(made.port)


def test_a_handler_may_close_its_listener() -> None:
    made: list[BlockingServer] = []
    closed = threading.Event()

    def handle(_: Channel) -> None:
        made[0].close()
        closed.set()

    with listener(handle) as it:
        made.append(it)
        with connected_to(it.port) as peer:
            assert Aside(lambda: closed_by_peer(peer)).result() is True
        assert closed.wait(WITHIN_S)


def test_a_connection_for_which_there_is_no_thread_ends_and_the_next_ones_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start, refused = threading.Thread.start, list[threading.Thread]()

    def starting(thread: threading.Thread) -> None:
        if thread.name != "accept" and len(refused) < 3:
            refused.append(thread)
            raise RuntimeError("can't start new thread")  # as Python does at the user's limit
        start(thread)

    with listener(serve, connections=1) as server:
        monkeypatch.setattr(threading.Thread, "start", starting)
        for _ in range(3):
            with socket.create_connection((LOOPBACK, server.port), WITHIN_S) as peer:
                assert closed_by_peer(peer)
        with contextlib.closing(client(server.port)) as channel:
            assert channel.greet("fr-hub").name == "pacs-1"
    assert len(refused) == 3
