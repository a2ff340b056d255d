"""Which scans are claimed next: fairly between Fr-PACS, the urgent ones first, retries behind.

While more scans wait than one claim takes, Fr-PACS are served in turn: a whole batch from one,
filled up from the next ones if it is short. So however many scans one Fr-PACS has sent, of however
many types, each claimer takes at most one batch of them before a scan of another. The scans of a
Fr-PACS come in the order of ``turn_at``, which only says how early a scan may overtake: none
starves.

``stat`` scans come before all turns, and take turns by Fr-PACS themselves if more wait than one
claim takes. They get at most about half of what a claimer takes: after a claim that they filled for
the most part, the next one goes to the others, beginning with the other Fr-PACS.
"""

import random
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from common.domain.scan import Priority
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.claim_documents import claimable_together, for_analyzers
from common.store.connection import Connection
from common.store.damage import UNDECODABLE, find
from common.store.schema import QUEUE, RETRIED, SCHEMA_VERSION, STAT
from common.store.waiting_indexes import prefixes

LANES_S = 1.0
"""Seconds for which the known lanes are served before they are looked up again."""

_LOOKUP_SHARE = 20
"""Or this many times as long as the look-up took, if that is longer."""

RETRIED_EVERY = 8
"""While fresh scans are waiting, one claim in so many takes scans that were claimed before."""

RETRIED_LOOK_S = 1.0
"""While each claim takes all fresh scans, those that were claimed before are looked for this often,
at most, seconds: the look is a round trip of each claim. Without fresh ones, they are looked for
each time."""

_WAITING = {"report_generated": ReportGenerated.TO_DO, "schema": SCHEMA_VERSION}
_EITHER = {"$in": [False, True]}
_DUE = {"$expr": {"$lte": ["$not_before", "$$NOW"]}}
_EARLY = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """Waiting scans to claim together, and whether more are waiting."""

    documents: list[Document]
    more: bool


