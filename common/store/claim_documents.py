"""The filters and updates of a claim, and what a claimed scan's document holds. No I/O."""

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bson import ObjectId
from pydantic import ValidationError

from common.domain.scan import BrainScan, Packing, Priority
from common.domain.states import ReportGenerated
from common.domain.tenant import UPLOADS, UPLOADS_OF_TENANTS
from common.domain.types import Document
from common.errors import StoreError
from common.store.damage import UNDECODABLE, number, whole
from common.store.documents import HEAD_START, Claim

DAMAGED = "the stored document is damaged"
CANNOT_BE_DECODED = f"{DAMAGED}: it cannot be decoded"

CHOSEN = "analyzer_chosen"
"""Field of a scan: name and version of the analyzer that an operator chose for its reanalysis. Only
processors that have it claim the scan."""

_HEAD_START_MS = int(HEAD_START[Priority.BACKGROUND].total_seconds() * 1000)

RETRY_PAUSES = (1, 5, 15, 45, 120)
"""The pauses after the first, second, … failed attempt, as multiples of the first one."""


class ScanDamaged(StoreError):
    """A stored scan cannot be claimed as it is; the message is the cause, without its values."""


def claim_update(owner: str, lease_s: float) -> list[Document]:
    """The update that claims a scan: one more attempt, and a fence above all earlier ones."""
    claimed = {
        "report_generated": ReportGenerated.IN_PROGRESS,
        "owner": owner,
        "fence": {"$add": ["$fence", 1]},
        "attempts": {"$add": ["$attempts", 1]},
        "claimed_at": "$$NOW",
        "lease_until": {"$add": ["$$NOW", int(lease_s * 1000)]},
    }
    return [{"$set": claimed}]


def for_analyzers(analyzers: Collection[str] | None) -> Document:
    """A filter for scans that processors with these analyzers may claim; None: with all."""
    return {} if analyzers is None else {CHOSEN: {"$in": [None, *sorted(analyzers)]}}


def claim_filters(
    found: Sequence[Document], condition: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """A filter for each fence among these scans.

    The fence must still be the one found: a scan that another owner claimed and released in the
    meantime has a later fence, and a claim with an earlier one would only delay it.
    """
    return [
        {
            "_id": {"$in": [d["_id"] for d in found if d["fence"] == fence]},
            "fence": fence,
            **condition,
        }
        for fence in {document["fence"] for document in found}
    ]


def claim_from(document: Document, owner: str) -> Claim:
    """The claim that ``owner`` makes, from the document as it was before.

    Raises:
        ScanDamaged: the document cannot be decoded, or a field is missing or has a wrong value.
    """
    if UNDECODABLE in document:
        raise ScanDamaged(CANNOT_BE_DECODED)
    try:
        scan = BrainScan.stored(document["scan"])
        packed = document.get("packing")
        packing = Packing.model_validate(packed) if packed else None
    except KeyError:
        raise ScanDamaged(f"{DAMAGED}: it has no header") from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_input=False)[0]["loc"])) or "as a whole"
        raise ScanDamaged(f"{DAMAGED}: its header is not valid ({where[:64]})") from None
    wrong = [name for name, kinds in _KINDS.items() if not _is(document.get(name), kinds)]
    if wrong:
        raise ScanDamaged(f"{DAMAGED}: not valid: {', '.join(wrong)}")
    claim = Claim(
        scan=scan,
        owner=owner,
        fence=document["fence"] + 1,
        attempts=document["attempts"] + 1,
        voxels=document.get("voxels"),
        blob=document.get("blob"),
        revision=document.get("revision") or 1,
        packing=packing,
        analyzer=document.get(CHOSEN),
    )
    if claim.key != document["_id"]:
        raise ScanDamaged(f"{DAMAGED}: not valid: _id")
    return claim


_KINDS: dict[str, tuple[type, ...]] = {
    "fence": (int,),
    "attempts": (int,),
    "revision": (int, type(None)),
    "voxels": (bytes, type(None)),
    "blob": (ObjectId, type(None)),
    CHOSEN: (str, type(None)),
}


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and (not isinstance(value, int) or whole(value) is not None)


def claimable_together(found: list[Document], max_retried: int) -> list[Document]:
    """The first of these scans and those that may be claimed with it.

    Those are the scans that follow directly with as many attempts: any number of scans never
    claimed, ``max_retried`` scans claimed once, and one scan claimed more often. Scans whose number
    of attempts is damaged come too: they are failed instead.
    """
    counted = [document for document in found if whole(document.get("attempts")) is not None]
    damaged = [document for document in found if whole(document.get("attempts")) is None]
    attempts: int = counted[0]["attempts"] if counted else 0
    same = list(itertools.takewhile(lambda document: document["attempts"] == attempts, counted))
    return damaged + same[: {0: len(same), 1: max_retried}.get(attempts, 1)]


def host_of(owner: str) -> str:
    """The host of an owner: its id is the host's name and three more parts."""
    return owner.rsplit("-", 3)[0]


