"""The proxy between a real client and a real server: each weather does what its name says."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faults.proxy import DOWN, UP, Loop, Proxy
from tests.running import until


class Echo:
    """A server that sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.got = b""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(65536):
                self.got += data
                connection.sendall(data)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    loop = Loop()
    proxy = Proxy(loop, echo.port)
    try:
        yield proxy
    finally:
        proxy.close()
        loop.close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        yield connection


def heard(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := client.recv(size - len(data))):
        data += piece
    return data


def test_as_it_is_everything_passes_both_ways(client: socket.socket) -> None:
    message = bytes(range(256)) * 1000
    client.sendall(message)
    assert heard(client, len(message)) == message


def test_a_link_that_holds_looks_alive_and_passes_all_afterwards(
    proxy: Proxy, client: socket.socket, echo: Echo
) -> None:
    proxy.set(hold=(UP,))
    client.sendall(b"one")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(10)
    assert echo.got == b""
    proxy.set()
    client.settimeout(5)
    assert heard(client, 3) == b"one"


def test_a_link_that_swallows_answers_lets_the_question_through(
    proxy: Proxy, client: socket.socket, echo: Echo
) -> None:
    proxy.set(swallow=(DOWN,))
    client.sendall(b"one")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(10)
    assert echo.got == b"one"


def test_a_link_that_is_cut_passes_so_many_bytes_and_ends(
    proxy: Proxy, client: socket.socket, echo: Echo
) -> None:
    proxy.set(cut_after=1000, reset=False)
    client.sendall(bytes(5000))
    with contextlib.suppress(ConnectionResetError):
        while client.recv(65536):
            pass
    until(lambda: len(echo.got) >= 1000)  # what was passed on is read in its own time
    assert (len(echo.got), proxy.cut) == (1000, 1)


def test_a_reset_is_a_reset(proxy: Proxy, client: socket.socket) -> None:
    client.sendall(b"one")
    assert heard(client, 3) == b"one"
    assert proxy.reset_all() == 1
    with pytest.raises(ConnectionResetError):
        client.recv(10)


def test_flipped_bits_are_counted_and_change_nothing_else(
    proxy: Proxy, client: socket.socket, echo: Echo
) -> None:
    proxy.set(flip_every=1000)
    client.sendall(bytes(100_000))
    answer = heard(client, 100_000)
    assert answer == echo.got
    assert sum(byte.bit_count() for byte in answer) == proxy.flipped > 10


def test_who_is_refused_is_closed_at_once(proxy: Proxy) -> None:
    proxy.set(refuse=True)
    # Where the reset comes quickly, the connecting itself fails.
    with (
        contextlib.suppress(ConnectionResetError),
        socket.create_connection(("127.0.0.1", proxy.port), 5) as client,
    ):
        assert client.recv(10) == b""


def test_connections_are_counted_within_a_time(proxy: Proxy, client: socket.socket) -> None:
    del client
    until(lambda: len(proxy.accepted) == 1)
    proxy.accepted[:] = [0.0, 1.0, 2.0, 2.5, 9.0]
    assert [proxy.most_accepted(within) for within in (0.1, 1.0, 1.5, 10)] == [1, 2, 3, 5]
