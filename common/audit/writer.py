"""Writes a chain of the audit trail: events are queued immediately and written in batches."""

import math
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from common.domain.audit_chain import FIRST, Head, make_entry
from common.domain.audit_events import Kind, RepeatCounter, event
from common.domain.types import Document
from common.errors import AuditConflict, StoreError, StoreUnavailable
from common.runtime.logger import AvailabilityLog, Log
from common.runtime.retry import retrying
from common.store.audit_log import AuditLog

P = TypeVar("P")
R = TypeVar("R")

LINGER_S = 0.02
"""Seconds until events that nobody waits for are written, together with those noted meanwhile."""

DURABLE_S = 10.0
"""How long a promise waits for its event to be durable, by default, seconds."""

ANCHOR_S = 60.0
"""How often a hub anchors the heads of the other chains, seconds."""

_EVENTS_PER_ENTRY = 1000
_IDS_PER_ENTRY = 20_000
"""Limits of an entry: 1.5 MB at most; MongoDB's limit is 16 MB."""


class AuditWriter:
    """Writes the events of one process start as a chain of entries.

    ``note`` never waits; callers that need durability call ``wait_durable`` or wait for the future
    of ``flush``. Events are kept and retried, in order, until MongoDB has them; none is dropped.
    The queue stays bounded because callers acknowledge, complete or mark nothing before its events
    are durable, and because events that unauthenticated peers can cause are counted rather than
    queued one by one (``refused``, ``connected``). Thread-safe.

    Args:
        audit_log: the collection to write to.
        unit: the start of the writer's name; host, process id and a random part are added.
        log: for failures to write.
        anchor_s: seconds between anchors of the other chains; None: only at the start and the end.
        durable_s: how long ``wait_durable`` waits, seconds.
        facts: facts about the writer, for its first entry.
    """

    def __init__(
        self,
        audit_log: AuditLog,
        unit: str,
        log: Log,
        anchor_s: float | None = None,
        durable_s: float = DURABLE_S,
        **facts: str | int | None,
    ) -> None:
        self._audit_log = audit_log
        self._log = log
        self._availability = AvailabilityLog(log, "MongoDB (for the audit trail)")
        self._who: dict[str, str | int] = {
            "unit": unit,
            "host": platform.node(),
            "pid": os.getpid(),
        }
        self._facts = facts
        self._anchor_s = anchor_s
        self._durable_s = durable_s
        self._changed = threading.Condition()
        self._pending: list[tuple[Document, tuple[object, ...] | None]] = []
        self._pending_keys: set[tuple[object, ...]] = set()
        self._writing_keys: set[tuple[object, ...]] = set()
        self._noted = 0  # events, ever
        self._durable = 0
        self._since = 0.0  # when the first pending one was noted
        self._waiting: list[tuple[int, Future[None]]] = []
        self._repeats = RepeatCounter()
        self._closing = False
        self._given_up = threading.Event()
        # The chain; of the thread alone.
        self.writer = self._new_name()
        self._seq = 0
        self._prev = FIRST
        self._last = 0  # the last entry that is more than an anchor
        self._anchored = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def note(
        self,
        kind: Kind,
        ids: Sequence[str] = (),
        *,
        peer: str | None = None,
        outcome: str | None = None,
        cause: str | None = None,
        **facts: str | int | None,
    ) -> None:
        """Queue an event that has happened or is about to; see ``audit_events.event``."""
        one = event(kind, ids, peer=peer, outcome=outcome, cause=cause, facts=facts)
        key = (kind, tuple(ids), peer, outcome, cause, *facts.items())
        with self._changed:
            if key in self._pending_keys:  # a retry while MongoDB is unreachable: already queued
                return
            self._pending_keys.add(key)
            self._queue(one, key)

    def connected(self, peer: str, outcome: str, **facts: str | int | None) -> None:
        """Note that a peer connected; repeated connections are counted."""
        self._note_repeated(event(Kind.CONNECT, peer=peer, outcome=outcome, facts=facts))

    def refused(self, peer: str, code: str, cause: str, ids: Sequence[str] = ()) -> None:
        """Note that a connection or a scan was refused; repeated refusals are counted."""
        self._note_repeated(event(Kind.REFUSE, ids, peer=peer, outcome=code, cause=cause))

    def flush(self) -> "Future[None]":
        """Start writing everything noted so far; the future is done when all of it is durable.

        It raises StoreUnavailable if the writer was closed before that.
        """
        durable: Future[None] = Future()
        with self._changed:
            written = self._durable >= self._noted
            closed = self._given_up.is_set()
            if not written and not closed:
                self._waiting.append((self._noted, durable))
                self._changed.notify()
                return durable
        if written:
            durable.set_result(None)
        else:
            _reject(durable)
        return durable

    def wait_durable(self, timeout_s: float | None = None) -> None:
        """Wait until everything noted so far is durable.

        Raises:
            StoreUnavailable: it is not durable after ``timeout_s`` seconds (``durable_s`` of the
                writer, if not given). The writer keeps trying.
        """
        try:
            self.flush().result(self._durable_s if timeout_s is None else timeout_s)
        except TimeoutError:
            raise StoreUnavailable("the audit trail cannot be written") from None

    def close(self, timeout_s: float = 2.0) -> bool:
        """Write the remaining events and the end of the chain; False if that took too long.
        Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            return self._durable == self._noted
        self._given_up.set()
        self._thread.join(0.5)  # the thread may be in a call that MongoDB does not answer
        return False

    def _new_name(self) -> str:
        who = self._who
        return f"{who['unit']}-{who['host']}-{who['pid']}-{secrets.token_hex(6)}"

    # --- noting ------------------------------------------------------------------------------

    def _queue(self, one: Document, key: tuple[object, ...] | None = None) -> None:
        if not self._pending:
            self._since = time.monotonic()
            self._changed.notify()
        self._pending.append((one, key))
        self._noted += 1

    def _note_repeated(self, one: Document) -> None:
        with self._changed:
            first = self._repeats.add(one, time.monotonic())
            if first is not None:
                self._queue(first)

    # --- writing: the thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._open()
            while (events := self._next()) is not None:
                if events:
                    self._write(events)
                    self._last = self._seq - 1
                    self._resolve_waiting(len(events))
                if self._anchor_due() <= time.monotonic():
                    self._anchored = time.monotonic()
                    if heads := self._heads():
                        last = {"last": self._last}
                        self._write([event(Kind.ANCHOR, facts=last)], heads)
            self._write([event(Kind.CLOSED)], self._heads())
        except StoreError as error:  # given up: ``close`` no longer waits
            self._log.error("the audit trail was closed before all was written", reason=str(error))
        finally:
            with self._changed:
                self._given_up.set()
                left, self._waiting = self._waiting, []
            for _, durable in left:
                _reject(durable)

    def _next(self) -> list[Document] | None:
        """Wait for the next events to write: an empty list if only an anchor is due, None at the
        end."""
        with self._changed:
            while True:
                now = time.monotonic()
                repeated = self._repeats.due(now, every=self._closing)
                self._pending += [(one, None) for one in repeated]
                self._noted += len(repeated)
                soon = self._closing or self._waiting or now - self._since >= LINGER_S
                if self._pending and (soon or repeated):
                    return self._next_batch()
                if self._closing:
                    return None
                until = min(self._repeats.next_due(), self._anchor_due())
                if self._pending:
                    until = min(until, self._since + LINGER_S)
                if until <= now:
                    return []
                self._changed.wait(None if until == math.inf else until - now)

    def _next_batch(self) -> list[Document]:
        """The pending events that fit into one entry."""
        count = ids = 0
        for one, _ in self._pending[:_EVENTS_PER_ENTRY]:
            ids += len(one.get("ids", ()))
            if count and ids > _IDS_PER_ENTRY:
                break
            count += 1
        taken, self._pending = self._pending[:count], self._pending[count:]
        self._writing_keys = {key for _, key in taken if key is not None}
        return [one for one, _ in taken]

    def _resolve_waiting(self, count: int) -> None:
        with self._changed:
            self._durable += count
            self._pending_keys -= self._writing_keys
            through = [one for one in self._waiting if one[0] <= self._durable]
            self._waiting = self._waiting[len(through) :]
        for _, durable in through:
            if durable.set_running_or_notify_cancel():
                durable.set_result(None)

    def _open(self) -> None:
        opened = event(Kind.OPENED, facts={**self._who, **self._facts})
        self._write([opened], self._heads())

    def _write(self, events: Sequence[Document], heads: Sequence[Head] = ()) -> None:
        while True:
            entry = make_entry(self.writer, self._seq, self._prev, events, heads)
            try:
                self._retry(self._audit_log.add, entry)
            except AuditConflict as error:
                # Another writer used this place, or somebody changed this writer's entries. The
                # next events must not be lost, so they begin a new chain; ``make audit`` shows
                # that this one ended here.
                self._log.error("the audit trail was tampered with", reason=str(error))
                self.writer, self._seq, self._prev = self._new_name(), 0, FIRST
                self._last = 0
                self._open()
                continue
            self._seq, self._prev = self._seq + 1, entry["hash"]
            return

    def _heads(self) -> list[Head]:
        return self._retry(self._audit_log.not_anchored, self.writer)

    def _anchor_due(self) -> float:
        return math.inf if self._anchor_s is None else self._anchored + self._anchor_s

    def _retry(self, call: Callable[[P], R], argument: P) -> R:
        """Retry with backoff and full jitter until the writer is given up."""
        retry = retrying(StoreError, self._given_up, self._log_failure, final=AuditConflict)
        result = retry(call, argument)
        self._availability.available()
        return result

    def _log_failure(self, error: BaseException | None) -> None:
        if isinstance(error, StoreUnavailable):
            self._availability.unavailable(error)
        else:
            self._log.error("the audit trail cannot be written", reason=str(error))


def _reject(durable: "Future[None]") -> None:
    if durable.set_running_or_notify_cancel():
        durable.set_exception(StoreUnavailable("the audit trail was closed before all was written"))
