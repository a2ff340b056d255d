"""Clients of the API that hold connections: some read nothing of a stream, some send a byte of an
upload now and then. In the place of one that is let go comes another."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import httpx2

from tests.faults.world import World

_PAUSE_S = 0.2
_AGAIN_S = 0.5
_WAITS_S = 10.0
_SIZE = 4096
_BUFFER = 4096


class SlowClients:
    """So many of each kind, each with a thread.

    Args:
        world: whose API they hold up.
        headers: of their user.
        count: of each kind.
    """

    def __init__(self, world: World, headers: dict[str, str], count: int) -> None:
        self._world = world
        self._headers = headers
        self._count = count
        self._ending = threading.Event()
        self.connections = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """They are there during the block."""
        threads = [
            threading.Thread(target=self._hold, args=(n,), daemon=True)
            for n in range(2 * self._count)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ending.set()
            for thread in threads:
                thread.join(_WAITS_S)

    def _hold(self, number: int) -> None:
        ports = self._world.web_ports
        while not self._ending.is_set():
            self.connections += 1
            with contextlib.suppress(OSError, httpx2.TransportError, KeyError, ValueError):
                port = ports[number // 2 % len(ports)]
                (self._read_nothing if number % 2 else self._send_slowly)(port)
            self._ending.wait(_AGAIN_S)

    def _read_nothing(self, port: int) -> None:
        with socket.socket() as held:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            held.settimeout(_WAITS_S)
            held.connect(("127.0.0.1", port))
            held.sendall(self._head("GET /api/v1/events", {}))
            held.recv(1)
            while not self._ending.wait(_PAUSE_S):
                # It reads nothing, and looks only whether the other end is there.
                if not held.send(b"\r\n"):
                    return

    def _send_slowly(self, port: int) -> None:
        with self._client(port) as client:
            begun = client.post("/api/v1/uploads", json={"name": "slow.nii", "size": _SIZE})
            url = begun.json()["url"]
        try:
            with socket.create_connection(("127.0.0.1", port), _WAITS_S) as held:
                head = {"Upload-Offset": "0", "Content-Length": str(_SIZE)}
                held.sendall(self._head(f"PATCH {url}", head))
                while not self._ending.wait(_PAUSE_S):
                    held.sendall(b"x")
        finally:
            with self._client(port) as client:
                client.delete(url)

    def _client(self, port: int) -> httpx2.Client:
        url = f"http://127.0.0.1:{port}"
        return httpx2.Client(base_url=url, headers=self._headers, timeout=_WAITS_S)

    def _head(self, line: str, more: dict[str, str]) -> bytes:
        headers = {"Host": "127.0.0.1", **self._headers, **more}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{line} HTTP/1.1\r\n{lines}\r\n".encode()
