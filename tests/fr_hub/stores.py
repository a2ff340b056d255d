"""What Fr-HUB's objects work with, on a real store."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bson import ObjectId

from common.audit.writer import AuditWriter
from common.runtime.logger import AvailabilityLog, get_log
from common.settings.hub import HubSettings
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan
from common.store.recording import Recorder
from common.store.unit_parts import hub_parts
from fr_hub.async_store import AsyncStore
from fr_hub.context import HubContext, memory_budget
from tests.factories import migrate
from tests.running import hub_settings


@contextlib.contextmanager
def hub_context(store: DBManager, settings: HubSettings | None = None) -> Iterator[HubContext]:
    """What the objects of a hub on this store work with."""
    log = get_log()
    with (
        ThreadPoolExecutor(4) as executor,
        contextlib.closing(AuditWriter(store.audit_log, "fr-hub", log)) as audit,
    ):
        parts = hub_parts(store.recorded_by(audit))
        async_store = AsyncStore(parts, executor, audit, AvailabilityLog(log, "MongoDB"))
        used = settings or hub_settings()
        yield HubContext(used, async_store, audit, log, memory_budget(used))


class GatedStore(DBManager):
    """A store that writes scans and chunks when the gate is open, and remembers its calls."""

    def __init__(self, uri: str, database: str, timeout_s: float) -> None:
        self.batches: list[list[str]] = []
        self.chunk_writes: list[tuple[int, int]] = []
        self.at_work = threading.Semaphore(0)
        """One for each call that has come."""
        self.written = threading.Semaphore(0)
        """One for each write of chunks that is through."""
        self.gate = threading.Event()
        self.gate.set()
        self.upload_gate = threading.Event()
        """Of the record of an upload that begins."""
        self.upload_gate.set()
        super().__init__(uri, database, timeout_s)

    def _record_with(self, recorder: Recorder) -> None:
        super()._record_with(recorder)
        self._begin, self._add, self._add_chunks = (
            self.uploads.begin,
            self.scans.add,
            self.uploads.add_chunks,
        )
        self.uploads.begin = self._gated_begin  # type: ignore[method-assign]
        self.scans.add = self._gated_add  # type: ignore[method-assign]
        self.uploads.add_chunks = self._gated_add_chunks  # type: ignore[method-assign]

    def _pass(self) -> None:
        self.at_work.release()
        assert self.gate.wait(20)

    def _gated_begin(self, blob: ObjectId | None = None) -> ObjectId:
        assert self.upload_gate.wait(20)
        return self._begin(blob)

    def _gated_add(self, new: Sequence[NewScan], by: str | None = None) -> list[Added]:
        self.batches.append([item.scan.scan_id for item in new])
        self._pass()
        return self._add(new, by)

    def _gated_add_chunks(self, blob: ObjectId, first: int, pieces: Sequence[Any]) -> None:
        self.chunk_writes.append((first, len(pieces)))
        self._pass()
        self._add_chunks(blob, first, pieces)
        self.written.release()


@contextlib.contextmanager
def gated(uri: str, database: str, timeout_s: float = 10.0) -> Iterator[GatedStore]:
    """A gated store that is ready."""
    migrate(uri, database)
    store = GatedStore(uri, database, timeout_s)
    try:
        yield store
    finally:
        store.gate.set()
        store.close()


@contextlib.contextmanager
def gated_hub(store: GatedStore) -> Iterator[HubContext]:
    """What the objects of a hub on a gated store work with; at the end its calls may finish."""
    with hub_context(store) as hub:
        try:
            yield hub
        finally:
            store.gate.set()
