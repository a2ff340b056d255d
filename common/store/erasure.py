"""Erases scans on request: their voxels, reports, history and pictures, whatever their state.

The steps, each repeatable, so that a kill between any two loses nothing:

1. What is to be erased is recorded in the audit trail.
2. Each scan becomes a tombstone in one update, with a higher fence: a processor at work on it loses
   its claim. The tombstone still names the blob, and that the erasure is unfinished.
3. Chunks, reports, history and pictures are deleted.
4. The tombstone forgets the blob: its id, its fence and the time are all that is left.

A processor that was writing its report all along may write it after step 3. So Fr-HUB deletes what
belongs to recent tombstones periodically, and never sends such a report.

A tombstone refuses its scan when it is sent again. It holds no hash of the voxels: by that, whoever
has the image could recognize whose scan it was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from common.domain.audit_events import Kind
from common.domain.states import ERASED
from common.domain.types import Document
from common.store.connection import Connection
from common.store.documents import all_of
from common.store.error_mapping import translated
from common.store.recording import Recorder

RECENT_DAYS = 7
"""How long late reports of erased scans are looked for, days."""

_PAGE = 500
_SUBJECTS_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Erasable:
    """A scan that ``erase`` would erase, with its state."""

    key: str
    state: str


class Erasure:
    """Erases scans, and completes erasures that were interrupted."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    def of_subject(self, subject: str) -> Iterator[str]:
        """The keys of all stored scans of a subject (pseudonym). Reads each scan's header."""
        after = ""
        while page := self._subjects_page(after):
            yield from (key for key, found in page if found == subject)
            after = page[-1][0]

    @translated
    def _subjects_page(self, after: str) -> list[tuple[str, Any]]:
        # In pages, each with its own time limit. There is no index: each scan would pay for it.
        found = self._db.scans.find(
            {"_id": {"$gt": after}}, {"scan.subject": 1}, sort=[("_id", 1)], limit=_SUBJECTS_PAGE
        )
        return [(d["_id"], d.get("scan", {}).get("subject")) for d in found]

    @translated
    def erasable(self, keys: Sequence[str]) -> list[Erasable]:
        """Those of these scans that are stored and not erased."""
        wanted = {"_id": {"$in": list(keys)}, "report_generated": {"$ne": ERASED}}
        found = self._db.scans.find(wanted, {"report_generated": 1}, sort=[("_id", 1)])
        return [Erasable(d["_id"], str(d.get("report_generated"))) for d in found]

    def erase(self, keys: Sequence[str]) -> int:
        """Erase these scans, in any state; returns their number. Repeatable after a kill.

        Recorded in the audit trail before anything is deleted, and when it is complete.
        """
        count = 0
        for start in range(0, len(keys), _PAGE):
            page = [scan.key for scan in self.erasable(keys[start : start + _PAGE])]
            if page:
                self._recorder.note(Kind.ERASE, page, outcome="asked for")
                self._recorder.wait_durable()
                self._bury(page)
                self._complete(page)
                count += len(page)
        return count

    def resume(self) -> int:
        """Complete the erasures that were interrupted; returns their number."""
        count = 0
        while page := self._unfinished():
            self._complete(page)
            count += len(page)
        return count

    def sweep(self) -> int:
        """Complete interrupted erasures, and delete what processors wrote about scans that were
        erased lately; returns the number of completed ones."""
        count = self.resume()
        after = ""
        while page := self._recent(after):
            self._delete_reports(page)
            after = page[-1]
        return count

    @translated
    def _bury(self, keys: Sequence[str]) -> None:
        wanted = {"_id": {"$in": list(keys)}, "report_generated": {"$ne": ERASED}}
        self._db.scans.update_many(wanted, [{"$replaceWith": _TOMBSTONE}])

    def _complete(self, keys: Sequence[str]) -> None:
        self._delete_voxels(keys)
        self._delete_reports(keys)
        self._recorder.note(Kind.ERASE, keys, outcome="erased")
        self._recorder.wait_durable()
        self._finish(keys)

    @translated
    def _delete_voxels(self, keys: Sequence[str]) -> None:
        named = {**_erased(keys), "blob": {"$exists": True}}
        for document in list(self._db.scans.find(named, {"blob": 1})):
            self._db.chunks.delete_many({"_id": all_of(document["blob"])})
            self._db.uploads.delete_one({"_id": document["blob"]})

    @translated
    def _delete_reports(self, keys: Sequence[str]) -> None:
        gone: Document = {"$in": list(keys)}
        self._db.history.delete_many({"scan_id": gone})
        self._db.pictures.delete_many({"scan_id": gone})
        self._db.reports.delete_many({"_id": gone})

    @translated
    def _finish(self, keys: Sequence[str]) -> None:
        self._db.scans.update_many(_erased(keys), {"$unset": {"blob": True, "erasing": True}})

    @translated
    def _unfinished(self) -> list[str]:
        wanted = {"report_generated": ERASED, "erasing": True}
        return [d["_id"] for d in self._db.scans.find(wanted, {"_id": 1}, limit=_PAGE)]

    @translated
    def _recent(self, after: str) -> list[str]:
        day_ms = 24 * 3600 * 1000
        since = {"$subtract": ["$$NOW", RECENT_DAYS * day_ms]}
        wanted = {
            "report_generated": ERASED,
            "_id": {"$gt": after},
            "$expr": {"$gt": ["$erased_at", since]},
        }
        found = self._db.scans.find(wanted, {"_id": 1}, sort=[("_id", 1)], limit=_PAGE)
        return [document["_id"] for document in found]


def _erased(keys: Sequence[str]) -> Document:
    return {"_id": {"$in": list(keys)}, "report_generated": ERASED}


_TOMBSTONE: Document = {
    "_id": "$_id",
    "report_generated": {"$literal": ERASED},
    "fence": {"$add": [{"$ifNull": ["$fence", 0]}, 1]},
    "erased_at": "$$NOW",
    "erasing": {"$literal": True},
    "blob": "$blob",
    "schema": "$schema",
    "renamed": "$renamed",
}
