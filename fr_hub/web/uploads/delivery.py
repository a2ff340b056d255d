"""Delivers the reports of uploaded scans, which have no Fr-PACS.

Such a report counts as delivered when it can be read in the API: this process leases it as Fr-HUB
leases those of a Fr-PACS, which finds out whether it is damaged, and marks it as sent with an event
of the audit trail. Any instance may do so; several lease different reports.
"""

import contextlib
import threading
from collections.abc import Collection, Iterator

from common.domain.scan_key import pacs_of
from common.errors import StoreError
from common.runtime.logger import Log
from common.store.collections import Notification
from common.store.notifications import NotificationListener
from common.store.outbox import READABLE
from common.store.unit_parts import WebStore

POLL_S = 5.0
"""How often reports are looked for if no notification arrives, seconds."""

PAUSE_S = 0.1
"""The least time from one round to the next, seconds: reports that come one after the other are
marked together. The first one after a quiet time does not wait."""

LEASE_S = 30.0
_BATCH = 500


def deliver(store: WebStore, source: str) -> int:
    """Mark all reports of a source of uploads that are due as delivered; returns their number.

    Raises:
        StoreError: MongoDB failed; what was leased is due again after the lease.
    """
    count, more = 0, True
    while more:
        leased = store.outbox.lease(source, _BATCH, LEASE_S)
        by_revision: dict[int, list[str]] = {}
        for report in leased:
            by_revision.setdefault(report.revision, []).append(report.key)
        for revision, keys in by_revision.items():
            store.outbox.mark_sent(keys, revision, peer=source, outcome=READABLE)
        count += len(leased)
        more = leased.more
    return count


class UploadDelivery:
    """A thread that delivers what is due: after notifications, and every ``POLL_S`` seconds."""

    def __init__(self, store: WebStore, sources: Collection[str], log: Log) -> None:
        self._store = store
        self._sources = tuple(sources)
        self._log = log
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self._thread.start()

    def wake(self, named: str | None = None) -> None:
        """Reports may be due; ``named``: only that of the scan with this key."""
        if named is None or pacs_of(named) in self._sources:
            self._wake.set()

    def close(self) -> None:
        """Stop, after what is under way. Idempotent."""
        self._closing.set()
        self._wake.set()
        self._thread.join(LEASE_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            for source in self._sources:
                self._deliver(source)
            self._closing.wait(PAUSE_S)
            self._wake.wait(POLL_S)

    def _deliver(self, source: str) -> None:
        try:
            deliver(self._store, source)
        except StoreError as error:
            self._log.debug("reports of uploads not delivered yet", reason=str(error))
        except Exception as error:  # noqa: BLE001 - one document must not end it
            # The text of an unexpected error may quote what is stored.
            self._log.warning("reports of uploads not delivered yet", error=type(error).__name__)


@contextlib.contextmanager
def delivering(store: WebStore, sources: Collection[str], log: Log) -> Iterator[None]:
    """Deliver the reports of these sources during the block."""
    delivery = UploadDelivery(store, sources, log)
    subscription = store.subscribe(Notification.REPORT, POLL_S)
    listener = NotificationListener(subscription, delivery.wake, POLL_S)
    try:
        yield
    finally:
        listener.close()
        delivery.close()
