"""Backpressure: while the backlog or the disk is full, Fr-HUB accepts no scans and tells senders
when to retry. Accepted scans stay, and nothing is ever deleted to make room.

Each known Fr-PACS has a guaranteed share of the backlog (``fr_hub.shares``), so one that floods the
hub shuts the door on itself alone. Reanalyses do not count. A small reserve beyond the backlog is
for scans that are urgent.

The backlog and the disk are measured once a second, less often where that takes long. Between two
measurements this hub adds what it has accepted since, so one hub alone never exceeds the backlog.
Several hubs together may exceed it by what each accepts in a second.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator

from common.domain.scan import Priority
from common.errors import StoreError
from common.runtime.logger import Log
from common.settings.hub import HubSettings
from fr_hub.async_store import AsyncStore
from fr_hub.shares import Shares

MEASURE_S = 1.0
_MAX_SHARE = 1 / 30
"""The share of time that measuring may take: counting a full backlog takes longer."""

LONGEST_PAUSE_S = 10.0
"""Between two measurements, however long one takes: meanwhile a door that need not be shut stays
shut, and nobody looks at the disk."""

_MIN_RETRY_S = 1.0
_MAX_RETRY_S = 15.0
_RETRY_SHARE = 1 / 4
"""Senders are told to retry after this share of the time that the pause has lasted."""

MIN_RESERVE = 10
"""The least number of urgent scans that are taken beyond the backlog; else it is a hundredth."""

MIB = 2**20


class Backpressure:
    """Decides whether a scan may come in now, and counts those that are being received.

    A pause starts at a limit and ends a tenth below it, so that it does not toggle with every scan.
    """

    def __init__(self, settings: HubSettings, store: AsyncStore, log: Log) -> None:
        self._backlog = settings.hub_backlog
        self._reserve = max(MIN_RESERVE, self._backlog // 100)
        self._known = tuple(settings.hub_pacs)
        self._min_free = settings.hub_disk_free_mib * MIB
        self._store = store
        self._log = log
        self._shares = Shares(self._backlog, self._known)  # as measured, and what was added since
        self._in_flight = Counter[str]()  # admitted, and not known to be stored or refused
        self._added = Counter[str]()  # admitted since the last measurement began, or in flight then
        self._free: int | None = None
        self._full_disk_at: float | None = None  # time.monotonic()
        self._full_at: dict[str, float] = {}  # the same by Fr-PACS, for the backlog
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    # --- for the sessions --------------------------------------------------------------------

    def admit(self, pacs: str, priority: Priority = Priority.ROUTINE) -> bool:
        """Whether a scan of this Fr-PACS may come in. If so, it counts as in flight until it is
        ``released``."""
        if self._closing or self._full_disk_at is not None:
            return False
        if pacs not in self._full_at and not self._shares.fits(pacs):
            self._full_at[pacs] = time.monotonic()
            count = self._shares.used(pacs)
            self._log_pause("backlog", f"{count} scans are 'To Do' (HUB_BACKLOG)", pacs=pacs)
        if pacs in self._full_at and not self._has_reserve(priority):
            return False
        self._shares.take(pacs)
        self._in_flight[pacs] += 1
        self._added[pacs] += 1
        self._idle.clear()
        return True

    def _has_reserve(self, priority: Priority) -> bool:
        urgent = priority in (Priority.STAT, Priority.URGENT)
        return urgent and self._shares.total_used < self._backlog + self._reserve

    def released(self, pacs: str, count: int = 1) -> None:
        """This many admitted scans are stored, or were refused or cut off."""
        self._in_flight[pacs] -= count
        if not self._in_flight.total():
            self._idle.set()

    def withdrawn(self, pacs: str) -> None:
        """An admitted scan was refused or cut off before anything of it was submitted."""
        self._added[pacs] -= 1
        self._shares.release(pacs)
        self.released(pacs)

    @contextlib.contextmanager
    def withdrawn_on_error(self, pacs: str) -> Iterator[None]:
        """If the block raises, or is cancelled, the admitted scan is withdrawn."""
        try:
            yield
        except BaseException:
            self.withdrawn(pacs)
            raise

    def retry_after_ms(self, pacs: str) -> int:
        """When this Fr-PACS should retry: the longer the pause has lasted, the later."""
        since = self._full_disk_at or self._full_at.get(pacs)
        lasted = 0.0 if since is None else time.monotonic() - since
        return int(1000 * min(max(_MIN_RETRY_S, lasted * _RETRY_SHARE), _MAX_RETRY_S))

    # --- for the server ----------------------------------------------------------------------

    def close(self) -> None:
        """Admit no more scans."""
        self._closing = True

    async def wait_idle(self) -> None:
        """Wait until no scan is in flight."""
        await self._idle.wait()

    # --- measuring ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Measure periodically until cancelled."""
        before_s = 0.0
        while True:
            took_s = await self.measure()
            # The lesser of two: one measurement during which MongoDB stalled says nothing about
            # what the next one costs.
            pause_s = min(took_s, before_s) / _MAX_SHARE
            before_s = took_s
            await asyncio.sleep(min(max(MEASURE_S, pause_s), LONGEST_PAUSE_S))

    async def measure(self) -> float:
        """Measure once; returns the seconds it took."""
        began = time.monotonic()
        before, in_flight = self._added, self._in_flight.copy()
        self._added = in_flight.copy()
        try:
            # Further than the backlog: what the reserve took counts, too.
            to_do = await self._store.count_to_do_by_pacs(self._backlog + self._reserve + 1)
            if self._min_free:
                self._free = await self._store.disk_free()
        except StoreError:
            # The last measurement stays valid; other calls report what is wrong with MongoDB.
            for pacs in before.keys() | in_flight.keys():
                self._added[pacs] += before[pacs] - in_flight[pacs]
        else:
            self._shares = Shares(self._backlog, self._known)
            for pacs in to_do.keys() | self._added.keys():
                self._shares.take(pacs, to_do.get(pacs, 0) + self._added[pacs])
            self._decide()
        return time.monotonic() - began

    def _decide(self) -> None:
        if self._free is not None:
            if self._full_disk_at is None and self._free < self._min_free:
                self._full_disk_at = time.monotonic()
                self._log_pause(
                    "disk",
                    f"{self._free // MIB} MiB free on MongoDB's disk, {self._min_free // MIB} "
                    "needed: make room or lower HUB_DISK_FREE_MIB",
                )
            elif self._full_disk_at is not None and self._free >= self._min_free * 11 // 10:
                self._full_disk_at = None
                self._log.info("accepting scans again", limit="disk")
        for pacs in list(self._full_at):
            if self._shares.fits(pacs, max(1, self._shares.most(pacs) // 10)):
                del self._full_at[pacs]
                used = self._shares.used(pacs)
                self._log.info("accepting scans again", limit="backlog", pacs=pacs, to_do=used)

    def _log_pause(self, limit: str, reason: str, **about: str) -> None:
        self._log.warning("accepting no scans for now", limit=limit, reason=reason, **about)
