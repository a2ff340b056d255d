"""Who a request comes from, if a reverse proxy passes it on.

Proxies tell it in the header Forwarded (RFC 7239) or in X-Forwarded-For and X-Forwarded-Proto. Any
client can send these headers as well, so they count only from the proxies that WEB_PROXIES names.
Each proxy adds the address that it got the request from at the end: read from there, the first one
that is no named proxy is the client, and what comes before it may be made up.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from common.runtime.logger import Log

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s";,]*)\s*')
_LONGEST, _MOST = 4096, 50
_SCHEMES = ("http", "https")

PEER = "fr.peer"
"""Where the scope of a request that a proxy passed on has the address of the connection."""


@dataclass(frozen=True, slots=True)
class _Hop:
    """What a proxy says of the request that it got; None: it does not say."""

    address: str | None
    scheme: str | None


class TrustedProxies:
    """The middleware that makes the client and the scheme of a request what the named proxies say.

    Args:
        app: what it wraps.
        networks: the addresses of the proxies.
        log: where proxies are named that pass on headers of clients.
    """

    def __init__(self, app: ASGIApp, networks: Iterable[str], log: Log) -> None:
        self._app = app
        self._networks: tuple[Network, ...] = tuple(map(ipaddress.ip_network, networks))
        self._log = log
        self._has_warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] in ("http", "websocket") and self._networks:
            client = (scope.get("client") or ("", 0))[0]
            if self._trusts(client):
                self._correct(scope)
        await self._app(scope, receive, send)

    def _correct(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        standard, usual = headers.getlist("forwarded"), headers.getlist("x-forwarded-for")
        if standard and usual:
            # A proxy sets one of the two. It passes the other one on, so a client may have made it.
            if not self._has_warned:
                self._has_warned = True
                self._log.warning(
                    "a proxy sends both Forwarded and X-Forwarded-For, so both are ignored: make "
                    "it remove the one that it does not set"
                )
            return
        hops = _standard(standard) if standard else _usual(usual, headers)
        hop = self._client_in(hops)
        if hop is None:
            return
        if hop.address is not None:
            scope[PEER] = scope["client"]
            scope["client"] = (hop.address, 0)
        if hop.scheme is not None:
            is_socket = scope["type"] == "websocket"
            scope["scheme"] = hop.scheme.replace("http", "ws") if is_socket else hop.scheme

    def _client_in(self, hops: Sequence[_Hop]) -> _Hop | None:
        """The last hop that no named proxy made up: the first of all, if all are named proxies."""
        for hop in reversed(hops):
            if hop.address is None or not self._trusts(hop.address):
                return hop
        return hops[0] if hops else None

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self._networks)


def _standard(values: Sequence[str]) -> list[_Hop]:
    """The last hops in Forwarded, back to one that is malformed, or to the longest text that is
    read: what comes before it can only be what a client sent.

    It is read from the end, so that nothing at the beginning, where clients write, hides what the
    proxies added. An open quotation mark at the beginning does not end the elements after it: a
    proxy adds whole elements.
    """
    text = ",".join(values)
    is_cut, text = len(text) > _LONGEST, text[-_LONGEST:]
    hops: list[_Hop] = []
    end = len(text)
    while end >= 0 and len(hops) < _MOST:
        start = _start_of_element(text, end)
        pairs = None if start is None or (is_cut and start == 0) else _pairs(text[start:end])
        if start is None or pairs is None:
            break
        hops.append(_hop(pairs.get("for"), pairs.get("proto")))
        end = start - 1
    return hops[::-1]


def _start_of_element(text: str, end: int) -> int | None:
    """Where the element begins that ends before ``end``; None if a quotation mark in it has no
    other one before it."""
    at = end
    while at > 0 and text[at - 1] != ",":
        at -= 1
        if text[at] == '"':
            at = text.rfind('"', 0, at)
            while at > 0 and (at - len(text[:at].rstrip("\\"))) % 2:  # it is escaped
                at = text.rfind('"', 0, at)
            if at < 0:
                return None
    return at


def _pairs(element: str) -> dict[str, str] | None:
    """The parameters of an element, by names in lower case; None if it is malformed."""
    pairs: dict[str, str] = {}
    at = 0
    while at < len(element):
        pair = _PAIR.match(element, at)
        if pair is not None:
            value = pair[2]
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            pairs.setdefault(pair[1].lower(), value)
            at = pair.end()
        if element[at : at + 1] not in ("", ";", " "):
            return None
        at += 1
    return pairs


def _usual(values: Sequence[str], headers: Headers) -> list[_Hop]:
    """The hops in X-Forwarded-For, with the schemes in X-Forwarded-Proto: one for each hop, or one
    for all."""
    addresses = [one.strip() for one in ",".join(values)[-_LONGEST:].split(",")][-_MOST:]
    schemes = [
        one.strip() for one in ",".join(headers.getlist("x-forwarded-proto")).split(",")[-_MOST:]
    ]
    if len(schemes) != len(addresses):
        schemes = schemes[-1:] * len(addresses)
    return [_hop(*one) for one in zip(addresses, schemes, strict=True)]


def _hop(node: str | None, scheme: str | None) -> _Hop:
    scheme = (scheme or "").lower()
    return _Hop(_address(node or ""), scheme if scheme in _SCHEMES else None)


def _address(node: str) -> str | None:
    """The address of a node: alone, or with a port, IPv6 then in brackets; None: it is none."""
    if node.startswith("["):
        node = node[1:].partition("]")[0]
    elif node.count(":") == 1:
        node = node.partition(":")[0]
    try:
        return str(ipaddress.ip_address(node))
    except ValueError:
        return None
