"""Clients of the API's live feed that keep a list of scans, as the page does: they follow events,
connect again to any instance with their position, and read everything again after ``reset``."""

import asyncio
import contextlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from common.domain.states import shown
from common.store.collections import Collection
from tests.faults.world import World

_AGAIN_S = 0.05
_LINE_MAX = 1 << 20
DONE = "done"

Event = dict[str, Any]


@dataclass
class Segment:
    """What a watcher was told between two positions, without a ``reset`` in between."""

    start: int
    end: int
    told: dict[str, int] = field(default_factory=dict)
    """The number of the last event that told a scan as done, or to look it up."""


@dataclass
class Watched:
    """What a watcher knows, and how it came to know it."""

    view: dict[str, str] = field(default_factory=dict)
    """The states of the scans, as a page would show them."""
    segments: list[Segment] = field(default_factory=list)
    done: set[tuple[str, int]] = field(default_factory=set)
    """Scans that were told as done, with the number of the event."""
    connections: int = 0
    resets: int = 0


class Watching:
    """Watchers on a loop in a thread of their own.

    Args:
        world: whose API they watch.
        headers: of a user.
        count: how many.
        seed: of the instances that they connect to.
    """

    def __init__(self, world: World, headers: dict[str, str], count: int, seed: int) -> None:
        self._world = world
        self._headers = headers
        self._seed = seed
        self.watched = [Watched() for _ in range(count)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """They watch during the block."""
        self._thread.start()
        self._call(self._begin)
        try:
            yield
        finally:
            self._call(self._end)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def _call(self, function: Callable[[], Any]) -> None:
        asyncio.run_coroutine_threadsafe(function(), self._loop).result(60)

    async def _begin(self) -> None:
        for n, one in enumerate(self.watched):
            self._tasks.append(
                asyncio.create_task(self._watch(one, random.Random(f"{self._seed}/{n}")))
            )

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, one: Watched, draw: random.Random) -> None:
        while True:
            port = draw.choice(self._world.web_ports)
            with contextlib.suppress(OSError, asyncio.LimitOverrunError, ValueError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_LINE_MAX)
                try:
                    writer.write(self._request(one))
                    await self._follow(one, reader)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(_AGAIN_S)

    def _request(self, one: Watched) -> bytes:
        headers = {**self._headers, "Host": "127.0.0.1"}
        if one.segments:
            headers["Last-Event-ID"] = str(one.segments[-1].end)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"GET /api/v1/events HTTP/1.1\r\n{lines}\r\n".encode()

    async def _follow(self, one: Watched, reader: asyncio.StreamReader) -> None:
        """Read a stream to its end. The lengths of HTTP's chunks are lines of their own."""
        data, position = "", None
        while line := await reader.readline():
            if not line.endswith(b"\n"):
                return  # the connection was lost in the middle of it
            text = line.decode().rstrip("\r\n")
            if text.startswith("data: "):
                data = text.removeprefix("data: ")
            elif text.startswith("id: "):
                position = int(text.removeprefix("id: "))
            elif not text:
                if data:
                    await self._take(one, json.loads(data), position)
                elif position is not None and one.segments:
                    one.segments[-1].end = position
                data, position = "", None

    async def _take(self, one: Watched, event: Event, position: int | None) -> None:
        kind = event["kind"]
        if kind == "ready":
            one.connections += 1
        one.resets += kind == "reset"
        if kind == "reset" or not one.segments:
            assert position is not None
            one.segments.append(Segment(position, position))
            one.view = await asyncio.to_thread(self._states, {})
        elif kind == "scan":
            await self._take_scan(one, event)
        if position is not None:
            one.segments[-1].end = position

    async def _take_scan(self, one: Watched, event: Event) -> None:
        key, state = event["key"], event.get("state")
        if state == "removed":
            one.view.pop(key, None)
            return
        if state in (DONE, None):
            one.segments[-1].told[key] = event["n"]
        if state == DONE:
            one.done.add((key, event["n"]))
        if state is None:
            one.view |= await asyncio.to_thread(self._states, {"_id": key})
        else:
            one.view[key] = state

    def _states(self, wanted: dict[str, Any]) -> dict[str, str]:
        scans = self._world.store.connection.database[Collection.SCANS]
        found = scans.find(wanted, {"report_generated": 1})
        return {one["_id"]: shown(one["report_generated"]) for one in found}


def unseen(watched: list[Watched]) -> Iterator[tuple[int, str]]:
    """What a watcher was not told although its position says so: its number, and the scan."""
    told = sorted(set().union(*(one.done for one in watched)))
    for number, one in enumerate(watched):
        for segment in one.segments:
            for key, n in told:
                if segment.start < n <= segment.end and segment.told.get(key, -1) < n:
                    yield number, key