class ClaimQueue:
    """Finds waiting scans, for one claimer.

    Owns whose turn it is, which is not shared: each claimer starts at a random Fr-PACS.
    """

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._lock = threading.Lock()
        self._waiting: dict[str, set[str]] = {}  # Fr-PACS that have scans waiting: of which types
        self._look_up_at = 0.0  # time.monotonic()
        self._served: str | None = None
        self._stat_served = ""
        self._stat_filled = False  # the last claim, for the most part
        self._resting: str | None = None  # the Fr-PACS whose ``stat`` scans did
        self._crowded = False
        self._since_retried = 0
        self._look_at_retried_at = 0.0  # time.monotonic()
        self._passed_over = False  # scans that were claimed before, by the last search
        self._chosen: Document = {}

    def next(
        self,
        limit: int,
        types: Collection[str] | None,
        *,
        analyzers: Collection[str] | None = None,
        only_fresh: bool = False,
        max_retried: int = 1,
        retried: Mapping[str, Any] | None = None,
        skip: int = 0,
    ) -> Found:
        """The scans to claim next.

        Args:
            limit: the most scans.
            types: only scans of these types; None: of all.
            analyzers: no scans for which another analyzer than these was chosen; None: all.
            only_fresh: only scans that were never claimed.
            max_retried: the most scans that were claimed once before.
            retried: only those scans that were claimed before that meet this condition.
            skip: scans of each Fr-PACS to pass over.
        """
        condition = retried or {}
        self._chosen = for_analyzers(analyzers)  # of a claimer, always the same
        stat: list[Document] = []
        if self._crowded:
            stat = self._stat(limit, types)
            self._since_retried += not only_fresh
            if not stat and self._since_retried >= RETRIED_EVERY:
                again = self._retried(types, max_retried, condition)
                if again.documents:
                    self._stat_filled = self._resting is not None  # the others are still next
                    return Found(again.documents, more=True)
        fresh = self._fresh(limit, types, stat, skip)
        if only_fresh or fresh.more:
            return fresh
        if fresh.documents and time.monotonic() < self._look_at_retried_at:
            return fresh
        again = self._retried(types, max_retried, condition)
        if not fresh.documents:
            return again
        if not again.documents:
            self._look_at_retried_at = time.monotonic() + RETRIED_LOOK_S
        # Fresh scans that keep coming, a few at a time, must not keep the others waiting.
        if self._passed_over and again.documents:
            self._passed_over = False
            return Found(again.documents, more=True)
        self._passed_over = bool(again.documents)
        return Found(fresh.documents, more=bool(again.documents))

    def _fresh(
        self, limit: int, types: Collection[str] | None, stat: list[Document], skip: int
    ) -> Found:
        if not self._crowded:
            found = self._any(limit + 1, types)
            if len(found) <= limit:  # all of them: whose turn it is does not matter
                return Found(sorted(found, key=_turn), more=False)
            self._crowded = True
            stat = self._stat(limit, types)
        found = self._in_turn(limit + 1, types, stat, skip)
        if len(found) <= limit and not skip:
            self._crowded = False
        # Passed over may be some; one more claim tells.
        return Found(found[:limit], more=len(found) > limit or skip > 0)

    def _any(self, limit: int, types: Collection[str] | None) -> list[Document]:
        wanted = {**_WAITING, "reanalysis": _EITHER, "attempts": 0, **_of(types)}
        return self._find(wanted, limit, hint=QUEUE)

    def _stat(self, limit: int, types: Collection[str] | None) -> list[Document]:
        """The ``stat`` scans to claim before all others, up to ``limit``."""
        if self._stat_filled:
            self._stat_filled = False
            return []
        urgent = {"reanalysis": False, "scan.priority": Priority.STAT, "attempts": 0}
        wanted = {**_WAITING, **urgent, **_of(types)}
        found = sorted(self._find(wanted, limit + 1, hint=STAT), key=_turn)
        if len(found) > limit:  # more than one claim takes: by Fr-PACS
            found = self._stat_in_turn(wanted, limit)
        self._stat_filled = 2 * len(found) >= limit
        self._resting = _pacs(found[0]) if self._stat_filled else None
        return found

    def _stat_in_turn(self, wanted: Document, limit: int) -> list[Document]:
        found: list[Document] = []
        for whose in ({"$gt": self._stat_served}, {"$lte": self._stat_served}):
            if len(found) < limit:
                found += self._find(
                    {**wanted, "scan.pacs": whose},
                    limit - len(found),
                    sort=[("scan.pacs", 1), ("turn_at", 1)],
                    hint=STAT,
                )
        self._stat_served = _pacs(found[0]) if found else ""
        return found

    def _in_turn(
        self, limit: int, types: Collection[str] | None, first: list[Document], skip: int
    ) -> list[Document]:
        """Up to ``limit`` scans: ``first``, then those of the Fr-PACS whose turn it is, then those
        of the next ones."""
        found = list(first)
        known = {str(document["_id"]) for document in first}
        served = False
        for pacs, kinds in self._turns(types):
            if len(found) >= limit:
                break
            documents = self._of_pacs(pacs, kinds, limit, skip)
            if documents and not served:
                self._served, served = pacs, True
            found += [document for document in documents if str(document["_id"]) not in known]
        return found[:limit]

    def _of_pacs(self, pacs: str, kinds: list[str], limit: int, skip: int) -> list[Document]:
        # A few ranges of the index, which MongoDB merges in the order of the turns.
        wanted = {"scan.pacs": pacs, "scan.scan_type": {"$in": kinds}, "attempts": 0}
        return self._find(
            {**_WAITING, "reanalysis": _EITHER, **wanted},
            limit,
            sort=[("turn_at", 1)],
            hint=QUEUE,
            skip=skip,
        )

    def _retried(
        self, types: Collection[str] | None, max_retried: int, condition: Mapping[str, Any]
    ) -> Found:
        """Scans claimed before whose pause is over; those claimed more than once come alone."""
        self._since_retried = 0
        wanted = {**_WAITING, "attempts": {"$gt": 0}, **_DUE, **_of(types), **condition}
        found = self._find(wanted, max_retried + 1, sort=[("not_before", 1)], hint=RETRIED)
        together = claimable_together(found, max_retried)
        return Found(together, more=len(found) > len(together))

    def _turns(self, types: Collection[str] | None) -> list[tuple[str, list[str]]]:
        """The Fr-PACS that have scans of these types, each with its types, beginning with the one
        after the last that was served. One whose ``stat`` scans have just come first is
        last."""
        with self._lock:
            now = time.monotonic()
            if now >= self._look_up_at:
                self._waiting = {}
                for _, pacs, kind in prefixes(self._db.scans_fast, 3):
                    if isinstance(pacs, str) and isinstance(kind, str):
                        self._waiting.setdefault(pacs, set()).add(kind)
                took_s = time.monotonic() - now
                self._look_up_at = now + max(LANES_S, took_s * _LOOKUP_SHARE)
            turns = [
                (pacs, wanted)
                for pacs, kinds in sorted(self._waiting.items())
                if (wanted := sorted(kinds if types is None else kinds.intersection(types)))
            ]
        if self._served is None:
            start = random.randrange(len(turns)) if turns else 0  # noqa: S311
        else:
            start = sum(pacs <= self._served for pacs, _ in turns)
        return sorted(turns[start:] + turns[:start], key=lambda turn: turn[0] == self._resting)

    def _find(self, wanted: Document, limit: int, **options: Any) -> list[Document]:
        # Only majority-committed scans: one that could still be rolled back would leave a report
        # without its scan.
        return find(self._db.scans, {**wanted, **self._chosen}, limit=limit, **options)


def _of(types: Collection[str] | None) -> Document:
    return {} if types is None else {"scan.scan_type": {"$in": sorted(types)}}


def _pacs(document: Document) -> str:
    scan = document.get("scan")
    pacs = scan.get("pacs") if isinstance(scan, dict) else None
    return pacs if isinstance(pacs, str) and UNDECODABLE not in document else ""


def _turn(document: Document) -> datetime:
    turn = document.get("turn_at")
    return turn if isinstance(turn, datetime) else _EARLY


def spread(limit: int) -> int:
    """How many scans to pass over if other claimers took those that were found.

    Without it, claimers that wake together would compete for the same scans again and again.
    """
    return random.randrange(8 * limit)  # noqa: S311
