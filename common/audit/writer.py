"""Writes a chain of the audit trail: events are queued immediately and written in batches."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from common.audit.anchoring import Anchorer
from common.audit.chain_writer import ChainWriter
from common.audit.isolation import PERMANENT, is_permanent, write_isolating
from common.domain.audit_chain import Head
from common.domain.audit_events import Kind, RepeatCounter, event
from common.domain.types import Document
from common.errors import StoreError, StoreUnavailable
from common.runtime.logger import Log
from common.runtime.retry import backoff_s
from common.store.audit_log import AuditLog

LINGER_S = 0.02
"""Seconds until events that nobody waits for are written, together with those noted meanwhile."""

DURABLE_S = 10.0
"""How long a promise waits for its event to be durable, by default, seconds."""

MAX_PENDING = 100_000
"""The most events that are kept while MongoDB refuses every entry. Nothing is promised then."""

_EVENTS_PER_ENTRY = 1000
_IDS_PER_ENTRY = 20_000
"""Limits of an entry: 1.5 MB at most; MongoDB's limit is 16 MB."""


class AuditWriter:
    """Writes the events of one process start as a chain of entries.

    ``note`` never waits; callers that need durability call ``wait_durable`` or wait for the future
    of ``flush``. Events are kept and retried, in order, while MongoDB is unavailable. The queue
    stays bounded because callers acknowledge, complete or mark nothing before its events are
    durable, and because events that unauthenticated peers can cause are counted rather than queued
    one by one (``refused``, ``connected``). Thread-safe.

    An event that MongoDB refuses for good is written shortened (``isolation``), and the others go
    on. If MongoDB refuses every entry, as without the right to insert, whoever waits is told at
    once, so nothing is promised; the events are kept, and tried again with backoff until an
    operator has helped.

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
        self._log = log
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
        self._refused: StoreError | None = None  # why MongoDB refuses every entry
        self._anchor: tuple[Sequence[Head], Future[None]] | None = None
        self._chain = ChainWriter(audit_log, unit, facts, log, self._given_up)
        self._anchorer = Anchorer(audit_log, self._chain, self._queue_anchor, log, anchor_s)
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def writer(self) -> str:
        """The name of the chain."""
        return self._chain.writer

    @property
    def chain(self) -> str | None:
        """The chain that events go to; None until its first entry is durable."""
        return self._chain.opened

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

    def refused(
        self,
        peer: str,
        code: str,
        cause: str,
        ids: Sequence[str] = (),
        **facts: str | int | None,
    ) -> None:
        """Note that a connection, a scan or a request was refused; repeated refusals are counted,
        apart for each ``route`` and ``account`` among the facts."""
        one = event(Kind.REFUSE, ids, peer=peer, outcome=code, cause=cause, facts=facts)
        self._note_repeated(one)

    def flush(self) -> "Future[None]":
        """Start writing everything noted so far; the future is done when all of it is durable.

        It raises StoreUnavailable if the writer was closed before that, and another StoreError if
        MongoDB refuses every entry.
        """
        durable: Future[None] = Future()
        with self._changed:
            written = self._durable >= self._noted
            refused = self._refused
            if not written and refused is None and not self._given_up.is_set():
                self._waiting.append((self._noted, durable))
                self._changed.notify()
                return durable
        if written:
            durable.set_result(None)
        else:
            _reject(durable, refused)
        return durable

    def wait_durable(self, timeout_s: float | None = None) -> None:
        """Wait until everything noted so far is durable.

        Raises:
            StoreUnavailable: it is not durable after ``timeout_s`` seconds (``durable_s`` of the
                writer, if not given). The writer keeps trying.
            StoreError: MongoDB refuses every entry.
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
        self._anchorer.stop()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            return self._durable == self._noted
        self._given_up.set()
        self._thread.join(0.5)  # the thread may be in a call that MongoDB does not answer
        return False

    # --- noting ------------------------------------------------------------------------------

    def _queue(self, one: Document, key: tuple[object, ...] | None = None) -> None:
        if not self._pending:
            self._since = time.monotonic()
            self._changed.notify()
        self._pending.append((one, key))
        self._noted += 1
        if self._refused is not None and len(self._pending) > MAX_PENDING:
            _, dropped = self._pending.pop(0)
            self._pending_keys.discard(dropped or ())
            self._durable += 1  # nobody waits for it

    def _note_repeated(self, one: Document) -> None:
        with self._changed:
            first = self._repeats.add(one, time.monotonic())
            if first is not None:
                self._queue(first)

    # --- writing: the thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._persist(self._chain.open)
            while (events := self._next()) is not None:
                if events:
                    self._persist(partial(write_isolating, self._chain.write, events))
                    self._resolve_waiting(len(events))
                self._write_anchor()
            self._close_chain()
        except PERMANENT as error:  # given up: ``close`` no longer waits
            self._log.error("the audit trail was closed before it was complete", reason=str(error))
        finally:
            with self._changed:
                self._given_up.set()
                left, self._waiting = self._waiting, []
                anchor, self._anchor = self._anchor, None
            for durable in (*(one[1] for one in left), *([anchor[1]] if anchor else ())):
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
                if self._anchor is not None:
                    return []
                if self._closing:
                    return None
                until = self._repeats.next_due()
                if self._pending:
                    until = min(until, self._since + LINGER_S)
                self._changed.wait(min(until - now, threading.TIMEOUT_MAX))

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

    def _persist(self, write: Callable[[], None]) -> None:
        """Write, however long MongoDB refuses every entry; whoever waits is told so."""
        failures = 0
        while True:
            try:
                write()
            except PERMANENT as error:
                if not is_permanent(error):
                    raise
                if failures == 0:
                    self._log.error("the audit trail cannot be written", reason=str(error))
                self._refuse(_store_error(error))
                failures += 1
                if self._given_up.wait(backoff_s(failures)):
                    raise
            else:
                with self._changed:
                    self._refused = None
                return

    def _refuse(self, error: StoreError) -> None:
        with self._changed:
            self._refused = error
            waiting, self._waiting = self._waiting, []
        for _, durable in waiting:
            _reject(durable, error)

    def _close_chain(self) -> None:
        named = self._anchorer.last()
        self._chain.write([event(Kind.CLOSED)], named.heads)
        self._anchorer.noted(named)

    # --- anchors -----------------------------------------------------------------------------

    def _queue_anchor(self, heads: Sequence[Head]) -> "Future[None]":
        durable: Future[None] = Future()
        with self._changed:
            # The end of the chain waits for the last heads: it takes no other anchor any more.
            if not self._closing and not self._given_up.is_set():
                self._anchor = (heads, durable)
                self._changed.notify()
                return durable
        _reject(durable)
        return durable

    def _write_anchor(self) -> None:
        with self._changed:
            anchor, self._anchor = self._anchor, None
        if anchor is None:
            return
        heads, durable = anchor
        try:
            self._chain.write([event(Kind.ANCHOR, facts={"last": self._chain.last})], heads)
        except PERMANENT as error:
            if not is_permanent(error):
                _reject(durable)
                raise
            # An anchor promises nothing to anybody, and the next one names the heads again.
            durable.set_exception(_store_error(error))
        else:
            durable.set_result(None)


def _reject(durable: "Future[None]", error: StoreError | None = None) -> None:
    if durable.set_running_or_notify_cancel():
        durable.set_exception(
            error or StoreUnavailable("the audit trail was closed before it was complete")
        )


def _store_error(error: Exception) -> StoreError:
    return error if isinstance(error, StoreError) else StoreError(type(error).__name__)
