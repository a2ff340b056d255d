"""Reports that a Fr-PACS asks for again: those of scans that it sent again and that are known."""

from collections.abc import Sequence

from common.domain.audit_events import ASKED_FOR, Kind
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.collections import Notification
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.feed_documents import reports_changed
from common.store.recording import Recorder

_GONE: Document = {
    # Marked as sent, or given up.
    "$or": [{"status": True}, {"undeliverable.at": {"$exists": True}}]
}


class ReportRequests:
    """Returns reports to the outbox, and notices of failed scans. Repeatable."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    @translated
    def request(self, keys: Sequence[str], pacs: str) -> int:
        """Make the reports of these scans due again, and the notices of those that failed for good;
        returns how many. Recorded in the audit trail first.

        What waits to be sent anyway, or to be analysed, is left as it is.

        Args:
            keys: of scans of this Fr-PACS.
            pacs: its name.
        """
        gone: Document = {"_id": {"$in": list(keys)}, "pacs": pacs, **_GONE}
        reports = [d["_id"] for d in find(self._db.reports, gone, {"_id": 1}, hint=BY_ID)]
        untold: Document = {
            "_id": {"$in": [key for key in keys if key not in reports]},
            "report_generated": ReportGenerated.ERROR,
            "notice": None,
        }
        failed = [d["_id"] for d in find(self._db.scans, untold, {"_id": 1}, hint=BY_ID)]
        if not reports and not failed:
            return 0
        self._recorder.note(Kind.REDELIVER, [*reports, *failed], peer=pacs, outcome=ASKED_FOR)
        self._recorder.wait_durable()
        if reports:
            again: list[Document] = [
                {"$set": {"status": False, "next_try_at": "$$NOW", "tries": 0}},
                {"$unset": ["undeliverable", "leased_by"]},
            ]
            self._db.reports.update_many({**gone, "_id": {"$in": reports}}, again, hint=BY_ID)
        if failed:
            notice: list[Document] = [{"$set": {"notice": {"due_at": "$$NOW", "tries": 0}}}]
            self._db.scans.update_many({**untold, "_id": {"$in": failed}}, notice, hint=BY_ID)
        self._db.feed.tell(reports_changed(reports, "ready"))
        self._db.notifications.publish(Notification.REPORT)
        return len(reports) + len(failed)
