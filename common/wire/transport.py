"""The only rooms with sockets (``transport*``): thin drivers around ``protocol.Link``.

Blocking ones for the threads of Fr-PACS (``Channel``, ``Listener``), asyncio ones for the loop of
Fr-HUB (``AsyncChannel``, ``serve``, ``dial``). What may be said is decided in ``protocol``; here
are connecting, TLS, waiting, time limits and closing.
"""

from common.wire.async_connection import AsyncChannel
from common.wire.async_server import AsyncListener, dial, serve
from common.wire.blocking_connection import Channel
from common.wire.blocking_server import Listener
from common.wire.connection_policy import PLAIN, Terms
from common.wire.tls import Tls

__all__ = [
    "PLAIN",
    "AsyncChannel",
    "AsyncListener",
    "Channel",
    "Listener",
    "Terms",
    "Tls",
    "dial",
    "serve",
]
