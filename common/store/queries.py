"""Read-only counts and lists, for people and ``make verify``."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pymongo.collection import Collection as MongoCollection

from common.domain.scan_key import pacs_of, scan_key
from common.domain.states import PURGED, ReportGenerated
from common.domain.types import Document
from common.errors import SettingsError
from common.store.connection import Connection
from common.store.error_mapping import translated


class Queries:
    """Counts and lists of what is stored."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def count_states(self) -> dict[str, int]:
        """Number of scans in each state, including states with none."""
        counts = {str(state): 0 for state in ReportGenerated}
        group = {"$group": {"_id": "$report_generated", "n": {"$sum": 1}}}
        for line in self._db.scans.aggregate([group]):
            counts[str(line["_id"])] = line["n"]
        return counts

    @translated
    def count_reports(self) -> dict[bool, int]:
        """Number of reports by ``status``: sent (True) or not sent (False)."""
        counts = {True: 0, False: 0}
        for line in self._db.reports.aggregate([{"$group": {"_id": "$status", "n": {"$sum": 1}}}]):
            counts[line["_id"]] = line["n"]
        return counts

    @translated
    def count_undeliverable(self) -> int:
        """Number of reports that were given up as undeliverable; they count as not sent, too."""
        return self._db.reports.count_documents(
            {"status": False, "undeliverable.at": {"$exists": True}}
        )

    @translated
    def count_unsent(self) -> dict[str, int]:
        """Number of reports to be sent, by the name of their Fr-PACS."""
        waiting = {"$match": {"status": False, "undeliverable": None}}
        by_pacs = {"$group": {"_id": "$pacs", "n": {"$sum": 1}}}
        return {str(d["_id"]): d["n"] for d in self._db.reports.aggregate([waiting, by_pacs])}

    def scan_states(self) -> Iterator[tuple[str, str]]:
        """Id and state of every scan, in order of the ids; of a damaged one, whatever is there."""
        for key, state in self._stream(self._db.scans, "report_generated"):
            yield key, str(state)

    def report_states(self) -> Iterator[tuple[str, bool]]:
        """Id and ``status`` of every report, in order of the ids."""
        yield from self._stream(self._db.reports, "status")

    @staticmethod
    def _stream(collection: MongoCollection[Document], field: str) -> Iterator[tuple[str, Any]]:
        start: Document = {}
        while True:
            # Each page has its own time limit, which one cursor over everything would exceed.
            page = _page(collection, start, field)
            yield from ((document["_id"], document.get(field)) for document in page)
            if not page:
                return
            start = {"_id": {"$gt": page[-1]["_id"]}}

    def renamed(self) -> Iterator[list[str]]:
        """The keys of the scans that a migration renamed, in pages: entries of the audit trail
        from before it name them by their ids."""
        after = ""
        while page := self._renamed_page(after):
            yield page
            after = page[-1]

    @translated
    def is_renamed(self, key: str) -> bool:
        """Whether entries of the audit trail may name this scan by its id."""
        return self._db.scans.find_one({"_id": key, "renamed": True}, {"_id": 1}) is not None

    @translated
    def _renamed_page(self, after: str) -> list[str]:
        wanted = {"renamed": True, "_id": {"$gt": after}}
        found = self._db.scans.find(wanted, {"_id": 1}, sort=[("_id", 1)], limit=20_000)
        return [document["_id"] for document in found]

    @translated
    def keys_of(self, names: Sequence[str]) -> dict[str, str]:
        """The key of the stored scan that each name means: its key or its id alone. Names that
        mean none are left out.

        Raises:
            SettingsError: several Fr-PACS sent a scan of this id.
        """
        keys: dict[str, str] = {}
        for name in dict.fromkeys(names):
            wanted: Document = {"_id": name}
            if pacs_of(name) is None:
                prefix = scan_key(name, "")
                wanted = {"_id": {"$gt": prefix, "$lt": prefix + "\x7f"}}
            found = sorted(d["_id"] for d in self._db.scans.find(wanted, {"_id": 1}))
            if not found and pacs_of(name) is None:
                # A damaged scan names no Fr-PACS, so the migration has left it its id.
                alone: Document = {"_id": name, "report_generated": {"$ne": PURGED}}
                found = [d["_id"] for d in self._db.scans.find(alone, {"_id": 1})]
            if len(found) > 1:
                raise SettingsError(
                    f"several Fr-PACS sent a scan with the id {name!r}: write {' or '.join(found)}"
                )
            keys.update((name, key) for key in found)
        return keys

    @translated
    def states_of(self, keys: Sequence[str]) -> dict[str, tuple[str | None, bool | None]]:
        """For each id, its scan's state and its report's ``status``; None if there is none."""
        wanted = {"_id": {"$in": list(keys)}}
        scans = {
            document["_id"]: str(document.get("report_generated"))
            for document in self._db.scans.find(wanted, {"report_generated": 1})
        }
        reports = {
            document["_id"]: document.get("status")
            for document in self._db.reports.find(wanted, {"status": 1})
        }
        return {name: (scans.get(name), reports.get(name)) for name in keys}

    @translated
    def errors(self, limit: int = 100) -> list[tuple[str, str, datetime]]:
        """Failed scans: id, cause, time."""
        found = self._db.scans.find(
            {"report_generated": ReportGenerated.ERROR}, {"error": 1}, limit=limit
        )
        return [(d["_id"], d["error"]["cause"], d["error"]["at"]) for d in found]


@translated
def _page(collection: MongoCollection[Document], start: Document, field: str) -> list[Document]:
    return list(collection.find(start, {field: 1}, sort=[("_id", 1)], limit=20_000))