def may_try_last(owner: str, attempts_allowed: int, others_s: float) -> Document:
    """A filter for retried scans, without those whose next attempt is their last one and that
    failed on this owner's host: for ``others_s`` seconds they are left to other hosts."""
    here = f"^{re.escape(host_of(owner))}(-[^-]*){{3}}$"
    long_due = {"$lte": ["$not_before", {"$subtract": ["$$NOW", int(others_s * 1000)]}]}
    return {
        "$or": [
            {"attempts": {"$ne": attempts_allowed - 1}},
            {"owner": {"$not": {"$regex": here}}},
            {"$expr": long_due},
        ]
    }


def release_update() -> list[Document]:
    """The update that returns a scan to ``'To Do'`` without using an attempt. If their number is
    damaged, it stays: the scan will fail with that as its cause."""
    fewer = {"$subtract": [number("attempts"), 1]}
    attempts = {"$cond": [{"$isNumber": "$attempts"}, fewer, "$attempts"]}
    change: Document = {"report_generated": ReportGenerated.TO_DO, "attempts": attempts}
    return [{"$set": change}, {"$unset": "lease_until"}]


def reanalysis_update(revision: int) -> list[Document]:
    """The update that schedules a scan for reanalysis: ``'To Do'``, with the revision that follows
    this one. Attempts start at 0, and its turn is that of a background scan that arrives now."""
    return [
        {
            "$set": {
                "report_generated": ReportGenerated.TO_DO,
                "revision": revision + 1,
                "attempts": 0,
                "reanalysis": True,
                "turn_at": {"$subtract": ["$$NOW", _HEAD_START_MS]},
                "put_back_at": "$$NOW",
            }
        },
        {"$unset": ["lease_until", "done_at", "error", "reanalysis_error"]},
    ]


def failure(cause: Any) -> Document:
    """``error`` of a scan, as an aggregation expression: the cause, the last owner, the time."""
    return {"cause": cause, "at": "$$NOW", "worker": {"$ifNull": ["$owner", None]}}


def retry_update(error: Document | None, pause_s: float) -> list[Document]:
    """The update that returns a scan to ``'To Do'`` for another attempt, after a pause with jitter.

    Args:
        error: why this attempt gave no report; None: keep what is stored.
        pause_s: the pause after the first attempt, seconds; later ones are longer.
    """
    pauses_ms = [int(pause_s * 1000 * factor) for factor in RETRY_PAUSES]
    # Of damaged numbers too, as this may be one of many scans.
    attempts = {"$convert": {"input": "$attempts", "to": "int", "onError": 1, "onNull": 1}}
    last = {"$max": [0, {"$min": [{"$subtract": [attempts, 1]}, len(pauses_ms) - 1]}]}
    jitter = {"$add": [0.5, {"$multiply": [0.5, {"$rand": {}}]}]}
    pause = {"$multiply": [{"$arrayElemAt": [pauses_ms, last]}, jitter]}
    change: Document = {
        "report_generated": ReportGenerated.TO_DO,
        "not_before": {"$add": ["$$NOW", pause]},
    }
    if error is not None:
        change["error"] = error
    return [{"$set": change}, {"$unset": "lease_until"}]


def failed_for_good(error: Document) -> list[Document]:
    """The update of a scan that gets no other attempt: ``'Error'``, or after a failed reanalysis
    ``'Done'`` with the report that it had. Fr-PACS gets a notice of an ``'Error'``
    (``common.store.notices``); an uploaded scan has no Fr-PACS, and its state is read in the API.
    """
    back = {"$gt": [{"$cond": [{"$isNumber": "$revision"}, "$revision", 1]}, 1]}

    def either(reanalysis: Any, first: Any) -> Document:
        return {"$cond": [back, reanalysis, first]}

    def kept(name: str) -> Document:
        return {"$ifNull": [f"${name}", "$$REMOVE"]}

    return [
        {
            "$set": {
                "report_generated": either(ReportGenerated.DONE, ReportGenerated.ERROR),
                "error": either("$$REMOVE", error),
                "notice": either(kept("notice"), _unless_uploaded({"due_at": "$$NOW", "tries": 0})),
                "reanalysis_error": either(error, kept("reanalysis_error")),
                "revision": either({"$subtract": ["$revision", 1]}, kept("revision")),
                "done_at": either("$$NOW", kept("done_at")),
            }
        },
        {"$unset": "lease_until"},
    ]


def _unless_uploaded(notice: Document) -> Document:
    """Comparisons, which any value of a damaged field passes or fails, but none breaks."""
    low, high = UPLOADS_OF_TENANTS
    uploaded = {
        "$or": [
            {"$eq": ["$scan.pacs", UPLOADS]},
            {"$and": [{"$gte": ["$scan.pacs", low]}, {"$lt": ["$scan.pacs", high]}]},
        ]
    }
    return {"$cond": [uploaded, "$$REMOVE", notice]}
