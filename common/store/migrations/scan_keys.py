"""Version 2: scans, reports, history and pictures are keyed by id and Fr-PACS, ``<id>@<pacs>``.

MongoDB cannot change an ``_id``, so each document is copied and then deleted, a page at a time. The
copy is made inside MongoDB (``$merge``), so no voxels travel, and it never replaces a document: a
kill between any two writes leaves a document under the old ``_id``, under both, or under the new
one, and the next run completes each case. Pictures and history come first and scans last, because
the stored scan decides to which Fr-PACS the others belong.

A scan that was renamed has ``renamed``: the audit trail, which nothing may change, still names it
by its id, and another Fr-PACS may send a scan of the same id later. The tombstones of fully purged
scans name no Fr-PACS, so they keep their ids (see ``Scans.add``). So do damaged documents, which
stay readable for an operator; both get the schema's version and are otherwise left alone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection as MongoCollection

from common.domain.scan import Priority
from common.domain.scan_key import SEPARATOR, pacs_of, scan_id_of, scan_key
from common.domain.states import PURGED
from common.domain.types import Document
from common.store.collections import Collection
from common.store.damage import UNDECODABLE, as_stored, decoded, find, on_id, this
from common.store.documents import HEAD_START
from common.store.migrations.step import Step, Work
from common.store.schema import OLD_TOMBSTONES, SCHEMA, SCHEMA_VERSION
from common.store.schema_check import version_of

PAGE = 1000
PAGE_BYTES = 16 * 1024 * 1024
"""Documents and bytes in a page, at most: a page is one command, which a stop waits for."""

NAME = "keys"
_UNKEYED = re.compile(f"^[^{SEPARATOR}]*$")
"""MongoDB matches it on the keys of an index and reads no documents with the new form."""
_PACS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_UNSEEN: Document = {"schema": {"$not": {"$gte": SCHEMA_VERSION}}}
"""Documents that this step has not seen: those that keep their ids have the version afterwards."""

_SEEN: Document = {"$set": {"schema": SCHEMA_VERSION}}
_EXACT_ID = "_exact_id"
"""Field of a document as read here, whose id cannot be decoded; no stored field has it."""

_IS_REANALYSIS: Document = {"$gt": [{"$ifNull": ["$revision", 1]}, 1]}
_BACKGROUND_MS = int(-HEAD_START[Priority.BACKGROUND].total_seconds() * 1000)

_IS_TIME: Document = {
    # A damaged one may be so late that nothing can be added to it.
    "$and": [
        {"$gt": ["$received_at", datetime(1970, 1, 1, tzinfo=UTC)]},
        {"$lt": ["$received_at", datetime(9000, 1, 1, tzinfo=UTC)]},
    ]
}

SCAN_FIELDS: Document = {
    "reanalysis": _IS_REANALYSIS,
    "turn_at": {
        "$cond": [
            _IS_TIME,
            {"$add": ["$received_at", {"$cond": [_IS_REANALYSIS, _BACKGROUND_MS, 0]}]},
            "$$NOW",  # a damaged document
        ]
    },
    "not_before": {  # scans that failed before have no pause
        "$cond": [_IS_TIME, "$received_at", "$$NOW"]
    },
}
"""More fields of each scan, as aggregation expressions over the scan of before: set by the copy."""

REPORT_FIELDS: Document = {}
"""More fields of each report, likewise."""

_ID_FIELD: Mapping[Collection, str] = {
    Collection.PICTURES: "scan_id",
    Collection.HISTORY: "scan_id",
    Collection.REPORTS: "_id",
    Collection.SCANS: "_id",
}
"""The field that holds the scan's id, in the order in which the collections are changed."""


def pending(work: Work) -> int:
    """Number of documents that have not the form of version 2 yet; while the version is 1, counted
    in the index alone, so with those that a killed run has seen."""
    unseen = _UNSEEN if version_of(work.database) >= SCHEMA_VERSION else {}
    return sum(
        work.database[name].count_documents({field: _UNKEYED, **unseen})
        for name, field in _ID_FIELD.items()
    )


def rename(work: Work) -> None:
    """Give each document its new key."""
    total, done = pending(work), 0
    for name, field in _ID_FIELD.items():
        for page in _pages(work.database[name], field):
            _rename_page(work, name, page)
            done += len(page)
            work.went_on(NAME, done, max(done, total))
    tombstone = work.database[Collection.SCANS].find_one(
        {"_id": _UNKEYED, "report_generated": PURGED}
    )
    work.database[Collection.META].update_one(
        {"_id": SCHEMA}, {"$set": {OLD_TOMBSTONES: tombstone is not None}}, upsert=True
    )


def _pages(collection: MongoCollection[Document], field: str) -> Iterator[list[Document]]:
    """The documents that have not been seen, in pages by number and size: their ids, what names
    their Fr-PACS, and no voxels."""
    fields = {
        field: 1,
        "pacs": 1,
        "scan.pacs": 1,
        "scan.scan_id": 1,
        "report.pacs": 1,
        "size": {"$bsonSize": "$$ROOT"},
    }
    page: list[Document] = []
    size = 0
    order = [(field, 1)]
    wanted = {field: _UNKEYED, **_UNSEEN}
    for raw in as_stored(collection).find(wanted, fields, sort=order, hint=order, batch_size=PAGE):
        document = _decoded(raw)
        page.append(document)
        size += document["size"]
        if len(page) == PAGE or size >= PAGE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page


