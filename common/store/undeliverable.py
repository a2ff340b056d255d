"""Reports that cannot be delivered: given up with a cause, listed, made due again.

Such a report keeps ``status: False`` and has ``undeliverable: {cause, at, tries}``, which takes it
out of the index of reports to send. A later revision replaces it and is sent as usual.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.domain.audit_events import Kind
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import integer
from common.store.documents import of_revision
from common.store.error_mapping import translated
from common.store.feed_documents import reports_changed
from common.store.paging import pages
from common.store.recording import Recorder

CAUSE_LONGEST = 300

_GIVEN_UP: Document = {"status": False, "undeliverable.at": {"$exists": True}}
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class UndeliverableReport:
    """A report that was given up."""

    key: str
    pacs: str | None
    cause: str
    tries: int
    at: datetime | None


class UndeliverableReports:
    """Marks, lists and redelivers reports that cannot be delivered."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    @translated
    def mark(self, key: str, cause: str, revision: int | None = None) -> bool:
        """Give up a report that was not sent, recorded in the audit trail; returns whether it was
        waiting. Repeatable.

        Args:
            key: of its scan.
            cause: why it cannot be delivered.
            revision: give up this revision only; None: whichever is stored.
        """
        which = {"_id": key} if revision is None else {"_id": key, **of_revision(revision)}
        return self._mark(which, key, cause, revision)

    @translated
    def mark_this(self, which: Mapping[str, Any], key: str, cause: str) -> bool:
        """As ``mark``, for the report that a filter finds; its ``_id`` may be damaged."""
        return self._mark(which, key, cause)

    def _mark(
        self, which: Mapping[str, Any], key: str, cause: str, revision: int | None = None
    ) -> bool:
        waiting = {"$and": [which, {"status": False, "undeliverable": None}]}
        about = {
            "cause": {"$literal": cause[:CAUSE_LONGEST]},
            "at": "$$NOW",
            "tries": integer("tries"),
        }
        change: list[Document] = [{"$set": {"undeliverable": about}}, {"$unset": "leased_by"}]
        marked = self._db.reports.update_one(waiting, change, hint=BY_ID).modified_count > 0
        if marked:
            self._db.feed.tell(reports_changed([key], "undeliverable", revision))
            self._recorder.note(Kind.UNDELIVERABLE, [key], outcome="given up", cause=cause)
        return marked

    def all(self) -> Iterator[UndeliverableReport]:
        """All undeliverable reports, in order of their keys."""
        for page in self._pages():
            yield from map(_undeliverable, page)

    def pages(self) -> Iterator[list[str]]:
        """The keys of all undeliverable reports, in order and in pages."""
        for page in self._pages():
            yield [document["_id"] for document in page]

    def _pages(self) -> Iterator[list[Document]]:
        # The content is not read: it may be what is wrong.
        wanted = {**_GIVEN_UP, "_id": {"$gt": ""}}
        return pages(self._db.reports, wanted, {"pacs": 1, "undeliverable": 1}, size=_PAGE)

    @translated
    def redeliver(self, keys: Sequence[str]) -> set[str]:
        """Make undeliverable reports due at once, with no tries used; returns the keys of those
        that were undeliverable. Repeatable."""
        ids = list(dict.fromkeys(keys))
        found = self._db.reports.find({**_GIVEN_UP, "_id": {"$in": ids}}, {"_id": 1}, hint=BY_ID)
        known = sorted(document["_id"] for document in found)
        if not known:
            return set()
        self._db.feed.begin()
        self._recorder.note(Kind.REDELIVER, known, outcome="to be sent")
        self._recorder.wait_durable()
        self._db.reports.update_many(
            {**_GIVEN_UP, "_id": {"$in": known}},
            [{"$set": {"next_try_at": "$$NOW", "tries": 0}}, {"$unset": "undeliverable"}],
            hint=BY_ID,
        )
        self._db.feed.tell(reports_changed(known, "ready"))
        return set(known)


def _undeliverable(document: Document) -> UndeliverableReport:
    about, pacs = document["undeliverable"], document.get("pacs")
    if not isinstance(about, dict):
        about = {}
    tries, at = about.get("tries"), about.get("at")
    return UndeliverableReport(
        key=document["_id"],
        pacs=pacs if isinstance(pacs, str) else None,
        cause=str(about.get("cause", "unknown")),
        tries=tries if isinstance(tries, int) else 0,
        at=at if isinstance(at, datetime) else None,
    )
