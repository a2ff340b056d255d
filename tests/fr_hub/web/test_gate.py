"""The gate: changes with a cookie need the page's own token, streams end with the right."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from socket import create_connection

import anyio
import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from common.domain.user import Right, Role
from common.errors import StoreUnavailable
from fr_hub.web import app as application
from fr_hub.web import gate
from fr_hub.web.access import CurrentUser, anyone, live, requires
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from fr_hub.web.gate import BODY_MAX
from tests.fr_hub.web.conftest import ClientOf
from tests.fr_hub.web.live.conftest import port, stopping
from tests.fr_hub.web.test_credentials import PASSWORD, add, basic

__all__ = ["port", "stopping"]

SESSION, PASSWORDS = f"{API}/session", f"{API}/session/password"
CHANGE = {"current": PASSWORD, "new": "another password"}


@pytest.fixture
def browser(app: FastAPI, context: WebContext) -> TestClient:
    """Signed in as 'ada'."""
    add(context)
    client = TestClient(app, base_url="https://fr.example")
    answer = client.post(SESSION, json={"user": "ada", "password": PASSWORD})
    client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return client


def test_a_change_with_a_cookie_needs_the_token_of_its_session(browser: TestClient) -> None:
    for token in ("", "0" * 64, "\u00e9"):
        headers = [(b"X-CSRF-Token", token.encode("latin-1"))]
        del browser.headers["X-CSRF-Token"]
        answer = browser.put(PASSWORDS, json=CHANGE, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
        browser.headers["X-CSRF-Token"] = "x"
    assert browser.get(f"{API}/scans").status_code == 200, "reading needs none"


def test_scripts_need_no_such_token(stranger: TestClient, context: WebContext) -> None:
    add(context)
    answer = stranger.put(PASSWORDS, json=CHANGE, headers=basic("ada", PASSWORD))
    assert answer.status_code == 204


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_page_of_another_site_changes_nothing(
    browser: TestClient, headers: dict[str, str]
) -> None:
    answer = browser.put(PASSWORDS, json=CHANGE, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    own = {"Origin": "https://fr.example", "Sec-Fetch-Site": "same-origin"}
    assert browser.put(PASSWORDS, json=CHANGE, headers=own).status_code == 204


def test_a_long_body_is_refused_and_a_strangers_is_not_read(
    stranger: TestClient, client_of: ClientOf
) -> None:
    body = b'"' + b"x" * BODY_MAX + b'"'
    headers = {"Content-Type": "application/json"}
    assert stranger.post(f"{API}/users", content=body, headers=headers).status_code == 401
    answer = client_of(Role.ADMIN).post(f"{API}/users", content=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (413, 413)


def test_a_body_that_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "BODY_S", 0.1)
    head = f"POST {SESSION} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(f"{head}Content-Length: 9\r\n\r\n{{".encode())
        assert client.recv(1024).startswith(b"HTTP/1.1 408 ")


def test_strangers_who_send_slowly_keep_nobody_out(port: int, context: WebContext) -> None:
    add(context)
    head = f"POST {SESSION} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with contextlib.ExitStack() as stack:
        for n in range(80):
            source = (f"127.0.0.{2 + n % 40}", 0)
            slow = create_connection(("127.0.0.1", port), timeout=60, source_address=source)
            stack.enter_context(slow).sendall(f"{head}Content-Length: 60\r\n\r\n{{".encode())
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            assert client.get("/health/ping").status_code == 200
            answer = client.post(SESSION, json={"user": "ada", "password": PASSWORD})
        assert answer.status_code == 200, answer.text


def test_without_the_database_nobody_gets_in(
    client_of: ClientOf, context: WebContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(Role.ADMIN)

    def away(_: object, token: str) -> None:
        raise StoreUnavailable(token)

    monkeypatch.setattr(type(context.store.tokens), "principal", away)
    answer = client.get(f"{API}/scans")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")


@pytest.fixture
def streams(context: WebContext, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The application with two streams that never end."""
    router = APIRouter(prefix="/streams")

    async def forever() -> AsyncIterator[str]:
        while True:
            yield "data: 1\n\n"
            await anyio.sleep(0.01)

    @router.get("/events", dependencies=[requires(Right.READ), live()])
    def events() -> StreamingResponse:
        """Server-sent events."""
        return StreamingResponse(forever(), media_type="text/event-stream")

    @router.websocket("/ws", dependencies=[requires(Right.READ)])
    async def socket(websocket: WebSocket) -> None:
        """A WebSocket."""
        await websocket.accept()
        await websocket.send_text("open")
        await anyio.sleep_forever()

    monkeypatch.setattr(application, "ROUTERS", (*application.ROUTERS, router))
    monkeypatch.setattr(gate, "RECHECK_S", 0.05)
    return application.make_app(context)


def bearer(context: WebContext, *roles: Role) -> dict[str, str]:
    context.store.users.add("ada", "default", roles)
    token = context.store.tokens.add("ada", timedelta(hours=1))
    return {"Authorization": f"Bearer {token}"}


def test_a_websocket_closes_when_its_user_may_not_see_it_any_more(
    streams: FastAPI, context: WebContext
) -> None:
    headers = bearer(context, Role.READER)
    url = f"{API}/streams/ws"
    with TestClient(streams).websocket_connect(url, headers=headers) as socket:
        assert socket.receive_text() == "open"
        context.store.users.change("ada", roles=[Role.AUDITOR])
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_text()
        assert ended.value.code == 4401


