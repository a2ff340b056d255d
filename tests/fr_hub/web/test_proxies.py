"""Headers of proxies count from named proxies alone, and never what a client made up."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

from fr_hub.web.proxies import TrustedProxies

PROXY, CLIENT = "10.0.0.1", "192.0.2.7"


def seen(
    *headers: tuple[str, str], peer: str = PROXY, kind: str = "http", log: Any = None
) -> tuple[str, str]:
    """The client and the scheme that the application sees."""
    found: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        found.update(scope)

    scope = {
        "type": kind,
        "client": (peer, 1),
        "scheme": "http" if kind == "http" else "ws",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    proxies = TrustedProxies(app, ["10.0.0.0/24", "2001:db8::/64"], log or Mock())
    asyncio.run(proxies(scope, None, None))  # type: ignore[arg-type]
    return found["client"][0], found["scheme"]


FOR, PROTO, FORWARDED = "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"


@pytest.mark.parametrize(
    ("headers", "client", "scheme"),
    [
        ([], PROXY, "http"),
        ([(FOR, CLIENT), (PROTO, "https")], CLIENT, "https"),
        ([(FOR, f"{CLIENT}:4711")], CLIENT, "http"),
        ([(FOR, "[2001:DB8:1::1]:80"), (PROTO, "https")], "2001:db8:1::1", "https"),
        ([(FOR, f"127.0.0.1, {CLIENT}, 10.0.0.2"), (PROTO, "https")], CLIENT, "https"),
        ([(FOR, "127.0.0.1"), (FOR, CLIENT)], CLIENT, "http"),
        ([(FOR, f"127.0.0.1, {CLIENT}"), (PROTO, "http, https")], CLIENT, "https"),
        ([(FOR, f"{CLIENT}, 10.0.0.2"), (PROTO, "https, http")], CLIENT, "https"),
        ([(FOR, "10.0.0.3, 10.0.0.2")], "10.0.0.3", "http"),
        ([(FOR, "127.0.0.1, nonsense"), (PROTO, "gopher")], PROXY, "http"),
        ([(FOR, "")], PROXY, "http"),
        ([(FORWARDED, f"for={CLIENT};proto=https;by=203.0.113.43")], CLIENT, "https"),
        ([(FORWARDED, f"for=127.0.0.1, For={CLIENT} ; Proto=HTTPS")], CLIENT, "https"),
        ([(FORWARDED, 'for="[2001:db8:1::1]:4711"')], "2001:db8:1::1", "http"),
        ([(FORWARDED, "for=unknown;proto=https")], PROXY, "https"),
        ([(FORWARDED, f'for=127.0.0.1, for="_hid\\"den", for={CLIENT}')], CLIENT, "http"),
        ([(FORWARDED, f'for={CLIENT}, for="10.0.0.2')], PROXY, "http"),
        ([(FORWARDED, "for=127.0.0.1"), (FOR, CLIENT)], PROXY, "http"),
        ([(FORWARDED, "for=127.0.0.1, " * 1000 + f"for={CLIENT}")], CLIENT, "http"),
        ([(FORWARDED, "x" * 9000), (FORWARDED, f"for={CLIENT};proto=https")], CLIENT, "https"),
        ([(FORWARDED, f'for="127.0.0.1, for={CLIENT};proto=https')], CLIENT, "https"),
        ([(FORWARDED, f'for=", for="{CLIENT}:80";proto=https, for=10.0.0.2')], CLIENT, "https"),
        ([(FORWARDED, f'a="b\\", for="{CLIENT}";proto="https"')], CLIENT, "https"),
        ([(FORWARDED, f'=;?[, for="_a,b\\"c", for={CLIENT}')], CLIENT, "http"),
        ([(FORWARDED, f"for={CLIENT} nonsense=, for=10.0.0.2")], "10.0.0.2", "http"),
        ([(FORWARDED, f"{chr(34) * 9001}, for={CLIENT}")], CLIENT, "http"),
    ],
)
def test_a_named_proxy_tells_the_client_and_the_scheme(
    headers: list[tuple[str, str]], client: str, scheme: str
) -> None:
    assert seen(*headers) == (client, scheme)
    unnamed = seen(*headers, peer="10.0.1.1")
    assert unnamed == ("10.0.1.1", "http"), "from others, no header counts"


def test_a_mapped_address_is_that_of_the_proxy() -> None:
    assert seen((FOR, CLIENT), peer=f"::ffff:{PROXY}") == (CLIENT, "http")
    assert seen((FOR, f"{CLIENT}, ::ffff:10.0.0.2")) == (CLIENT, "http")


def test_a_websocket_has_the_scheme_of_websockets() -> None:
    assert seen((FOR, CLIENT), (PROTO, "https"), kind="websocket") == (CLIENT, "wss")


def test_a_proxy_that_passes_on_what_clients_send_is_named_in_the_log() -> None:
    log = Mock()
    seen((FORWARDED, f"for={CLIENT}"), (FOR, CLIENT), log=log)
    assert "remove the one" in str(log.warning.call_args)
    assert log.warning.call_count == 1
