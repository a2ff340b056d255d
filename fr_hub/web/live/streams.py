"""Streams to clients: server-sent events, and messages of a WebSocket.

A client that does not read blocks only its own stream. When it has left too much unread, or the
process stops, its connection is aborted: closing it in order would wait for it.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from fr_hub.web.live.messages import Message
from fr_hub.web.live.watcher import Watcher
from fr_hub.web.proxies import PEER

_LAST_S = 0.2
"""How long a client may take to read the end of its stream, seconds."""

_RETRY_MS = 1000
"""After how long a browser connects again."""

GOING_AWAY, TOO_SLOW, NOT_UNDERSTOOD = 1001, 1013, 1007
"""Why a WebSocket is closed."""


class EventStream(Response):
    """Server-sent events of a watcher."""

    media_type = "text/event-stream"

    def __init__(self, watcher: Watcher) -> None:
        # X-Accel-Buffering: nginx would hold events back.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client goes or is let go."""
        try:
            await self._serve(scope, receive, send)
        finally:
            self._watcher.end()  # also of a client that has gone before the first event

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_some(messages: Sequence[Message]) -> None:
            body = b"".join(one.server_sent for one in messages)
            await send({"type": "http.response.body", "body": body, "more_body": True})

        async def left() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        first = f"retry: {_RETRY_MS}\n\n".encode()
        await send({"type": "http.response.body", "body": first, "more_body": True})
        if await _stream(self._watcher, send_some, left):
            with contextlib.suppress(TimeoutError):
                last = send({"type": "http.response.body", "body": b"", "more_body": False})
                await asyncio.wait_for(last, _LAST_S)
                return
        await _abort(HTTPConnection(scope))


async def serve_websocket(
    websocket: WebSocket, watcher: Watcher, resume: Callable[[int], Awaitable[None]]
) -> None:
    """Send events until the client goes or is let go.

    Args:
        websocket: accepted.
        watcher: what to send.
        resume: awaited with the position of each ``{"from": n}`` that the client sends.
    """
    code = GOING_AWAY

    async def send_some(messages: Sequence[Message]) -> None:
        for one in messages:
            await websocket.send_text(one.text)

    async def left() -> None:
        nonlocal code
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                position = _position(await websocket.receive())
                if position is None:
                    code = NOT_UNDERSTOOD
                    return
                await resume(position)

    in_order = await _stream(watcher, send_some, left)
    if websocket.client_state is WebSocketState.DISCONNECTED:
        return
    if in_order or code == NOT_UNDERSTOOD:
        with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            await asyncio.wait_for(websocket.close(code), _LAST_S)
            return
    await _abort(websocket)


def _position(received: Any) -> int | None:
    """The position in a message; None: it is not understood.

    Raises:
        WebSocketDisconnect: the client went.
    """
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code", 1000))
    try:
        asked = json.loads(received.get("text") or "")
    except ValueError:
        return None
    position = asked.get("from") if isinstance(asked, dict) else None
    return position if isinstance(position, int) and not isinstance(position, bool) else None


async def _stream(
    watcher: Watcher,
    send: Callable[[Sequence[Message]], Awaitable[None]],
    left: Callable[[], Awaitable[None]],
) -> bool:
    """Send what comes; returns whether it ended in order: the client is there, and reads."""

    async def pump() -> None:
        while messages := await watcher.next():
            await send(messages)

    pumping = asyncio.ensure_future(pump())
    leaving = asyncio.ensure_future(left())
    tasks: list[asyncio.Future[Any]] = [pumping, leaving]
    try:
        await asyncio.wait({*tasks, watcher.ended}, return_when=asyncio.FIRST_COMPLETED)
        if watcher.ended.done() and not watcher.ended.result():
            await asyncio.wait({pumping}, timeout=_LAST_S)
        is_slow = watcher.ended.done() and watcher.ended.result()
        is_sent = pumping.done() and not pumping.cancelled() and pumping.exception() is None
        return is_sent and not is_slow
    finally:
        watcher.end()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _abort(connection: HTTPConnection) -> None:
    abort = getattr(connection.app.state, "abort", None)
    if abort is not None:
        abort(tuple(connection.scope.get(PEER) or connection.client or ()))
        await asyncio.sleep(0.01)  # until the server has noticed: else it logs an error
