"""The API refuses requests for host names that it does not know, to prevent DNS rebinding."""

import platform
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from common.commands.certificates import Authority
from common.domain.user import Role
from common.settings.web import WebSettings
from common.store.db_manager import DBManager
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from fr_hub.web.hosts import is_known, local_address, names_of
from tests.fr_hub.web.conftest import ClientOf
from tests.fr_hub.web.test_every_route import events
from tests.fr_hub.web.uploads.test_uploads_killed import Web
from tests.processes import stop

NAMES = frozenset({"localhost", "fr.example.org", "*.clinic.org"})


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:7300", "localhost.:7300", "127.0.0.1", "127.0.0.1:7300"),
        *("10.1.2.3:443", "[::1]", "[::1]:7300", "[2001:db8::7]:7300", "fr.example.org"),
        *("ward-3.clinic.org", "", "fr.example.org:"),
    ],
)
def test_addresses_and_its_own_names_are_known(host: str) -> None:
    assert is_known(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "evil.example:7300", "127.0.0.1.evil.example"),
        *("fr.example.org.evil.example", "clinic.org", "a.b.clinic.org", "[::1", "[::1]x"),
        *("localhost@evil.example", "localhost:x", "[evil.example]", "*.clinic.org.evil.example"),
        *("0x7f000001.evil.example", "notfr.example.org", "localhost evil.example"),
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert not is_known(host, NAMES)


def test_the_machine_its_certificate_and_the_settings_give_the_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "node", lambda: "PACS-7.clinic.org")
    settings = WebSettings(
        web_hosts="Fr.Example.org.,*.ward.org",  # type: ignore[arg-type]
        _env_file=None,  # type: ignore[call-arg]
    )
    names = names_of(settings)
    assert {"localhost", "pacs-7", "pacs-7.clinic.org", "fr.example.org", "*.ward.org"} <= names
    with pytest.raises(ValueError, match="is not a host name"):
        WebSettings(web_hosts="https://fr.example.org", _env_file=None)  # type: ignore[arg-type,call-arg]


def test_the_names_in_the_certificate_are_known(tmp_path: Path) -> None:
    Authority(tmp_path).issue("ward-3", 1)
    settings = WebSettings(
        web_tls_cert=tmp_path / "ward-3.pem",
        web_tls_key=tmp_path / "ward-3.key",
        _env_file=None,  # type: ignore[call-arg]
    )
    assert "ward-3" in names_of(settings)
    assert local_address(settings) == "https://127.0.0.1:7300"
    (tmp_path / "ward-3.pem").write_text("damaged")
    assert "ward-3" not in names_of(settings)


def test_each_route_is_refused_under_another_name(
    client_of: ClientOf, context: WebContext, stranger: TestClient
) -> None:
    admin = client_of(*Role)
    paths = ("/metrics", "/health/ping", "/", "/docs", f"{API}/openapi.json", f"{API}/scans")
    for client in (admin, stranger):
        for path in (*paths, "/none"):
            answer = client.get(path, headers={"Host": "evil.example:7300"})
            assert (answer.status_code, answer.json()["code"]) == (421, "unknown_host"), path
            assert "evil" not in answer.text
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    url = f"{API}/events/ws"
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        admin.websocket_connect(url, headers={"Host": "evil.example"}),
    ):
        pass
    assert closed.value.code == 4421
    found = [one for one in events(context) if one["kind"] == "refuse"]
    assert "evil" not in str(found)
    assert {"GET /metrics", "GET /api/v1/scans"} <= {one["route"] for one in found}


@pytest.fixture
def web(store: DBManager, tmp_path: Path) -> Iterator[Web]:
    running = Web(store, tmp_path, WEB_HOSTS="fr.example.org")
    yield running
    stop(running.process)


def test_a_process_on_loopback_answers_to_its_names_alone(web: Web) -> None:
    def status(host: str) -> int:
        address = f"http://127.0.0.1:{web.port}/metrics"
        return httpx2.get(address, headers={"Host": host}).status_code

    assert status("evil.example") == 421
    refused = httpx2.get(f"http://127.0.0.1:{web.port}/", headers={"Host": "evil.example"})
    assert f"http://127.0.0.1:{web.port} " in refused.json()["detail"]
    known = ("localhost", f"127.0.0.1:{web.port}", "[::1]", platform.node(), "fr.example.org")
    assert [status(host) for host in known] == [200] * len(known)
    with socket.create_connection(("127.0.0.1", web.port)) as plain:
        plain.sendall(b"GET /health/ping HTTP/1.0\r\n\r\n")  # as some load balancers ask
        assert b" 200 " in plain.recv(100)
