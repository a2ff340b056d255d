"""Schedules a scan for reanalysis because of the report on another one."""

from pymongo.errors import OperationFailure

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.errors import StoreRefused, StoreUnavailable
from common.store.claim_documents import CHOSEN, reanalysis_update
from common.store.collections import Notification
from common.store.connection import Connection
from common.store.documents import HAS_VOXELS, of_revision
from common.store.error_mapping import convert
from common.store.feed_documents import scans_to_look_up
from common.store.recording import Recorder

STATES = tuple(map(str, ReportGenerated))
"""Those of scans that can be sent back."""

_REVISIONS_MAX = 50
"""A scan with as many revisions is left alone. No person's scans come in an order that needs more,
but thousands of scans under one subject's name may."""


class SendingBack:
    """Sends scans back to ``'To Do'``, with the next revision."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder

    def schedule(
        self, key: str, revision: int, analyzer: str, cause: str, because: tuple[str, str]
    ) -> bool:
        """Schedule a scan for reanalysis, durably and recorded; whether that was done. A scan that
        MongoDB cannot change, as its document is damaged, keeps its report.

        Args:
            key: of the scan.
            revision: that it must still have.
            analyzer: name and version of the one that made its report.
            cause: for the audit trail.
            because: a field of the scan, and what it says from now on: for which report the scan
                was sent back.
        """
        if revision >= _REVISIONS_MAX:
            return False
        wanted = {
            "_id": key,
            # Not only the state that was read: its owner may just set it 'Done'.
            "report_generated": {"$in": [*STATES]},
            **of_revision(revision),
            **HAS_VOXELS,
            "purging_since": None,  # retention is removing them
        }
        if self._db.scans_fast.find_one(wanted, {"_id": 1}) is None:
            return False  # not to be recorded, as it will not be done
        self._db.feed.begin()
        self._recorder.note(
            Kind.SCHEDULE_REANALYSIS, [key], outcome="to be analysed again", cause=cause
        )
        self._recorder.wait_durable()
        is_chosen = {"$ne": [{"$type": f"${CHOSEN}"}, "missing"]}
        field, value = because
        change: list[Document] = [
            *reanalysis_update(revision),
            {"$set": {field: {"$literal": value}}},
            # Another choice was for a reanalysis that failed.
            {"$set": {CHOSEN: {"$cond": [is_chosen, {"$literal": analyzer}, "$$REMOVE"]}}},
            {"$unset": ["lease_until", "notice"]},
        ]
        if not self._changed(wanted, change):
            return False
        self._db.notifications.publish(Notification.SCAN)
        self._db.feed.tell(scans_to_look_up([key]))
        return True

    def _changed(self, wanted: Document, change: list[Document]) -> bool:
        try:
            return bool(self._db.scans.update_one(wanted, change).modified_count)
        except OperationFailure as error:
            if isinstance(convert(error), StoreUnavailable | StoreRefused):
                raise
            return False  # damaged, such as too large: it must not stop whoever looks at it
