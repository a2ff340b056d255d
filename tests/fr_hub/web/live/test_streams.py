"""Clients that do not read, and the end of the process."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import httpx2
import pytest
from starlette.requests import HTTPConnection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from common.domain.user import Role
from common.runtime.lifecycle import Stop
from common.store.db_manager import DBManager
from common.store.feed_documents import reports_changed
from fr_hub.web.live.streams import EventStream, _abort
from fr_hub.web.live.watcher import Watcher
from fr_hub.web.proxies import TrustedProxies
from tests.fr_hub.web.live.conftest import HeadersOf
from tests.fr_hub.web.live.streams import watching
from tests.running import until


@contextlib.contextmanager
def deaf(port: int, headers: dict[str, str]) -> Iterator[socket.socket]:
    """A client that asks for the stream and does not read it."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        lines = [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join(["GET /api/v1/events HTTP/1.1", "Host: localhost", *lines, "", ""])
        client.sendall(request.encode())
        yield client


def test_a_client_that_does_not_read_is_let_go_and_others_are_not(
    store: DBManager, port: int, headers_of: HeadersOf
) -> None:
    headers = headers_of(Role.READER)
    with deaf(port, headers) as client, watching(port, headers) as stream:
        stream.until(kind="ready")
        client.setblocking(False)
        for n in range(200):
            keys = [f"{'x' * 80}-{n}-{m}@pacs-1" for m in range(1000)]
            store.connection.feed.tell(reports_changed(keys, "ready", 1))
            stream.until(kind="report", key=keys[-1])
            if _is_aborted(client):
                break
        else:
            pytest.fail("it was not let go")


def _is_aborted(client: socket.socket) -> bool:
    try:
        client.send(b"x")
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


def test_a_client_that_goes_before_its_stream_begins_does_not_count() -> None:
    async def gone(*_: Any) -> Any:
        raise OSError

    async def run() -> bool:
        watcher = Watcher("ada")
        with contextlib.suppress(OSError):
            await EventStream(watcher)({"type": "http"}, gone, gone)
        return watcher.ended.done()

    assert asyncio.run(run())


def test_behind_a_proxy_its_connection_is_aborted() -> None:
    aborted: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        assert scope["client"][0] == "192.0.2.7"
        await _abort(HTTPConnection(scope))

    scope: Any = {
        "type": "http",
        "app": SimpleNamespace(state=SimpleNamespace(abort=aborted.append)),
        "client": ("10.0.0.1", 4711),
        "scheme": "http",
        "headers": [(b"x-forwarded-for", b"192.0.2.7")],
    }
    proxies: Any = TrustedProxies(app, ["10.0.0.0/24"], Mock())
    asyncio.run(proxies(scope, None, None))
    assert aborted == [("10.0.0.1", 4711)]


def test_streams_end_first_when_the_process_stops(
    port: int, stopping: Stop, headers_of: HeadersOf
) -> None:
    headers = headers_of(Role.READER)
    url = f"ws://127.0.0.1:{port}/api/v1/events/ws"
    with (
        watching(port, headers) as stream,
        connect(url, additional_headers=headers) as socket_,
        deaf(port, headers),
    ):
        stream.until(kind="ready")
        socket_.recv()
        began = time.monotonic()
        stopping.request_stop()
        assert stream.next() is None
        with pytest.raises(ConnectionClosed) as closed:
            socket_.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code in (1001, 1012)
        until(lambda: not _answers(port), 30)
        assert time.monotonic() - began < 5


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health/ping").status_code == 200
    except httpx2.TransportError:
        return False
