"""The outbox: reports to send, for Fr-HUB's client."""

from collections.abc import Sequence

from bson import ObjectId

from common.domain.audit_events import Kind
from common.domain.scan_key import scan_key
from common.domain.states import ERASED, PURGED
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.documents import OutgoingReport, of_revision
from common.store.error_mapping import translated
from common.store.reconciliation import UNCLAIMED, Reconciliation
from common.store.recording import Recorder

UNREADABLE_DELAY_S = 3600.0
"""Seconds until a report is tried again whose stored document lacks the fields that an
acknowledgement names; by then an operator may have repaired it. Fr-PACS rejects other damage."""


class Outbox:
    """Reports whose ``status`` is False: leased, sent, acknowledged, marked as sent."""

    def __init__(
        self, connection: Connection, reconciliation: Reconciliation, recorder: Recorder
    ) -> None:
        self._db = connection
        self._reconciliation = reconciliation
        self._recorder = recorder

    @translated
    def lease(self, pacs: str, limit: int, lease_s: float) -> list[OutgoingReport]:
        """Lease reports that are due for this Fr-PACS, oldest first, for ``lease_s`` seconds.

        A report not marked as sent by then is due again. Several hubs lease different reports.
        """
        due: Document = {
            "pacs": pacs,
            "status": False,
            "$expr": {"$lte": ["$next_try_at", "$$NOW"]},
        }
        # Majority-committed reports only: one that could be rolled back must not be sent.
        order = [("next_try_at", 1), ("created_at", 1)]
        found = list(self._db.reports.find(due, sort=order, limit=limit))
        if not found:
            return []
        token = str(ObjectId())
        ids = [document["_id"] for document in found]
        lease = {
            "next_try_at": {"$add": ["$$NOW", int(lease_s * 1000)]},
            "leased_by": token,
            "tries": {"$add": ["$tries", 1]},
        }
        these: Document = {"_id": {"$in": ids}, **due}
        taken = self._db.reports_fast.update_many(these, [{"$set": lease}], hint=BY_ID)
        if taken.modified_count < len(ids):
            mine = self._db.reports_fast.find({"_id": {"$in": ids}, "leased_by": token}, {"_id": 1})
            wanted = {document["_id"] for document in mine}
            found = [document for document in found if document["_id"] in wanted]
        gone = self._reconcile([document["_id"] for document in found])
        found = [document for document in found if document["_id"] not in gone]
        outgoing = []
        for document in found:
            try:
                outgoing.append(_outgoing(document))
            except (KeyError, TypeError, AttributeError, ValueError):
                # One damaged document must not block the reports behind it.
                self.postpone([document["_id"]], UNREADABLE_DELAY_S)
        return outgoing

    def _reconcile(self, keys: Sequence[str]) -> set[str]:
        """Before reports are sent, make their scans agree with them: see ``reconciliation``.
        Deletes reports of fully purged scans; returns their ids.

        Such a report is a scan's second one, written by a processor that was suspended all along.
        """
        states = {"$in": [*UNCLAIMED, PURGED, ERASED]}
        wanted: Document = {"_id": {"$in": list(keys)}, "report_generated": states}
        fields = {"report_generated": 1, "revision": 1}
        found = list(self._db.scans_fast.find(wanted, fields))
        gone = {d["_id"] for d in found if d["report_generated"] in (PURGED, ERASED)}
        self._reconciliation.finish_reported(
            {d["_id"]: d.get("revision", 1) for d in found if d["_id"] not in gone}
        )
        if gone:
            self._db.reports.delete_many({"_id": {"$in": list(gone)}, "status": False})
        return gone

    @translated
    def mark_sent(self, keys: Sequence[str], revision: int = 1, peer: str | None = None) -> None:
        """Mark this revision of these reports as sent; recorded in the audit trail first.

        A later revision that replaced it in the meantime is still to be sent. Repeatable.
        """
        self._recorder.note(Kind.SEND, keys, peer=peer, outcome="delivered")
        self._recorder.wait_durable()
        sent: Document = {"_id": {"$in": list(keys)}, "status": False, **of_revision(revision)}
        self._db.reports.update_many(
            sent,
            [{"$set": {"status": True, "sent_at": "$$NOW"}}, {"$unset": "leased_by"}],
            hint=BY_ID,
        )

    @translated
    def postpone(self, keys: Sequence[str], delay_s: float) -> None:
        """Make reports that were not acknowledged due again after ``delay_s`` seconds."""
        self._db.reports_fast.update_many(
            {"_id": {"$in": list(keys)}, "status": False},
            [{"$set": {"next_try_at": {"$add": ["$$NOW", int(delay_s * 1000)]}}}],
        )


def _outgoing(document: Document) -> OutgoingReport:
    content = document["report"]
    key, picture_hash = document["_id"], content.get("picture_hash")
    if key != scan_key(content["scan_id"], content["pacs"]) or not isinstance(
        picture_hash, str | None
    ):
        raise ValueError("not this scan's report")
    revision = int(content.get("revision", 1))
    return OutgoingReport(key, revision, picture_hash, content, document["tries"] + 1)
