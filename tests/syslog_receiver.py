"""A syslog server over TLS that tests start, stop and kill."""

import contextlib
import socket
import ssl
import struct
import threading
from pathlib import Path
from typing import Self


class SyslogReceiver:
    """Listens on a port and reads each connection to its end, as RFC 5425 describes.

    Args:
        folder: with ``ca.pem`` and certificate and key of ``localhost``.
        port: 0: any.
        breaks_after: bytes of a connection after which it is reset; None: never.
        says_end: whether it answers the end of a connection with its own.
    """

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        *,
        breaks_after: int | None = None,
        says_end: bool = True,
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "localhost.pem", folder / "localhost.key")
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
        self._context = context
        self._breaks_after = breaks_after
        self._says_end = says_end
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        self.connections: list[list[bytes]] = []
        """The messages of each connection that was read to its end, without their frames."""
        self.broken = 0
        self.certificates: list[object] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def messages(self) -> list[bytes]:
        """All messages of these connections."""
        return [one for messages in list(self.connections) for one in messages]

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._listening.accept()
                with contextlib.suppress(OSError):
                    self._read(connection)

    def _read(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with self._context.wrap_socket(connection, server_side=True) as tls:
            self.certificates.append(tls.getpeercert())
            read = b""
            while piece := tls.recv(65536):
                read += piece
                if self._breaks_after is not None and len(read) > self._breaks_after:
                    self.broken += 1
                    now = struct.pack("ii", 1, 0)
                    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                    return
            self.connections.append(unframed(read))
            if self._says_end:
                tls.unwrap()

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unframed(read: bytes) -> list[bytes]:
    """The messages in the frames of a connection."""
    found = []
    while read:
        length, _, read = read.partition(b" ")
        assert len(read) >= int(length)
        found.append(read[: int(length)])
        read = read[int(length) :]
    return found
