"""Connections that only cost are ended, seen from real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.asyncio.client import connect

from fr_hub.web import connections
from fr_hub.web.connections import LimitedProtocol, limited

PIECE = b"0" * 65536


class App:
    """Answers with the body of the request, or without an end, and keeps WebSockets open."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            message = await receive()
            await send({"type": "websocket.send", "text": message["text"]})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/endless":
            body = {"type": "http.response.body", "body": PIECE, "more_body": True}
            while not self.lost.is_set():
                await send(body)
                if (await asyncio.wait([asyncio.create_task(receive())], timeout=0))[0]:
                    self.lost.set()
            return
        await send({"type": "http.response.body", "body": b"done"})


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextlib.asynccontextmanager
async def served(protocol: type[LimitedProtocol]) -> AsyncIterator[tuple[App, int]]:
    app = App()
    config = uvicorn.Config(app, port=0, http=protocol, log_config=None, lifespan="off")
    server = Server(config)
    task = asyncio.create_task(server.serve())
    await server.listens.wait()
    try:
        yield app, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task
    assert not protocol.open


@contextlib.asynccontextmanager
async def opened(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends the connection."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 20) == b""
    return True


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: fr.exam"])
def test_who_never_asks_anything_is_let_go(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", 0.05)

    async def run() -> None:
        async with served(limited([])) as (_, port), opened(port) as (reader, writer):
            writer.write(sent)
            assert await ended(reader)

    asyncio.run(run())


def test_who_begins_another_request_and_never_ends_it_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", 0.05)

    async def run() -> None:
        async with served(limited([])) as (_, port), opened(port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: fr.example\r\n\r\n")
            assert b"200" in await reader.readline()
            writer.write(b"GET /")
            assert (await asyncio.wait_for(reader.read(), 20)).endswith(b"0\r\n\r\n")

    asyncio.run(run())


def test_who_does_not_read_the_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALLED_S", 0.05)

    async def run() -> None:
        async with served(limited([])) as (app, port), opened(port) as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"GET /endless HTTP/1.1\r\nHost: fr.example\r\n\r\n")
            await asyncio.wait_for(app.lost.wait(), 20)
            writer.transport.abort()

    asyncio.run(run())


def test_a_websocket_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", 0.05)

    async def run() -> None:
        protocol = limited([])
        async with served(protocol) as (_, port), connect(f"ws://127.0.0.1:{port}/") as socket:
            assert not protocol.open
            async with opened(port) as (silent, _):
                assert await ended(silent), "the time is over"
            await socket.send("still here")
            assert await socket.recv() == "still here"

    asyncio.run(run())


def test_an_address_has_so_many_connections_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "FROM_ONE_ADDRESS", 3)

    async def run(*, is_shared: bool) -> bool:
        protocol = limited([])
        monkeypatch.setattr(protocol, "is_shared", staticmethod(lambda _: is_shared))
        async with served(protocol) as (_, port), contextlib.AsyncExitStack() as stack:
            pairs = [await stack.enter_async_context(opened(port)) for _ in range(4)]
            last, writer = pairs[-1]
            with contextlib.suppress(ConnectionError):
                writer.write(b"GET / HTTP/1.1\r\nHost: fr.example\r\nConnection: close\r\n\r\n")
            try:
                return b"done" in await asyncio.wait_for(last.read(), 20)
            except ConnectionError:
                return False

    assert asyncio.run(run(is_shared=False)) is False
    assert asyncio.run(run(is_shared=True)) is True


def test_addresses_of_this_host_and_of_proxies_stand_for_many_clients() -> None:
    protocol = limited(["192.0.2.0/24"])
    assert protocol.is_shared("127.0.0.1")
    assert protocol.is_shared("192.0.2.9")
    assert protocol.is_shared("unknown")
    assert not protocol.is_shared("198.51.100.1")


def test_a_network_of_ipv6_counts_as_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "FROM_ONE_ADDRESS", 2)
    protocol = limited(())

    class Transport(asyncio.Transport):
        aborted = False

        def __init__(self, address: str) -> None:
            super().__init__({"peername": (address, 5), "sockname": ("::1", 7300)})

        def abort(self) -> None:
            self.aborted = True

        def is_closing(self) -> bool:
            return self.aborted

        def close(self) -> None:
            pass

    async def run() -> list[bool]:
        config = uvicorn.Config(App(), log_config=None, lifespan="off")
        config.load()
        made = []
        transports = [
            Transport(one) for one in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:1::1")
        ]
        for transport in transports:
            one = protocol(config=config, server_state=ServerState(), app_state={})
            one.connection_made(transport)
            made.append(one)
        for one in made:
            one.connection_lost(None)
        return [transport.aborted for transport in transports]

    assert asyncio.run(run()) == [False, False, True, False]
    assert not protocol.open
