"""A client is found by the port of its end."""

import os
import socket

from tests.faults.sockets import client_on


def test_the_process_of_a_connection_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            port = client.getsockname()[1]
            assert client_on(port, {1: "another", os.getpid(): "this"}) == "this"
            assert client_on(port, {1: "another"}) is None
        assert client_on(port, {os.getpid(): "this"}) is None
