import contextlib
import socket

import pytest

from common.errors import AlreadyRunning, SettingsError
from common.wire.sockets import configure_socket, listen
from tests.common.wire.peers import LOOPBACK, connected_to


def test_a_listening_socket_takes_connections() -> None:
    with contextlib.closing(listen((LOOPBACK, 0), 1)) as server:
        port = server.getsockname()[1]
        with connected_to(port):
            server.accept()[0].close()


def test_a_port_in_use_is_already_running() -> None:
    with contextlib.closing(listen((LOOPBACK, 0), 1)) as server:
        port = server.getsockname()[1]
        with pytest.raises(AlreadyRunning, match=f"{LOOPBACK}:{port} is in use: stop"):
            listen((LOOPBACK, port), 1)


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b", "x" * 64 + ".test"])
def test_an_address_that_this_machine_lacks_is_a_settings_error(host: str) -> None:
    with pytest.raises(SettingsError, match=f"cannot listen on {host}:0: "):
        listen((host, 0), 1)


def test_a_connected_socket_sends_small_packets_at_once_and_notices_dead_peers() -> None:
    with (
        contextlib.closing(listen((LOOPBACK, 0), 1)) as server,
        connected_to(server.getsockname()[1]) as connection,
    ):
        configure_socket(connection)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
