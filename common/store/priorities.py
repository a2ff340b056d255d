"""Changes the priority of waiting scans: their place in the queue changes with it.

The priority is no part of a scan's content, so the same scan may come again with another one: it
keeps the one that was set here.
"""

from collections.abc import Sequence

from common.domain.audit_events import Kind
from common.domain.scan import Priority
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.collections import Notification
from common.store.connection import BY_ID, Connection
from common.store.documents import HEAD_START
from common.store.error_mapping import translated
from common.store.feed_documents import scans_to_look_up
from common.store.recording import Recorder
from common.store.schema import SCHEMA_VERSION


class Priorities:
    """Changes priorities."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    @translated
    def change(self, keys: Sequence[str], priority: Priority, by: str | None = None) -> set[str]:
        """Give waiting scans this priority, durably; returns the keys of those that had another one
        and have it now.

        A scan that is not waiting any more stays as it is. A reanalysis takes its turn from when it
        was scheduled, any other scan from when it arrived.

        Args:
            keys: of the scans.
            priority: the priority to have.
            by: the user who asked for it, for the audit trail.
        """
        waiting: Document = {
            "_id": {"$in": list(keys)},
            "report_generated": ReportGenerated.TO_DO,
            "schema": SCHEMA_VERSION,
            "scan": {"$type": "object"},
        }
        other = {**waiting, "scan.priority": {"$ne": str(priority)}}
        mine = [d["_id"] for d in self._db.scans.find(other, {"_id": 1}, hint=BY_ID)]
        if not mine:
            return set()
        self._db.feed.begin()
        self._recorder.note(Kind.PRIORITY, mine, outcome=str(priority), by=by)
        self._recorder.wait_durable()
        these = {"_id": {"$in": mine}}
        self._db.scans.update_many({**other, **these}, _update(priority), hint=BY_ID)
        self._db.notifications.publish(Notification.SCAN)
        self._db.feed.tell(scans_to_look_up(mine))
        # One that was claimed after the update has the priority, too.
        changed = {**these, "scan.priority": str(priority)}
        return {d["_id"] for d in self._db.scans.find(changed, {"_id": 1}, hint=BY_ID)}


def _update(priority: Priority) -> list[Document]:
    begins = {"$cond": [{"$eq": ["$reanalysis", True]}, "$put_back_at", "$received_at"]}
    head_start_ms = int(HEAD_START[priority].total_seconds() * 1000)
    turn = {"$subtract": [begins, head_start_ms]}
    is_time = {"$eq": [{"$type": begins}, "date"]}
    return [
        {
            "$set": {
                "scan.priority": str(priority),
                "turn_at": {"$cond": [is_time, turn, "$turn_at"]},
            }
        }
    ]
