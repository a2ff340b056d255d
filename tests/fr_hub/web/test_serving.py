"""The process: it serves, it stops when asked, and says when its port is taken."""

import asyncio
import socket
import threading

import httpx2
import pytest
from fastapi import FastAPI

from common.errors import AlreadyRunning
from common.settings.web import WebSettings
from fr_hub.web.serving import serve
from tests.processes import start, stop
from tests.running import free_port, until


def answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health/ping").status_code == 200
    except httpx2.TransportError:
        return False


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
