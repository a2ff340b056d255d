"""The filters and updates of a claim, and what a claimed scan's document holds. No I/O."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from common.domain.scan import BrainScan, Packing
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.documents import Claim


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
    """The claim that ``owner`` has just made, from the document as it was before.

    Raises:
        ValidationError: the stored header is damaged.
    """
    return Claim(
        scan=BrainScan.model_validate(document["scan"]),
        owner=owner,
        fence=document["fence"] + 1,
        attempts=document["attempts"] + 1,
        voxels=document.get("voxels"),
        blob=document.get("blob"),
        revision=document.get("revision", 1),
        packing=Packing.model_validate(packed) if (packed := document.get("packing")) else None,
    )


def claimable_together(found: list[Document], max_retried: int) -> list[Document]:
    """The first of these scans and those that may be claimed with it.

    Those are the scans that follow directly with as many attempts: any number of scans never
    claimed, ``max_retried`` scans claimed once, and one scan claimed more often.
    """
    attempts = found[0]["attempts"] if found else 0
    same = list(itertools.takewhile(lambda document: document["attempts"] == attempts, found))
    return same[: {0: len(found), 1: max_retried}.get(attempts, 1)]


def failure(cause: Any) -> Document:
    """``error`` of a scan, as an aggregation expression: the cause, the last owner, the time."""
    return {"cause": cause, "at": "$$NOW", "worker": {"$ifNull": ["$owner", None]}}


def failed_update(state: str, error: Document) -> list[Document]:
    """The update after an attempt without a report. If it was the last one, Fr-PACS gets a notice
    (``common.store.notices``)."""
    fields: Document = {"report_generated": state, "error": error}
    if state == ReportGenerated.ERROR:
        fields["notice"] = {"due_at": "$$NOW", "tries": 0}
    return [{"$set": fields}, {"$unset": "lease_until"}]
