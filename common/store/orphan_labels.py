"""Label maps that no report names: what a processor wrote whose claim was lost, or that was killed
before its report was written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import MaxKey

from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import UNDECODABLE, find
from common.store.error_mapping import translated
from common.store.labels import chunks_of

GRACE_S = 24 * 3600.0
"""Seconds for which label maps may wait for their report: far longer than any lease, so that a
processor that was suspended does not write a report whose label maps are gone."""

EXAMINED_AT_ONCE = 5000
"""Label maps that one ``sweep`` looks at; each costs a read of one key."""

_PAGE = 500
_BEFORE_ALL: Document = {"scan": ""}
_AFTER_ALL: Document = {"scan": "\U0010ffff"}


@dataclass(frozen=True, slots=True)
class _Set:
    """The label maps of a claim."""

    key: str
    fence: int
    created_at: object


class OrphanLabels:
    """Finds label maps that neither a report nor an earlier revision names, and deletes them."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._reached: Document | None = None
        """Where the last ``sweep`` ended."""

    @translated
    def sweep(self, grace_s: float = GRACE_S, limit: int = EXAMINED_AT_ONCE) -> int:
        """Delete those that were written more than ``grace_s`` seconds ago; returns the number of
        claims whose label maps these were.

        Looks at the label maps of ``limit`` claims at most, and continues there at the next call.
        """
        before = self._db.clock.now() - timedelta(seconds=grace_s)
        swept = 0
        for start in range(0, limit, _PAGE):
            wanted = min(_PAGE, limit - start)
            page = self._page(wanted)
            orphans = self._orphans([one for one in page if _is_older(one, before)])
            for one in orphans:
                self._db.labels.delete_many({"_id": chunks_of(one.key, one.fence)})
            swept += len(orphans)
            if len(page) < wanted:
                self._reached = None
                break
        return swept

    def _page(self, count: int) -> list[_Set]:
        """The next claims with label maps, by a search of the index for each: their other chunks
        are skipped."""
        page: list[_Set] = []
        while len(page) < count:
            after = _BEFORE_ALL if self._reached is None else self._reached
            wanted: Document = {"_id": {"$gt": after, "$lt": _AFTER_ALL}}
            found = find(
                self._db.labels, wanted, {"created_at": 1}, sort=BY_ID, limit=1, hint=BY_ID
            )
            if not found:
                break
            name = found[0]["_id"]
            self._reached = {"scan": name["scan"], "fence": name.get("fence"), "n": MaxKey()}
            page.append(_Set(name["scan"], name.get("fence"), found[0].get("created_at")))
        return page

    def _orphans(self, sets: Sequence[_Set]) -> list[_Set]:
        if not sets:
            return []
        these = {"$in": [one.key for one in sets]}
        fence: Document = {"labels.fence": 1, "kind": {"$type": "$labels"}}
        # Reports first: a report is in the history before another replaces it.
        reports = find(self._db.reports, {"_id": these}, fence, hint=BY_ID)
        named = {(one["_id"], _fence(one)) for one in reports}
        history = find(self._db.history, {"scan_id": these}, {**fence, "scan_id": 1})
        named |= {(one.get("scan_id"), _fence(one)) for one in history}
        # A damaged report may name any of its scan's.
        spared = {one.get("_id") for one in reports if _is_damaged(one)}
        spared |= {one.get("scan_id") for one in history if _is_damaged(one)}
        if None in spared:
            return []
        return [one for one in sets if (one.key, one.fence) not in named and one.key not in spared]


def _is_older(one: _Set, than: datetime) -> bool:
    return not isinstance(one.created_at, datetime) or one.created_at < than


def _is_damaged(report: Document) -> bool:
    named = report.get("kind") != "missing"
    return UNDECODABLE in report or (named and not isinstance(_fence(report), int))


def _fence(report: Document) -> object:
    labels = report.get("labels")
    return labels.get("fence") if isinstance(labels, dict) else None
