"""Erases scans on request: their voxels, reports with history, pictures and label maps, in
any state.

The steps, each repeatable, so that a kill between any two loses nothing:

1. What is to be erased is recorded in the audit trail.
2. Each scan becomes a tombstone in one update, with a higher fence: a processor at work on it loses
   its claim. The tombstone still names the blob, and that the erasure is unfinished.
3. Chunks, reports, history, pictures and label maps are deleted.
4. The tombstone forgets the blob: its id, its fence and the time are all that is left.

A processor that was writing its report all along may write it after step 3. So Fr-HUB deletes what
belongs to recent tombstones periodically, and never sends such a report.

A tombstone refuses its scan when it is sent again. It holds no hash of the voxels: by that, whoever
has the image could recognize whose scan it was.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bson import ObjectId

from common.domain.audit_events import ASKED_FOR, Kind
from common.domain.states import ERASED, PURGED
from common.domain.types import Document
from common.store.connection import Connection
from common.store.damage import UNDECODABLE, as_stored, find, integer, readable_id
from common.store.documents import all_of
from common.store.error_mapping import translated
from common.store.feed_documents import scans_to_look_up
from common.store.paging import pages
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

    def of_subject(
        self, subject: str, damaged: Callable[[str], object] = lambda _: None
    ) -> Iterator[str]:
        """The keys of all stored scans of a subject (pseudonym), also of those that came again
        under it. Reads each scan's header, as a damaged one has no place in an index.

        Args:
            subject: the pseudonym.
            damaged: called with the key of each scan of which nobody can tell whose it is.
        """
        wanted = {"_id": {"$gt": ""}}
        fields = {"scan.subject": 1, "also.subject": 1, "report_generated": 1}
        for page in pages(self._db.scans, wanted, fields, size=_SUBJECTS_PAGE):
            for scan in page:
                if _is_nobodys(scan):
                    damaged(str(scan["_id"]))
                elif subject in _subjects_of(scan):
                    yield scan["_id"]

    @translated
    def erasable(self, keys: Sequence[str]) -> list[Erasable]:
        """Those of these scans that are stored and not erased."""
        wanted = {"_id": {"$in": list(keys)}, "report_generated": {"$ne": ERASED}}
        found = find(self._db.scans, wanted, {"report_generated": 1}, sort=[("_id", 1)])
        return [Erasable(d["_id"], str(d.get("report_generated"))) for d in found]

    def erase(self, keys: Sequence[str], by: str | None = None) -> int:
        """Erase these scans, in any state; returns their number. Repeatable after a kill.

        Recorded in the audit trail before anything is deleted, and when it is complete.

        Args:
            keys: of the scans.
            by: the user who asked for it, for the audit trail.
        """
        count = 0
        for start in range(0, len(keys), _PAGE):
            these = [scan.key for scan in self.erasable(keys[start : start + _PAGE])]
            if these:
                self._recorder.note(Kind.ERASE, these, outcome=ASKED_FOR, by=by)
                self._recorder.wait_durable()
                self._bury(these)
                self._complete(these)
                count += len(these)
        return count

    def resume(self) -> int:
        """Complete the erasures that were interrupted; returns their number."""
        count = 0
        while these := self._unfinished():
            self._complete(these)
            count += len(these)
        return count

    def sweep(self) -> int:
        """Complete interrupted erasures, and delete what processors wrote about scans that were
        erased lately; returns the number of completed ones."""
        count = self.resume()
        last: Document | None = None
        while recent := self._recent(last):
            self._delete_reports([scan["_id"] for scan in recent])
            last = recent[-1]
        return count

    @translated
    def _bury(self, keys: Sequence[str]) -> None:
        wanted = {"_id": {"$in": list(keys)}, "report_generated": {"$ne": ERASED}}
        self._db.feed.begin()
        self._db.scans.update_many(wanted, [{"$replaceWith": _TOMBSTONE}])
        self._db.feed.tell(scans_to_look_up(keys))

    def _complete(self, keys: Sequence[str]) -> None:
        self._delete_voxels(keys)
        self._delete_reports(keys)
        self._recorder.note(Kind.ERASE, keys, outcome="erased")
        self._recorder.wait_durable()
        self._finish(keys)

    @translated
    def _delete_voxels(self, keys: Sequence[str]) -> None:
        named = {**_erased(keys), "blob": {"$exists": True}}
        for document in find(self._db.scans, named, {"blob": 1}):
            if isinstance(blob := document["blob"], ObjectId):  # else it names no chunks
                self._db.chunks.delete_many({"_id": all_of(blob)})
                self._db.uploads.delete_one({"_id": blob})

    @translated
    def _delete_reports(self, keys: Sequence[str]) -> None:
        gone: Document = {"$in": list(keys)}
        self._db.history.delete_many({"scan_id": gone})
        self._db.pictures.delete_many({"scan_id": gone})
        self._db.labels.delete_many({"scan_id": gone})
        self._db.reports.delete_many({"_id": gone})

    @translated
    def _finish(self, keys: Sequence[str]) -> None:
        self._db.scans.update_many(_erased(keys), {"$unset": {"blob": True, "erasing": True}})

    @translated
    def _unfinished(self) -> list[str]:
        wanted = {"report_generated": ERASED, "erasing": True, "_id": {"$type": "string"}}
        found = as_stored(self._db.scans).find(wanted, {"_id": 1}, limit=_PAGE)
        return [key for scan in found if (key := readable_id(scan)) is not None]

    @translated
    def _recent(self, last: Document | None) -> list[Document]:
        """The next tombstones in the order of their times, the earliest first."""
        day_ms = 24 * 3600 * 1000
        since = {"$subtract": ["$$NOW", RECENT_DAYS * day_ms]}
        wanted: Document = {"report_generated": ERASED, "$expr": {"$gt": ["$erased_at", since]}}
        if last is not None:
            at = last["erased_at"]
            later = [{"erased_at": {"$gt": at}}, {"erased_at": at, "_id": {"$gt": last["_id"]}}]
            wanted["$or"] = later
        order = [("erased_at", 1), ("_id", 1)]
        return find(self._db.scans, wanted, {"erased_at": 1}, sort=order, limit=_PAGE)


def _is_nobodys(scan: Document) -> bool:
    """Whether the header of a scan is damaged; a tombstone has none."""
    if UNDECODABLE in scan:
        return True
    if scan.get("report_generated") in (ERASED, PURGED):
        return False
    return not isinstance(scan.get("scan"), dict) or not isinstance(_subject_of(scan), str | None)


def _subject_of(scan: Document) -> object:
    header = scan.get("scan")
    return header.get("subject") if isinstance(header, dict) else None


def _subjects_of(scan: Document) -> list[object]:
    noted = scan.get("also")
    others = noted if isinstance(noted, list) else []
    return [_subject_of(scan), *(one.get("subject") for one in others if isinstance(one, dict))]


def _erased(keys: Sequence[str]) -> Document:
    return {"_id": {"$in": list(keys)}, "report_generated": ERASED}


_TOMBSTONE: Document = {
    "_id": "$_id",
    "report_generated": {"$literal": ERASED},
    "fence": {"$add": [integer("fence"), 1]},
    "erased_at": "$$NOW",
    "erasing": {"$literal": True},
    "blob": "$blob",
    "schema": "$schema",
    "renamed": "$renamed",
}