@pytest.mark.parametrize(
    ("roles", "given", "code"),
    [((), {}, 4401), ((Role.AUDITOR,), {}, 4403), ((Role.READER,), {"Origin": "null"}, 4403)],
)
def test_a_websocket_is_refused_as_a_request_is(
    streams: FastAPI, context: WebContext, roles: tuple[Role, ...], given: dict[str, str], code: int
) -> None:
    headers = (bearer(context, *roles) if roles else {}) | given
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        TestClient(streams).websocket_connect(f"{API}/streams/ws", headers=headers),
    ):
        pass
    assert refused.value.code == code


def test_a_stream_of_events_ends_when_its_token_is_revoked(
    streams: FastAPI, context: WebContext
) -> None:
    headers = bearer(context, Role.READER)
    (token,) = context.store.tokens.of_user("ada")
    threading.Timer(0.1, context.store.tokens.remove, [token.id]).start()
    answer = TestClient(streams).get(f"{API}/streams/events", headers=headers)
    assert answer.status_code == 200
    assert answer.text.startswith("data: 1")


@pytest.mark.parametrize("ending", ["password", "user", "name"])
def test_a_stream_by_password_ends_with_it_also_while_somebody_guesses(
    streams: FastAPI, context: WebContext, ending: str
) -> None:
    add(context)
    url, headers = f"{API}/streams/ws", basic("ada", PASSWORD)
    with TestClient(streams).websocket_connect(url, headers=headers) as socket:
        assert socket.receive_text() == "open"
        for _ in range(20):
            context.guessing.attempt("ada", "testclient")
        assert context.guessing.refused_s("ada", "testclient") > 0
        if ending == "password":
            context.store.users.change("ada", password="new")  # noqa: S106 - of nothing
        else:
            context.store.users.remove("ada")
        if ending == "name":
            add(context)
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_text()
        assert ended.value.code == 4401


def test_a_user_at_all_limits_leaves_the_others_their_share(
    context: WebContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[str] = []
    is_full = asyncio.Event()
    router = APIRouter(prefix="/slow")

    async def wait(me: CurrentUser) -> str:
        inside.append(me.user)
        if len(inside) == 8 + 6 + 16:
            is_full.set()
        await anyio.sleep_forever()
        return ""

    router.get("/list", dependencies=[requires(Right.READ)])(wait)
    router.get("/file.bin", dependencies=[requires(Right.READ)])(wait)
    router.post("/file", dependencies=[requires(Right.UPLOAD)])(wait)
    monkeypatch.setattr(application, "ROUTERS", (*application.ROUTERS, router))
    app = application.make_app(context)
    greedy = bearer(context, Role.OPERATOR)
    context.store.users.add("eve", "default", [Role.READER])
    token = context.store.tokens.add("eve", timedelta(hours=1))

    async def run() -> int:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://fr.example") as client:
            slow = [
                asyncio.create_task(client.request(method, f"{API}/slow/{name}", headers=greedy))
                for method, name in (("GET", "list"), ("GET", "file.bin"), ("POST", "file"))
                for _ in range(30)
            ]
            await is_full.wait()
            answers = [
                await client.get(f"{API}/scans", headers={"Authorization": f"Bearer {token}"})
                for _ in range(5)
            ]
            refused = await client.get("/health/ping")
            for one in slow:
                one.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            assert {one.status_code for one in (*answers, refused)} == {200}
            return len(inside)

    assert asyncio.run(run()) == 8 + 6 + 16


def test_the_addresses_of_a_network_of_ipv6_have_one_share(
    context: WebContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[str] = []
    other = "2001:db8:0:1::1"
    is_other_in = asyncio.Event()
    router = APIRouter(prefix="/slow")

    @router.get("/page", dependencies=[anyone()])
    async def wait(request: Request) -> str:
        assert request.client is not None
        inside.append(request.client.host)
        if request.client.host == other:
            is_other_in.set()
        await anyio.sleep_forever()
        return ""

    monkeypatch.setattr(application, "ROUTERS", (*application.ROUTERS, router))
    app = application.make_app(context)

    async def ask(address: str) -> None:
        transport = httpx2.ASGITransport(app, client=(address, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://fr.example") as client:
            await client.get(f"{API}/slow/page")

    async def run() -> None:
        addresses = [*(f"2001:db8::{n}" for n in range(1, 10)), other]
        tasks = [asyncio.create_task(ask(one)) for one in addresses]
        await is_other_in.wait()
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    assert len(inside) == 8 + 1


def test_more_than_can_wait_is_refused_with_the_name_of_the_limit(
    context: WebContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = APIRouter(prefix="/slow")

    @router.get("/list", dependencies=[requires(Right.READ)])
    async def wait() -> str:
        await anyio.sleep_forever()
        return ""

    monkeypatch.setattr(application, "ROUTERS", (*application.ROUTERS, router))
    app = application.make_app(context)
    headers = bearer(context, Role.READER)

    async def run() -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://fr.example") as client:
            tasks = [
                asyncio.create_task(client.get(f"{API}/slow/list", headers=headers))
                for _ in range(8 + 64 + 1)
            ]
            done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for one in others:
                one.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            return done.pop().result()

    answer = asyncio.run(run())
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_at_once")
    assert "'requests'" in answer.json()["detail"]
    assert answer.headers["retry-after"]
