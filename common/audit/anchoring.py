"""Anchors the other chains of the audit trail, in a separate thread.

Reading what to anchor takes time, and MongoDB may refuse it. Events are written meanwhile: the
thread hands over only the finished anchor.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from common.audit.chain_writer import ChainWriter
from common.domain.audit_chain import Head
from common.errors import StoreError, StoreUnavailable
from common.runtime.logger import Log
from common.store.audit_log import AuditLog, Unanchored
from common.store.open_chains import ANNOUNCE_S

ANCHOR_S = 60.0
"""How often a hub anchors the heads of the other chains, seconds."""

MORE_S = 1.0
"""Pause before the next anchor while more chains are waiting than one anchor names, seconds."""

RETRY_S = 5.0
"""Pause after a failure, seconds."""

LAST_S = 1.0
"""The longest that the end of a chain waits for its last anchor, seconds."""

WriteAnchor = Callable[[Sequence[Head]], "Future[None]"]


class Anchorer:
    """Announces its writer's chain, and anchors the others: at the start, periodically and at the
    end.

    Args:
        audit_log: where the chains are.
        chain: its writer's chain.
        write: writes an entry that anchors these heads; returns when it is durable.
        log: for failures.
        every_s: seconds between anchors; None: only at the start and the end.
    """

    def __init__(
        self,
        audit_log: AuditLog,
        chain: ChainWriter,
        write: WriteAnchor,
        log: Log,
        every_s: float | None,
    ) -> None:
        self._audit_log = audit_log
        self._chain = chain
        self._write = write
        self._log = log
        self._every_s = every_s
        self._failing = False
        self._stopping = threading.Event()
        self._last: Future[Unanchored] = Future()
        self._next_anchor = time.monotonic()
        self._next_announcement = time.monotonic() + ANNOUNCE_S
        threading.Thread(target=self._run, name="audit-anchors", daemon=True).start()

    def stop(self) -> None:
        """Look for the heads of the last anchor, then end. Returns immediately; idempotent."""
        self._stopping.set()

    def last(self) -> Unanchored:
        """After ``stop``: what the last entry of the chain is to anchor; empty if it is not known
        within ``LAST_S`` seconds."""
        try:
            return self._last.result(LAST_S)
        except FutureTimeout:
            return Unanchored()

    def noted(self, named: Unanchored) -> None:
        """Note that the last entry anchors these heads; if that fails, others anchor them again."""
        if named.checked:
            self._attempt(lambda: self._audit_log.anchored(named))

    def _run(self) -> None:
        while not self._stopping.wait(self._pause()):
            if time.monotonic() >= self._next_announcement:
                announced = self._attempt(self._chain.announce)
                self._next_announcement = time.monotonic() + (ANNOUNCE_S if announced else RETRY_S)
            if self._next_anchor <= time.monotonic():
                self._anchor()
        found = Unanchored()

        def look() -> None:
            nonlocal found
            found = self._audit_log.not_anchored(self._chain.writer)

        self._attempt(look)
        self._last.set_result(found)

    def _pause(self) -> float:
        return max(0.0, min(self._next_anchor, self._next_announcement) - time.monotonic())

    def _anchor(self) -> None:
        more = False

        def anchor() -> None:
            nonlocal more
            named = self._audit_log.not_anchored(self._chain.writer)
            if named.heads:
                self._write(named.heads).result()
            self._audit_log.anchored(named)
            more = named.more and bool(named.heads or named.ended or named.stale)

        if not self._attempt(anchor):
            pause = RETRY_S
        elif more:
            pause = MORE_S
        else:
            pause = float("inf") if self._every_s is None else self._every_s
        self._next_anchor = time.monotonic() + pause

    def _attempt(self, call: Callable[[], object]) -> bool:
        """Make a call; False if it failed, which is logged once until a call succeeds."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - one damaged document must not end all anchoring
            # The writer logs that MongoDB is unreachable.
            known = self._failing or self._stopping.is_set()
            if not known and not isinstance(error, StoreUnavailable):
                reason = str(error) if isinstance(error, StoreError) else type(error).__name__
                self._log.warning(
                    "could not cross-link the audit trail; will retry. If this repeats, run make "
                    "audit",
                    reason=reason,
                )
                self._failing = True
            return False
        self._failing = False
        return True
