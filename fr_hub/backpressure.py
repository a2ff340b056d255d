"""Backpressure: past a backlog or a disk watermark Fr-HUB takes no scans, and says when to come
again. What was taken stays, and nothing is ever deleted to make room.

The levels are looked up once a second; between two looks what this hub has taken since is added,
so that one hub alone never takes more than the backlog. Several can be over it by what each of
them takes in a second.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Executor

from common.errors import StoreError
from common.runtime.logger import Log
from common.settings.loading import HubSettings
from common.store.db_manager import DBManager

LOOK_S = 1.0
_COST = 30
"""A look may take this part of the time at most: a full backlog takes longer to count."""

_LEAST_RETRY_S = 1.0
_LONGEST_RETRY_S = 15.0
_PATIENCE = 4
"""Who is turned away comes again after this part of the time that it has lasted."""

MIB = 2**20


class Pressure:
    """Whether a scan may come in now.

    Begins at the limits and ends a tenth below them, so that it does not come and go with every
    scan.
    """

    def __init__(
        self, settings: HubSettings, store: DBManager, executor: Executor, log: Log
    ) -> None:
        self._backlog = settings.hub_backlog
        self._disk = settings.hub_disk_free_mib * MIB
        self._store = store
        self._executor = executor
        self._log = log
        self._counted = 0
        self._unsettled = 0  # taken and not known to be stored or refused
        self._added = 0  # taken since the last look began, or unsettled then
        self._free: int | None = None
        self._since: float | None = None  # time.monotonic() when it began

    # --- for the server ------------------------------------------------------------------------

    def admits(self) -> bool:
        """Whether a scan may come in; if so, it is counted until it is ``settled``."""
        if self._since is None and self._counted + self._added >= self._backlog:
            self._begin("backlog", f"{self._backlog} scans are 'To Do' (HUB_BACKLOG)")
        if self._since is not None:
            return False
        self._unsettled += 1
        self._added += 1
        return True

    def settled(self, count: int = 1) -> None:
        """Scans that were admitted are stored, or will not be."""
        self._unsettled -= count

    def withdrawn(self) -> None:
        """A scan that was admitted was not even begun."""
        self._unsettled -= 1
        self._added -= 1

    @contextlib.contextmanager
    def unless_taken(self) -> Iterator[None]:
        """An admitted scan whose connection ends in here is withdrawn."""
        try:
            yield
        except BaseException:
            self.withdrawn()
            raise

    @property
    def retry_after_ms(self) -> int:
        """When to come again: the longer it has lasted, the later."""
        lasted = 0.0 if self._since is None else time.monotonic() - self._since
        return int(1000 * min(max(_LEAST_RETRY_S, lasted / _PATIENCE), _LONGEST_RETRY_S))

    # --- looking -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            took = await self.look()
            await asyncio.sleep(max(LOOK_S, _COST * took))

    async def look(self) -> float:
        """Look once; how long it took, seconds."""
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        before, unsettled = self._added, self._unsettled
        self._added = unsettled
        try:
            counted = await loop.run_in_executor(
                self._executor, self._store.capacity.count_to_do, self._backlog + 1
            )
            if self._disk:
                self._free = await loop.run_in_executor(
                    self._executor, self._store.capacity.disk_free
                )
        except StoreError:
            # Nothing is known that was not; other calls say what is wrong with MongoDB.
            self._added += before - unsettled
        else:
            self._counted = counted
            self._judge()
        return time.monotonic() - began

    def _judge(self) -> None:
        full = self._counted + self._added
        short = self._free is not None and self._disk > 0
        free = self._free or 0
        if self._since is None:
            if short and free < self._disk:
                self._begin("disk", f"{free // MIB} MiB are free (HUB_DISK_FREE_MIB)")
        elif full <= self._backlog * 9 // 10 and not (short and free < self._disk * 11 // 10):
            self._since = None
            self._log.info("taking scans again", to_do=self._counted)

    def _begin(self, what: str, why: str) -> None:
        self._since = time.monotonic()
        self._log.warning("taking no scans for now", limit=what, why=why)
