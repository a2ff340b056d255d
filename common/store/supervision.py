"""Acts for processors that no longer can, for Fr-BRAIN's supervisor."""

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.store.claim_documents import failure
from common.store.collections import Notification
from common.store.connection import Connection
from common.store.documents import held_by
from common.store.error_mapping import translated
from common.store.reconciliation import Reconciliation
from common.store.recording import Recorder


class Supervision:
    """Renews and fails the claims of a processor, by its owner id."""

    def __init__(
        self, connection: Connection, reconciliation: Reconciliation, recorder: Recorder
    ) -> None:
        self._db = connection
        self._reconciliation = reconciliation
        self._recorder = recorder

    @translated
    def renew(self, key: str, owner: str, fence: int, lease_s: float) -> bool:
        """Extend the lease of a claim whose processor is busy in code that blocks all its threads;
        False if the claim is lost."""
        lease = {"lease_until": {"$add": ["$$NOW", int(lease_s * 1000)]}}
        claim = held_by(owner, fence, [key])
        return self._db.scans_fast.update_one(claim, [{"$set": lease}]).matched_count == 1

    @translated
    def fail(
        self, key: str, owner: str, fence: int, cause: str, attempts_allowed: int
    ) -> ReportGenerated | None:
        """End the claim of a processor that died while it worked on this scan.

        The scan is ``'To Do'`` again with the cause, or ``'Error'`` once it has used up its
        attempts. Returns its state; None if the claim was lost or has ended already.
        """
        used_up = {"$gte": ["$attempts", attempts_allowed]}
        state = {"$cond": [used_up, ReportGenerated.ERROR, ReportGenerated.TO_DO]}
        self._recorder.note(Kind.ERROR, [key], outcome="no report", cause=cause, owner=owner)
        self._recorder.wait_durable()
        found = self._db.scans.find_one_and_update(
            held_by(owner, fence, [key]),
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
                if self._reconciliation.reconcile([key])
                else ReportGenerated.ERROR
            )
        self._db.notifications.publish(Notification.SCAN)
        return ReportGenerated.TO_DO