def _decoded(raw: RawBSONDocument) -> Document:
    """The document. One whose id cannot be decoded has a condition on it as it is stored."""
    document = decoded(raw)
    if UNDECODABLE in document and UNDECODABLE in decoded(this(raw)):
        document[_EXACT_ID] = on_id(raw, "$eq")
    return document


def _rename_page(work: Work, name: Collection, page: Sequence[Document]) -> None:
    collection = work.database[name]
    for document in (one for one in page if _EXACT_ID in one):
        collection.update_one({"_id": document[_EXACT_ID]}, _SEEN)
    page = [document for document in page if _EXACT_ID not in document]
    if name is Collection.SCANS:
        owners = [_pacs_of_scan(document) for document in page]
    else:
        owners = _owners(work, page, _ID_FIELD[name])
    groups: dict[str | None, list[Any]] = {}
    for document, pacs in zip(page, owners, strict=True):
        groups.setdefault(pacs, []).append(document["_id"])
    kept = groups.pop(None, [])
    for pacs, ids in groups.items():
        assert pacs is not None  # noqa: S101 - for the type checker
        _copy(collection, ids, _changes(name, pacs))
        # Delete only what has its copy. A page that another run handled meanwhile has all of them.
        copies = find(collection, {"_id": {"$in": [_new_id(i, pacs) for i in ids]}}, {"_id": 1})
        copied = [_old_id(document["_id"]) for document in copies]
        collection.delete_many({"_id": {"$in": copied}})
    if kept:
        collection.update_many({"_id": {"$in": kept}}, _SEEN)


def _copy(
    collection: MongoCollection[Document], ids: Sequence[Any], changes: Sequence[Document]
) -> None:
    into = {
        "into": collection.name,
        "on": "_id",
        "whenMatched": "keepExisting",
        "whenNotMatched": "insert",
    }
    collection.aggregate([{"$match": {"_id": {"$in": list(ids)}}}, *changes, {"$merge": into}])


def _changes(name: Collection, pacs: str) -> list[Document]:
    """The stages that make the new document of the old one."""
    suffix = SEPARATOR + pacs
    version = {"schema": SCHEMA_VERSION}
    if name is Collection.SCANS:
        renamed = {"_id": {"$concat": ["$_id", suffix]}, "renamed": True}
        return [{"$set": {**SCAN_FIELDS, **version}}, {"$set": renamed}]
    if name is Collection.REPORTS:
        return [
            {"$set": {**REPORT_FIELDS, **version}},
            {"$set": {"_id": {"$concat": ["$_id", suffix]}}},
        ]
    part = {"scan": {"$concat": ["$_id.scan", suffix]}}
    return [
        {
            "$set": {
                **version,
                "_id": {"$mergeObjects": ["$_id", part]},
                "scan_id": {"$concat": ["$scan_id", suffix]},
            }
        }
    ]


def _new_id(old: Any, pacs: str) -> Any:
    return (
        {**old, "scan": scan_key(old["scan"], pacs)}
        if isinstance(old, Mapping)
        else (scan_key(old, pacs))
    )


def _old_id(new: Any) -> Any:
    return (
        {**new, "scan": scan_id_of(new["scan"])} if isinstance(new, Mapping) else (scan_id_of(new))
    )


def _pacs_of_scan(document: Document) -> str | None:
    """The Fr-PACS of a scan; None if it is a tombstone or damaged."""
    scan = document.get("scan")
    if not isinstance(scan, Mapping) or scan.get("scan_id") != document["_id"]:
        return None
    return _valid(scan.get("pacs"))


def _valid(pacs: Any) -> str | None:
    return pacs if isinstance(pacs, str) and _PACS.fullmatch(pacs) else None


def _owners(work: Work, page: Sequence[Document], field: str) -> list[str | None]:
    """The Fr-PACS of each document that belongs to a scan: that of the stored scan, so that both
    have the same key; where no scan is stored, the one that the document names."""
    ids = sorted({document[field] for document in page if _is_sound(document, field)})
    scans = work.database[Collection.SCANS]
    fields = {"scan.pacs": 1, "scan.scan_id": 1}
    known = {d["_id"]: _pacs_of_scan(d) for d in find(scans, {"_id": {"$in": ids}}, fields)}
    for name in set(ids) - known.keys():
        # Only if documents of the old form were written after the scans were renamed.
        prefix = scan_key(name, "")
        renamed = {"_id": {"$gt": prefix, "$lt": prefix + "\x7f"}, "renamed": True}
        for found in find(scans, renamed, {"_id": 1}, limit=1):
            known[name] = _valid(pacs_of(found["_id"]))
    return [
        known.get(document[field], _own_pacs(document)) if _is_sound(document, field) else None
        for document in page
    ]


def _is_sound(document: Document, field: str) -> bool:
    """Whether the ``_id`` of a picture or an earlier report names its scan."""
    name, scan = document["_id"], document[field]
    if not isinstance(scan, str):  # an array of texts matches a pattern, too
        return False
    return field == "_id" or (isinstance(name, dict) and name.get("scan") == scan)


def _own_pacs(document: Document) -> str | None:
    report = document.get("report")
    inside = report.get("pacs") if isinstance(report, Mapping) else None
    return _valid(document.get("pacs")) or _valid(inside)


KEYS = Step(
    NAME,
    "key scans, reports, history and pictures by id and Fr-PACS (copy, then delete)",
    pending,
    rename,
)
