"""The process: it serves, it stops when asked, and says when its port is taken."""

import asyncio
import re
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from common.commands.certificates import Authority
from common.errors import AlreadyRunning, SettingsError
from common.runtime.lifecycle import Exit, Stop
from common.settings.web import WebSettings
from fr_hub.web.serving import check_certificate, serve
from tests.processes import start, stop
from tests.running import free_port, listens, until


def answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health/ping").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.long
def test_the_process_serves_until_it_is_told_to_stop(mongodb_uri: str, database: str) -> None:
    port = free_port()
    given = {"MONGODB_URI": mongodb_uri, "MONGODB_DATABASE": database, "WEB_PORT": str(port)}
    process = start("common.commands.migrate", None, APPLY="1", **given)
    assert process.wait(30) == 0
    process = start("fr_hub.web", None, **given)
    try:
        until(lambda: answers(port), 30)
        assert httpx2.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
    finally:
        assert stop(process) == 0


async def _serve(app: FastAPI, settings: WebSettings) -> None:
    class Never(threading.Event):
        def on_stop(self, _: object) -> None:
            pass

    await serve(app, settings, Never())  # type: ignore[arg-type]


def test_a_taken_port_is_said(app: FastAPI) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = WebSettings(web_port=other.getsockname()[1], _env_file=None)  # type: ignore[call-arg]
        with pytest.raises(AlreadyRunning, match="WEB_PORT"):
            asyncio.run(_serve(app, settings))


@pytest.mark.long
def test_the_first_start_prints_an_address_to_sign_in_once(
    mongodb_uri: str, database: str, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    given = {
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": database,
        "WEB_PORT": str(port),
        "DATA_DIR": str(tmp_path / "data"),
    }
    assert start("common.commands.migrate", None, APPLY="1", **given).wait(30) == 0
    process = start("fr_hub.web", log, **given)
    try:
        until(lambda: answers(port), 30)
        (token,) = re.findall(rf"http://127.0.0.1:{port}/#one-time=(\S+)", log.read_text())
        url = f"http://127.0.0.1:{port}/api/v1/session/one-time"
        codes = [httpx2.post(url, json={"token": token}).status_code for _ in range(2)]
        assert codes == [200, 401]
    finally:
        assert stop(process) == 0


def test_other_machines_are_served_only_with_tls_and_a_user(
    mongodb_uri: str, database: str, tmp_path: Path
) -> None:
    given = {
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": database,
        "WEB_HOST": "0.0.0.0",  # noqa: S104 - refused
    }
    log = tmp_path / "log"
    assert start("common.commands.migrate", None, APPLY="1", **given).wait(30) == 0
    assert start("fr_hub.web", log, **given).wait(30) == Exit.USAGE
    tls = {"WEB_TLS_CERT": "c.pem", "WEB_TLS_KEY": "k.pem"}
    assert start("fr_hub.web", log, **given, **tls).wait(30) == Exit.USAGE
    first, second = (line for line in log.read_text().splitlines() if "WEB_HOST" in line)
    assert "without TLS" in first
    assert "make users" in second


@pytest.fixture
def served(app: FastAPI, tmp_path: Path) -> Iterator[int]:
    """The port of the API with TLS."""
    Authority(tmp_path).issue("localhost", 1)
    port, stopping = free_port(), Stop()
    settings = WebSettings(
        web_port=port,
        web_tls_cert=tmp_path / "localhost.pem",
        web_tls_key=tmp_path / "localhost.key",
        _env_file=None,  # type: ignore[call-arg]
    )
    thread = threading.Thread(target=lambda: asyncio.run(serve(app, settings, stopping)))
    thread.start()
    until(lambda: listens(port), 30)
    yield port
    stopping.request_stop()
    thread.join(30)
    assert not thread.is_alive()


def shaken(port: int, change: Callable[[ssl.SSLContext], object]) -> str | None:
    """The version of TLS and the cipher of a connection; None: it was refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        change(context)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 10) as raw,
            context.wrap_socket(raw) as wrapped,
        ):
            return str(wrapped.version())
    except (ssl.SSLError, ConnectionError):
        return None


def at_most(version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> Any:
    def change(context: ssl.SSLContext) -> None:
        context.maximum_version = version
        context.set_ciphers(ciphers)

    return change


def test_only_tls_of_today_is_spoken(served: int) -> None:
    modern, older = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
    assert shaken(served, at_most(modern)) == "TLSv1.3"
    assert shaken(served, at_most(older)) == "TLSv1.2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]
    for version in old:
        assert shaken(served, at_most(version)) is None
    for ciphers in ("ECDHE+AES+SHA256:!AESGCM:@SECLEVEL=0", "AES128-GCM-SHA256", "AES256-SHA"):
        assert shaken(served, at_most(older, ciphers)) is None, ciphers
    with socket.create_connection(("127.0.0.1", served), 10) as plain:
        plain.sendall(b"GET /health/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" not in plain.recv(1000)
    answer = httpx2.get(f"https://127.0.0.1:{served}/health/ping", verify=False)
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_a_certificate_that_cannot_be_used_is_told_before_the_start(tmp_path: Path) -> None:
    Authority(tmp_path).issue("localhost", 1)
    certificate, key = tmp_path / "localhost.pem", tmp_path / "localhost.key"

    def check(certificate: Path, key: Path) -> None:
        check_certificate(
            WebSettings(web_tls_cert=certificate, web_tls_key=key, _env_file=None)  # type: ignore[call-arg]
        )

    check(certificate, key)
    with pytest.raises(SettingsError, match="WEB_TLS_CERT"):
        check(tmp_path / "none.pem", key)
    with pytest.raises(SettingsError, match="WEB_TLS_KEY"):
        check(certificate, tmp_path / "none.key")
    key.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        check(certificate, key)
