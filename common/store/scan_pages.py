"""Finds scans, page by page: the newest first, or by the beginning of their ids and pseudonyms.

A page begins after a place in an index, so it costs the same wherever it is. Conditions that no
index has (such as the verdict) are checked scan by scan. A page reads ``EXAMINED_MAX`` scans at
most for them: it may have few scans, or none, and still be followed by others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson.datetime_ms import DatetimeMS

from common.domain.scan_key import pacs_of
from common.domain.states import SHOWN
from common.domain.tenant import Tenant
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.scan_facts import SCAN_FACTS, FactsReader, ScanFacts
from common.store.schema import ACCOUNT, ALSO_SUBJECT, LISTED, SUBJECT
from common.store.tenancy import is_owned, these_of

EXAMINED_MAX = 5000
_BATCH = 500

_SCANS_TO_EXPLODE = 200
"""MongoDB merges the ends of this many ranges of an index in order; it sorts more of them."""

_FIRST, _LAST = DatetimeMS(-(2**63)), DatetimeMS(2**63 - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STRING: Document = {"$gte": ""}
_END = "\U0010ffff"

_NEWEST = (("received_at", -1), ("_id", -1))
_OLDEST = (("received_at", 1), ("_id", 1))
_BY_KEY = (("_id", 1),)
_BY_SUBJECT = (("scan.subject", 1), *_NEWEST)
_BY_KEY_DOWN = (("_id", -1),)
_Index = str | list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which scans to find; what is empty or None does not limit them."""

    tenant: Tenant
    states: tuple[str, ...] = ()
    """As stored."""
    pacs: tuple[str, ...] = ()
    subjects: tuple[str, ...] | None = None
    """Pseudonyms; an empty tuple finds nothing."""
    since: datetime | None = None
    """When they arrived at the earliest; tombstones have no such time."""
    until: datetime | None = None
    analyzer: str | None = None
    """Name of the analyzer that made the report, or its name and version with a space between."""
    verdict: str | None = None
    lesions: bool | None = None
    """Whether the report lists lesions; a report that could not judge that is in neither."""
    text: str | None = None
    """Beginning of the id, or of the pseudonym."""
    account: str | None = None
    """The account that they were sent to; without tombstones. Not with ``pacs``, ``subjects`` or
    ``text``."""
    also: bool = False
    """Those, too, that came again with one of ``subjects``."""
    oldest_first: bool = False
    """Not with ``text``. Scans without a time of arrival come last in any case."""

    @property
    def by_report(self) -> bool:
        """Whether only the reports of the scans tell which are meant."""
        return any(one is not None for one in (self.analyzer, self.verdict, self.lesions))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: ``values`` are those of the order of the walk ``walk``."""

    walk: int
    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some scans, and where the next page begins; None: there is no other."""

    scans: list[ScanFacts]
    next: Place | None


@dataclass(frozen=True, slots=True)
class KeyPage:
    """The keys of some scans, and where the next page begins."""

    keys: list[str]
    next: Place | None


@dataclass(frozen=True, slots=True)
class _Walk:
    """Ranges of indexes, read together in one order."""

    ranges: tuple[tuple[_Index, Document], ...]
    order: tuple[tuple[str, int], ...]


