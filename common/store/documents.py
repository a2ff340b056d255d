"""What is in the store's documents, and the filters that hold a transition to its state, owner and
fence."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions

from common.domain.report import BrainReport
from common.domain.scan import BrainScan, Packing
from common.domain.states import PURGED, ReportGenerated
from common.domain.types import utc_now
from common.errors import StoreError

Document = dict[str, Any]

_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)

_DUE_AT_ONCE = datetime.fromtimestamp(0, tz=UTC)
"""Whatever the clocks of a host and of the server say."""


class Added(Enum):
    """What became of a scan given to ``add_scans``."""

    STORED = auto()  # durable now, or it was by an earlier try of the same write
    KNOWN = auto()  # was there before with the same content: durable, and this one adds nothing
    CONFLICT = auto()  # the id is taken by other content: not stored


@dataclass(frozen=True, slots=True)
class NewScan:
    """A scan to store: small voxels beside it, or the blob that holds them."""

    scan: BrainScan
    voxels: bytes | None = None
    blob: ObjectId | None = None
    packing: Packing | None = None
    """How the blob's chunks are compressed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A scan that ``owner`` may work on until the lease ends."""

    scan: BrainScan
    owner: str
    fence: int
    attempts: int
    voxels: bytes | None
    blob: ObjectId | None
    packing: Packing | None = None
    revision: int = 1
    """Of the report that this claim is to give."""

    @property
    def payload_bytes(self) -> int:
        """Bytes that are stored of the voxels."""
        return self.scan.voxels_bytes if self.packing is None else self.packing.bytes


class Claimed(list[Claim]):
    """Claims, and whether more was waiting when they were made.

    Args:
        claims: those.
        more: False where all that waited was seen, and is claimed, by this owner or another.
    """

    def __init__(self, claims: Iterable[Claim] = (), *, more: bool = False) -> None:
        super().__init__(claims)
        self.more = more


@dataclass(frozen=True, slots=True)
class OutgoingReport:
    """A report to send, leased; as it is stored, for whoever gets it to check."""

    scan_id: str
    revision: int
    picture_hash: str | None
    content: Document
    tries: int


def without_id(document: Document) -> Document:
    """For ``$setOnInsert``: the id is in the filter."""
    return {name: value for name, value in document.items() if name != "_id"}


def scan_document(item: NewScan) -> Document:
    """A scan as ``brain_scans`` has it, ``'To Do'``."""
    document: Document = {
        "_id": item.scan.scan_id,
        "scan": item.scan.model_dump(exclude_none=True),
        "report_generated": ReportGenerated.TO_DO,
        "received_at": utc_now(),
        "fence": 0,
        "attempts": 0,
    }
    if item.blob is not None:
        document["blob"] = item.blob
        document["unsealed"] = True  # until ``end_upload``; before that it can be taken back
        if item.packing is not None:
            document["packing"] = item.packing.model_dump()
    else:
        document["voxels"] = item.voxels
    return document


def report_document(report: BrainReport) -> Document:
    """A report as ``brain_reports`` has it, to be sent."""
    return {
        "_id": report.scan_id,
        "pacs": report.pacs,
        "revision": report.revision,
        "status": False,
        "created_at": utc_now(),
        "next_try_at": _DUE_AT_ONCE,
        "tries": 0,
        "report": report.model_dump(exclude_none=False),
    }


def compare(mine: Document, stored: Document | None) -> Added:
    """What became of a scan whose id was there before: its header has the voxels' hash."""
    if stored is None:
        raise StoreError("a scan was stored and is not there")
    if stored.get("report_generated") == PURGED:
        # All that a tombstone has of its scan: what went was this, and was reported.
        same = stored.get("voxels_hash") == mine["scan"]["voxels_hash"]
        return Added.KNOWN if same else Added.CONFLICT
    # As BSON has it: to the millisecond, UTC.
    as_stored = bson.decode(bson.encode(mine["scan"]), _AWARE)
    if BrainScan.model_validate(stored["scan"]) != BrainScan.model_validate(as_stored):
        return Added.CONFLICT
    return Added.STORED if stored.get("blob") == mine.get("blob") else Added.KNOWN


def all_of(blob: ObjectId) -> Document:
    """The ``_id`` of each chunk of a blob, as a range of the one index."""
    return {"$gte": {"blob": blob, "n": 0}, "$lte": {"blob": blob, "n": 2**31 - 1}}


def of_revision(revision: int) -> Document:
    """A filter for what has this revision; what was never put back says none."""
    return {"revision": {"$in": [1, None]} if revision == 1 else revision}


def expired() -> Document:
    """Claims whose lease is past, by the server's clock."""
    return {
        "report_generated": ReportGenerated.IN_PROGRESS,
        "$expr": {"$lt": ["$lease_until", "$$NOW"]},
    }


def held(claims: Sequence[Claim]) -> Iterator[Document]:
    """A filter for each owner and fence: these claims as far as they still hold."""
    groups: dict[tuple[str, int], list[str]] = {}
    for claim in claims:
        groups.setdefault((claim.owner, claim.fence), []).append(claim.scan.scan_id)
    for (owner, fence), ids in groups.items():
        yield {
            "_id": {"$in": ids},
            "owner": owner,
            "fence": fence,
            "report_generated": ReportGenerated.IN_PROGRESS,
        }
