"""Backpressure: while the backlog or the disk is full, Fr-HUB accepts no scans and tells senders
when to retry. Accepted scans stay, and nothing is ever deleted to make room.

The backlog and the disk are measured once a second. Between two measurements this hub adds what it
has accepted since, so one hub alone never exceeds the backlog. Several hubs together may exceed it
by what each accepts in a second.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator

from common.errors import StoreError
from common.runtime.logger import Log
from common.settings.loading import HubSettings
from fr_hub.async_store import AsyncStore

MEASURE_S = 1.0
_MAX_SHARE = 1 / 30
"""The share of time that measuring may take: counting a full backlog takes longer."""

_MIN_RETRY_S = 1.0
_MAX_RETRY_S = 15.0
_RETRY_SHARE = 1 / 4
"""Senders are told to retry after this share of the time that the pause has lasted."""

MIB = 2**20


class Backpressure:
    """Decides whether a scan may come in now, and counts those that are being received.

    A pause starts at a limit and ends a tenth below it, so that it does not toggle with every scan.
    """

    def __init__(self, settings: HubSettings, store: AsyncStore, log: Log) -> None:
        self._backlog = settings.hub_backlog
        self._min_free = settings.hub_disk_free_mib * MIB
        self._store = store
        self._log = log
        self._to_do = 0  # as measured
        self._in_flight = 0  # admitted, and not known to be stored or refused
        self._added = 0  # admitted since the last measurement began, or in flight then
        self._free: int | None = None
        self._paused_at: float | None = None  # time.monotonic()
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    # --- for the sessions --------------------------------------------------------------------

    def admit(self) -> bool:
        """Whether a scan may come in. If so, it counts as in flight until it is ``released``."""
        if self._closing:
            return False
        if self._paused_at is None and self._to_do + self._added >= self._backlog:
            self._pause("backlog", f"{self._backlog} scans are 'To Do' (HUB_BACKLOG)")
        if self._paused_at is not None:
            return False
        self._in_flight += 1
        self._added += 1
        self._idle.clear()
        return True

    def released(self, count: int = 1) -> None:
        """This many admitted scans are stored, or were refused or cut off."""
        self._in_flight -= count
        if not self._in_flight:
            self._idle.set()

    def withdrawn(self) -> None:
        """An admitted scan was refused or cut off before anything of it was submitted."""
        self._added -= 1
        self.released()

    @contextlib.contextmanager
    def withdrawn_on_error(self) -> Iterator[None]:
        """If the block raises, or is cancelled, the admitted scan is withdrawn."""
        try:
            yield
        except BaseException:
            self.withdrawn()
            raise

    @property
    def retry_after_ms(self) -> int:
        """When a sender should retry: the longer the pause has lasted, the later."""
        lasted = 0.0 if self._paused_at is None else time.monotonic() - self._paused_at
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
        while True:
            took_s = await self.measure()
            await asyncio.sleep(max(MEASURE_S, took_s / _MAX_SHARE))

    async def measure(self) -> float:
        """Measure once; returns the seconds it took."""
        began = time.monotonic()
        before, in_flight = self._added, self._in_flight
        self._added = in_flight
        try:
            to_do = await self._store.count_to_do(self._backlog + 1)
            if self._min_free:
                self._free = await self._store.disk_free()
        except StoreError:
            # The last measurement stays valid; other calls report what is wrong with MongoDB.
            self._added += before - in_flight
        else:
            self._to_do = to_do
            self._decide()
        return time.monotonic() - began

    def _decide(self) -> None:
        if self._paused_at is None:
            if self._free is not None and self._free < self._min_free:
                self._pause(
                    "disk",
                    f"{self._free // MIB} MiB free on MongoDB's disk, {self._min_free // MIB} "
                    "needed: make room or lower HUB_DISK_FREE_MIB",
                )
        elif self._to_do + self._added <= self._backlog * 9 // 10 and not (
            self._free is not None and self._free < self._min_free * 11 // 10
        ):
            self._paused_at = None
            self._log.info("accepting scans again", to_do=self._to_do)

    def _pause(self, limit: str, reason: str) -> None:
        self._paused_at = time.monotonic()
        self._log.warning("accepting no scans for now", limit=limit, reason=reason)
