"""Notices to Fr-PACS that a scan failed for good, for Fr-HUB's client.

A scan that becomes ``'Error'`` gets ``notice: {due_at, tries}`` in the same update. It is leased,
sent and acknowledged like a report, then removed; so does a requeue or a late report remove it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bson import ObjectId

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import as_stored, find, integer, readable_id, this
from common.store.due_times import due, too_far_ahead
from common.store.error_mapping import translated
from common.store.recording import Recorder

CAUSE_LONGEST = 300


@dataclass(frozen=True, slots=True)
class FailureNotice:
    """A leased notice to send."""

    key: str
    cause: str
    tries: int


class Notices:
    """Notices of failed scans: leased, sent, acknowledged, removed."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    @translated
    def lease(self, pacs: str, limit: int, lease_s: float) -> list[FailureNotice]:
        """Lease notices that are due for this Fr-PACS, for ``lease_s`` seconds.

        A notice that is not acknowledged by then is due again.
        """
        waiting: Document = {
            "scan.pacs": pacs,
            "notice.due_at": {"$exists": True},
            "report_generated": ReportGenerated.ERROR,
        }
        for condition in (due("notice.due_at"), too_far_ahead("notice.due_at")):
            if leased := self._lease({**waiting, **condition}, limit, lease_s):
                return leased
        return []

    def _lease(self, wanted: Document, limit: int, lease_s: float) -> list[FailureNotice]:
        # Majority-committed only: a failure that could be rolled back must not be told.
        order = [("notice.due_at", 1)]
        ids: list[str] = []
        for scan in list(
            as_stored(self._db.scans).find(wanted, {"_id": 1}, sort=order, limit=limit)
        ):
            if (key := readable_id(scan)) is not None:
                ids.append(key)
            else:  # no Fr-PACS knows a scan of that name
                self._db.scans_fast.update_one(this(scan), {"$unset": {"notice": True}}, hint=BY_ID)
        if not ids:
            return []
        token = str(ObjectId())
        lease = {
            "notice.due_at": {"$add": ["$$NOW", int(lease_s * 1000)]},
            "notice.tries": {"$add": [integer("notice.tries"), 1]},
            "notice.leased_by": token,
        }
        these: Document = {**wanted, "_id": {"$in": ids}}
        self._db.scans_fast.update_many(these, [{"$set": lease}], hint=BY_ID)
        mine = {"_id": {"$in": ids}, "notice.leased_by": token}
        fields = {"tries": integer("notice.tries"), "error.cause": 1}
        return [_notice(one) for one in find(self._db.scans_fast, mine, fields, hint=BY_ID)]

    @translated
    def mark_sent(self, keys: Sequence[str], peer: str | None = None) -> None:
        """Remove notices that Fr-PACS acknowledged. Repeatable.

        A new notice of the same scan, which was requeued and has failed again, stays.
        """
        self._recorder.note(Kind.NOTIFY, keys, peer=peer, outcome="failure reported")
        self._db.scans_fast.update_many(
            {"_id": {"$in": list(keys)}, "notice.leased_by": {"$exists": True}},
            {"$unset": {"notice": True}},
            hint=BY_ID,
        )

    @translated
    def postpone(self, keys: Sequence[str], delay_s: float) -> None:
        """Make notices that were not acknowledged due again after ``delay_s`` seconds."""
        self._db.scans_fast.update_many(
            {"_id": {"$in": list(keys)}, "notice.due_at": {"$exists": True}},
            [{"$set": {"notice.due_at": {"$add": ["$$NOW", int(delay_s * 1000)]}}}],
            hint=BY_ID,
        )


def _notice(document: Document) -> FailureNotice:
    error = document.get("error")
    cause = error.get("cause") if isinstance(error, dict) else None
    told = cause if isinstance(cause, str) else "unknown"
    return FailureNotice(document["_id"], told[:CAUSE_LONGEST], document["tries"])
