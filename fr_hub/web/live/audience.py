"""Those who watch the same: users of one tenant with the same rights.

What they are told is filtered, merged and encoded once for all of them. The first change of a thing
is told at once, and the later ones together after ``MERGE_S`` seconds.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from common.domain.tenant import Tenant
from common.store.feed_documents import Change, ChangeKind
from common.store.tenancy import is_owned
from fr_hub.web.live.messages import RESET, Event, events_of, message, told
from fr_hub.web.live.ring import Batch
from fr_hub.web.live.unit_hosts import without_host
from fr_hub.web.live.watcher import Watcher

MERGE_S = 0.25
"""How long later changes of the same thing are merged, seconds."""


@dataclass(slots=True)
class _Held:
    before: int
    event: Event


class Audience:
    """The watchers of a tenant with the same rights; on one loop.

    Args:
        tenant: whose scans they see.
        personal: whether they see measurements.
        hosts: whether they see the hosts of units.
    """

    def __init__(self, tenant: Tenant, *, personal: bool, hosts: bool) -> None:
        self.tenant = tenant
        self.personal = personal
        self.hosts = hosts
        self.watchers: set[Watcher] = set()
        self._loop = asyncio.get_running_loop()
        self._held: dict[str, _Held] = {}
        self._told: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0

    def begin(self, last: int) -> None:
        """Everything up to here happened before."""
        self._last = last

    @property
    def position(self) -> int:
        """Where a client goes on that has been told everything so far."""
        return next((one.before for one in self._held.values()), self._last)

    def take(self, batch: Batch) -> None:
        """Tell what a batch has for these watchers."""
        if not self.watchers:
            self._held.clear()
            self._last = batch.n
            return
        now = self._loop.time()
        events: list[Event] = []
        for name, event in self._seen(batch):
            if (held := self._held.get(name)) is not None:
                held.event = _merged(held.event, event)
            elif now - self._told.get(name, -MERGE_S) < MERGE_S:
                self._held[name] = _Held(batch.before, event)
            else:
                events.append(event)
                self._note(name, now)
        self._last = batch.n
        if events:
            self._send(events)
        if self._told and self._timer is None:
            self._timer = self._loop.call_later(MERGE_S, self._flush)

    def _note(self, name: str, now: float) -> None:
        self._told.pop(name, None)
        self._told[name] = now  # at the end: in the order of time

    def _flush(self) -> None:
        """Tell what was held for long enough."""
        now = self._loop.time() + 0.001
        events: list[Event] = []
        again: list[str] = []
        for name, at in list(self._told.items()):
            if now - at < MERGE_S:
                break
            del self._told[name]
            if (held := self._held.pop(name, None)) is not None:
                events.append(held.event)
                again.append(name)
        for name in again:
            self._note(name, now)
        if events:
            self._send(events)
        first = next(iter(self._told.values()), None)
        self._timer = None
        if first is not None:
            self._timer = self._loop.call_later(max(0.0, first + MERGE_S - now), self._flush)

    def _seen(self, batch: Batch) -> Iterable[tuple[str, Event]]:
        for change in batch.changes:
            yield from events_of(self._own(change), batch.n, batch.at_us)

    def _own(self, change: Change) -> Change:
        if change.kind is ChangeKind.UNIT:
            return change if self.hosts else without_host(change)
        if change.kind is ChangeKind.MEASUREMENT:
            sees = self.personal and change.facts.get("tenant") == self.tenant.name
            return change if sees else Change(change.kind, ())
        keys = [key for key in change.keys if is_owned(self.tenant, key)]
        return Change(change.kind, keys, change.facts)

    def tell(self, event: Event) -> None:
        """Tell an event that is not of the feed."""
        self._send([event])

    def _send(self, events: Sequence[Event]) -> None:
        if self.watchers:
            sent = message(self.position, events)
            for watcher in self.watchers:
                watcher.put(sent)

    def beat(self) -> None:
        """Tell the position, so that connections do not seem dead."""
        self._send([])

    def reset(self) -> None:
        """Tell that something was lost; what is held is not told any more."""
        self._held.clear()
        self._send([told(RESET, self._last)])

    def replay(self, watcher: Watcher, batches: Sequence[Batch]) -> None:
        """Tell a watcher these batches; of each thing the last change."""
        last: dict[str, Event] = {}
        for batch in batches:
            for name, event in self._seen(batch):
                last[name] = _merged(last.pop(name, {}), event)
        position = batches[-1].n if batches else self.position
        if last:
            watcher.put(message(position, list(last.values())))

    def end(self) -> None:
        """Let all watchers go."""
        if self._timer is not None:
            self._timer.cancel()
        for watcher in list(self.watchers):
            watcher.end()


def _merged(earlier: Event, later: Event) -> Event:
    """Two events of one thing as one. If the later one does not know the state, nor does this: the
    earlier state is past."""
    kept = {name: value for name, value in earlier.items() if name != "state"}
    return {**kept, **later}