class ScanPages:
    """Finds the scans of a tenant."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._facts = FactsReader(connection)

    def page(self, asked: Asked, limit: int, after: Place | None = None) -> Page:
        """The next scans, ``limit`` at most."""
        found = self.keys(asked, limit, after)
        return Page(self.these(asked.tenant, found.keys), found.next)

    def these(self, tenant: Tenant, keys: Sequence[str]) -> list[ScanFacts]:
        """Those of these scans that are stored and the tenant's, in the order of the keys."""
        documents = {d["_id"]: d for d in self._documents(tenant, keys)}
        return self._facts.of([documents[key] for key in keys if key in documents])

    def keys(self, asked: Asked, limit: int, after: Place | None = None) -> KeyPage:
        """The keys of the next scans, ``limit`` at most.

        Raises:
            ValueError: the place is not one of this list.
        """
        walks = list(self._walks(asked))
        checked = asked.text is not None or asked.by_report
        size = _BATCH if checked else limit + 1
        found: list[str] = []
        examined = 0
        number, place = (0, None) if after is None else (after.walk, after)
        while number < len(walks):
            walk = walks[number]
            batch = self._batch(walk, place, size)
            wanted = self._wanted(asked, number, batch)
            for document in batch:
                if len(found) == limit:
                    return KeyPage(found, place or Place(number, ()))
                place = Place(number, tuple(_value(document, field) for field, _ in walk.order))
                if document["_id"] in wanted:
                    found.append(document["_id"])
            examined += len(batch)
            if len(batch) < size:
                number, place = number + 1, None
            if examined >= EXAMINED_MAX:
                after = place or Place(number, ())
                return KeyPage(found, after if number < len(walks) else None)
            if len(found) == limit and place is not None:
                return KeyPage(found, place)
        return KeyPage(found, None)

    def _walks(self, asked: Asked) -> Iterator[_Walk]:
        if asked.text is not None:
            begins = {"$gte": asked.text, "$lt": asked.text + _END}
            yield _Walk(((BY_ID, {"_id": begins}),), _BY_KEY)
            subject = {"scan.subject": begins, "_id": _STRING, "received_at": _between(asked)}
            yield _Walk(((SUBJECT, subject),), _BY_SUBJECT)
            return
        timed = {"received_at": _between(asked), "_id": _STRING}
        timeless = {"received_at": None, "_id": _STRING}
        ranges: list[tuple[_Index, Document]]
        if asked.account is not None:
            ranges = [(ACCOUNT, {"account": asked.account, **_in_states(asked)})]
        elif asked.subjects is not None:
            ranges = list(_of_subjects(asked, asked.subjects))
        else:
            ranges = [(LISTED, one) for one in self._groups(asked)]
        in_order, then = (_OLDEST, _BY_KEY) if asked.oldest_first else (_NEWEST, _BY_KEY_DOWN)
        yield _Walk(tuple((index, {**one, **timed}) for index, one in ranges), in_order)
        if asked.since is None and asked.until is None:
            yield _Walk(tuple((index, {**one, **timeless}) for index, one in ranges), then)

    def _groups(self, asked: Asked) -> Iterator[Document]:
        states = list(asked.states or SHOWN.values())
        names = sorted(self._sources(asked, states))
        at_once = _SCANS_TO_EXPLODE // len(states)
        state: Document = {"$in": states}
        for start in range(0, len(names), at_once):
            some = names[start : start + at_once]
            yield {"report_generated": state, "scan.pacs": {"$in": some}}
        # Tombstones, and scans whose header is damaged.
        yield {"report_generated": state, "scan.pacs": None}

    def _sources(self, asked: Asked, states: Sequence[str]) -> set[str]:
        """The names of the tenant's Fr-PACS that have scans in these states, or may have."""
        tenant = asked.tenant
        if asked.pacs:
            return {name for name in asked.pacs if tenant.owns(name)}
        if tenant.pacs is not None:
            return {*tenant.pacs, tenant.uploads}
        found = {name for state in states for name in self._known(state)}
        return {name for name in found if isinstance(name, str) and tenant.owns(name)}

    @translated
    def _known(self, state: str) -> list[Any]:
        return self._db.scans.distinct("scan.pacs", {"report_generated": state})

    @translated
    def _batch(self, walk: _Walk, after: Place | None, size: int) -> list[Document]:
        fields = {"_id": 1, **{field: 1 for field, _ in walk.order}}
        if walk.order in (_BY_KEY, _BY_SUBJECT):  # the others are read from the index alone
            fields |= {"report_generated": 1, "received_at": 1, "scan.subject": 1}
            fields |= {"also.subject": 1}
        later = _later(walk.order, after.values) if after is not None and after.values else {}
        # A scan may be in two ranges: under its subject, and under one with which it came again.
        ids = {
            document["_id"]: document
            for index, one in walk.ranges
            for document in find(
                self._db.scans,
                {"$and": [one, later]} if later else one,
                fields,
                sort=list(walk.order),
                hint=index,
                limit=size,
            )
        }
        found = list(ids.values())
        for field, direction in reversed(walk.order):
            found.sort(key=lambda d, field=field: _value(d, field), reverse=direction < 0)  # type: ignore[misc]
        return found[:size]

    def _wanted(self, asked: Asked, walk: int, batch: Sequence[Document]) -> set[str]:
        mine = {d["_id"] for d in batch if is_owned(asked.tenant, d["_id"])}
        if asked.pacs:
            mine = {key for key in mine if pacs_of(key) in asked.pacs}
        if asked.text is not None:
            mine &= {d["_id"] for d in batch if _matches(asked, walk, d)}
        if mine and asked.by_report:
            mine = self._reported(asked, mine)
        return mine

    @translated
    def _reported(self, asked: Asked, keys: set[str]) -> set[str]:
        wanted: Document = {"_id": {"$in": sorted(keys)}}
        if asked.verdict is not None:
            wanted["report.findings.quality.verdict"] = asked.verdict
        if asked.lesions is not None:
            wanted["report.findings.lesions.count"] = {"$gt": 0} if asked.lesions else 0
        if asked.analyzer is not None:
            name, space, version = asked.analyzer.partition(" ")
            wanted["report.analyzer.name"] = name
            if space:
                wanted["report.analyzer.version"] = version
        return {d["_id"] for d in find(self._db.reports, wanted, {"_id": 1}, hint=BY_ID)}

    @translated
    def _documents(self, tenant: Tenant, keys: Sequence[str]) -> list[Document]:
        return find(self._db.scans, these_of(tenant, list(keys)), SCAN_FACTS, hint=BY_ID)


