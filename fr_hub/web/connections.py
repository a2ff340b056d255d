"""Connections that cost the others something are ended: those that never ask anything, those that
do not read what they asked for, and too many of one address.

Uvicorn has no such limits: a client that connects and says nothing would keep its connection, and a
file descriptor, for ever.
"""

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from fr_hub.web.guessing import network_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HEADERS_S = 20.0
"""How long a client may take to send the headers of a request, seconds."""

STALLED_S = 60.0
"""How long a client may read nothing of an answer that waits for it, seconds."""

FROM_ONE_ADDRESS = 512
"""Connections of one address, or of one network of IPv6: many people may share one, behind a
router. Addresses of this host and of named proxies have no such limit."""


class LimitedProtocol(H11Protocol):
    """HTTP with these limits. WebSockets have left it once they are open."""

    open: ClassVar[Counter[str]]
    """Connections by address (of IPv6, by network), of the server: see ``limited``."""
    proxies: ClassVar[tuple[Network, ...]]

    _headers_due: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _address: str | None = None
    _network = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client is not None else "unknown"
        self._network = network_of(self._address)
        self.open[self._network] += 1
        if self.open[self._network] > FROM_ONE_ADDRESS and not self.is_shared(self._address):
            transport.abort()
            return
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        before = self.cycle
        super().data_received(data)
        if self._address is None:
            return  # it is a WebSocket now
        if self.cycle is not before:
            self._stop_waiting()
        elif self._headers_due is None and (before is None or before.response_complete):
            self._expect_headers()  # of the next request on this connection

    def handle_websocket_upgrade(self, event: Any) -> None:
        """The connection becomes a WebSocket, which another protocol serves."""
        self._release()
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """The client has not read what was sent."""
        super().pause_writing()
        self._stop_waiting()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        self._stop_waiting()
        super().resume_writing()

    @classmethod
    def is_shared(cls, address: str) -> bool:
        """Whether an address stands for many clients: that of a proxy, or of this host."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return True  # a socket of this host has no address
        return found.is_loopback or any(found in network for network in cls.proxies)

    def _expect_headers(self) -> None:
        self._headers_due = self.loop.call_later(HEADERS_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        for timer in (self._headers_due, self._stalled):
            if timer is not None:
                timer.cancel()
        self._headers_due = self._stalled = None

    def _release(self) -> None:
        self._stop_waiting()
        if self._address is not None:
            self.open[self._network] -= 1
            if not self.open[self._network]:
                del self.open[self._network]
            self._address = None


def limited(proxies: Iterable[str]) -> type[LimitedProtocol]:
    """The protocol of a server.

    Args:
        proxies: addresses and networks of the proxies before it.
    """
    networks = tuple(map(ipaddress.ip_network, proxies))

    class Protocol(LimitedProtocol):
        open: ClassVar[Counter[str]] = Counter()
        proxies: ClassVar[tuple[Network, ...]] = networks

    return Protocol
