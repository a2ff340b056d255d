"""Read-only counts and lists, for people and ``make verify``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from bson import MaxKey, ObjectId
from pymongo.collection import Collection as MongoCollection

from common.domain.scan_key import pacs_of, scan_key
from common.domain.states import PURGED, ReportGenerated
from common.domain.types import Document
from common.errors import SettingsError
from common.store.collections import Collection
from common.store.connection import Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.paging import aggregate, foreign, name_of, pages, pages_ahead
from common.store.stored_types import (
    FOREIGN,
    NAIVE,
    REPORT_FIELDS,
    SCAN_FIELDS,
    OnDamage,
    is_readable,
    problems_of_report,
    problems_of_scan,
)

_PAGE = 20_000
_WHOLE_PAGE = 5_000
"""Documents of a page that are read with their headers."""

_SAMPLES_PER_RANGE = 64

Inspect = Callable[[Document], object]
"""Called with each document that can be identified, as it was read."""


class KeyRange(NamedTuple):
    """The scans and reports whose ids are from ``first`` up to ``end``, without it."""

    first: str
    end: str | None
    """None: all after ``first``."""

    @property
    def condition(self) -> Document:
        """On ``_id``."""
        return {"$gte": self.first} if self.end is None else {"$gte": self.first, "$lt": self.end}


ALL_KEYS = KeyRange("", None)

_LAST = "\U0010ffff"
_LAST_CHUNK = {"blob": ObjectId("ff" * 12), "n": MaxKey()}
_IDS: Mapping[Collection, tuple[object, object]] = {
    Collection.HISTORY: ({"scan": ""}, {"scan": _LAST}),
    Collection.PICTURES: ({"scan": ""}, {"scan": _LAST}),
    Collection.LABELS: ({"scan": ""}, {"scan": _LAST}),
    Collection.CHUNKS: ({"blob": ObjectId("00" * 12)}, _LAST_CHUNK),
    Collection.UPLOADS: (ObjectId("00" * 12), False),
    Collection.AUDIT_OPEN: ("", {}),
}
"""The first id of a collection, and one after all of its ids. MongoDB compares ids that are
documents field by field: first the type, then the name, then the value."""


class Queries:
    """Counts and lists of what is stored."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def count_states(self) -> dict[str, int]:
        """Number of scans in each state, including states with none."""
        counts = {str(state): 0 for state in ReportGenerated}
        group = {"$group": {"_id": "$report_generated", "n": {"$sum": 1}}}
        for line in aggregate(self._db.scans, [group]):
            state = str(line["_id"])
            counts[state] = counts.get(state, 0) + line["n"]
        return counts

    @translated
    def count_reports(self) -> dict[bool, int]:
        """Number of reports by ``status``: sent (True) or not sent (False)."""
        counts = {True: 0, False: 0}
        for line in aggregate(self._db.reports, [{"$group": {"_id": "$status", "n": {"$sum": 1}}}]):
            counts[line["_id"] is True] += line["n"]
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
        counts: dict[str, int] = {}
        for line in aggregate(self._db.reports, [waiting, by_pacs]):
            counts[str(line["_id"])] = counts.get(str(line["_id"]), 0) + line["n"]
        return counts

    def scan_states(
        self, damaged: OnDamage = lambda *_: None, keys: KeyRange = ALL_KEYS
    ) -> Iterator[tuple[str, str]]:
        """Id and state of every scan, in order of the ids; of a damaged one, whatever is there.

        Args:
            damaged: called with the name of each damaged document, and what is wrong with it.
            keys: only these scans. Those whose id is no text belong to the first range.
        """
        fields = dict.fromkeys(SCAN_FIELDS, 1)
        for document in self._stream(self._db.scans, fields, keys):
            if problems := "; ".join(problems_of_scan(document)):
                damaged(name_of(document), problems)
            if is_readable(document["_id"]):
                yield document["_id"], str(document.get("report_generated"))
        for name in foreign(self._db.scans, "", {}) if not keys.first else ():
            damaged(name, FOREIGN)

    def report_states(
        self,
        damaged: OnDamage = lambda *_: None,
        inspect: Inspect = lambda _: None,
        keys: KeyRange = ALL_KEYS,
    ) -> Iterator[tuple[str, bool]]:
        """Id and ``status`` of every report, in order of the ids; the rest as above.

        Args:
            damaged: as above.
            inspect: called with each report.
            keys: as above.
        """
        fields = dict.fromkeys(REPORT_FIELDS, 1)
        for document in self._stream(self._db.reports, fields, keys):
            if problems := "; ".join(problems_of_report(document)):
                damaged(name_of(document), problems)
            if is_readable(document["_id"]):
                inspect(document)
                yield document["_id"], document.get("status") is True
        for name in foreign(self._db.reports, "", {}) if not keys.first else ():
            damaged(name, FOREIGN)

    @staticmethod
    def _stream(
        collection: MongoCollection[Document], fields: Document, keys: KeyRange
    ) -> Iterator[Document]:
        plain = collection.with_options(codec_options=NAIVE)
        for page in pages_ahead(plain, {"_id": keys.condition}, fields, size=_WHOLE_PAGE):
            yield from page

    @translated
    def key_ranges(self, count: int) -> list[KeyRange]:
        """All keys in about so many ranges of about as many scans each, in order."""
        sample = [{"$sample": {"size": count * _SAMPLES_PER_RANGE}}, {"$project": {"_id": 1}}]
        found = aggregate(self._db.scans, sample)
        keys = sorted(
            d["_id"] for d in found if isinstance(d["_id"], str) and is_readable(d["_id"])
        )
        bounds = sorted(
            {keys[len(keys) * n // count] for n in range(1, count)} - {""} if keys else ()
        )
        return [KeyRange(*ends) for ends in zip(["", *bounds], [*bounds, None], strict=True)]

    @translated
    def about_how_many(self) -> int:
        """How many scans are stored, about; from the metadata, so without reading any."""
        return self._db.scans.estimated_document_count()

    def foreign(self) -> Iterator[str]:
        """The collections besides scans and reports, each with the name of a document whose id is
        of another kind than that collection's."""
        for name, (first, end) in _IDS.items():
            for found in foreign(self._db.database[name], first, end):
                yield f"{name} {found}"

    def renamed(self) -> Iterator[list[str]]:
        """The keys of the scans that a migration renamed, in pages: entries of the audit trail
        from before it name them by their ids."""
        wanted = {"renamed": True, "_id": {"$gte": ""}}
        for page in pages(self._db.scans, wanted, {"_id": 1}, size=_PAGE):
            yield [document["_id"] for document in page]

    @translated
    def is_renamed(self, key: str) -> bool:
        """Whether entries of the audit trail may name this scan by its id."""
        return self._db.scans.find_one({"_id": key, "renamed": True}, {"_id": 1}) is not None

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
            found = sorted(d["_id"] for d in find(self._db.scans, wanted, {"_id": 1}))
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
            for document in find(self._db.scans, wanted, {"report_generated": 1})
        }
        reports = {
            document["_id"]: document.get("status") is True
            for document in find(self._db.reports, wanted, {"status": 1})
        }
        return {name: (scans.get(name), reports.get(name)) for name in keys}

    @translated
    def errors(self, limit: int = 100) -> list[tuple[str, str, datetime | None]]:
        """Failed scans: id, cause, time."""
        failed = {"report_generated": ReportGenerated.ERROR}
        found = find(self._db.scans, failed, {"error": 1}, limit=limit)
        return [(name_of(d), *_cause(d.get("error"))) for d in found]


def _cause(error: object) -> tuple[str, datetime | None]:
    about = error if isinstance(error, dict) else {}
    return str(about.get("cause", "unknown")), about.get("at")
