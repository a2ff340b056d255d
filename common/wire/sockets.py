"""What both kinds of driver do with a socket."""

import errno
import socket

from common.errors import AlreadyRunning, SettingsError
from common.wire.connection_errors import describe

READ_BYTES = 256 * 1024
"""Most bytes read at once."""

LINGER_S = 1.0
"""How long a refused peer has to read the reason, seconds."""

CLOSE_S = 2.0
"""How long unsent bytes have to leave when a connection is closed, seconds."""


def configure_socket(connection: socket.socket) -> None:
    """Set the options of a connected socket."""
    # An acknowledgement is a small packet that somebody waits for.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def listen(address: tuple[str, int], backlog: int) -> socket.socket:
    """A listening socket.

    Raises:
        AlreadyRunning: the port is in use.
        SettingsError: this machine has no such address.
    """
    where = f"{address[0]}:{address[1]}"
    try:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        return socket.create_server(address, family=family, backlog=backlog)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            text = (
                f"{where} is in use: stop the program that listens there, or set another port "
                "(HUB_PORT of Fr-HUB; PACS_PORT of a Fr-PACS, and then also HUB_PACS of Fr-HUB)"
            )
            raise AlreadyRunning(text) from error
        raise SettingsError(f"cannot listen on {where}: {describe(error)}") from error
