"""The store's documents, and the filters that limit a transition by state, owner and fence."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pydantic import ValidationError

from common.domain.account import account_in
from common.domain.report import BrainReport
from common.domain.scan import CONTENT, BrainScan, Packing, Priority
from common.domain.states import ERASED, PURGED, ReportGenerated
from common.domain.types import Document, utc_now
from common.errors import StoreError
from common.store.damage import UNDECODABLE, whole
from common.store.schema import SCHEMA_VERSION

_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)

_DUE_IMMEDIATELY = datetime.fromtimestamp(0, tz=UTC)
"""In the past by any clock, whether the host's or the server's."""

LEASE_MAX_S = 600.0
"""The longest lease of a claim, seconds."""

SLACK_S = 60.0
"""How far the server's clock may be set back before the longest lease or pause seems too long."""

HEAD_START: dict[Priority, timedelta] = {
    Priority.STAT: timedelta(days=1),
    Priority.URGENT: timedelta(hours=1),
    Priority.ROUTINE: timedelta(0),
    Priority.BACKGROUND: -timedelta(days=1),
}
"""Scans take their turn in the order of ``turn_at``: when they arrived, less this. So a more urgent
scan overtakes, and none waits forever: an hour makes up for 'urgent', a day for 'background'."""


class Added(Enum):
    """The outcome of ``Scans.add`` for one scan."""

    STORED = auto()  # durable, by this write
    KNOWN = auto()  # existed before, perhaps by an earlier try: durable, nothing was added
    CONFLICT = auto()  # the id has other content: not stored
    ERASED = auto()  # the scan of this id was erased on request: not stored
    PURGED = auto()  # it was reported, and retention removed it and its report: not stored


@dataclass(frozen=True, slots=True)
class NewScan:
    """A scan to store, with its voxels if it is small, else with the blob that holds them."""

    scan: BrainScan
    voxels: bytes | None = None
    blob: ObjectId | None = None
    packing: Packing | None = None
    """How the blob's chunks are compressed; None: not."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A scan that ``owner`` may work on until its lease ends."""

    scan: BrainScan
    owner: str
    fence: int
    attempts: int
    voxels: bytes | None
    blob: ObjectId | None
    packing: Packing | None = None
    revision: int = 1
    """Revision of the report to write."""
    analyzer: str | None = None
    """Name and version of the analyzer that an operator chose; None: the one for its type."""
    key: str = field(init=False, compare=False)
    """The scan's key."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.scan.key)  # frozen from here on

    @property
    def payload_bytes(self) -> int:
        """Bytes of the voxels as stored, compressed or not."""
        return self.scan.voxels_bytes if self.packing is None else self.packing.bytes


class Claimed(list[Claim]):
    """Claims, and what was seen when they were made.

    Args:
        claims: the claims.
        more: False if every scan that may be claimed now is, by this owner or another.
        failed: scans that were failed instead: damaged, or without an attempt left.
    """

    def __init__(
        self, claims: Iterable[Claim] = (), *, more: bool = False, failed: int = 0
    ) -> None:
        super().__init__(claims)
        self.more = more
        self.failed = failed


@dataclass(frozen=True, slots=True)
class OutgoingReport:
    """A leased report to send, as stored: its receiver validates the content."""

    key: str
    revision: int
    picture_hash: str | None
    content: RawBSONDocument
    """The stored BSON, which a frame embeds as it is."""
    tries: int

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return len(self.content.raw)


class Leased(list[OutgoingReport]):
    """Leased reports, and whether more were due.

    Args:
        reports: the reports.
        more: False if these are all that were due.
    """

    def __init__(self, reports: Iterable[OutgoingReport] = (), *, more: bool = False) -> None:
        super().__init__(reports)
        self.more = more


def without_id(document: Document) -> Document:
    """The document for ``$setOnInsert``, where the id is in the filter."""
    return {name: value for name, value in document.items() if name != "_id"}


def scan_document(item: NewScan, received_at: datetime) -> Document:
    """The document of a new scan in ``brain_scans``, ``'To Do'``; received now, by the server's
    clock."""
    # The fields that the filters and keys of most indexes have come first: MongoDB looks them up
    # from the beginning of the document, for each index at each update.
    document: Document = {
        "_id": item.scan.key,
        "report_generated": ReportGenerated.TO_DO,
        "attempts": 0,
        "reanalysis": False,
        "schema": SCHEMA_VERSION,
        "fence": 0,
        "turn_at": received_at - HEAD_START[item.scan.priority],
        "received_at": received_at,
        "scan": item.scan.document(),
        "not_before": received_at,  # later after a failed attempt
    }
    if (account := account_in(item.scan.scan_id, item.scan.pacs)) is not None:
        document["account"] = account
    if item.blob is not None:
        document["blob"] = item.blob
        document["unsealed"] = True  # until ``Uploads.seal``; until then a sweep may remove it
        if item.packing is not None:
            document["packing"] = item.packing.model_dump()
    else:
        document["voxels"] = item.voxels
    return document


def report_document(
    report: BrainReport,
    labels: Document | None = None,
    *,
    look_in_study: bool = False,
    compares: bool = False,
) -> Document:
    """The document of a new report in ``brain_reports``, ready to be sent.

    Args:
        report: the report.
        labels: what is stored about its label maps; None: it has none.
        look_in_study: whether its study is to be looked at (``study_pairs``).
        compares: whether the subject's other scans are to be looked at (``successors``).
    """
    document: Document = {  # in the order that ``scan_document`` explains
        "_id": report.key,
        "status": False,
        "pacs": report.pacs,
        "next_try_at": _DUE_IMMEDIATELY,
        "created_at": utc_now(),
        "schema": SCHEMA_VERSION,
        "revision": report.revision,
        "tries": 0,
        "report": report.model_dump(exclude_none=False),
    }
    if labels is not None:
        document["labels"] = labels
    if look_in_study:
        document[LOOK] = True
    if compares:
        document[COMPARES] = True
    return document


def stored_bytes(document: Document) -> int:
    """Size of a document as BSON, bytes.

    Raises:
        StoreError: BSON cannot hold it.
    """
    try:
        return len(bson.encode(document))
    except (BSONError, TypeError, OverflowError, UnicodeError) as error:
        raise StoreError(f"{type(error).__name__}: BSON cannot hold the document") from None


def compare(mine: Document, stored: Document | None) -> Added:
    """Compare a new scan with the stored one of the same id, by its header and the voxels' hash.

    A stored document that is damaged is another one: what it was cannot be known any more.

    Raises:
        StoreError: nothing is stored under this id.
    """
    if stored is None:
        raise StoreError("a scan was stored but cannot be found")
    if UNDECODABLE in stored:
        # Mine all the same if it refers to this upload, whose chunks must not be deleted then.
        mine_too = mine.get("blob") is not None and stored.get("blob") == mine["blob"]
        return Added.STORED if mine_too else Added.CONFLICT
    if stored.get("report_generated") == ERASED:
        return Added.ERASED
    if stored.get("report_generated") == PURGED:
        # A tombstone has only this hash of its scan, which was reported and then purged.
        same = stored.get("voxels_hash") == mine["scan"]["voxels_hash"]
        return Added.PURGED if same else Added.CONFLICT
    # BSON keeps times to the millisecond, in UTC.
    as_stored = bson.decode(bson.encode(mine["scan"]), _AWARE)
    if not _same_scan(as_stored, stored.get("scan")):
        return Added.CONFLICT
    blob = mine.get("blob")
    return Added.STORED if blob is not None and stored.get("blob") == blob else Added.KNOWN


HAS_VOXELS: Document = {"$or": [{"voxels": {"$exists": True}}, {"blob": {"$exists": True}}]}
"""A filter for scans whose voxels were not removed."""


def _same_scan(mine: Document, stored: object) -> bool:
    """Whether a stored header has the content of mine.

    The stored one may be by another release, or damaged. Then the fields themselves decide: it is
    the same scan if it has mine, the hash of the voxels among them.
    """
    if not isinstance(stored, dict):
        return False
    try:
        known = BrainScan.stored(stored)
    except ValidationError:
        return all(stored.get(name) == mine.get(name) for name in (*CONTENT, "affine", "signal"))
    return known.same_content(BrainScan.model_validate(mine))


LOOK = "look_in_study"
"""Field of a report: its study is to be looked at before its scan is ``'Done'``."""

COMPARES = "compares"
"""Field of a report: its analyzer compares the scan with the subject's previous one, so the
subject's other scans are to be looked at before the scan is ``'Done'``."""

