"""The live feed of a process: one reader of the store for all who watch here.

Everything but the reader runs on the loop that serves requests.
"""

import asyncio
import contextlib
from collections.abc import Iterable

from common.domain.tenant import Tenant
from common.errors import StoreError
from common.runtime.logger import Log
from common.store.unit_parts import WebStore
from fr_hub.web.live.audience import Audience
from fr_hub.web.live.messages import READY, RESET, Event, message, told
from fr_hub.web.live.queue_state import queue_event
from fr_hub.web.live.reader import WAIT_S, Reader, Taken
from fr_hub.web.live.replays import ReplayPace
from fr_hub.web.live.ring import Ring
from fr_hub.web.live.statistics import Statistics
from fr_hub.web.live.watcher import Watcher
from fr_hub.web.problems import Problem

WATCHERS_MAX = 4000
"""The most watchers of a process; a user has at most half of those that the others leave."""

BEAT_S = 15.0
"""How often each watcher is told something at least, seconds: proxies end connections that seem
dead."""

QUEUE_S = 5.0
"""How often the queue is looked at, seconds."""

_CATCH_UP_S = 15.0


class LiveFeed:
    """Tells watchers what changes; begins to read with the first one.

    Args:
        store: where it reads.
        log: where it is told that the store cannot be reached.
    """

    def __init__(self, store: WebStore, log: Log) -> None:
        self._store = store
        self._log = log
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: Reader | None = None
        self._reading: object | None = None  # stands for the reader that is heard
        self._caught_up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._ring = Ring()
        self._audiences: dict[tuple[str, bool, bool], Audience] = {}
        self._replays = ReplayPace()
        self._ended = False
        self.statistics = Statistics()

    async def watch(
        self, tenant: Tenant, user: str, position: int | None, *, personal: bool, hosts: bool
    ) -> Watcher:
        """Begin to watch.

        Args:
            tenant: whose scans are seen.
            user: who watches.
            position: what was told last; None: what comes from now on.
            personal: whether measurements are seen.
            hosts: whether the hosts of units are seen.

        Raises:
            Problem: 503, the process stops, has too many watchers, or the store cannot be reached;
                429, the user has too many.
        """
        self._admit(user)
        await self.ready()
        if position is not None:
            await self._replays.turn(user)
        self._admit(user)
        audience = self._audiences.get((tenant.name, personal, hosts))
        if audience is None:
            audience = Audience(tenant, personal=personal, hosts=hosts)
            audience.begin(self._ring.last)
            self._audiences[tenant.name, personal, hosts] = audience
        watcher = Watcher(user)
        audience.watchers.add(watcher)
        watcher.ended.add_done_callback(lambda _: self._left(audience, watcher))
        at = audience.position
        watcher.put(message(at if position is None else position, [told(READY, at)]))
        if position is not None:
            self._resume(watcher, position)
        return watcher

    async def resume(self, watcher: Watcher, position: int) -> None:
        """Tell a watcher what came after a position, or ``reset``; who asks often waits."""
        await self._replays.turn(watcher.user)
        self._resume(watcher, position)

    def _resume(self, watcher: Watcher, position: int) -> None:
        for audience in self._audiences.values():
            if watcher in audience.watchers:
                batches = self._ring.after(position)
                if batches is None:
                    at = audience.position
                    watcher.put(message(at, [told(RESET, at)]))
                    self._replays.count(watcher.user, 0)
                else:
                    self._replays.count(watcher.user, sum(batch.size for batch in batches))
                    audience.replay(watcher, batches)

    async def ready(self) -> None:
        """Wait until what is retained has been read.

        Raises:
            Problem: 503, the store cannot be reached.
        """
        self._start()
        try:
            await asyncio.wait_for(self._caught_up.wait(), _CATCH_UP_S)
        except TimeoutError:
            raise Problem(
                503, "store_unavailable", "The database cannot be reached.", {"Retry-After": "5"}
            ) from None

    def _admit(self, user: str) -> None:
        if self._ended:
            raise Problem(
                503, "stopping", "This server is shutting down: try again.", {"Retry-After": "1"}
            )
        users = [one.user for audience in self._audiences.values() for one in audience.watchers]
        mine = users.count(user)
        if len(users) >= WATCHERS_MAX:
            raise Problem(
                503,
                "watchers",
                f"{WATCHERS_MAX} streams are open, which is the limit: try again later.",
                {"Retry-After": "30"},
            )
        if mine >= (WATCHERS_MAX - len(users) + mine) // 2:
            raise Problem(
                429,
                "watchers",
                f"You have {mine} streams open, and may not have more now: close some.",
                {"Retry-After": "30"},
            )

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._reader is not None and self._loop is loop:
            return
        self._stop_reading()
        self._loop, self._caught_up = loop, asyncio.Event()
        self._ring, self._audiences = Ring(), {}
        tail = self._store.tail(WAIT_S)

        reading = self._reading = object()

        def on_read(taken: Taken) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._take_of, reading, taken)

        self._reader = Reader(tail, self._store.scan_states, on_read, self._log)
        self._tasks = [loop.create_task(self._beat()), loop.create_task(self._watch_queue())]

    def _take_of(self, reading: object, taken: Taken) -> None:
        # What a reader has read is of no use to the next one, which begins anew.
        if reading is self._reading:
            self._take(taken)

    def _take(self, taken: Taken) -> None:
        if taken.anew:
            self._ring.clear()
            self.statistics.clear()
        for batch in taken.batches:
            self._ring.add(batch)
            self.statistics.take(batch)
            for audience in self._audiences.values():
                audience.take(batch)
        if taken.lost:
            self._ring.lose()
        if taken.anew or taken.lost:
            for audience in self._audiences.values():
                audience.reset()
        if taken.caught_up:
            self._caught_up.set()

    def _left(self, audience: Audience, watcher: Watcher) -> None:
        audience.watchers.discard(watcher)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            for audience in self._audiences.values():
                audience.beat()

    async def _watch_queue(self) -> None:
        known: dict[str, Event] = {}
        while True:
            for tenant in self._watched():
                with contextlib.suppress(StoreError):
                    event = await asyncio.to_thread(queue_event, self._store, tenant)
                    if event != known.get(tenant.name):
                        known[tenant.name] = event
                        self._tell_queue(tenant, event)
            await asyncio.sleep(QUEUE_S)

    def _watched(self) -> Iterable[Tenant]:
        found = {a.tenant.name: a.tenant for a in self._audiences.values() if a.watchers}
        return found.values()

    def _tell_queue(self, tenant: Tenant, event: Event) -> None:
        for audience in self._audiences.values():
            if audience.tenant.name == tenant.name:
                audience.tell({"n": audience.position, **event})

    def close(self) -> None:
        """Let all watchers go, and stop reading; on the loop. Idempotent."""
        self._ended = True
        for audience in self._audiences.values():
            audience.end()
        self._stop_reading()

    def rest(self) -> None:
        """Stop reading until the next one watches; on the loop."""
        if self._loop is asyncio.get_running_loop():
            for audience in self._audiences.values():
                audience.end()
            self._stop_reading()

    def _stop_reading(self) -> None:
        for task in self._tasks:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                task.cancel()
        self._tasks = []
        self._reading = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None
