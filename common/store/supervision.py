"""``DBManager`` for Fr-BRAIN's supervisor, which acts for processors that cannot act any more."""

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.store.claims import failure
from common.store.collections import WakeUp
from common.store.connection import Connection
from common.store.documents import Document
from common.store.error_mapping import translated
from common.store.reconciliation import Reconciliation
from common.store.recording import Recorder


def _held(scan_id: str, owner: str, fence: int) -> Document:
    return {
        "_id": scan_id,
        "owner": owner,
        "fence": fence,
        "report_generated": ReportGenerated.IN_PROGRESS,
    }


class Supervision:
    """Claims of a processor by its owner id, as its supervisor knows them."""

    def __init__(
        self, connection: Connection, reconciliation: Reconciliation, recorder: Recorder
    ) -> None:
        self._db = connection
        self._reconciliation = reconciliation
        self._recorder = recorder

    @translated
    def prolong(self, scan_id: str, owner: str, fence: int, lease_s: float) -> bool:
        """Extend the lease of a claim whose processor is busy in code that lets none of its
        threads run; False: the claim is lost."""
        lease = {"lease_until": {"$add": ["$$NOW", int(lease_s * 1000)]}}
        claim = _held(scan_id, owner, fence)
        return self._db.scans_fast.update_one(claim, [{"$set": lease}]).matched_count == 1

    @translated
    def blame(
        self, scan_id: str, owner: str, fence: int, cause: str, attempts_allowed: int
    ) -> ReportGenerated | None:
        """A processor ended with this scan in hand: back to ``'To Do'`` with the cause, or
        ``'Error'`` when the allowed attempts are used up. Returns where it is now; None: the claim
        was lost, or this was done before."""
        used_up = {"$gte": ["$attempts", attempts_allowed]}
        state = {"$cond": [used_up, ReportGenerated.ERROR, ReportGenerated.TO_DO]}
        self._recorder.note(Kind.ERROR, [scan_id], outcome="no report", cause=cause, owner=owner)
        self._recorder.wait_durable()
        found = self._db.scans.find_one_and_update(
            _held(scan_id, owner, fence),
            [
                {"$set": {"report_generated": state, "error": failure(cause)}},
                {"$unset": "lease_until"},
            ],
            {"attempts": 1},
        )
        if found is None:
            return None
        if found["attempts"] >= attempts_allowed:
            return (
                ReportGenerated.DONE
                if self._reconciliation.reconcile([scan_id])
                else ReportGenerated.ERROR
            )
        self._db.notifications.ring(WakeUp.SCAN)
        return ReportGenerated.TO_DO