IDENTIFIERS = ("subject", "study", "series", "session")
"""Attributes that say whose image a scan is, and of what."""


def other_identifiers(mine: Document, stored: Document) -> Document | None:
    """The identifiers with which a known scan came again, if any of them is new to it.

    Args:
        mine: the document of the scan that came.
        stored: the stored one, with ``scan`` and ``also``.
    """
    first, noted = stored.get("scan"), stored.get("also")
    if not isinstance(first, dict):
        return None
    came = {name: mine["scan"][name] for name in IDENTIFIERS if name in mine["scan"]}
    if all(first.get(name) == value for name, value in came.items()):
        return None
    return None if isinstance(noted, list) and came in noted else came


def all_of(blob: ObjectId) -> Document:
    """A filter on ``_id`` for all chunks of a blob, as a range of the index."""
    return {"$gte": {"blob": blob, "n": 0}, "$lte": {"blob": blob, "n": 2**31 - 1}}


def of_revision(revision: int) -> Document:
    """A filter for this revision; a document without the field has revision 1."""
    return {"revision": {"$in": [1, None]} if revision == 1 else revision}


def revision_of(document: Document) -> int:
    """The revision of a scan or report; 0, which none has, if it is damaged."""
    revision = document.get("revision")
    if revision is None:
        return 1
    return whole(revision) or 0


def expired() -> Document:
    """A filter for claims whose lease has expired, by the server's clock."""
    return {
        "report_generated": ReportGenerated.IN_PROGRESS,
        "$expr": {"$lt": ["$lease_until", "$$NOW"]},
    }


def too_long() -> Document:
    """A filter for claims whose lease ends later than any may: the server's clock was ahead when
    they were made, and without this they would last that much longer."""
    longest = {"$add": ["$$NOW", int((LEASE_MAX_S + SLACK_S) * 1000)]}
    return {
        "report_generated": ReportGenerated.IN_PROGRESS,
        "$expr": {"$gt": ["$lease_until", longest]},
    }


def held_by(owner: str, fence: int, keys: Sequence[str]) -> Document:
    """The one filter of a claim that still holds: state, owner and fence."""
    return {
        "_id": {"$in": list(keys)},
        "owner": owner,
        "fence": fence,
        "report_generated": ReportGenerated.IN_PROGRESS,
    }


def held(claims: Sequence[Claim]) -> Iterator[Document]:
    """``held_by`` for claims, one filter per owner and fence."""
    groups: dict[tuple[str, int], list[str]] = {}
    for claim in claims:
        groups.setdefault((claim.owner, claim.fence), []).append(claim.key)
    for (owner, fence), ids in groups.items():
        yield held_by(owner, fence, ids)
