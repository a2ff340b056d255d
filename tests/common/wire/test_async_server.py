"""Listening and connecting in the asyncio loop."""

import pytest

from common.errors import AlreadyRunning, PeerAway, SettingsError
from common.wire.async_server import connect, serve
from tests.common.wire.async_peers import (
    RECEIVER,
    SENDER,
    keep_on,
    run,
)
from tests.common.wire.peers import IDLE_S, LIMIT, LOOPBACK, PLAIN, WITHIN_S, free_port, listening


def test_nobody_there_is_peer_away_with_the_address() -> None:
    port = free_port()

    async def test() -> None:
        with pytest.raises(PeerAway, match=f"{LOOPBACK}:{port}: "):
            await connect((LOOPBACK, port), SENDER, LIMIT, IDLE_S, WITHIN_S, PLAIN)

    run(test())


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test"])
def test_a_name_that_no_host_can_have_is_told(host: str) -> None:
    async def test() -> None:
        with pytest.raises(PeerAway, match="not a valid host name"):
            await connect((host, 7301), SENDER, LIMIT, IDLE_S, WITHIN_S, PLAIN)
        with pytest.raises(SettingsError, match=f"cannot listen on {host}"):
            await serve((host, 0), RECEIVER, LIMIT, IDLE_S, keep_on, PLAIN)

    run(test())


def test_a_port_in_use_is_already_running() -> None:
    async def test() -> None:
        with listening() as server:
            port = server.getsockname()[1]
            with pytest.raises(AlreadyRunning, match=f"{LOOPBACK}:{port} is in use"):
                await serve((LOOPBACK, port), RECEIVER, LIMIT, IDLE_S, keep_on, PLAIN)

    run(test())


def test_an_address_of_no_interface_here_is_a_settings_error() -> None:
    async def test() -> None:
        with pytest.raises(SettingsError, match=r"cannot listen on 192\.0\.2\.1:0"):
            await serve(("192.0.2.1", 0), RECEIVER, LIMIT, IDLE_S, keep_on, PLAIN)

    run(test())
