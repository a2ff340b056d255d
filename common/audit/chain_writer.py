"""One chain of the audit trail, for the thread that appends to it."""

import os
import platform
import secrets
import threading
import time
from collections.abc import Mapping, Sequence

from common.domain.audit_chain import FIRST, Head, make_entry
from common.domain.audit_events import Kind, event
from common.domain.types import Document
from common.errors import AuditConflict, StoreError, StoreUnavailable
from common.runtime.logger import AvailabilityLog, Log
from common.runtime.retry import retrying
from common.store.audit_log import AuditLog

ANNOUNCE_LATEST_S = 300.0
"""A writer whose chain was not announced for so long announces it before its next entry, seconds.
Others count it as ended after ``open_chains.STALE_S``."""


class ChainWriter:
    """Appends entries to a chain; while MongoDB is unavailable, it retries.

    Args:
        audit_log: the collection to write to.
        unit: the start of the writer's name; host, process id and a random part are added.
        facts: facts about the writer, for its first entry.
        log: for failures to write.
        given_up: once set, the last error is raised instead of a retry.
    """

    def __init__(
        self,
        audit_log: AuditLog,
        unit: str,
        facts: Mapping[str, str | int | None],
        log: Log,
        given_up: threading.Event,
    ) -> None:
        self._audit_log = audit_log
        self._log = log
        self._availability = AvailabilityLog(log, "MongoDB (for the audit trail)")
        self._who: dict[str, str | int | None] = {
            "unit": unit,
            "host": platform.node(),
            "pid": os.getpid(),
        }
        self._facts = facts
        self._given_up = given_up
        self.writer = self._new_name()
        self._seq = 0
        self._prev = FIRST
        self._announced = time.monotonic()
        self.opened: str | None = None
        """The writer of the chain whose first entry is durable."""
        self.last = 0
        """The last entry that is more than an anchor."""

    def _new_name(self) -> str:
        who = self._who
        return f"{who['unit']}-{who['host']}-{who['pid']}-{secrets.token_hex(6)}"

    def open(self) -> None:
        """Write the first entry of the chain, once the chain is announced.

        Raises:
            StoreError: MongoDB refuses the entry, or the writer was given up.
        """
        self._retry_announcing()
        self.write([event(Kind.OPENED, facts={**self._who, **self._facts})])
        self.opened = self.writer

    def announce(self) -> None:
        """Announce the chain, so that others anchor it; from any thread.

        Raises:
            StoreError: MongoDB is unreachable or refuses.
        """
        self._audit_log.announce(self.writer)
        self._announced = time.monotonic()

    def _retry_announcing(self) -> None:
        try:
            retrying(StoreUnavailable, self._given_up, self._availability.unavailable)(
                self.announce
            )
        except StoreUnavailable:
            raise
        except StoreError as error:  # without it nobody anchors this chain, but events are recorded
            self._log.warning(
                "could not announce this audit chain; will retry. If this repeats, run make audit",
                reason=str(error),
            )
            self._announced = time.monotonic()

    def write(self, events: Sequence[Document], heads: Sequence[Head] = ()) -> None:
        """Append an entry.

        Raises:
            StoreUnavailable: the writer was given up.
            Exception: one of ``isolation.PERMANENT``: MongoDB refuses this entry.
        """
        if time.monotonic() - self._announced > ANNOUNCE_LATEST_S:
            self._retry_announcing()
        while True:
            entry = make_entry(self.writer, self._seq, self._prev, events, heads)
            try:
                self._add(entry)
            except AuditConflict as error:
                # Another writer used this place, or somebody changed this writer's entries. The
                # next events must not be lost, so they begin a new chain; ``make audit`` shows
                # that this one ended here.
                self._log.error(
                    "audit trail: an entry of this chain is not the one that this process wrote; "
                    "it may have been changed. Run make audit",
                    reason=str(error),
                )
                self.writer, self._seq, self._prev, self.last = self._new_name(), 0, FIRST, 0
                self.open()
                continue
            self._seq, self._prev = self._seq + 1, entry["hash"]
            if not _is_anchor(events):
                self.last = self._seq - 1
            return

    def _add(self, entry: Document) -> None:
        retry = retrying(StoreUnavailable, self._given_up, self._availability.unavailable)
        retry(self._audit_log.add, entry)
        self._availability.available()


def _is_anchor(events: Sequence[Document]) -> bool:
    return len(events) == 1 and events[0].get("kind") == Kind.ANCHOR
