"""Serve the application until the process is asked to stop."""

import asyncio
import contextlib
import resource
from collections.abc import Callable, Iterator
from typing import Any

import anyio.to_thread
import uvicorn
from fastapi import FastAPI

from common.errors import AlreadyRunning, SettingsError
from common.runtime.lifecycle import Stop
from common.settings.private_files import check_private
from common.settings.web import WebSettings
from fr_hub.web.connections import limited
from fr_hub.web.live.feed import LiveFeed

THREADS = 96
"""Threads in which requests are served: more than one user's share of each limit of the gate."""

_GRACE_S = 5
"""How long requests under way may take when the process stops."""

_FILES_MAX = 16_384

_WS_MESSAGE_MAX = 64 * 1024
"""Bytes of the longest message that a WebSocket may send."""

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption only. Those of TLS 1.3 are all so, and
Python refuses older versions."""


class _Server(uvicorn.Server):
    """Signals are the lifecycle's. Calls ``listening`` once it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def check_certificate(settings: WebSettings) -> None:
    """Check that the files of the certificate can be read, and the key by this user alone.

    Raises:
        SettingsError: one cannot.
    """
    given = (("WEB_TLS_CERT", settings.web_tls_cert), ("WEB_TLS_KEY", settings.web_tls_key))
    for name, path in given:
        if path is None:
            continue
        try:
            if name == "WEB_TLS_KEY":
                check_private(path, name)
            path.read_bytes()
        except OSError as error:
            raise SettingsError(f"{name}={str(path)!r}: {error.strerror}") from None
        except ValueError as error:
            raise SettingsError(str(error)) from None


def _allow_connections() -> None:
    """Raise the limit of open files, which is 1,024 by default: each stream is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(
    app: FastAPI,
    settings: WebSettings,
    stopping: Stop,
    listening: Callable[[], None] = lambda: None,
) -> None:
    """Serve until asked to stop; call ``listening`` once requests are answered.

    Raises:
        AlreadyRunning: the port is in use.
    """
    _allow_connections()
    config = uvicorn.Config(
        app,
        host=settings.web_host,
        port=settings.web_port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=limited(settings.web_proxies),
        ssl_ciphers=CIPHERS,
        ssl_certfile=settings.web_tls_cert,
        ssl_keyfile=settings.web_tls_key,
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="on",
        ws_max_size=_WS_MESSAGE_MAX,
    )
    server = _Server(config, listening)
    loop = asyncio.get_running_loop()

    live: LiveFeed = app.state.live

    def abort(client: object) -> None:
        for connection in list(server.server_state.connections):
            if getattr(connection, "client", None) == client:
                connection.transport.abort()

    app.state.abort = abort

    def end() -> None:
        live.close()  # first: uvicorn waits for streams
        server.should_exit = True

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(end)

    stopping.on_stop(stop)
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    try:
        await server.serve()
    except SystemExit:  # uvicorn could not listen
        raise AlreadyRunning(
            f"WEB_HOST={settings.web_host} WEB_PORT={settings.web_port}: cannot listen there; "
            "another program may use this port: set another WEB_PORT"
        ) from None
    finally:
        live.close()
