"""The only rooms with sockets (``transport*``): thin drivers around ``protocol.Link``.

Blocking ones for the threads of Fr-PACS (``Channel``, ``Listener``), asyncio ones for the loop of
Fr-HUB (``AsyncChannel``, ``serve``, ``dial``). What may be said is decided in ``protocol``; here
are connecting, TLS, waiting, time limits and closing.
"""

from common.transport_async import AsyncChannel
from common.transport_blocking import Channel
from common.transport_listener import Listener
from common.transport_serve import AsyncListener, dial, serve
from common.transport_terms import PLAIN, Terms
from common.transport_tls import Tls

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