def _of_subjects(asked: Asked, subjects: Sequence[str]) -> Iterator[tuple[_Index, Document]]:
    states = _in_states(asked)
    yield SUBJECT, {"scan.subject": {"$in": list(subjects)}, **states}
    if asked.also:
        yield ALSO_SUBJECT, {"also.subject": {"$in": list(subjects)}, **states}


def _in_states(asked: Asked) -> Document:
    return {"report_generated": {"$in": list(asked.states)}} if asked.states else {}


def _between(asked: Asked) -> Document:
    """A condition that is met by times alone."""
    return {"$gte": asked.since or _FIRST, "$lte": asked.until or _LAST}


def _matches(asked: Asked, walk: int, document: Document) -> bool:
    """Whether a scan whose id or pseudonym begins with the text meets the other conditions."""
    if walk and document["_id"].startswith(asked.text):
        return False  # it came before
    if asked.states and document.get("report_generated") not in asked.states:
        return False
    if asked.subjects is not None and not _has_subject(document, asked.subjects, asked.also):
        return False
    if asked.since is None and asked.until is None:
        return True
    at = document.get("received_at")
    if not isinstance(at, datetime):
        return False
    return (asked.since is None or at >= asked.since) and (asked.until is None or at <= asked.until)


def _has_subject(document: Document, subjects: Sequence[str], also: bool) -> bool:
    came = [document.get("scan")]
    again = document.get("also")
    if also and isinstance(again, list):
        came += again
    return any(isinstance(one, dict) and one.get("subject") in subjects for one in came)


def _value(document: Document, field: str) -> str | int:
    """The value by which a scan has its place; a time as milliseconds since 1970."""
    found: Any = document
    for name in field.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, datetime):
        return (found - _EPOCH) // timedelta(milliseconds=1)
    return found if isinstance(found, str) else int(found or 0)


def _later(order: Sequence[tuple[str, int]], values: Sequence[str | int]) -> Document:
    """A condition on scans after a place: a range of the first field, and the rest of it."""
    stored = [
        DatetimeMS(value) if isinstance(value, int) else value
        for (_, _), value in zip(order, values, strict=True)
    ]
    either = []
    for position, (field, direction) in enumerate(order):
        equal = {name: stored[n] for n, (name, _) in enumerate(order[:position])}
        either.append({**equal, field: {"$lt" if direction < 0 else "$gt": stored[position]}})
    first, direction = order[0]
    return {"$and": [{first: {"$lte" if direction < 0 else "$gte": stored[0]}}, {"$or": either}]}
