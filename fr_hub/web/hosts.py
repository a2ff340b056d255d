"""Which names the API answers to.

A page of any site can make its own name stand for this machine's address (DNS rebinding), and would
then read from a browser here what needs no sign-in, as if it were Fr's own page. So a request must
name this server as its users do: by an address, as ``localhost``, by the name of the machine, by a
name in WEB_TLS_CERT, or by one in WEB_HOSTS, such as that of a reverse proxy. A request without a
name comes from no browser.
"""

import ipaddress
import platform
from collections.abc import Iterable

from cryptography import x509
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from common.settings.web import WebSettings
from fr_hub.web.problems import Problem, refuse


class KnownHosts:
    """The middleware that refuses requests for other names.

    Args:
        app: what it wraps.
        names: the names, in lower case; ``*.example.org`` stands for each name with one part more.
        local: the address that a refusal names as an example; clients on this machine may use it.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], local: str) -> None:
        self._app = app
        self._names = frozenset(names)
        self._unknown = Problem(
            421,
            "unknown_host",
            "This server does not answer to the name in the Host header. Open it by its IP address "
            f"and port, as in {local} on its own machine, or ask its administrator to add the "
            "name to WEB_HOSTS.",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] in ("http", "websocket"):
            hosts = Headers(scope=scope).getlist("host")
            if not all(is_known(host, self._names) for host in hosts):
                await refuse(self._unknown, scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_known(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header, with or without a port, has an address or one of these names."""
    if not host:
        return True
    name = _without_port(host.strip().lower())
    if name is None:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        name = name.removesuffix(".")
        _, dot, rest = name.partition(".")
        return name in names or (bool(dot) and f"*.{rest}" in names)
    return True


def _without_port(host: str) -> str | None:
    """The name or address in a Host header; None: it is malformed."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        port = port.removeprefix(":") if port.startswith(":") or not port else "malformed"
        return name if bracket and (not port or port.isdecimal()) else None
    name, _, port = host.partition(":")
    return name if not port or port.isdecimal() else None


def names_of(settings: WebSettings) -> frozenset[str]:
    """The names under which clients may reach the API."""
    machine = platform.node().lower()
    names = {"localhost", machine, machine.partition(".")[0], settings.web_host.lower()}
    return frozenset(names | set(settings.web_hosts) | _certified(settings)) - {""}


def local_address(settings: WebSettings) -> str:
    """The address of the API on its own machine. It names no host: a client that came through a
    proxy need not know it."""
    scheme = "http" if settings.web_tls_cert is None else "https"
    return f"{scheme}://127.0.0.1:{settings.web_port}"


def _certified(settings: WebSettings) -> set[str]:
    """The names in the certificate; none if it cannot be read, which ``serving`` tells."""
    if settings.web_tls_cert is None:
        return set()
    try:
        certificate = x509.load_pem_x509_certificate(settings.web_tls_cert.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (OSError, ValueError, x509.ExtensionNotFound):
        return set()
    return {name.lower() for name in names.value.get_values_for_type(x509.DNSName)}
