"""Lists scans, the newest first, whatever their number and whatever is damaged among them.

The index ``listed`` has the scans of each state and Fr-PACS in the order of their arrival. Each
such group is read in pages, and the pages are merged. A page is a range of the index that begins
with the key at which the one before ended, so it costs as much as it returns, wherever it is. A
range knows no types: it contains scans whose fields are missing or of another type, too.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter
from typing import Any

from bson import MaxKey, MinKey, Regex, Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument

from common.domain.scan_key import pacs_of, scan_id_of
from common.domain.states import ERASED, PURGED, ReportGenerated
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import UNDECODABLE, as_stored, decoded, find, whole
from common.store.error_mapping import translated
from common.store.exact_bson import encoded, exact
from common.store.paging import name_of
from common.store.schema import ALSO_SUBJECT, LISTED, SUBJECT
from common.store.stored_types import FOREIGN, SCAN_FIELDS, STATES, problems_of_scan

_PAGE_MAX, _PAGE_MIN = 1000, 20
_TOGETHER = 4000
"""Documents in memory, of all groups."""

_JOINED = 500
_RECENT = 10_000
"""Scans that change their group while they are listed are told once if no more than this many come
between."""

_Place = tuple[int, int]
_BEFORE_ALL_TIMES = DatetimeMS(-(2**63))
_TOLERANT: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
_KEY = "_key"
FIELDS = (
    *SCAN_FIELDS,
    *("error", "purged_at", "erased_at", "also"),
)
"""Of a stored scan, for ``listed_scan``."""

REPORT_FIELDS = (
    *("status", "revision", "report.analyzer"),
    *("report.findings.quality.verdict", "report.findings.lesions.count"),
)
"""Of the report about it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which scans to list; what is empty or None does not limit them."""

    states: tuple[str, ...] = ()
    pacs: str | None = None
    subject: str | None = None
    """A pseudonym."""
    since: datetime | None = None
    """When they arrived at the earliest."""
    limit: int | None = None
    keys: tuple[str, ...] | None = None
    """The keys of the only scans to list."""


@dataclass(frozen=True, slots=True)
class ListedScan:
    """A scan, and the report about it. What is not stored, or damaged, is None."""

    key: str
    """For people: escaped if it is no key."""
    scan_id: str
    pacs: str | None
    state: str
    received_at: datetime | None
    ended_at: datetime | None
    """When it failed, or was purged or erased."""
    priority: str | None
    subject: str | None
    attempts: int | None
    cause: str | None
    """Why it failed, for good or at its last attempt."""
    analyzer: str | None = None
    verdict: str | None = None
    lesions: int | None = None
    revision: int | None = None
    delivered: bool | None = None
    """Whether its Fr-PACS has the report; None: there is no report."""
    damage: tuple[str, ...] = field(default=())


def _bound(key: Iterable[tuple[str, Any]]) -> RawBSONDocument:
    """An end of a range. PyMongo decodes it, whatever it holds, to see whether it is empty."""
    return RawBSONDocument(bytes(encoded(key).raw), _TOLERANT)


def _key_of(raw: RawBSONDocument) -> RawBSONDocument:
    """The key of a document in the index that it was found by."""
    return _bound(exact(raw)[_KEY].items())


class ScanList:
    """Lists scans."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def scans(self, wanted: Wanted) -> Iterator[ListedScan]:
        """The scans, the newest first; those without a time of arrival come last."""
        found = islice(self._distinct(self._merged(wanted)), wanted.limit)
        while some := list(islice(found, _JOINED)):
            reports = self._reports([d["_id"] for d in some if isinstance(d["_id"], str)])
            for document in some:
                key = document["_id"]
                yield listed_scan(document, reports.get(key) if isinstance(key, str) else None)

    def _merged(self, wanted: Wanted) -> Iterator[Document]:
        if wanted.keys is not None:
            yield from self._chosen(wanted.keys, wanted)
            return
        ranges = self._ranges(wanted)
        size = min(wanted.limit or _PAGE_MAX, _TOGETHER // max(1, len(ranges)))
        size = max(_PAGE_MIN, min(size, _PAGE_MAX))
        streams = (self._stream(one, size) for one in ranges)
        for _, document in heapq.merge(*streams, key=itemgetter(0)):
            if _matches(document, wanted):
                yield document

    @translated
    def _chosen(self, keys: Sequence[str], wanted: Wanted) -> list[Document]:
        """The scans of these keys, the newest first."""
        fields = dict.fromkeys(FIELDS, 1)
        found = find(self._db.scans, {"_id": {"$in": list(keys)}}, fields, hint=BY_ID)
        some = sorted(found, key=lambda one: _place(one.get("received_at")))
        return [one for one in some if _matches(one, wanted) and _is_wanted_too(one, wanted)]

    @staticmethod
    def _distinct(documents: Iterable[Document]) -> Iterator[Document]:
        recent: OrderedDict[str, None] = OrderedDict()
        for document in documents:
            name = repr(document["_id"])
            if name not in recent:
                yield document
            recent[name] = None
            if len(recent) > _RECENT:
                recent.popitem(last=False)

    def _ranges(self, wanted: Wanted) -> list["_Range"]:
        if wanted.subject is not None:
            # Also those that came again with this pseudonym, which erasing it erases, too.
            return [
                _Range(index, ((name, wanted.subject),), wanted.since, {name: wanted.subject})
                for index, name in ((SUBJECT, "scan.subject"), (ALSO_SUBJECT, "also.subject"))
            ]
        ranges = []
        for state, pacs in self._groups():
            if wanted.states and state not in wanted.states:
                continue
            if wanted.pacs is not None and isinstance(pacs, str) and pacs != wanted.pacs:
                continue
            prefix = (("report_generated", state), ("scan.pacs", pacs))
            ranges.append(_Range(LISTED, prefix, wanted.since))
            if wanted.since is not None and state not in (PURGED, ERASED):
                # Nobody can tell when these arrived, which they should say.
                ranges.append(_Range(LISTED, prefix, None, start=_BEFORE_ALL_TIMES))
        return ranges

    def _groups(self) -> Iterator[tuple[Any, Any]]:
        """Each state with each Fr-PACS, of any types, by a query each."""
        low, end = MinKey(), [("report_generated", MinKey()), ("scan.pacs", MinKey())]
        bound = _bound([*end, ("received_at", MaxKey()), ("_id", MaxKey())])
        while found := self._page(LISTED, {}, {"_id": 1}, bound, None, 1):
            key = exact(found[0])[_KEY]
            state, pacs = key["report_generated"], key["scan.pacs"]
            yield state, pacs
            prefix = [("report_generated", state), ("scan.pacs", pacs)]
            bound = _bound([*prefix, ("received_at", low), ("_id", low)])

    def _stream(self, wanted: "_Range", size: int) -> Iterator[tuple[_Place, Document]]:
        start, last = wanted.first, None
        fields = dict.fromkeys(FIELDS, 1)
        while True:
            more = size + (last is not None)
            found = self._page(wanted.index, wanted.filter, fields, start, wanted.end, more)
            # A page begins with the end of the one before, unless that has changed its group.
            again = bool(found) and last is not None and _key_of(found[0]).raw == last.raw
            for raw in found[again:]:
                document = decoded(raw)
                yield _place(document.pop(_KEY)["received_at"]), document
            if len(found) < more:
                return
            start = last = _key_of(found[-1])

    @translated
    def _page(
        self,
        index: str,
        wanted: Document,
        fields: Document,
        first: RawBSONDocument,
        end: RawBSONDocument | None,
        size: int,
    ) -> list[RawBSONDocument]:
        """The next documents of a range of an index, each with its key in it."""
        bounds: Document = {"min": first} if end is None else {"min": first, "max": end}
        projected = {**fields, _KEY: {"$meta": "indexKey"}}
        return list(
            as_stored(self._db.scans).find(wanted, projected, hint=index, limit=size, **bounds)
        )

    @translated
    def _reports(self, keys: Sequence[str]) -> dict[Any, Document]:
        fields = dict.fromkeys(REPORT_FIELDS, 1)
        found = find(self._db.reports, {"_id": {"$in": list(keys)}}, fields, hint=BY_ID)
        return {document["_id"]: document for document in found}


@dataclass(frozen=True, slots=True)
class _Range:
    """Scans with one beginning of their keys in an index, from the newest to the oldest."""

    index: str
    prefix: tuple[tuple[str, Any], ...]
    since: datetime | None
    filter: Document = field(default_factory=dict)
    start: Any = field(default_factory=MaxKey)

    @property
    def first(self) -> RawBSONDocument:
        after = MaxKey() if isinstance(self.start, MaxKey) else MinKey()
        return _bound([*self.prefix, ("received_at", self.start), ("_id", after)])

    @property
    def end(self) -> RawBSONDocument:
        oldest = MinKey() if self.since is None else self.since
        return _bound([*self.prefix, ("received_at", oldest), ("_id", MinKey())])


def _place(received_at: object) -> _Place:
    """The place of a scan in the list. Of the types of BSON, some are greater than times."""
    if isinstance(received_at, datetime):
        received_at = DatetimeMS(received_at)
    if isinstance(received_at, DatetimeMS):
        return 1, -int(received_at)
    return (0 if isinstance(received_at, Timestamp | Regex | MaxKey) else 2), 0


def _matches(document: Document, wanted: Wanted) -> bool:
    if wanted.states and document.get("report_generated") not in wanted.states:
        return False
    return wanted.pacs is None or _pacs(document) == wanted.pacs


def _is_wanted_too(document: Document, wanted: Wanted) -> bool:
    if wanted.subject is not None and wanted.subject not in _subjects(document):
        return False
    at = _time(document.get("received_at"))
    return wanted.since is None or at is None or at >= wanted.since


def _subjects(document: Document) -> set[str]:
    """The pseudonyms with which a scan came."""
    again = document.get("also")
    came = [document.get("scan"), *(again if isinstance(again, list) else ())]
    found = {_text(one.get("subject")) for one in came if isinstance(one, dict)}
    return {subject for subject in found if subject is not None}


def _pacs(document: Document) -> str | None:
    """The Fr-PACS that sent a scan; tombstones have it in their key alone."""
    key = document["_id"]
    return _text(_in(document, "scan", "pacs")) or (pacs_of(key) if isinstance(key, str) else None)


def listed_scan(document: Document, report: Document | None) -> ListedScan:
    """A scan as lists have it.

    Args:
        document: the fields ``FIELDS`` of the stored scan, whatever of them is there.
        report: of the report, ``REPORT_FIELDS``; None if there is none.
    """
    key, state = document["_id"], document.get("report_generated")
    ended = (_in(document, "error", "at"), document.get("purged_at"), document.get("erased_at"))
    name = name_of(document)
    return ListedScan(
        key=name,
        scan_id=scan_id_of(key) if isinstance(key, str) else name,
        pacs=_pacs(document),
        state=state if isinstance(state, str) else "unknown",
        received_at=_time(document.get("received_at")),
        ended_at=next((at for one in ended if (at := _time(one))), None),
        priority=_text(_in(document, "scan", "priority")),
        subject=_text(_in(document, "scan", "subject")),
        attempts=whole(document.get("attempts")),
        cause=_text(_in(document, "error", "cause")),
        analyzer=_analyzer(_in(report, "report", "analyzer")),
        verdict=_text(_in(report, "report", "findings", "quality", "verdict")),
        lesions=whole(_in(report, "report", "findings", "lesions", "count")),
        revision=None if report is None else whole(report.get("revision", 1)),
        delivered=None if report is None else report.get("status") is True,
        damage=tuple(_damage(document, report)),
    )


def _damage(document: Document, report: Document | None) -> Iterator[str]:
    key, state = document["_id"], document.get("report_generated")
    if not isinstance(key, str):
        yield FOREIGN
        return
    if not isinstance(state, str) or state not in STATES:
        yield "its state is missing or unknown, so no unit takes it"
    yield from problems_of_scan(document)
    if state == ReportGenerated.DONE and report is None:
        yield "it is 'Done' and has no report"
    if report is not None and UNDECODABLE in report:
        yield "its report has bytes that cannot be decoded"


def _analyzer(about: object) -> str | None:
    name, version = _text(_in(about, "name")), _text(_in(about, "version"))
    return f"{name} {version}" if name and version else name


def _in(document: object, *path: str) -> Any:
    """A part of a document, whatever it and its parts are; None if it is not there."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
